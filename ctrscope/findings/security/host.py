"""What of the host makes every container on it weaker.

*Source:* proc_sys_kernel(5), CIS Docker Benchmark v1.6 sections 2 and 3; releases: ``releases.py``, ``kernels.py``.
"""

from collections.abc import Callable, Iterator

from ctrscope.findings.security.kernels import open_kernel_holes
from ctrscope.findings.security.releases import open_holes
from ctrscope.findings.security.rule import Defect, HostRule, cis, nist
from ctrscope.model.audited import AuditedHost
from ctrscope.model.container import Evidence
from ctrscope.model.finding import Severity

#: Setting → (is it lax, title, severity).
_SETTINGS: tuple[tuple[str, Callable[[str], bool], str, Severity, str], ...] = (
    (
        "kernel.unprivileged_bpf_disabled",
        lambda value: value == "0",
        "every user may load BPF programs into the kernel",
        Severity.MEDIUM,
        "1",
    ),
    (
        "kernel.kptr_restrict",
        lambda value: value == "0",
        "addresses of the kernel are shown to those with CAP_SYSLOG",
        Severity.LOW,
        "1",
    ),
    (
        "kernel.dmesg_restrict",
        lambda value: value == "0",
        "every user, in containers too, reads the host's kernel log",
        Severity.LOW,
        "1",
    ),
    ("kernel.yama.ptrace_scope", lambda value: value == "0", "a process may trace every other of its user", Severity.LOW, "1"),
    (
        "kernel.perf_event_paranoid",
        lambda value: value.lstrip("-").isdecimal() and int(value) < 2,
        "every user may watch the kernel with perf",
        Severity.LOW,
        "2",
    ),
    ("kernel.randomize_va_space", lambda value: value != "2", "addresses of programs are not random", Severity.MEDIUM, "2"),
    ("fs.protected_symlinks", lambda value: value == "0", "symlinks in /tmp are followed for everybody", Severity.LOW, "1"),
    ("fs.protected_hardlinks", lambda value: value == "0", "hard links to files of others can be made", Severity.LOW, "1"),
)


def docker_api(host: AuditedHost) -> Iterator[Defect]:
    """Whoever reaches the port is root."""
    for one in host.docker_hosts or ():
        if one.startswith("tcp://"):
            if host.docker_verifies:
                yield Defect(f"Docker's API listens on {one}, with certificates", (_daemon(one),), Severity.LOW)
            else:
                yield Defect(
                    f"Docker's API listens on {one} and asks for no certificate: whoever reaches it is root here",
                    (_daemon(one),),
                )


def userns_remap(host: AuditedHost) -> Iterator[Defect]:
    """Root inside is root of the host unless each container says otherwise."""
    if host.docker_remaps is False:
        yield Defect("Docker maps no users: root in its containers is root of the host", (_daemon("no userns-remap"),))


def swarm(host: AuditedHost) -> Iterator[Defect]:
    """Managers listen, and start containers here."""
    if host.docker_swarm:
        shown = Evidence(source="swarm/docker-state.json of Docker's data root", value="there")
        yield Defect("Docker is part of a swarm: its managers start containers here, and it listens on 2377 and 7946", (shown,))


def socket_mode(host: AuditedHost) -> Iterator[Defect]:
    """A socket that everybody may write to."""
    for one in host.open_sockets or ():
        path, _, mode = one.partition(" ")
        yield Defect(
            f"{path} may be written to by everybody: every user of the host is root", (Evidence(source=path, value=mode),)
        )


def directory_mode(host: AuditedHost) -> Iterator[Defect]:
    """State that everybody may change."""
    for one in host.lax_directories or ():
        path, _, mode = one.partition(" ")
        yield Defect(
            f"{path} may be written to by everybody: what is in it cannot be trusted", (Evidence(source=path, value=mode),)
        )


def no_lsm(host: AuditedHost) -> Iterator[Defect]:
    """No second line of defence."""
    if host.lsm is not None and not {"apparmor", "selinux"} & set(host.lsm):
        shown = ", ".join(host.lsm) or "none"
        yield Defect(
            "neither AppArmor nor SELinux is active: no container has a profile",
            (Evidence(source="/sys/kernel/security/lsm", value=shown),),
        )


def versions(host: AuditedHost) -> Iterator[Defect]:
    """Packages that are in the range of an advisory, unless the distribution says that it mended that one."""
    for name, version in (host.packages or {}).items():
        mended = host.mended.get(name)
        for one, fixed in open_holes(name, version):
            if mended is not None and one.cve in mended:
                continue
            found = [Evidence(source=host.packages_source, value=f"{name} {version}")]
            if mended is None:
                doubt = "; your distribution may have put it in: its changelog is not there"
            else:
                doubt = ", and its changelog does not name it"
                found.append(Evidence(source=f"/usr/share/doc/{name}/changelog.Debian.gz", value=f"no {one.cve}"))
            yield Defect(f"{name} {version} is older than {fixed}, which mended {one.cve} ({one.words}){doubt}", tuple(found))


