"""What a tab is given, and the shapes in which tabs write: facts, tables, and what could not be read."""

import textwrap
from collections.abc import Collection, Sequence
from typing import NamedTuple

from textual.content import Content

from ctrscope.model.cgroup import CgroupStats, EffectiveLimits
from ctrscope.model.container import Container
from ctrscope.model.detail import Detail
from ctrscope.model.finding import Finding
from ctrscope.model.gap import Gap
from ctrscope.model.network import NetworkWay
from ctrscope.model.rates import Rates
from ctrscope.model.snapshot import Snapshot
from ctrscope.render.gaps import describe_gap
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column, format_table
from ctrscope.views.history import SPAN_NS, History, Metric
from ctrscope.views.tones import Part, line

LABEL = 14  # cells of the left column of facts
MARGIN = 1


class Opened(NamedTuple):
    """One container and everything a tab may draw of it."""

    container: Container
    snapshot: Snapshot
    now: float  # unix time
    width: int  # cells
    height: int = 24  # lines of the screen
    detail: Detail | None = None  # None: not read yet
    stats: CgroupStats | None = None
    rates: Rates | None = None
    history: History | None = None
    effective: EffectiveLimits | None = None  # None: not read, or it has no cgroup of its own
    findings: Sequence[Finding] = ()  # about it, worst first
    security: Sequence[Finding] | None = None  # what audit says about it, worst first; None: not looked at yet
    way: NetworkWay | None = None  # None: not read
    here: str | None = None  # address by which the terminal reaches this host; None: it opens no links
    secrets: bool = False  # what looks secret is shown

    def points(self, metric: Metric, span_ns: int = SPAN_NS) -> list[tuple[int, float | None]]:
        """What is remembered of one figure, oldest first."""
        return self.history.points(self.container.key, metric, span_ns) if self.history else []

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Every gap about this container, once."""
        about = f"container {self.container.key}"
        own = [gap for gap in self.snapshot.gaps if gap.subject == about]
        return tuple(dict.fromkeys([*own, *(self.detail.gaps if self.detail else ())]))

    def gaps_about(self, keys: Collection[str]) -> tuple[Gap, ...]:
        """Gaps in fields of which *keys* has the first part: ``network`` for ``network.links.mac``."""
        return tuple(gap for gap in self.gaps if any(field.partition(".")[0] in keys for field in gap.fields))

    def name_of(self, container_id: str) -> str:
        """Name of another container, by its id."""
        found = next((other for other in self.snapshot.containers if other.id == container_id), None)
        return inert(found.name if found else container_id[:12])


def fact(label: str, *parts: Part) -> Content:
    """A label and what it stands for."""
    return line(" " * MARGIN, (f"{label:<{LABEL}}", "muted"), *parts)


def facts(label: str, text: str, width: int, tone: str = "plain") -> list[Content]:
    """A label and an inert text that is wrapped beside it; nothing when there is no text."""
    room = max(20, width - LABEL - 2 * MARGIN)
    wrapped = textwrap.wrap(text, room, break_on_hyphens=False) or []
    return [fact("" if index else label, (part, tone)) for index, part in enumerate(wrapped)]


def wrapped(text: str, width: int, tone: str = "plain", indent: int = 0) -> list[Content]:
    """An inert text on as many lines as it takes."""
    margin = " " * (MARGIN + indent)
    room = max(20, width - MARGIN - len(margin))
    return [line(margin, (part, tone)) for part in textwrap.wrap(text, room, break_on_hyphens=False)]


def heading(text: str, remark: str = "") -> Content:
    """The title of a section."""
    return line(" " * MARGIN, (text, "title"), (f"  {remark}" if remark else "", "muted"))


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int, tones: Sequence[str] = ()) -> list[Content]:
    """A table of inert texts under a muted header; *tones* is one for each row."""
    header, *lines = format_table(columns, rows, max(20, width - 2 * MARGIN))
    drawn = [line(" " * MARGIN, (header, "muted"))]
    for index, text in enumerate(lines):
        drawn.append(line(" " * MARGIN, (text, tones[index] if tones else "plain")))
    return drawn


def missing(opened: Opened, what: str) -> list[Content]:
    """Said in place of something that is not there, unless a gap about it says more."""
    if opened.container.pid is None:
        text = "Nothing runs, so there is nothing to read from the kernel."
    elif opened.detail is None:
        text = "reading …"
    else:
        text = f"No {what}."
    return [line(" " * MARGIN, (text, "muted"))]


def gap_lines(gap: Gap, width: int) -> list[Content]:
    """One gap of the opened container: what is missing, why, and what it would take."""
    room = max(20, width - 2 - 2 * MARGIN)
    text = describe_gap(gap).removeprefix(f"{inert(gap.subject)}: ")
    wrapped_text = textwrap.wrap(text, room, break_on_hyphens=False)
    return [line(" " * MARGIN, ("  " if index else "· ", "watch"), part) for index, part in enumerate(wrapped_text)]
