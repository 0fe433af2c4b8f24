"""Environment: what its init was started with. Values that look secret stay hidden."""

from textual.content import Content

from ctrscope.render.safe import cell_width, inert
from ctrscope.views.panes.opened import MARGIN, Opened, missing
from ctrscope.views.tones import line

_INDENT = 2  # cells
MASK = "***"  # what stands in place of a value that looks secret


def draw(opened: Opened) -> list[Content]:
    """Draw the tab."""
    environment = opened.detail.environment if opened.detail else None
    if not environment:
        return missing(opened, "environment")
    hidden = sum(value == MASK for value in environment.values())
    words = (
        [line(" " * MARGIN, (f"{hidden} value{'s' if hidden != 1 else ''} hidden: v shows them", "muted"))] if hidden else []
    )
    if opened.secrets:
        words = [line(" " * MARGIN, ("secrets are shown: v hides them", "badge"))]
    drawn = [one for name, value in environment.items() for one in _lines(inert(name), inert(value), opened.width)]
    return [*words, Content(""), *drawn] if words else drawn


def _lines(name: str, value: str, width: int) -> list[Content]:
    """One variable, on as many lines as it takes: what goes on stands farther in."""
    room = max(20, width - 2 * MARGIN - _INDENT)
    tone = "idle" if value == MASK else "plain"
    first = max(0, room + _INDENT - cell_width(name) - 1)
    head, rest = _cut(value, first)
    lines = [line(" " * MARGIN, (name, "muted"), ("=", "idle"), (head, tone))]
    while rest:
        head, rest = _cut(rest, room)
        lines.append(line(" " * (MARGIN + _INDENT), (head, tone)))
    return lines


def _cut(text: str, room: int) -> tuple[str, str]:
    """What fits, and what goes on: after a separator, if there is one in its second half."""
    if cell_width(text) <= room:
        return text, ""
    end = len(text)
    while end and cell_width(text[:end]) > room:
        end -= max(1, (cell_width(text[:end]) - room) // 2)
    at = max(text.rfind(sign, end // 2, end) for sign in ":, ;") + 1
    end = at or end
    return text[:end], text[end:]
