"""Namespaces as namespaces(7) names them."""

from enum import StrEnum

from ctrscope.model.value import Value


class NamespaceType(StrEnum):
    """The eight types, by their names in /proc/PID/ns, in the order of namespaces(7)."""

    CGROUP = "cgroup"
    IPC = "ipc"
    MNT = "mnt"
    NET = "net"
    PID = "pid"
    TIME = "time"
    USER = "user"
    UTS = "uts"


#: By the names of the OCI runtime specification, which writes two of them out.
OCI_TYPES = {{"mnt": "mount", "net": "network"}.get(one.value, one.value): one for one in NamespaceType}


class NamespaceId(Value, frozen=True):
    """A namespace: its type and the inode number on nsfs."""

    type: NamespaceType
    ino: int

    def __str__(self) -> str:
        """Format as the kernel does: ``net:[4026531833]``."""
        return f"{self.type}:[{self.ino}]"


class NamespaceSet(Value, frozen=True, kw_only=True):
    """Inode numbers of the namespaces of one process; None is a link that could not be read or that this kernel lacks."""

    cgroup: int | None = None
    ipc: int | None = None
    mnt: int | None = None
    net: int | None = None
    pid: int | None = None
    time: int | None = None
    user: int | None = None
    uts: int | None = None

    def ino(self, type_: NamespaceType) -> int | None:
        """Inode number of the namespace of that type."""
        value: int | None = getattr(self, type_)
        return value

    def differs_from(self, other: "NamespaceSet") -> tuple[NamespaceType, ...]:
        """Types in which both are known and not the same."""
        if self == other:
            return ()
        return tuple(
            type_
            for type_ in NamespaceType
            if (mine := self.ino(type_)) is not None and (theirs := other.ino(type_)) is not None and mine != theirs
        )


class HolderKind(StrEnum):
    """What can keep a namespace alive."""

    PROCESS = "process"
    THREAD = "thread"  # one task of a process whose main task is elsewhere
    FD = "fd"  # an open descriptor of its nsfs file
    BIND_MOUNT = "bind_mount"
    SOCKET = "socket"  # of a network namespace that no process is in
    HIERARCHY = "hierarchy"  # a namespace below it, or one that it owns


class Holder(Value, frozen=True, kw_only=True):
    """One thing that keeps a namespace alive."""

    kind: HolderKind
    pid: int | None  # of the process; of one (or of a thread) that sees the bind mount; None for hierarchy
    path: str | None  # the link, descriptor or mount point; for hierarchy the namespace below: "net:[4026532281]"
    mnt: int | None = None  # bind mount: inode of the mount namespace that has it


class Leader(Value, frozen=True, kw_only=True):
    """The lowest PID of a namespace: the process that lsns(8) shows."""

    pid: int
    comm: str


class TimeOffsets(Value, frozen=True, kw_only=True):
    """Offsets of a time namespace, in seconds; time_namespaces(7), /proc/PID/timens_offsets."""

    monotonic: float
    boottime: float


class IdMapLine(Value, frozen=True, kw_only=True):
    """One line of uid_map or gid_map; user_namespaces(7)."""

    inside: int
    outside: int
    count: int


class Namespace(Value, frozen=True, kw_only=True):
    """One namespace of the host, and everything that holds it. Encodes to an item of ``namespaces`` of the contract."""

    type: NamespaceType
    ino: int
    is_initial: bool = False  # the host's own
    nprocs: int | None = 0  # processes in it; None: none was seen, and not all processes may be looked at
    leader: Leader | None = None  # None: no process is in it
    owner: int | None = None  # inode of the user namespace that owns it; ioctl_nsfs(2)
    parent: int | None = None  # pid and user
    owner_uid: int | None = None  # of a user namespace: who made it; of others: who made the user namespace that owns it
    containers: tuple[str, ...] = ()  # ids, in the order of the snapshot
    held_by: tuple[Holder, ...] = ()  # of processes at most a hundred, of the host's own only the leader: nprocs counts them
    uid_map: tuple[IdMapLine, ...] | None = None  # user
    gid_map: tuple[IdMapLine, ...] | None = None  # user
    offsets: TimeOffsets | None = None  # time

    @property
    def id(self) -> NamespaceId:
        """Type and inode number, which together name it."""
        return NamespaceId(self.type, self.ino)
