"""What a container's processes are allowed: capabilities, seccomp, security modules, identity.

*Source:* capabilities(7), seccomp(2), user_namespaces(7), PR_SET_NO_NEW_PRIVS of prctl(2).
"""

from collections.abc import Callable, Iterator

from ctrscope.findings.security.rule import (
    PSS_BASELINE,
    PSS_RESTRICTED,
    Defect,
    Rule,
    acts_on_host,
    cis,
    evidence,
    is_host_root,
    is_privileged,
    nist,
)
from ctrscope.model.audited import Audited
from ctrscope.model.container import Evidence
from ctrscope.model.finding import Severity
from ctrscope.model.namespace import NamespaceType

#: What engines give by default (moby oci/caps/defaults.go), which other rules judge one by one where it matters.
_DEFAULT = frozenset(
    f"CAP_{name}"
    for name in str.split(
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL "
        "AUDIT_WRITE"
    )
)
#: Those that have a rule of their own.
_DANGEROUS = frozenset(
    f"CAP_{name}"
    for name in [
        "SYS_ADMIN",
        "SYS_MODULE",
        "SYS_PTRACE",
        "SYS_RAWIO",
        "DAC_READ_SEARCH",
        "NET_ADMIN",
        "BPF",
        "PERFMON",
        "SYS_TIME",
        "SYSLOG",
        "SYS_BOOT",
    ]
)


def privileged(audited: Audited) -> Iterator[Defect]:
    """Nothing confines it."""
    if not is_privileged(audited):
        return
    found = [
        evidence(audited, "capabilities", f"CapEff: {len(audited.capabilities or ())} capabilities, all that this kernel has"),
        evidence(audited, "seccomp", f"Seccomp: {audited.seccomp}"),
    ]
    is_told = audited.options is not None and audited.options.privileged
    if audited.options is not None and is_told:
        found.insert(0, Evidence(source=audited.options.source, value="Privileged: true"))
    if acts_on_host(audited):
        # On cgroup v2 no file says which devices are allowed.
        devices = "every device, " if audited.all_devices or is_told else ""
        yield Defect(f"privileged: every capability, {devices}no seccomp filter, nothing masked", tuple(found))
    else:
        title = "privileged within its own user namespace: nothing but that namespace confines it"
        yield Defect(title, tuple(found), Severity.MEDIUM)


def _capability(name: str, buys: str) -> Callable[[Audited], Iterator[Defect]]:
    def judge(audited: Audited) -> Iterator[Defect]:
        # A privileged one is a finding of its own, and inside a user namespace they are good for that namespace only.
        if name in (audited.capabilities or ()) and acts_on_host(audited) and not is_privileged(audited):
            yield Defect(f"{name} in force: {buys}", (evidence(audited, "capabilities", f"CapEff has {name}"),))

    return judge


def ptrace(audited: Audited) -> Iterator[Defect]:
    """Worse where the processes of the host are in sight."""
    for one in _capability("CAP_SYS_PTRACE", "its processes may read and change the memory of others")(audited):
        if NamespaceType.PID in (audited.host_namespaces or ()):
            title = "CAP_SYS_PTRACE in the host's PID namespace: every process of the host can be taken over"
            yield Defect(title, (*one.evidence, evidence(audited, "host_namespaces", "pid is the host's")), Severity.CRITICAL)
        else:
            yield one


def net_admin(audited: Audited) -> Iterator[Defect]:
    """Worse in the host's network namespace."""
    for one in _capability("CAP_NET_ADMIN", "it may change links, routes and packet filters of its network namespace")(audited):
        if NamespaceType.NET in (audited.host_namespaces or ()):
            title = "CAP_NET_ADMIN in the host's network namespace: it may change links, routes and packet filters of the host"
            yield Defect(title, (*one.evidence, evidence(audited, "host_namespaces", "net is the host's")), Severity.HIGH)
        else:
            yield one


def bpf(audited: Audited) -> Iterator[Defect]:
    """Two capabilities for the same door."""
    for name in ("CAP_BPF", "CAP_PERFMON"):
        yield from _capability(name, "its programs run in the kernel and see every process")(audited)


def beyond_default(audited: Audited) -> Iterator[Defect]:
    """Capabilities that no engine gives unasked."""
    more = sorted(set(audited.capabilities or ()) - _DEFAULT - _DANGEROUS)
    if more and acts_on_host(audited) and not is_privileged(audited):
        title = f"{len(more)} {'capability' if len(more) == 1 else 'capabilities'} beyond the default set: {', '.join(more)}"
        yield Defect(title, (evidence(audited, "capabilities", f"CapEff has {', '.join(more)}"),))


