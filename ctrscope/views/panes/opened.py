"""What a tab is given, and the shapes in which tabs write: facts, tables, and what could not be read."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from textual.content import Content

from ctrscope.model.cgroup import CgroupStats
from ctrscope.model.container import Container
from ctrscope.model.detail import Detail
from ctrscope.model.gap import Gap
from ctrscope.model.snapshot import Rates, Snapshot
from ctrscope.render.gaps import describe_gap
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column, format_table
from ctrscope.views.history import Point
from ctrscope.views.tones import Part, line

LABEL = 14  # cells of the left column of facts
MARGIN = 1


class Opened(NamedTuple):
    """One container and everything a tab may draw of it."""

    container: Container
    snapshot: Snapshot
    now: float  # unix time
    width: int  # cells
    detail: Detail | None = None  # None: not read yet
    stats: CgroupStats | None = None
    rates: Rates | None = None
    points: Sequence[Point] = ()

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Every gap about this container, once."""
        about = f"container {self.container.key}"
        own = [gap for gap in self.snapshot.gaps if gap.subject == about]
        return tuple(dict.fromkeys([*own, *(self.detail.gaps if self.detail else ())]))

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


def missing(opened: Opened, what: str, fields: Iterable[str]) -> list[Content]:
    """Said in place of something that is not there: why it is not, and what it would take."""
    if opened.detail is None:
        if opened.container.pid is None:
            return [line(" " * MARGIN, ("Nothing runs, so there is nothing to read from the kernel.", "muted"))]
        return [line(" " * MARGIN, ("reading …", "muted"))]
    wanted = set(fields)
    gaps = [gap for gap in opened.gaps if wanted & set(gap.fields)]
    if gaps:
        return [content for gap in gaps for content in gap_lines(gap, opened.width)]
    if opened.container.pid is None:
        return [line(" " * MARGIN, ("Nothing runs, so there is nothing to read from the kernel.", "muted"))]
    return [line(" " * MARGIN, (f"No {what}.", "muted"))]


def gap_lines(gap: Gap, width: int) -> list[Content]:
    """One gap: what is missing in yellow after its sign, wrapped."""
    room = max(20, width - 2 - 2 * MARGIN)
    wrapped = textwrap.wrap(describe_gap(gap), room, break_on_hyphens=False)
    return [line(" " * MARGIN, ("  " if index else "· ", "watch"), part) for index, part in enumerate(wrapped)]
