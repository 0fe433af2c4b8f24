"""What counts as isolated, and which isolated processes belong together.

A process is isolated when a namespace of it is not the host's. Two things that every host has are not containers:

- systemd services hardened with ``PrivateTmp=``, ``ProtectHostname=`` and the like: only ``mnt`` and ``uts`` differ
  and the cgroup is a service's. With ``PrivateNetwork=`` or ``PrivateUsers=`` they count.
- what rootless engines keep outside their containers (pause process, network helpers): host PID namespace, one of a few
  names. In a PID namespace of its own a process of that name is shown, whatever it calls itself.
"""

from collections.abc import Callable

from ctrscope.discovery.kernel import Kernel
from ctrscope.model.namespace import NamespaceSet, NamespaceType
from ctrscope.model.value import Value
from ctrscope.probes.proc_pid_stat import Stat

_HARDENING = frozenset({NamespaceType.MNT, NamespaceType.UTS})
_INFRASTRUCTURE = frozenset(
    {
        "conmon",
        "conmonrs",
        "ctrscope-mon",
        "containerd",
        "containerd-shim",
        "dockerd",
        "docker-proxy",
        "podman",
        "podman pause",
        "crio",
        "slirp4netns",
        "pasta",
        "pasta.avx2",
        "passt",
        "passt.avx2",
        "rootlessport",
        "rootlessport-ch",
        "rootlesskit",
        "rootlesskit-doc",
        "fuse-overlayfs",
        "aardvark-dns",
        "lxc-monitord",
    }
)


class Isolated(Value, frozen=True):
    """A process outside every known container with namespaces that are not the host's."""

    pid: int
    stat: Stat
    namespaces: NamespaceSet
    types: tuple[NamespaceType, ...]  # those that are not the host's
    uid: int | None
    unit: str | None  # systemd service, when its cgroup is one


def isolation_of(pid: int, namespaces: NamespaceSet, kernel: Kernel) -> Isolated | None:
    """How a process is isolated; None when it is not, or is one of the things that are no containers."""
    types = namespaces.differs_from(kernel.host.namespaces)
    stat = kernel.processes.stat(pid)
    if not types or stat is None or stat.has_ended:
        return None
    membership = kernel.membership(pid)
    unit = _service_of(membership.path) if membership else None
    if unit is not None and _HARDENING.issuperset(types):
        return None
    if NamespaceType.PID not in types and _is_infrastructure(stat, kernel):
        return None
    try:
        uid = kernel.hostfs.stat(f"/proc/{pid}").st_uid
    except OSError:
        uid = None
    return Isolated(pid, stat, namespaces, types, uid, unit)


def groups_of(isolated: list[Isolated], is_claimed: Callable[[NamespaceType, int], bool]) -> list[list[Isolated]]:
    """Processes that share a namespace which no container claims, or whose parent is in the group, belong together."""
    leader: dict[int, int] = {}

    def find(item: int) -> int:
        leader.setdefault(item, item)
        while leader[item] != item:
            leader[item] = leader[leader[item]]
            item = leader[item]
        return item

    holders: dict[tuple[NamespaceType, int], list[int]] = {}
    for member in isolated:
        for type_ in member.types:
            holders.setdefault((type_, member.namespaces.ino(type_) or 0), []).append(member.pid)
    present = {member.pid for member in isolated}
    for member in isolated:
        if member.stat.ppid in present:
            leader[find(member.stat.ppid)] = find(member.pid)
    for (type_, ino), pids in holders.items():
        # Asked last, of those that are still apart: it costs a link of every container.
        if len({find(pid) for pid in pids}) > 1 and not is_claimed(type_, ino):
            for pid in pids[1:]:
                leader[find(pid)] = find(pids[0])
    groups: dict[int, list[Isolated]] = {}
    for member in isolated:
        groups.setdefault(find(member.pid), []).append(member)
    return list(groups.values())


def _service_of(path: str) -> str | None:
    """Name of the systemd service a cgroup path ends in, without the suffix."""
    for component in reversed(path.split("/")):
        if component.endswith(".service"):
            name = component.removesuffix(".service")
            return None if name.startswith("user@") else name
        if component.endswith((".scope", ".slice")):
            return None
    return None


def _is_infrastructure(stat: Stat, kernel: Kernel) -> bool:
    if stat.comm in _INFRASTRUCTURE:
        return True
    if stat.comm == "exe":  # started as /proc/self/exe: rootlessport's half in the container's network namespace
        return (kernel.processes.cmdline(stat.pid) or ())[:1] == ("rootlessport-child",)
    # podman's pause process: catatonit -P, which keeps the user and mount namespace of a rootless user.
    return stat.comm == "catatonit" and (kernel.processes.cmdline(stat.pid) or ())[1:] == ("-P",)
