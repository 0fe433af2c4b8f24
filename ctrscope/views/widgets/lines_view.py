"""Lines of text that may be long and many: wrapped or cut, what is searched for marked, only what is in sight drawn."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ctrscope.render.safe import cell_width, shorten
from ctrscope.views.actions import MOVES, bindings
from ctrscope.views.widgets.row_table import SHARED

#: Matches that are marked in one line; a line may be nothing else.
_MOST_MARKS = 200


class TextLine(NamedTuple):
    """One line. Both texts are inert."""

    text: str
    tone: str = "plain"  # one of LinesView.TONES
    key: object = None  # what it is to whoever shows it
    before: Callable[[], Sequence[tuple[str, str]]] | None = None  # texts and tones left of it; made when it is drawn


class LinesView(ScrollView, can_focus=True):
    """Shows lines, with the keys that move everywhere."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(MOVES)]
    TONES: ClassVar[tuple[str, ...]] = (
        *("plain", "strong", "muted", "idle", "watch", "act", "title", "match", "current"),
        *SHARED,
    )
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"lines-view--{tone}" for tone in TONES}

    class Moved(Message):
        """Somebody scrolled: -1 towards the beginning, 1 towards the end; *whole*: to the very end of what there is."""

        def __init__(self, direction: int, whole: bool) -> None:
            super().__init__()
            self.direction, self.whole = direction, whole

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wrap = True
        self.pattern: re.Pattern[str] | None = None
        self.current: object = None  # key of the line that a search stands on
        self.margin = 0  # cells of what stands left of the lines
        self._lines: Sequence[TextLine] = ()
        self._rows: list[tuple[int, int, int]] = []  # line, and which characters of it
        self._laid_out: tuple[int, bool, int] = (0, True, 0)

    @property
    def _width(self) -> int:
        """Cells beside the scrollbar, whose room is always kept."""
        return self.scrollable_content_region.width

    # What is shown

    @property
    def lines(self) -> Sequence[TextLine]:
        """What is shown."""
        return self._lines

    @property
    def is_at_end(self) -> bool:
        """Whether the last line is in sight."""
        return self.scroll_offset.y >= max(0, len(self._rows) - self.size.height)

    def show_lines(self, lines: Sequence[TextLine]) -> None:
        """Show other lines. The line at the top stays there, if it is still among them."""
        top = self._top()
        self._lines = lines
        self._lay_out()
        if top is not None and top[0] is not None:
            place = next((number for number, line in enumerate(lines) if line.key == top[0]), None)
            if place is not None:
                self._scroll_to_line(place, top[1])
        self.refresh()

    def _top(self) -> tuple[object, int] | None:
        """Key of the line at the top of the screen, and how many rows of it are above."""
        y = self.scroll_offset.y
        if y >= len(self._rows):
            return None
        number = self._rows[y][0]
        above = sum(1 for row in self._rows[max(0, y - 2000) : y] if row[0] == number)
        return self._lines[number].key, above

    def _lay_out(self) -> None:
        room = max(1, self._width - self.margin)
        self._rows = [
            (number, start, end)
            for number, line in enumerate(self._lines)
            for start, end in (_cut(line.text, room) if self.wrap else ((0, len(line.text)),))
        ]
        self._laid_out = (self._width, self.wrap, self.margin)
        self.virtual_size = Size(self._width, len(self._rows))

    def on_resize(self) -> None:
        """Break the lines for another width."""
        at_end = self.is_at_end
        if self._laid_out != (self._width, self.wrap, self.margin):
            top = self._top()
            self._lay_out()
            if top is not None and top[0] is not None:
                self._scroll_to_line(next((n for n, line in enumerate(self._lines) if line.key == top[0]), 0))
        if at_end:
            self.to_end()
        self.refresh()

    def watch_show_vertical_scrollbar(self, shown: bool) -> None:
        """Put the scrollbar where the lines are: it was not there yet when they were moved."""
        if shown:
            self.vertical_scrollbar.position = self.scroll_y

    def toggle_wrap(self) -> None:
        """Wrap lines, or cut them."""
        self.wrap = not self.wrap
        self.show_lines(self._lines)

    def to_end(self) -> None:
        """Show the last line."""
        self.scroll_to(y=max(0, len(self._rows) - self.size.height), animate=False, immediate=True, force=True)

    def to_line(self, key: object) -> None:
        """Bring a line into sight, with some before it."""
        place = next((number for number, line in enumerate(self._lines) if line.key == key), None)
        if place is None:
            return
        row = next((y for y, found in enumerate(self._rows) if found[0] == place), 0)
        if not self.scroll_offset.y <= row < self.scroll_offset.y + self.size.height:
            self.scroll_to(y=max(0, row - self.size.height // 2), animate=False, immediate=True, force=True)
        self.refresh()

    def _scroll_to_line(self, number: int, above: int = 0) -> None:
        row = next((y for y, found in enumerate(self._rows) if found[0] == number), 0)
        self.scroll_to(y=row + above, animate=False, immediate=True, force=True)

    def plain_lines(self) -> list[str]:
        """Every line with what stands left of it, as text."""
        return [
            " ".join((*(text for text, _ in one.before()), one.text)) if one.before is not None else one.text
            for one in self._lines
        ]

    def in_sight(self) -> tuple[int, int]:
        """Numbers of the first and the last line that are drawn."""
        if not self._rows:
            return 0, 0
        top = min(self.scroll_offset.y, len(self._rows) - 1)
        return self._rows[top][0], self._rows[min(len(self._rows), top + max(1, self.size.height)) - 1][0]

    # Keys

    def action_move(self, lines: int) -> None:
        """Scroll by lines."""
        self._scroll_by(lines)

    def action_page(self, direction: int) -> None:
        """Scroll by screens."""
        self._scroll_by(direction * max(1, self.size.height - 1))

    def action_end(self, direction: int) -> None:
        """Scroll to an end."""
        self._scroll_by(direction * len(self._rows), whole=True)

    def _scroll_by(self, rows: int, *, whole: bool = False) -> None:
        most = max(0, len(self._rows) - self.size.height)
        self.scroll_to(y=max(0, min(most, self.scroll_offset.y + rows)), animate=False, immediate=True, force=True)
        self.post_message(self.Moved(1 if rows > 0 else -1, whole))

    def _on_mouse_scroll_up(self, event: Any) -> None:
        event.stop()
        self._scroll_by(-3)

    def _on_mouse_scroll_down(self, event: Any) -> None:
        event.stop()
        self._scroll_by(3)

    # Drawing

    def render_line(self, y: int) -> Strip:
        """Draw one row."""
        width, row = self._width, y + self.scroll_offset.y
        if row >= len(self._rows):
            return Strip.blank(width, self._style("plain"))
        number, start, end = self._rows[row]
        line = self._lines[number]
        segments = []
        if self.margin:
            room = self.margin - 1
            for text, tone in line.before() if line.before is not None and start == 0 else ():
                text = shorten(text, room)
                room -= cell_width(text)
                segments.append(Segment(text, self._style(tone)))
            segments.append(Segment(" " * (room + 1), self._style("plain")))
        segments += self._text(line, start, end, width - self.margin)
        return Strip(segments).adjust_cell_length(width, self._style("plain"))

    def _text(self, line: TextLine, start: int, end: int, room: int) -> Iterator[Segment]:
        plain = self._style(line.tone)
        found = self._style("current" if line.key is not None and line.key == self.current else "match")
        at = start
        for first, last in _marks(self.pattern, line.text) if self.pattern is not None else ():
            first, last = max(first, at), min(last, end)
            if first >= last:
                continue
            yield Segment(line.text[at:first], plain)
            yield Segment(line.text[first:last], found)
            at = last
        rest = line.text[at:end]
        yield Segment(rest if self.wrap else shorten(rest, max(1, room - cell_width(line.text[start:at]))), plain)

    def _style(self, tone: str) -> Style:
        return self.get_component_rich_style(f"lines-view--{tone}")


@lru_cache(maxsize=512)
def _marks(pattern: re.Pattern[str], text: str) -> tuple[tuple[int, int], ...]:
    marks = []
    for found in pattern.finditer(text):
        marks.append(found.span())
        if len(marks) >= _MOST_MARKS:
            break
    return tuple(marks)


def _cut(text: str, room: int) -> Iterator[tuple[int, int]]:
    """Which characters of an inert text stand on each of the lines of *room* cells that it takes."""
    if len(text) <= room and cell_width(text) <= room:
        yield 0, len(text)
        return
    if text.isascii():
        yield from ((start, min(len(text), start + room)) for start in range(0, len(text), room))
        return
    start, used = 0, 0
    for place, char in enumerate(text):
        cells = cell_width(char)
        if used + cells > room and place > start:
            yield start, place
            start, used = place, 0
        used += cells
    yield start, len(text)
