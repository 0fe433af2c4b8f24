"""Evidence: how we know, file by file; and what we do not know, and what that would take."""

from textual.content import Content

from ctrscope.render.safe import cell_width, inert
from ctrscope.render.tables import Column
from ctrscope.views.panes.opened import MARGIN, Opened, gap_lines, heading, table, wrapped
from ctrscope.views.tones import line


def draw(opened: Opened) -> list[Content]:
    """Draw the tab."""
    rows = [(inert(found.source), inert(found.value)) for found in opened.container.evidence]
    taken = f"read at {inert(opened.snapshot.taken_at)}"
    lines = [heading("how we know", taken)]
    lines += _evidence(rows, opened.width) if rows else [line(" " * MARGIN, ("No evidence was kept.", "muted"))]
    lines += [Content(""), heading("what we could not read")]
    if not opened.gaps:
        lines.append(line(" " * MARGIN, ("Nothing is missing.", "muted")))
    return lines + [content for gap in opened.gaps for content in gap_lines(gap, opened.width)]


def _evidence(rows: list[tuple[str, str]], width: int) -> list[Content]:
    widest = max(cell_width(source) for source, _ in rows) + max(cell_width(value) for _, value in rows)
    if widest + 2 + 2 * MARGIN <= width:
        return table((Column("SOURCE"), Column("SAYS")), rows, width)
    # Evidence is there to be read to its end: below each other where it does not fit beside each other.
    return [
        content for source, value in rows for content in (*wrapped(source, width, "muted"), *wrapped(value, width, indent=2))
    ]