def kernel(host: AuditedHost) -> Iterator[Defect]:
    """Holes that the kernel has by its number, unless its changelog says that it has them no more."""
    release = host.kernel or ""
    mended = host.kernel_mended
    found = [one for one in open_kernel_holes(host.kernel_stable or release) if one[0].cve not in (mended or ())]
    if host.kernel_stable is None and found:
        names = ", ".join(one.cve for one, _ in found)
        title = f"kernel {release} has by its number {len(found)} known holes ({names}); its vendor mends them "
        title += "without a newer number: its advisories say which"
        yield Defect(title, (Evidence(source="/proc/sys/kernel/osrelease", value=release),), Severity.INFO)
        return
    doubt = "; your distribution may have put it in" if mended is None else ", and its changelog does not name it"
    for one, fixed in found:
        yield Defect(
            f"kernel {host.kernel_stable} is older than {fixed}, which mended {one.cve} ({one.words}){doubt}",
            (
                Evidence(source="/proc/sys/kernel/osrelease", value=release),
                Evidence(source=host.kernel_source, value=f"stable release {host.kernel_stable}"),
            ),
        )


def settings(name: str, is_lax: Callable[[str], bool], words: str) -> Callable[[AuditedHost], Iterator[Defect]]:
    """A rule about one setting of the kernel."""

    def judge(host: AuditedHost) -> Iterator[Defect]:
        value = host.sysctls.get(name)
        if value is not None and is_lax(value):
            yield Defect(f"{name} is {value}: {words}", (Evidence(source=f"/proc/sys/{name.replace('.', '/')}", value=value),))

    return judge


def _daemon(value: str) -> Evidence:
    return Evidence(source="/etc/docker/daemon.json and arguments of dockerd", value=value)


HOST_RULES = (
    HostRule(
        "security/docker-api-tcp",
        Severity.CRITICAL,
        "The engine's API is root's.",
        ("docker_hosts",),
        docker_api,
        "let it listen on its socket only; ssh leads there too (DOCKER_HOST=ssh://)",
        ("CIS Docker Benchmark v1.6 2.7", nist("4.3.2")),
    ),
    HostRule(
        "security/userns-remap-off",
        Severity.LOW,
        "No user namespace is between containers and the host.",
        ("docker_remaps",),
        userns_remap,
        "userns-remap in daemon.json, or a rootless engine",
        ("CIS Docker Benchmark v1.6 2.9", "user_namespaces(7)"),
    ),
    HostRule(
        "security/swarm-mode",
        Severity.INFO,
        "More listens, and others decide what runs here.",
        ("docker_swarm",),
        swarm,
        "docker swarm leave, where it is not needed",
        (cis("1"), nist("4.3.2")),
    ),
    HostRule(
        "security/socket-mode",
        Severity.CRITICAL,
        "Who writes to the socket is root.",
        ("open_sockets",),
        socket_mode,
        "chmod 660, and a group of those who are root anyway",
        ("CIS Docker Benchmark v1.6 3.16, 3.24", nist("4.5.4")),
    ),
    HostRule(
        "security/state-mode",
        Severity.HIGH,
        "What engines keep is believed.",
        ("lax_directories",),
        directory_mode,
        "chmod o-w",
        ("CIS Docker Benchmark v1.6 3.6", nist("4.5.5")),
    ),
    HostRule(
        "security/no-lsm",
        Severity.LOW,
        "A profile would hold where everything else fails.",
        ("lsm",),
        no_lsm,
        "boot with lsm=…,apparmor or with SELinux",
        ("CIS Docker Benchmark v1.6 5.2", nist("4.4.3")),
    ),
    HostRule(
        "security/old-version",
        Severity.MEDIUM,
        "Escapes from containers that are known.",
        ("packages",),
        versions,
        "update, and restart the containers",
        (nist("4.4.1"),),
    ),
    HostRule(
        "security/old-kernel",
        Severity.LOW,
        "Containers share the kernel: a hole in it leads out of all of them.",
        ("kernel",),
        kernel,
        "update the kernel, and restart the host",
        (nist("4.5.2"), nist("4.5.3")),
    ),
    *(
        HostRule(
            f"security/{name.replace('.', '-').replace('_', '-')}",
            severity,
            f"The setting is lax: {words}.",
            ("sysctls",),
            settings(name, is_lax, words),
            f"sysctl -w {name}={value}, and in /etc/sysctl.d",
            ("proc_sys_kernel(5)",),
        )
        for name, is_lax, words, severity, value in _SETTINGS
    ),
)
