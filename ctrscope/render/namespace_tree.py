"""Namespaces by what owns them: each below its user namespace, PID and user namespaces below their parent."""

from collections.abc import Mapping, Sequence

from ctrscope.model.namespace import Namespace, NamespaceId, NamespaceType
from ctrscope.render.namespaces import NamespaceRow, held_text, inside_text
from ctrscope.render.safe import inert


def format_namespace_tree(rows: Sequence[NamespaceRow]) -> list[str]:
    """Lines of the trees, in the order of *rows* among siblings; what has its owner elsewhere starts a tree."""
    here = {row.namespace.id: row.namespace for row in rows}
    children: dict[NamespaceId | None, list[NamespaceRow]] = {}
    for row in rows:
        children.setdefault(_above(row.namespace, here), []).append(row)
    lines: list[str] = []
    waiting = [(row, "", "") for row in reversed(children.get(None, []))]
    while waiting:
        row, branch, prefix = waiting.pop()
        lines.append(f"{branch}{_describe(row)}")
        below = children.get(row.namespace.id, [])
        for child in reversed(below):
            is_last = child is below[-1]
            waiting.append((child, f"{prefix}{'└─' if is_last else '├─'} ", f"{prefix}{'   ' if is_last else '│  '}"))
    return lines


def _above(namespace: Namespace, here: Mapping[NamespaceId, Namespace]) -> NamespaceId | None:
    """Its parent where that has the same owner, else its owner."""
    if namespace.parent is not None:
        parent = NamespaceId(namespace.type, namespace.parent)
        same = namespace.type is NamespaceType.USER or (parent in here and here[parent].owner == namespace.owner)
        if parent in here and parent != namespace.id and same:
            return parent
    if namespace.owner is None:
        return None
    owner = NamespaceId(NamespaceType.USER, namespace.owner)
    return owner if owner in here and owner != namespace.id else None


def _describe(row: NamespaceRow) -> str:
    namespace, leader = row.namespace, row.namespace.leader
    words = [str(namespace.id)]
    if namespace.nprocs:
        words.append(f"{namespace.nprocs} process{'es' if namespace.nprocs > 1 else ''}")
    if inside := inside_text(row):
        words.append(inside)
    if held := held_text(namespace):
        words.append(held)
    if leader is not None:
        words.append(f"{leader.pid} {row.command or inert(leader.comm)}")
    return "  ".join(words)