def net_raw(audited: Audited) -> Iterator[Defect]:
    """In the default set of most engines."""
    if "CAP_NET_RAW" in (audited.capabilities or ()) and not is_privileged(audited):
        title = "CAP_NET_RAW in force: it may forge packets in its network, to its neighbours on a bridge too"
        yield Defect(title, (evidence(audited, "capabilities", "CapEff has CAP_NET_RAW"),))


def ambient(audited: Audited) -> Iterator[Defect]:
    """Capabilities that an ordinary user's programs inherit."""
    if audited.ambient and acts_on_host(audited):
        title = f"every program that it starts inherits {', '.join(audited.ambient)}"
        yield Defect(title, (evidence(audited, "ambient", f"CapAmb has {', '.join(audited.ambient)}"),))


def seccomp(audited: Audited) -> Iterator[Defect]:
    """No filter."""
    if audited.seccomp == "disabled" and not is_privileged(audited):
        yield Defect(
            "no seccomp filter: every system call of the kernel can be made", (evidence(audited, "seccomp", "Seccomp: 0"),)
        )


def no_profile(audited: Audited) -> Iterator[Defect]:
    """A module is active and does not confine it."""
    lsm, label = audited.host.lsm or (), audited.label or ""
    if "apparmor" in lsm and label.partition(" ")[0] in ("", "unconfined"):
        yield Defect("AppArmor is active and does not confine it", (evidence(audited, "label", label or "no profile"),))


def selinux(audited: Audited) -> Iterator[Defect]:
    """A domain that SELinux allows everything."""
    label = audited.label or ""
    if "selinux" in (audited.host.lsm or ()) and any(
        f":{domain}:" in f"{label}:" for domain in ("spc_t", "unconfined_t", "unconfined_service_t", "initrc_t", "kernel_t")
    ):
        yield Defect(f"SELinux is active and its domain is allowed everything: {label}", (evidence(audited, "label", label),))


def no_new_privs(audited: Audited) -> Iterator[Defect]:
    """Its programs may gain rights."""
    if audited.no_new_privs is False:
        yield Defect(
            "setuid programs and file capabilities inside take effect", (evidence(audited, "no_new_privs", "NoNewPrivs: 0"),)
        )


def root(audited: Audited) -> Iterator[Defect]:
    """Uid 0 that is the host's."""
    if is_host_root(audited):
        shown = (evidence(audited, "uid", "Uid: 0"), evidence(audited, "has_user_namespace", "maps 0 to 0 of the host"))
        yield Defect("init runs as uid 0, which is root of the host: no user namespace is between them", shown)


def userns_opt_out(audited: Audited) -> Iterator[Defect]:
    """The engine maps users, and this one asked not to."""
    options = audited.options
    if options is not None and options.userns_mode == "host" and audited.host.docker_remaps:
        found = Evidence(source=options.source, value="UsernsMode: host")
        yield Defect("the engine maps users, and this container opted out", (found,))


def setuid_programs(audited: Audited) -> Iterator[Defect]:
    """An ordinary user who can become root inside. Of one that is root already: whoever it starts as somebody else can."""
    if not audited.setuid_programs:
        return
    more = len(audited.setuid_programs) - 8
    names = ", ".join(audited.setuid_programs[:8]) + (f" and {more} more" if more > 0 else "")
    shown = (evidence(audited, "setuid_programs", names), evidence(audited, "no_new_privs", "NoNewPrivs: 0"))
    if audited.uid == 0:
        title = f"runs as root, and whoever it starts as somebody else becomes root again by setuid programs: {names}"
        yield Defect(title, shown, Severity.INFO)
    else:
        yield Defect(f"runs as uid {audited.uid}, and setuid programs are within its reach: {names}", shown)


_DROP = "drop it: --cap-drop ALL and --cap-add what is needed; securityContext.capabilities in Kubernetes"
_CAPS = (cis("4"), PSS_BASELINE, nist("4.4.3"), "capabilities(7)")
_NEEDS = ("capabilities",)


def _of(name: str, severity: Severity, meaning: str, judge: Callable[[Audited], Iterator[Defect]]) -> Rule:
    return Rule(f"security/cap-{name}", severity, meaning, _NEEDS, judge, _DROP, _CAPS)


