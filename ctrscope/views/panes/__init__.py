"""The tabs of the container page: each module has ``draw``, from what is known about one container to lines of text."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from textual.content import Content

from ctrscope.views.panes import cgroup, environment, evidence, mounts, namespaces, network, overview, processes, security
from ctrscope.views.panes.opened import Opened


class Pane(NamedTuple):
    """One tab."""

    title: str
    short: str  # where there is little room
    draw: Callable[[Opened], Sequence[Content]]


PANES = (
    Pane("Overview", "Overview", overview.draw),
    Pane("Processes", "Procs", processes.draw),
    Pane("Namespaces", "Namesp", namespaces.draw),
    Pane("Cgroup", "Cgroup", cgroup.draw),
    Pane("Network", "Network", network.draw),
    Pane("Mounts", "Mounts", mounts.draw),
    Pane("Security", "Security", security.draw),
    Pane("Environment", "Env", environment.draw),
    Pane("Evidence", "Evidence", evidence.draw),
)
