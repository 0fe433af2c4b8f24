"""What screens with a filter have in common: the field, and the keys that open and clear it."""

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.events import Key
from textual.widget import Widget
from textual.widgets import Input

from ctrscope.views.actions import Action
from ctrscope.views.screens.sample_screen import SampleScreen
from ctrscope.views.widgets.row_table import RowTable


class FilteredScreen(SampleScreen):
    """A table of which words that are typed leave only what matches."""

    FILTER_HINT: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self.filter = ""

    def compose_filter(self) -> Iterable[Widget]:
        """Build the field, which is hidden until somebody asks for it."""
        field = Input(placeholder=self.FILTER_HINT, id="filter", compact=True)
        field.display = False
        yield field

    def draw_filtered(self) -> None:
        """Draw what matches now."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Give the keys to the table."""
        self.table.focus()

    def on_descendant_focus(self) -> None:
        """Other keys do something now."""
        self.show_actions()

    @property
    def table(self) -> RowTable:
        """The table."""
        return self.query_one(RowTable)

    @property
    def words(self) -> list[str]:
        """What has to match."""
        return self.filter.casefold().split()

    def offers(self, action: Action) -> bool:
        """While a filter is typed, every other key is a letter of it."""
        if self.focused is self.query_one("#filter"):
            return action.run == "clear_filter"
        if action.run == "clear_filter":
            return bool(self.filter)
        return super().offers(action)

    def action_filter(self) -> None:
        """Open the filter."""
        field = self.query_one("#filter", Input)
        field.display = True
        self.set_focus(field)

    def take_key(self, event: Key) -> bool:
        """Put a key that was typed before the filter had opened where it was meant to go."""
        field = self.query_one("#filter", Input)
        if self.focused is not field or event.character is None or not event.is_printable:
            return False
        field.insert_text_at_cursor(event.character)
        return True

    def action_clear_filter(self) -> None:
        """Close the filter and show everything."""
        field = self.query_one("#filter", Input)
        field.value = ""
        field.display = False
        self.table.focus()
        self._filter("")

    @on(Input.Changed, "#filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        self._filter(event.value)

    @on(Input.Submitted, "#filter")
    def _filter_submitted(self, event: Input.Submitted) -> None:
        self.query_one("#filter").display = bool(event.value)
        self.table.focus()

    def _filter(self, text: str) -> None:
        if text != self.filter:
            self.filter = text
            self.draw_filtered()
