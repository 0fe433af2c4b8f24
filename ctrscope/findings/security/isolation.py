"""Namespaces that are not a container's own.

*Source:* namespaces(7). The host's are those of its PID 1.
"""

from collections.abc import Callable, Iterator

from ctrscope.findings.security.rule import PSS_BASELINE, Defect, Rule, acts_on_host, cis, evidence, is_privileged, nist
from ctrscope.model.audited import Audited
from ctrscope.model.finding import Severity
from ctrscope.model.namespace import NamespaceType


def _shares(type_: NamespaceType, words: str) -> Callable[[Audited], Iterator[Defect]]:
    def judge(audited: Audited) -> Iterator[Defect]:
        if type_ in (audited.host_namespaces or ()):
            ino = audited.host.namespaces.ino(type_)
            shown = f"{type_}:[{ino}], as PID 1 of the host" if audited.container.is_running else f"{type_}: the host's"
            yield Defect(f"in the host's {words}", (evidence(audited, "host_namespaces", shown),))

    return judge


def user(audited: Audited) -> Iterator[Defect]:
    """Only where privileges make it matter: it is the default of nearly every engine."""
    if NamespaceType.USER in (audited.host_namespaces or ()) and is_privileged(audited) and acts_on_host(audited):
        yield Defect(
            "in the host's user namespace, with every capability: they hold for the host itself",
            (evidence(audited, "host_namespaces", "user is the host's"),),
        )


def others(audited: Audited) -> Iterator[Defect]:
    """Shared with a container of another pod."""
    container = audited.container
    for type_ in ("pid", "net", "ipc"):
        shared = container.shares.get(type_)
        # Members of a pod share by design, and say which pod it is.
        if isinstance(shared, tuple) and container.pod is None:
            ids = ", ".join(one[:12] for one in shared[:4])
            shown = f"{type_}:[{container.namespaces.ino(NamespaceType(type_))}] is also that of {ids}"
            yield Defect(
                f"shares its {type_} namespace with {len(shared)} other container{'s' if len(shared) > 1 else ''}",
                (evidence(audited, "host_namespaces", shown),),
            )


def shim_sockets(audited: Audited) -> Iterator[Defect]:
    """Old containerd shims listen on abstract sockets, which belong to the network namespace."""
    if NamespaceType.NET in (audited.host_namespaces or ()) and audited.host.shim_sockets and audited.uid == 0:
        yield Defect(
            f"root in the host's network namespace, with {audited.host.shim_sockets} abstract sockets of containerd in reach",
            (evidence(audited, "host_namespaces", "net is the host's"),),
        )


_NEEDS = ("host_namespaces",)


def _rule(name: str, severity: Severity, type_: NamespaceType, words: str, meaning: str, option: str, *references: str) -> Rule:
    return Rule(
        f"security/host-{name}",
        severity,
        meaning,
        _NEEDS,
        _shares(type_, words),
        f"give it one of its own: {option}",
        (*references, nist("4.4.3"), "namespaces(7)"),
    )


RULES = (
    _rule(
        "pid",
        Severity.HIGH,
        NamespaceType.PID,
        "PID namespace: it sees every process, and signals those of its user",
        "Every process of the host is in sight, with arguments and environment.",
        "no --pid=host, no hostPID",
        cis("16"),
        PSS_BASELINE,
    ),
    _rule(
        "net",
        Severity.HIGH,
        NamespaceType.NET,
        "network namespace: it reaches whatever listens on loopback there",
        "Loopback and abstract sockets of the host are within reach.",
        "no --network=host, no hostNetwork",
        cis("10"),
        PSS_BASELINE,
    ),
    _rule(
        "ipc",
        Severity.MEDIUM,
        NamespaceType.IPC,
        "IPC namespace: shared memory and semaphores of the host are within reach",
        "Shared memory of the host's processes is within reach.",
        "no --ipc=host, no hostIPC",
        cis("17"),
        PSS_BASELINE,
    ),
    _rule(
        "uts",
        Severity.LOW,
        NamespaceType.UTS,
        "UTS namespace: it may change the host's name, where it is root",
        "The host's name is within reach.",
        "no --uts=host",
        cis("21"),
    ),
    _rule(
        "cgroup",
        Severity.LOW,
        NamespaceType.CGROUP,
        "cgroup namespace: it sees the cgroups of all others",
        "The names of all cgroups are in sight.",
        "--cgroupns=private",
        "cgroup_namespaces(7)",
    ),
    _rule(
        "mnt",
        Severity.HIGH,
        NamespaceType.MNT,
        "mount namespace: all files of the host are its own",
        "Nothing separates its files from the host's.",
        "start it with a mount namespace and a root of its own",
    ),
    Rule(
        "security/host-user",
        Severity.HIGH,
        "Capabilities hold for the host itself.",
        _NEEDS,
        user,
        "map users: --userns=auto, userns-remap, hostUsers: false",
        (cis("31"), "user_namespaces(7)"),
    ),
    Rule(
        "security/shared-namespace",
        Severity.LOW,
        "What breaks into one of them has the other.",
        _NEEDS,
        others,
        "join containers that belong together in a pod; give others namespaces of their own",
        (nist("4.4.3"), "namespaces(7)"),
    ),
    Rule(
        "security/shim-socket",
        Severity.HIGH,
        "CVE-2020-15257: whoever connects to the shim starts containers on the host.",
        _NEEDS,
        shim_sockets,
        "update containerd to 1.3.9, 1.4.3 or later, and restart the containers",
        ("CVE-2020-15257", cis("10")),
    ),
)