RULES = (
    Rule(
        "security/privileged",
        Severity.CRITICAL,
        "A privileged container can do to the host what root can.",
        ("capabilities", "seccomp"),
        privileged,
        "run without --privileged; give the capabilities and devices that it needs",
        (cis("5"), PSS_BASELINE, nist("4.4.3")),
    ),
    _of(
        "sys-admin",
        Severity.HIGH,
        "CAP_SYS_ADMIN mounts, enters namespaces and much more: it is close to root.",
        _capability("CAP_SYS_ADMIN", "mounts, namespaces and much else: close to root of the host"),
    ),
    _of(
        "sys-module",
        Severity.CRITICAL,
        "CAP_SYS_MODULE loads code into the host's kernel.",
        _capability("CAP_SYS_MODULE", "it may load code into the host's kernel"),
    ),
    _of("sys-ptrace", Severity.MEDIUM, "CAP_SYS_PTRACE takes over other processes.", ptrace),
    _of(
        "sys-rawio",
        Severity.HIGH,
        "CAP_SYS_RAWIO reaches I/O ports and memory of the machine.",
        _capability("CAP_SYS_RAWIO", "I/O ports and /dev/mem of the machine are within its reach"),
    ),
    _of(
        "dac-read-search",
        Severity.HIGH,
        "CAP_DAC_READ_SEARCH opens any file by handle, past every mount.",
        _capability(
            "CAP_DAC_READ_SEARCH", "open_by_handle_at(2) reads any file of the host's file systems that it has a mount of"
        ),
    ),
    _of("net-admin", Severity.MEDIUM, "CAP_NET_ADMIN changes the network.", net_admin),
    _of("bpf", Severity.HIGH, "CAP_BPF and CAP_PERFMON run programs in the kernel.", bpf),
    _of(
        "sys-time",
        Severity.MEDIUM,
        "The clock is the host's: no time namespace separates it.",
        _capability("CAP_SYS_TIME", "it may set the clock, which is the host's: a time namespace does not separate that one"),
    ),
    _of(
        "syslog",
        Severity.LOW,
        "CAP_SYSLOG reads the host's kernel log and kernel addresses.",
        _capability("CAP_SYSLOG", "it may read the kernel log of the host, and kernel addresses"),
    ),
    _of(
        "sys-boot",
        Severity.MEDIUM,
        "CAP_SYS_BOOT may start another kernel.",
        _capability("CAP_SYS_BOOT", "kexec_load(2) starts another kernel; reboot(2) in the host's PID namespace restarts it"),
    ),
    _of("beyond-default", Severity.MEDIUM, "More than engines give by default.", beyond_default),
    Rule(
        "security/cap-net-raw",
        Severity.LOW,
        "CAP_NET_RAW forges packets.",
        _NEEDS,
        net_raw,
        _DROP,
        (cis("4"), PSS_RESTRICTED, "capabilities(7)"),
    ),
    Rule(
        "security/ambient-capabilities",
        Severity.LOW,
        "Ambient capabilities are inherited by every program.",
        ("ambient",),
        ambient,
        "give file capabilities to the one program that needs them",
        ("capabilities(7)", PSS_RESTRICTED),
    ),
    Rule(
        "security/seccomp-disabled",
        Severity.MEDIUM,
        "A seccomp filter keeps most of the kernel's attack surface away.",
        ("seccomp",),
        seccomp,
        "let the engine's default profile apply: no --security-opt seccomp=unconfined; for runc, add one",
        (cis("22"), PSS_BASELINE, nist("4.4.3"), "seccomp(2)"),
    ),
    Rule(
        "security/apparmor-unconfined",
        Severity.MEDIUM,
        "AppArmor is there and this container is not confined by it.",
        ("label",),
        no_profile,
        "no --security-opt apparmor=unconfined: the engine's default profile then applies",
        (cis("2"), PSS_BASELINE),
    ),
    Rule(
        "security/selinux-unconfined",
        Severity.MEDIUM,
        "SELinux is there and allows this container everything.",
        ("label",),
        selinux,
        "no --security-opt label=disable; label volumes with :z or :Z instead",
        (cis("3"), PSS_BASELINE),
    ),
    Rule(
        "security/no-new-privs",
        Severity.LOW,
        "Without no_new_privs an ordinary user inside can become root inside.",
        ("no_new_privs",),
        no_new_privs,
        "--security-opt no-new-privileges; allowPrivilegeEscalation: false in Kubernetes",
        (cis("26"), PSS_RESTRICTED),
    ),
    Rule(
        "security/root-without-userns",
        Severity.MEDIUM,
        "Whoever breaks out is root at once.",
        ("uid", "has_user_namespace"),
        root,
        "run as an ordinary user (--user), or map users (--userns, userns-remap, hostUsers: false)",
        ("CIS Docker Benchmark v1.6 4.1", PSS_RESTRICTED, nist("4.1.2"), "user_namespaces(7)"),
    ),
    Rule(
        "security/userns-opt-out",
        Severity.MEDIUM,
        "It is not mapped although the engine maps users.",
        ("options",),
        userns_opt_out,
        "no --userns=host",
        (cis("31"),),
    ),
    Rule(
        "security/setuid-reachable",
        Severity.LOW,
        "A setuid program inside makes root of an ordinary user.",
        ("setuid_programs",),
        setuid_programs,
        "--security-opt no-new-privileges, or remove the setuid bits from the image",
        (nist("4.1.2"), "CIS Docker Benchmark v1.6 4.8"),
    ),
)
