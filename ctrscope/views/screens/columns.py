"""Columns: which there are, and in which order."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from ctrscope.views.widgets.row_table import Cell, Column, RowTable, TableRow


class ColumnsScreen(ModalScreen[tuple[str, ...] | None]):
    """Dismissed with the keys that were chosen, in their order; none of them is the default again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "close", show=False),
        Binding("enter,o", "apply", "show them", show=False),
        Binding("space,x", "mark", "show or not", show=False),
        Binding("K,shift+up", "shift(-1)", "further left", show=False),
        Binding("J,shift+down", "shift(1)", "further right", show=False),
        Binding("d", "dismiss(())", "default", show=False),
    ]

    def __init__(self, fields: Sequence[Column], shown: Collection[str]) -> None:
        super().__init__()
        self._fields, self._shown = list(fields), set(shown)

    def compose(self) -> ComposeResult:
        """Put the fields into a box."""
        with Vertical(id="listed") as box:
            box.border_title = Content("columns")
            box.border_subtitle = Content("space shows or hides, J and K move, enter is done, d default, esc leaves")
            yield RowTable(empty="nothing")

    def on_resize(self) -> None:
        """Draw for the width there is."""
        self._draw()

    def _draw(self) -> None:
        table, width = self.query_one(RowTable), self.query_one("#listed").content_region.width
        table.styles.height = len(self._fields) + 1
        columns = (
            Column("sign", "", "left", 3),
            Column("title", "COLUMN", "left", 9, gap=2),
            Column("help", "WHAT IT SAYS", "left", max(0, width - 18)),
        )
        table.show_rows(columns, [TableRow(one.key, partial(_cells, one, one.key in self._shown)) for one in self._fields])

    def action_mark(self) -> None:
        """Show the column under the cursor, or hide it."""
        key = self.query_one(RowTable).cursor
        if key is not None:
            self._shown ^= {key}
            self._draw()

    def action_shift(self, step: int) -> None:
        """Move the column under the cursor."""
        keys = [field.key for field in self._fields]
        key = self.query_one(RowTable).cursor
        place = keys.index(key) if key in keys else 0
        if 0 <= place + step < len(keys):
            self._fields.insert(place + step, self._fields.pop(place))
            self._draw()

    def action_apply(self) -> None:
        """Close with what is chosen."""
        self.dismiss(tuple(field.key for field in self._fields if field.key in self._shown))


def _cells(field: Column, is_shown: bool) -> tuple[Cell, ...]:
    tone = "plain" if is_shown else "idle"
    return (
        Cell(" ✓" if is_shown else "", "accent"),
        Cell(field.title, tone),
        Cell(field.tooltip, "muted" if is_shown else "idle"),
    )
