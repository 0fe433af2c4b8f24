"""What of the host makes every container on it weaker.

*Source:* proc_sys_kernel(5), CIS Docker Benchmark sections 2 and 3, the advisories of runc, containerd, Docker and Podman.
*Versions:* the table of releases is of 2026-01-15.
"""

import re
from collections.abc import Callable, Iterator

from ctrscope.findings.security.rule import Defect, HostRule, nist
from ctrscope.model.audited import AuditedHost
from ctrscope.model.container import Evidence
from ctrscope.model.finding import Severity

#: Package → (first release with the fix, releases of older branches that have it too, CVE, what it is about).
_FIXED: tuple[tuple[tuple[str, ...], str, tuple[str, ...], str, str], ...] = (
    (("runc",), "1.0.0", (), "CVE-2019-5736", "a container overwrites the runtime"),
    (("runc",), "1.1.12", (), "CVE-2024-21626", "a leaked directory of the host leads out"),
    (("runc",), "1.2.8", ("1.3.3",), "CVE-2025-31133", "masked paths are swapped while they are mounted"),
    (
        ("containerd", "containerd.io"),
        "1.4.3",
        ("1.3.9",),
        "CVE-2020-15257",
        "the shim's socket is in reach of host networking",
    ),
    (
        ("containerd", "containerd.io"),
        "1.6.1",
        ("1.5.10", "1.4.13"),
        "CVE-2022-23648",
        "volumes of an image read files of the host",
    ),
    (
        ("docker.io", "docker-ce", "moby-engine", "docker"),
        "18.09.2",
        ("18.06.2",),
        "CVE-2019-5736",
        "a container overwrites the runtime",
    ),
    (
        ("docker.io", "docker-ce", "moby-engine", "docker"),
        "25.0.6",
        ("23.0.15", "26.1.5", "27.1.1"),
        "CVE-2024-41110",
        "authorization is bypassed",
    ),
    (("podman",), "4.9.4", ("5.0.1",), "CVE-2024-1753", "a build mounts the host's root"),
    (("crun",), "1.4.4", (), "CVE-2022-27650", "inheritable capabilities are given by default"),
)
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
    """Packages older than the release that has the fix. Distributions put fixes into old releases, which the number hides."""
    for names, fixed, branches, cve, words in _FIXED:
        for name in names:
            version = (host.packages or {}).get(name)
            if version is None or not is_older(version, fixed, branches):
                continue
            yield Defect(
                f"{name} {version} is older than {fixed}, which fixed {cve} ({words}); your distribution may have put it in",
                (Evidence(source=host.packages_source, value=f"{name} {version}"),),
            )


def is_older(version: str, fixed: str, branches: tuple[str, ...] = ()) -> bool:
    """Whether a package version is before the fix: in its own branch, where that got it too."""
    own = numbers(version)
    for one in branches:
        if own[:2] == numbers(one)[:2]:
            return own < numbers(one)
    return own < numbers(fixed)


def numbers(version: str) -> tuple[int, ...]:
    """``1:20.10.24+dfsg1-1`` → (20, 10, 24): the upstream version without epoch and revision."""
    upstream = version.partition(":")[2] or version
    match = re.match(r"\d{1,6}(\.\d{1,6}){0,3}", upstream)
    return tuple(map(int, match.group().split("."))) if match else ()


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
        ("CIS Docker Benchmark v1.6 2.7", nist("4.3.1")),
    ),
    HostRule(
        "security/userns-remap-off",
        Severity.LOW,
        "No user namespace is between containers and the host.",
        ("docker_remaps",),
        userns_remap,
        "userns-remap in daemon.json, or a rootless engine",
        ("CIS Docker Benchmark v1.6 2.9",),
    ),
    HostRule(
        "security/socket-mode",
        Severity.CRITICAL,
        "Who writes to the socket is root.",
        ("open_sockets",),
        socket_mode,
        "chmod 660, and a group of those who are root anyway",
        ("CIS Docker Benchmark v1.6 3.16",),
    ),
    HostRule(
        "security/state-mode",
        Severity.HIGH,
        "What engines keep is believed.",
        ("lax_directories",),
        directory_mode,
        "chmod o-w",
        ("CIS Docker Benchmark v1.6 3",),
    ),
    HostRule(
        "security/no-lsm",
        Severity.LOW,
        "A profile would hold where everything else fails.",
        ("lsm",),
        no_lsm,
        "boot with lsm=…,apparmor or with SELinux",
        ("CIS Docker Benchmark v1.6 5.2", nist("4.5.1")),
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
