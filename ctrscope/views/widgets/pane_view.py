"""A page of lines that scrolls, in which one can search."""

import re
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from ctrscope.views.actions import MOVES, bindings
from ctrscope.views.expression import searched
from ctrscope.views.tones import TONES


class PaneView(VerticalScroll):
    """Scrolls one tab with the keys that move everywhere."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(MOVES)]

    class Resized(Message):
        """There is another width to draw for."""

    def __init__(self) -> None:
        super().__init__()
        self.pattern: re.Pattern[str] | None = None  # what is searched for
        self._lines: Sequence[Content] = ()
        self._at = -1  # number of the line on which the search stands

    def compose(self) -> ComposeResult:
        """Hold the text of the tab."""
        yield Static(id="pane")

    def show(self, lines: Sequence[Content]) -> None:
        """Show other lines, each as wide as the view."""
        self._lines = lines
        self._draw()

    def _draw(self) -> None:
        lines, pattern = self._lines, self.pattern
        if pattern is not None:
            lines = [_marked(line, pattern, at == self._at) for at, line in enumerate(lines)]
        self.query_one("#pane", Static).update(Content("\n").join(lines))

    # Search

    def search(self, text: str) -> bool:
        """Mark a text, and go to the first line with it from what is in sight on; whether there is any."""
        self.pattern = searched(text) if text else None
        self._at = int(self.scroll_offset.y) - 1
        found = bool(text) and self.step(1)
        self._draw()
        return found

    def step(self, direction: int) -> bool:
        """Go to the next line with what is searched for, or to the one before; from the end on at the beginning."""
        pattern = self.pattern
        places = [at for at, line in enumerate(self._lines) if pattern.search(line.plain)] if pattern is not None else []
        if not places:
            return False
        further = [at for at in places if (at > self._at if direction > 0 else at < self._at)]
        self._at = (further or places)[0 if direction > 0 else -1]
        if not 0 <= self._at - self.scroll_offset.y < self.size.height:
            self.scroll_to(y=max(0, self._at - self.size.height // 2), animate=False)
        self._draw()
        return True

    # Keys

    def on_resize(self) -> None:
        """Say so."""
        self.post_message(self.Resized())

    def action_move(self, lines: int) -> None:
        """Scroll by lines."""
        self.scroll_relative(y=lines, animate=False)

    def action_page(self, direction: int) -> None:
        """Scroll by screens."""
        self.scroll_relative(y=direction * max(1, self.size.height - 1), animate=False)

    def action_end(self, direction: int) -> None:
        """Scroll to an end."""
        self.scroll_to(y=0 if direction < 0 else self.max_scroll_y, animate=False)


def _marked(line: Content, pattern: re.Pattern[str], is_current: bool) -> Content:
    for found in pattern.finditer(line.plain):
        line = line.stylize(TONES["badge"] if is_current else "underline $warning", *found.span())
    return line
