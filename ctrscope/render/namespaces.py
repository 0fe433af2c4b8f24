"""Namespaces in words and as a table: ours, and the columns of lsns(8)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from ctrscope.model.namespace import Holder, HolderKind, Namespace, NamespaceType
from ctrscope.model.value import Value
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column, format_columns
from ctrscope.render.units import NOT_APPLICABLE, NOT_PERMITTED

#: One of a kind, and several.
_HOLDERS: Mapping[HolderKind, tuple[str, str]] = {
    HolderKind.PROCESS: ("process", "processes"),
    HolderKind.THREAD: ("thread", "threads"),
    HolderKind.FD: ("descriptor", "descriptors"),
    HolderKind.BIND_MOUNT: ("bind mount", "bind mounts"),
    HolderKind.SOCKET: ("socket", "sockets"),
    HolderKind.HIERARCHY: ("namespace below it", "namespaces below it"),
}
_MOST_NAMES = 3


class NamespaceRow(Value, frozen=True):
    """One namespace, and what a table shows of its leader besides."""

    namespace: Namespace
    containers: Sequence[str] = ()  # names, inert
    command: str = ""  # inert
    ppid: int | None = None
    uid: int | None = None
    user: str = ""  # inert
    netnsid: int | None = None


class NamespaceField(Value, frozen=True):
    """One column."""

    title: str
    get: Callable[[NamespaceRow], str]
    align: Literal["left", "right"] = "left"
    rank: int = 0
    least: int | None = None
    good: int | None = None


def holder_text(holder: Holder) -> str:
    """One holder: ``bind mount /run/netns/blue``, ``descriptor /proc/4711/fd/7``, ``net:[4026532281] below it``."""
    path = inert(holder.path or "")
    if holder.kind is HolderKind.HIERARCHY:
        return f"{path} below it"
    if holder.kind is HolderKind.BIND_MOUNT and holder.pid is None:
        return f"bind mount {path} in mnt:[{holder.mnt}]"
    return f"{_HOLDERS[holder.kind][0]} {path}"


def kept_by_text(namespace: Namespace) -> str:
    """What keeps a namespace besides the processes in it: one of a kind by its path, several counted.

    A link for children (``pid_for_children``) is besides: who has it is not in that namespace.
    """
    kinds: dict[HolderKind, list[Holder]] = {}
    for holder in namespace.held_by:
        kind = holder.kind
        if kind is not HolderKind.PROCESS or (holder.path or "").endswith("_for_children"):
            kinds.setdefault(kind, []).append(holder)
    if not kinds:
        return "nothing that was found" if namespace.nprocs == 0 else ""
    return ", ".join(_several(kind, holders) for kind, holders in kinds.items())


def held_text(namespace: Namespace) -> str:
    """The same, and whether a process is in it: ``no process: bind mount /run/netns/blue``."""
    return f"no process: {kept_by_text(namespace)}" if namespace.nprocs == 0 else kept_by_text(namespace)


def _several(kind: HolderKind, holders: Sequence[Holder]) -> str:
    if len(holders) == 1:
        return holder_text(holders[0])
    if kind is HolderKind.BIND_MOUNT and len({holder.path for holder in holders}) == 1:
        return f"{holder_text(holders[0])} in {len(holders)} mount namespaces"
    return f"{len(holders)} {_HOLDERS[kind][1]}"


def inside_text(row: NamespaceRow, *, whole: bool = False) -> str:
    """Who shares it: ``host, web``; of more than three the rest is counted, unless the *whole* is asked for."""
    names = list(row.containers)
    if not whole and len(names) > _MOST_NAMES + 1:
        names[_MOST_NAMES:] = [f"and {len(names) - _MOST_NAMES} more"]
    return ", ".join(["host", *names] if row.namespace.is_initial else names)


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _mount_points(row: NamespaceRow) -> str:
    held = row.namespace.held_by
    points = dict.fromkeys(holder.path or "" for holder in held if holder.kind is HolderKind.BIND_MOUNT)
    return inert(",".join(points))


def _netnsid(row: NamespaceRow) -> str:
    if row.namespace.type is not NamespaceType.NET:
        return ""
    return "unassigned" if row.netnsid is None else str(row.netnsid)


def _nprocs(row: NamespaceRow) -> str:
    return NOT_PERMITTED if row.namespace.nprocs is None else str(row.namespace.nprocs)


def _pid(row: NamespaceRow) -> str:
    return "" if row.namespace.leader is None else str(row.namespace.leader.pid)


def _owner(row: NamespaceRow) -> str:
    return NOT_APPLICABLE if row.namespace.owner_uid is None else str(row.namespace.owner_uid)


def _path(row: NamespaceRow) -> str:
    leader, type_ = row.namespace.leader, row.namespace.type
    return "" if leader is None else f"/proc/{leader.pid}/ns/{type_}"


#: Every column by its name, those of lsns(8) with its names and meanings.
NAMESPACE_FIELDS: Mapping[str, NamespaceField] = {
    "ns": NamespaceField("NS", lambda row: str(row.namespace.ino), "right"),
    "type": NamespaceField("TYPE", lambda row: str(row.namespace.type)),
    "path": NamespaceField("PATH", _path),
    "nprocs": NamespaceField("NPROCS", _nprocs, "right", rank=3),
    "pid": NamespaceField("PID", _pid, "right", rank=4),
    "ppid": NamespaceField("PPID", lambda row: _number(row.ppid), "right"),
    "command": NamespaceField("COMMAND", lambda row: row.command, rank=6, least=12, good=40),
    "uid": NamespaceField("UID", lambda row: _number(row.uid), "right"),
    "user": NamespaceField("USER", lambda row: row.user, rank=5),
    "netnsid": NamespaceField("NETNSID", _netnsid, "right"),
    "nsfs": NamespaceField("NSFS", _mount_points),
    "pns": NamespaceField("PNS", lambda row: _number(row.namespace.parent), "right"),
    "ons": NamespaceField("ONS", lambda row: _number(row.namespace.owner), "right"),
    "owner": NamespaceField("OWNER", _owner, "right", rank=7),
    "containers": NamespaceField("CONTAINERS", inside_text, rank=1, least=14, good=40),
    "held-by": NamespaceField("HELD BY", lambda row: held_text(row.namespace), rank=2, least=20, good=40),
}
DEFAULT_COLUMNS = ("ns", "type", "nprocs", "pid", "user", "owner", "containers", "held-by", "command")
LSNS_COLUMNS = ("ns", "type", "nprocs", "pid", "user", "command")


def format_namespaces(columns: Sequence[str], rows: Sequence[NamespaceRow], width: int | None) -> list[str]:
    """Lines of a table; *columns* are keys of ``NAMESPACE_FIELDS``."""
    fields = [NAMESPACE_FIELDS[name] for name in columns]
    shown = [Column(field.title, field.align, field.rank, field.least, field.good) for field in fields]
    return format_columns(shown, [list(map(field.get, rows)) for field in fields], width)
