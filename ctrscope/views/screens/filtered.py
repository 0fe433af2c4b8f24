"""What screens with a filter have in common: the field, and the keys that open and clear it."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.events import Key
from textual.widget import Widget
from textual.widgets import Input

from ctrscope.render.safe import inert
from ctrscope.views.actions import TABLE, Action
from ctrscope.views.filtering import Condition, parse_filter
from ctrscope.views.screens.table import TableScreen
from ctrscope.views.widgets.key_bar import KeyBar


class FilteredScreen(TableScreen):
    """A table of which words that are typed leave only what matches."""

    FILTER_HINT: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self.filter = ""

    def compose_words(self) -> Iterable[Widget]:
        """Build the field above the words; it is hidden until somebody asks for it."""
        field = Input(placeholder=self.FILTER_HINT, id="filter", compact=True)
        field.display = False
        yield field
        yield from super().compose_words()

    def on_descendant_focus(self) -> None:
        """Other keys do something now."""
        self.show_actions()

    @property
    def conditions(self) -> Sequence[Condition]:
        """What has to match."""
        return parse_filter(self.filter)

    def nothing_matches(self, what: str) -> str:
        """What the table says when the filter leaves nothing of it."""
        return f"No {what} matches “{inert(self.filter)}”. esc shows everything."

    def show_actions(self) -> None:
        """Draw the key bar anew. While a filter is typed, every other key is a letter of it."""
        if self.focused is self.query_one("#filter"):
            self.query_one(KeyBar).show([action for action in TABLE if action.run == "clear_filter"])
        else:
            super().show_actions()

    def offers(self, action: Action) -> bool:
        """Letters of a filter do nothing else; clearing takes a filter, copying a line."""
        if self.focused is self.query_one("#filter"):
            return action.run == "clear_filter"
        if action.run == "clear_filter":
            return bool(self.filter)
        if action.id == "table.copy":
            return self.table.cursor is not None
        return super().offers(action)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """With nothing to clear, escape goes back to where one came from."""
        return bool(self.filter) or self.focused is not self.table if action == "clear_filter" else True

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
            self.draw()
