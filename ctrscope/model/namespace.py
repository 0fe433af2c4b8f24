"""Namespaces as namespaces(7) names them."""

from enum import StrEnum
from typing import NamedTuple

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


class NamespaceId(NamedTuple):
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
        return tuple(
            type_
            for type_ in NamespaceType
            if (mine := self.ino(type_)) is not None and (theirs := other.ino(type_)) is not None and mine != theirs
        )
