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
    draw: Callable[[Opened], Sequence[Content]] | None
    fields: frozenset[str] = frozenset()  # keys that it shows: a gap in one of them is said on this tab


_CGROUP = frozenset({"cgroup", "usage", "limits", "stats", "cpu", "memory", "io", "pressure"})
PANES = (
    Pane("Overview", "Over", overview.draw),
    Pane("Processes", "Procs", processes.draw, frozenset({"processes", "pids"})),
    Pane("Namespaces", "Namesp", namespaces.draw, frozenset({"namespaces", "shares"})),
    Pane("Cgroup", "Cgroup", cgroup.draw, _CGROUP),
    Pane("Network", "Net", network.draw, frozenset({"network", "addresses", "ports"})),
    Pane("Mounts", "Mounts", mounts.draw, frozenset({"mounts", "overlay"})),
    Pane("Changes", "Diff", None),
    Pane("Security", "Sec", security.draw, frozenset({"security"})),
    Pane("Environment", "Env", environment.draw, frozenset({"environment"})),
    Pane("Logs", "Logs", None),
    Pane("Config", "Config", None),
    Pane("Evidence", "Evid", evidence.draw),
)


def draw_pane(pane: Pane, opened: Opened) -> list[Content]:
    """Lines of a tab, and below them what it could not be told."""
    gaps = opened.gaps_about(pane.fields)
    lines = list(pane.draw(opened)) if pane.draw is not None else []
    if gaps:
        lines += [Content(""), *(content for gap in gaps for content in gap_lines(gap, opened.width))]
    return lines
