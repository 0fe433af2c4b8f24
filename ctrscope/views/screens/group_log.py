"""Merged log: what all containers of a group wrote, as one log by time; what has no place in it is named above."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from ctrscope.model.container import Container
from ctrscope.model.sample import Sample
from ctrscope.render.safe import inert, shorten
from ctrscope.views.actions import LOGS, LONG_TEXT, MERGED, PAGE, Action, bindings
from ctrscope.views.grouping import Grouping
from ctrscope.views.members import members_of, short_names
from ctrscope.views.panes.logs import LogsPane
from ctrscope.views.screens.long_text import LongTextScreen
from ctrscope.views.tones import line

_MOST_LEFT_OUT = 3  # lines


class GroupLogScreen(LongTextScreen):
    """The logs of a group. Who comes to the group later is read too, as soon as nobody reads further back."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (*MERGED, *LONG_TEXT, *LOGS, *PAGE)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS)]
    TITLE_TEXT = "Merged log"
    BACK = "merged.back"

    def __init__(self, grouping: Grouping, group: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._grouping, self._group = grouping, group
        self._members: Mapping[str, Container] = {}
        self._known: frozenset[str] = frozenset()  # keys of those whose logs are opened

    def compose_body(self) -> Iterable[Widget]:
        """Build the headline, who is left out, and the log."""
        yield Static(id="headline")
        yield Static(id="left-out")
        yield LogsPane()

    def on_mount(self) -> None:
        """Give the keys to the log."""
        self.set_focus(self.text.view)

    @property
    def text(self) -> LogsPane:
        """The log."""
        return self.query_one(LogsPane)

    def selected(self) -> Container | None:
        """It is of no container alone."""
        return None

    def show_sample(self, sample: Sample) -> None:
        """Look who is in the group, and what they wrote since."""
        found = members_of(sample.snapshot.containers, self._grouping, self._group)
        keys = frozenset(one.key for one in found)
        if keys - self._known or not self._members:
            self._members, self._known = short_names(found), keys
        asked, members = self.ctrscope.asked, self._members
        self.text.show(self._known, (lambda _: asked.logs(members)) if asked else None, self.ctrscope.paused)
        self._draw()

    def on_resize(self) -> None:
        """Draw for another width."""
        self._draw()

    @on(LogsPane.Opened)
    def _draw(self) -> None:
        width = self.size.width
        if not width:
            return
        count = len(self._known)
        words = (f"   {self._grouping.value}, {count} container{'s' if count != 1 else ''}", "muted")
        name = shorten(inert(self._group), max(8, width - 40))
        self.query_one("#headline", Static).update(line(" ", (name, "strong"), words))
        left_out = self.text.left_out
        if len(left_out) > _MOST_LEFT_OUT:
            rest = left_out[_MOST_LEFT_OUT - 1 :]
            names = ", ".join(one.partition(": ")[0] for one in rest)
            left_out = (*left_out[: _MOST_LEFT_OUT - 1], f"{len(rest)} more: {names}")
        lines = [line(" ", (shorten(f"· not here: {inert(one)}", width - 2), "watch")) for one in left_out]
        shown = self.query_one("#left-out", Static)
        shown.display = bool(lines)
        shown.update(Content("\n").join(lines))

    def shown_value(self) -> object:
        """The lines, as they were written."""
        return {
            "screen": "merged log",
            "group": self._group,
            "left_out": self.text.left_out,
            "lines": [
                {"container": one.whose, "time": one.at, "stream": one.stream, "text": one.text} for one in self.text.lines
            ],
        }

    def shown_lines(self) -> Iterable[str]:
        """The same as text."""
        left_out = (f"not here: {inert(one)}" for one in self.text.left_out)
        return [inert(self._group), *left_out, "", *self.text.view.plain_lines()]
