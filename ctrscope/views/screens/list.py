"""A box of rows over the screen in front, one of which can be chosen."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from ctrscope.views.widgets.row_table import Column, RowTable, TableRow


class ListScreen(ModalScreen[str | None]):
    """Shows rows, and is dismissed with the key of the one that was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "close", show=False),
        Binding("enter", "choose", "choose", show=False),
    ]

    def __init__(
        self, title: str, columns: Callable[[int], tuple[Column, ...]], rows: Sequence[TableRow], *, hint: str = ""
    ) -> None:
        super().__init__()
        self._title, self._columns, self._rows, self._hint = title, columns, rows, hint

    def compose(self) -> ComposeResult:
        """Put the rows into a box."""
        with Vertical(id="listed") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = Content(self._hint)
            yield RowTable(empty="nothing")

    def on_resize(self) -> None:
        """Draw for the width there is."""
        table = self.query_one(RowTable)
        table.styles.height = len(self._rows) + 1
        table.show_rows(self._columns(self.query_one("#listed").content_region.width), self._rows)

    def action_choose(self) -> None:
        """Close with the row under the cursor."""
        self.dismiss(self.query_one(RowTable).cursor)

    @on(RowTable.RowOpened)
    def _row_opened(self, event: RowTable.RowOpened) -> None:
        self.dismiss(event.key)
