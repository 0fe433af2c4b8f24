"""The tabs of the container page: each module has ``draw``, from what is known about one container to lines of text."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from textual.content import Content

from ctrscope.views.panes import cgroup, environment, evidence, mounts, namespaces, network, overview, processes, security
from ctrscope.views.panes.opened import Opened, gap_lines


class Pane(NamedTuple):
    """One tab: lines that are drawn anew with every sample, or a widget of its own."""

    title: str
    short: str  # where there is little room
    key: str  # the letter that leads there after `g`
    draw: Callable[[Opened], Sequence[Content]] | None
    fields: frozenset[str] = frozenset()  # keys that it shows: a gap in one of them is said on this tab


_CGROUP = frozenset({"cgroup", "usage", "limits", "stats", "cpu", "memory", "io", "pressure"})
PANES = (
    Pane("Overview", "Over", "o", overview.draw),
    Pane("Processes", "Procs", "p", processes.draw, frozenset({"processes", "pids"})),
    Pane("Namespaces", "Namesp", "n", namespaces.draw, frozenset({"namespaces", "shares"})),
    Pane("Cgroup", "Cgroup", "c", cgroup.draw, _CGROUP),
    Pane("Network", "Net", "i", network.draw, frozenset({"network", "addresses", "ports"})),
    Pane("Mounts", "Mounts", "m", mounts.draw, frozenset({"mounts", "overlay"})),
    Pane("Security", "Sec", "s", security.draw, frozenset({"security"})),
    Pane("Environment", "Env", "e", environment.draw, frozenset({"environment"})),
    Pane("Logs", "Logs", "l", None),
    Pane("Config", "Config", "k", None),
    Pane("Evidence", "Evid", "w", evidence.draw),
)


def draw_pane(pane: Pane, opened: Opened) -> list[Content]:
    """Lines of a tab, and below them what it could not be told."""
    gaps = opened.gaps_about(pane.fields)
    lines = list(pane.draw(opened)) if pane.draw is not None else []
    if gaps:
        lines += [Content(""), *(content for gap in gaps for content in gap_lines(gap, opened.width))]
    return lines
