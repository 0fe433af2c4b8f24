"""The tree of owners of one namespace: user namespaces from the host's down, and what stands in them. Pure.

*Source:* what ioctl_nsfs(2) says of owner and parent; user_namespaces(7).
"""

from collections.abc import Mapping, Sequence

from textual.content import Content

from ctrscope.model.container import Container
from ctrscope.model.namespace import Namespace, NamespaceId, NamespaceType
from ctrscope.render.safe import inert, shorten
from ctrscope.render.wording import id_map_text, is_hosts_id_map
from ctrscope.views.tones import Part, line

_DEEPEST = 32  # the kernel's own bound on nested user namespaces, and on nested PID namespaces


def members_of(namespace: Namespace, containers: Sequence[Container]) -> list[Container]:
    """Containers whose init is in the namespace. An id alone does not tell: two containerd namespaces may have the same."""
    return [one for one in containers if one.is_running and one.namespaces.ino(namespace.type) == namespace.ino]


def owner_lines(
    namespace: Namespace, known: Mapping[NamespaceId, Namespace], containers: Sequence[Container], width: int
) -> Content:
    """The chain of user namespaces that own *namespace*, from the outermost; below it, what the same owner has of its kind."""
    owner = namespace if namespace.type is NamespaceType.USER else _get(known, NamespaceType.USER, namespace.owner)
    lines: list[Content] = []
    depth = 0
    for user in reversed(_chain(owner, known)):
        maps = "" if user.uid_map is None or is_hosts_id_map(user.uid_map) else f"  uids {id_map_text(user.uid_map)}"
        lines.append(_line(depth, user, containers, width, namespace, f"{_made_by(user)}{maps}"))
        depth += 1
    if owner is None:
        lines.append(line(("its owner is a user namespace that could not be read", "muted")))
    if namespace.type is NamespaceType.USER:
        members = [one for one in known.values() if one.parent == namespace.ino and one.type is NamespaceType.USER]
    elif namespace.type is NamespaceType.PID:
        members = list(reversed(_chain(namespace, known)))
    else:
        members = [one for one in known.values() if one.type is namespace.type and one.owner == namespace.owner]
    for member in members:
        lines.append(_line(depth, member, containers, width, namespace, ""))
        depth += namespace.type is NamespaceType.PID
    return Content("\n").join(lines)


def _get(known: Mapping[NamespaceId, Namespace], type_: NamespaceType, ino: int | None) -> Namespace | None:
    return None if ino is None else known.get(NamespaceId(type_, ino))


def _chain(namespace: Namespace | None, known: Mapping[NamespaceId, Namespace]) -> list[Namespace]:
    chain: list[Namespace] = []
    while namespace is not None and len(chain) < _DEEPEST:
        chain.append(namespace)
        namespace = _get(known, namespace.type, namespace.parent)
    return chain


def _made_by(user: Namespace) -> str:
    if user.is_initial:
        return "the host's"
    return "" if user.owner_uid is None else f"made by uid {user.owner_uid}"


def _line(
    depth: int, namespace: Namespace, containers: Sequence[Container], width: int, chosen: Namespace, remark: str
) -> Content:
    names = ", ".join(inert(one.name) for one in members_of(namespace, containers))
    counted = f"{namespace.nprocs} process{'es' if namespace.nprocs != 1 else ''}"
    is_chosen = namespace.id == chosen.id
    start = f"{'   ' * (depth - 1)}{'└─ ' if depth else ''}"
    room = max(0, width - len(start) - len(str(namespace.id)) - 4)
    text = "  ".join(part for part in (remark, counted, names) if part)
    parts: list[Part] = [(start, "idle"), (str(namespace.id), "title" if is_chosen else "plain")]
    return line(*parts, (" ◀" if is_chosen else "", "accent"), ("  " + shorten(text, room), "muted"))
