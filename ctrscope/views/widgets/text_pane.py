"""A tab of long text: lines that scroll, a field to type into for search and filter, and a line of words."""

from collections.abc import Iterable
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from ctrscope.render.safe import cell_width, inert
from ctrscope.views.expression import Expression, NotPossible, is_lower, searched
from ctrscope.views.tones import Part, line, width_of
from ctrscope.views.widgets.field import Field
from ctrscope.views.widgets.lines_view import LinesView, TextLine

_HINTS = {
    "search": "text to search for; n goes on, N goes back",
    "filter": "regular expression: only lines that match are shown",
}


class TextPane(Vertical):
    """What the logs and the configuration files have in common."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filter: Expression | None = None
        self._asks = ""  # what the field is open for
        self._message: Part = ""

    def compose(self) -> ComposeResult:
        """Stack the lines, the field and the words."""
        yield LinesView()
        field = Field(self._taken, classes="asks")
        field.display = False
        yield field
        yield Static(classes="words")

    # What a tab has to say

    def words(self) -> tuple[Iterable[Part], Part]:
        """Left and right end of the line of words."""
        raise NotImplementedError

    def filtered(self) -> None:
        """Show only what matches ``self.filter``; None: everything."""
        raise NotImplementedError

    def search(self, step: int) -> None:
        """Go to the next match, 1 towards the end, -1 towards the beginning; 0: the nearest to what is in sight."""
        self.search_shown(step)

    def answered(self, what: str, text: str) -> None:
        """Take what was typed for something else than search and filter."""

    # The rest

    @property
    def view(self) -> LinesView:
        """The lines."""
        return self.query_one(LinesView)

    @property
    def field(self) -> Field:
        """The field to type into."""
        return self.query_one(Field)

    @property
    def is_typing(self) -> bool:
        """Whether keys go into the field."""
        return self.screen.focused is self.field

    def say(self, text: str, tone: str = "muted") -> None:
        """Say something until something else happens. The text is made inert."""
        self._message = (inert(text), tone) if text else ""
        self.draw_words()

    def draw_words(self) -> None:
        """Draw the line of words anew."""
        left, right = self.words()
        parts: list[Part] = [" ", *([self._message] if self._message else left)]
        text, tone = right if isinstance(right, tuple) else (right, "muted")
        room = self.size.width - width_of(parts) - 5
        if cell_width(text) > room:  # of a path the end tells most
            text = f"…{text[len(text) - room + 1 :]}" if room > 1 and text.isascii() else ""
        self.query_one(".words", Static).update(line(*parts, " " * max(3, room - cell_width(text) + 3), (text, tone)))

    def ask(self, what: str, hint: str = "") -> None:
        """Open the field."""
        self._asks = what
        field = self.field
        field.value = ""
        field.placeholder = f"{what}: {hint or _HINTS[what]}"
        field.open()

    def step_back(self) -> bool:
        """Close the field, else drop the filter, else the search; False when there was nothing of these."""
        if self._asks:
            self._close()
        elif self.filter is not None:
            self.filter = None
            self.filtered()
        elif self.view.pattern is not None:
            self.view.pattern = self.view.current = None
            self.view.refresh()
            self.say("")
        else:
            return False
        return True

    def _close(self) -> None:
        self._asks = ""
        self.field.display = False
        self.screen.set_focus(self.view)

    def _taken(self, text: str) -> None:
        what = self._asks
        self._close()
        if what == "search" and text:
            self.view.pattern = searched(text)
            self.view.refresh()
            self.search(0)
        elif what == "filter":
            try:
                self.filter = Expression(text, ignore_case=is_lower(text)) if text else None
            except NotPossible as error:
                self.say(str(error), "act")
                return
            self.filtered()
        elif text:
            self.answered(what, text)

    def matching(self, lines: Iterable[TextLine]) -> list[TextLine]:
        """Those that the filter leaves."""
        return [one for one in lines if self.filter is None or self.filter.search(one.text)]

    def search_shown(self, step: int) -> bool:
        """Search among the lines that are shown; whether there was one."""
        view, pattern = self.view, self.view.pattern
        if pattern is None:
            self.say("nothing was searched for: / does")
            return True
        keys = [one.key for one in view.lines]
        first, last = view.in_sight()
        here = keys.index(view.current) if view.current in keys else last if step <= 0 else first
        found = [number for number, one in enumerate(view.lines) if pattern.search(one.text)]
        if step > 0:
            place = next((number for number in found if number > here), None)
        elif step < 0:
            place = next((number for number in reversed(found) if number < here), None)
        else:  # what is in sight, else above, else below
            place = next((number for number in reversed(found) if number <= last), found[0] if found else None)
        if place is None:
            return False
        self.stand_on(keys[place], f"match {found.index(place) + 1} of {len(found)}")
        return True

    def stand_on(self, key: object, words: str) -> None:
        """Go to a line that was searched for."""
        self.view.current = key
        self.view.to_line(key)
        self.say(words)
