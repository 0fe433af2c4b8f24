"""Changes: what the container changed of what it was made from, by its writable layer; as ``docker diff`` says it.

A layer may have millions of files: it is gone through aside, piece by piece, and what is there already can be looked at.
Of a container that runs it is gone through again while the tab is in front, seldom where that takes long.
"""

from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from ctrscope.model.changes import Change, ChangePiece
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap, Reading
from ctrscope.model.storage import WritableLayer
from ctrscope.render.safe import inert, shorten
from ctrscope.render.tables import Column, format_table
from ctrscope.views.acting import Done, reason_text, run_aside
from ctrscope.views.asking import Asked, Changes
from ctrscope.views.change_rows import FIELDS, change_columns, change_rows, shown_changes, totals_text
from ctrscope.views.filtering import parse_filter
from ctrscope.views.ordering import Order
from ctrscope.views.panes.opened import gap_lines
from ctrscope.views.tones import Part, line
from ctrscope.views.widgets.field import Field
from ctrscope.views.widgets.row_table import RowTable
from ctrscope.views.widgets.words import Words

#: Seconds between two readings, and the most of the time that they take.
_EVERY, _SHARE = 5.0, 0.02
_HINT = "words that must match: change:added size>1m age<10m type:file path:/etc !note:"


class ChangesPane(Vertical):
    """A table of the changes of one container, a filter, and what they come to."""

    def __init__(self, asked: Asked | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._asked = asked
        self._layer: WritableLayer | None = None
        self._changes: Sequence[Change] = ()
        self._totals: ChangePiece | None = None  # of what is shown
        self._coming: list[Change] = []  # of the reading that goes on
        self._shown = 0  # of the changes
        self._gaps: Sequence[Gap] = ()
        self._trouble = ""  # why nothing was read; inert
        self._busy = False
        self._started = self._cost = 0.0
        self._is_whole = False  # everything was gone through once
        self._order = Order("path")

    def compose(self) -> ComposeResult:
        """Stack what they come to, the table, the field and the words about a line."""
        yield Static(classes="totals")
        yield RowTable(empty="reading …")
        field = Field(self._filter_taken, placeholder=_HINT, classes="asks")
        field.display = False
        yield field
        yield Words(classes="words")

    # What is read, and when

    def show(self, container: Container, held: bool) -> None:
        """Read it for the first time, or again when its turn comes."""
        if self._asked is None:
            self._trouble = "there is no writable layer to what is shown: it is not this host, live"
            self.draw()
            return
        is_due = monotonic() - self._started >= max(_EVERY, self._cost / _SHARE)
        if not self._busy and (not self._started or (is_due and container.is_running and not held)):
            self._started, self._busy, self._coming = monotonic(), True, []
            run_aside(self, "open", partial(self._asked.changes, container))

    @on(Done)
    def _done(self, event: Done) -> None:
        event.stop()
        value = event.value
        if event.error is not None:
            self._end(inert(reason_text(event.error)))
        elif isinstance(value, Reading):
            self._gaps = value.gaps
            if value.value is None:
                self._changes, self._layer = (), None
                self._end("" if value.gaps else "the container ended meanwhile")
            else:
                self._layer = value.value.layer
                self._go_on(value.value)
        elif isinstance(value, tuple):
            changes, piece = value
            self._take(changes, piece)
            if not piece.changes and not piece.is_last:
                self._draw_heading()
                return
        self.draw()

    def _go_on(self, changes: Changes) -> None:
        run_aside(self, "piece", lambda: (changes, changes.more()))

    def _take(self, changes: Changes, piece: ChangePiece) -> None:
        self._coming += piece.changes
        if piece.is_last or not self._is_whole:  # the first time, what there is; later nothing goes away and comes back
            self._changes, self._totals = self._coming, piece
        if piece.is_last:
            self._is_whole = True
            self._end("")
        else:
            self._go_on(changes)

    def _end(self, trouble: str) -> None:
        self._busy, self._trouble, self._cost = False, trouble, monotonic() - self._started

    # Drawing

    @property
    def table(self) -> RowTable:
        """The table."""
        return self.query_one(RowTable)

    @property
    def field(self) -> Field:
        """The line to type into."""
        return self.query_one(Field)

    @property
    def is_typing(self) -> bool:
        """Whether keys go into the field."""
        return self.screen.focused is self.field

    @property
    def changes(self) -> Sequence[Change]:
        """What the table shows, in its order."""
        return shown_changes(self._changes, parse_filter(self.field.value), self._order, self._now())

    def lines(self) -> Sequence[str]:
        """The same as text."""
        now = self._now()
        columns = [Column(one.title, "right" if one.align == "right" else "left") for one in FIELDS.values()]
        return format_table(columns, [[one.text(change, now) for one in FIELDS.values()] for change in self.changes])

    def draw(self) -> None:
        """Draw everything anew."""
        width, now, shown = self.size.width, self._now(), self.changes
        if width <= 0:
            return
        columns = change_columns(width, self._changes)
        self._shown = len(shown)
        self._draw_heading()
        self.table.empty = self._nothing()
        self.table.show_rows(columns, change_rows(shown, columns, now), self._order)
        self._draw_words()

    def _draw_heading(self) -> None:
        self.query_one(".totals", Static).update(self._heading())

    def _heading(self) -> Content:
        width = self.size.width
        if self._gaps or self._trouble:
            said = [line(" ", (shorten(self._trouble, width - 2), "watch"))] if self._trouble else []
            return Content("\n").join([*said, *(one for gap in self._gaps for one in gap_lines(gap, width))])
        totals, layer = self._totals, self._layer
        if totals is None or layer is None:
            return line(" ", ("reading …", "muted"))
        parts: list[Part] = [" ", (totals_text(totals), "strong")]
        parts += [(f"  {self._shown} shown", "accent")] if self.field.value else []
        parts += [("  reading …", "muted")] if not totals.is_last else []
        beside = [f"in {inert(layer.upper)}"]
        if totals.by_engine:
            beside.insert(0, f"{totals.by_engine} that {layer.engine} makes in every container not listed")
        if totals.left_out:
            beside.insert(0, f"{totals.left_out} more not listed")
        if totals.trouble:
            beside.insert(0, inert(totals.trouble))
        is_short = totals.trouble or totals.left_out
        return Content("\n").join(
            [line(*parts), line(" ", (shorten(" · ".join(beside), width - 2), "watch" if is_short else "muted"))]
        )

    def _nothing(self) -> str:
        if self._gaps or self._trouble:
            return ""
        if not self._is_whole:
            return "reading …"
        return f"No change matches “{inert(self.field.value)}”. esc shows all." if self._changes else "It changed nothing."

    def _draw_words(self) -> None:
        found = next((one for one in self._changes if one.path == self.table.cursor), None)
        room = self.size.width - 2
        parts = [] if found is None else [inert(found.path), found.type.value, inert(found.note)]
        self.query_one(".words", Words).say(line(" ", (shorten("   ".join(part for part in parts if part), room), "muted")))

    @on(RowTable.CursorMoved)
    def _cursor_moved(self) -> None:
        self._draw_words()

    def on_resize(self) -> None:
        """Draw for another width."""
        self.draw()

    def _now(self) -> float:
        return float(self.app.clock())  # type: ignore[attr-defined]

    # Keys

    def ask(self) -> None:
        """Open the filter."""
        self.field.open()

    def step_back(self) -> bool:
        """Close the filter and show everything; False when there was none."""
        if not self.field.display:
            return False
        self.field.value = ""
        self._filter_taken("")
        return True

    @on(Input.Changed)
    def _filter_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.draw()

    def _filter_taken(self, text: str) -> None:
        self.field.display = bool(text)
        self.screen.set_focus(self.table)
        self.draw()

    @on(RowTable.TitleClicked)
    def _title_clicked(self, event: RowTable.TitleClicked) -> None:
        event.stop()
        if event.key == self._order.column:
            self.reverse()
        elif event.key in FIELDS:
            self._sort(event.key)

    def sort(self) -> None:
        """Sort by the next column."""
        keys = [column.key for column in self.table.columns if column.key in FIELDS]
        if keys:
            place = keys.index(self._order.column) if self._order.column in keys else -1
            self._sort(keys[(place + 1) % len(keys)])

    def _sort(self, key: str) -> None:
        self._order = Order(key, key == "size")  # what is largest, and what was written last, comes first
        self.draw()

    def reverse(self) -> None:
        """Turn the order around."""
        self._order = self._order.turned
        self.draw()
