"""What a container changed of what it was made from, as its writable layer has it."""

from enum import StrEnum

from ctrscope.model.value import Value


class ChangeKind(StrEnum):
    """What became of a path."""

    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"


class FileType(StrEnum):
    """What there is at a path; stat(2)."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    CHARACTER = "character device"
    BLOCK = "block device"
    FIFO = "fifo"
    SOCKET = "socket"


class Change(Value, frozen=True):
    """One path at which the container sees something else than its image has."""

    kind: ChangeKind
    path: str  # as the container sees it
    type: FileType  # of what is there now; of what was deleted, what it was
    size: int | None = None  # bytes it says it has; None: a directory, or deleted
    modified_at: float | None = None  # unix time; None: deleted
    note: str = ""  # "replaced": a directory that nothing of the one below shows through


class ChangePiece(Value, frozen=True, kw_only=True):
    """What one look further into a writable layer brought. Figures are of everything gone through so far."""

    changes: tuple[Change, ...]  # of this look
    counts: dict[ChangeKind, int]
    sizes: dict[ChangeKind, int]  # bytes of files, each inode once
    size: int  # bytes of every file of the layer, as ``docker ps -s`` counts
    left_out: int = 0  # changes that are counted and not listed: there are too many
    by_engine: int = 0  # changes that are not listed: every container of its engine has them
    is_last: bool = False
    trouble: str = ""  # why it is not all
