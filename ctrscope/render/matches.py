"""What ``find`` answers, one line a match, and the sentence when nothing does: the same in a terminal and on the screen."""

from collections.abc import Iterable, Mapping

from ctrscope.model.container import Container
from ctrscope.model.match import Match, MatchKind, parse_query
from ctrscope.render.fields import engine_text
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column, format_table
from ctrscope.render.units import NOT_APPLICABLE

MATCH_COLUMNS = (
    Column("CONTAINER", least=12),
    Column("ENGINE", rank=2),
    Column("KIND", rank=1),
    Column("WHAT", least=12, good=40),
    Column("DETAIL", least=20),
)
CAN_BE_ASKED = (
    "a PID or thread id, a namespace (net:[4026532281] or the number), an interface, a MAC, an IP address, "
    "a port (8080, tcp/8080), a path (cgroup, layer, mount, file), an image, a pod, a container"
)
_WORDS: Mapping[MatchKind, str] = {
    MatchKind.CONTAINER: "a container's name or id",
    MatchKind.POD: "a pod",
    MatchKind.IMAGE: "an image",
    MatchKind.PROCESS: "a process",
    MatchKind.THREAD: "a thread",
    MatchKind.PID_INSIDE: "a PID inside a container",
    MatchKind.NAMESPACE: "a namespace",
    MatchKind.LINK: "an interface",
    MatchKind.MAC: "a MAC address",
    MatchKind.ADDRESS: "an IP address",
    MatchKind.PORT: "a listening or published port",
    MatchKind.CGROUP: "a cgroup",
    MatchKind.OVERLAY: "a layer of an overlay",
    MatchKind.MOUNT: "a mount",
    MatchKind.FILE: "a file",
}


def match_cells(match: Match, containers: Mapping[str, Container]) -> tuple[str, ...]:
    """One match as the cells of a table. *containers*: by key."""
    container = containers.get(match.container or "")
    name = NOT_APPLICABLE if container is None else inert(container.name)
    engine = "" if container is None else engine_text(container)
    return name, engine, str(match.kind), inert(match.what), inert(match.detail)


def format_matches(matches: Iterable[Match], containers: Iterable[Container], width: int | None) -> list[str]:
    """Lines of the table, its header first."""
    by_key = {one.key: one for one in containers}
    return format_table(MATCH_COLUMNS, [match_cells(match, by_key) for match in matches], width)


def nothing_text(query: str) -> tuple[str, str]:
    """What was looked for in vain, and what can be asked."""
    kinds = parse_query(query.strip()).kinds
    looked_for = ", ".join(_WORDS[kind] for kind in kinds) if query.strip() else "nothing: the query is empty"
    return f"Nothing on this host answers to '{inert(query)}'; looked for {looked_for}.", f"Ask for {CAN_BE_ASKED}."
