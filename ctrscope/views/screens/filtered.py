"""What screens with a filter have in common: the field, and the keys that open and clear it."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from msgspec import structs
from textual import on
from textual.widget import Widget
from textual.widgets import Input

from ctrscope.model.preferences import Preferences
from ctrscope.render.safe import inert
from ctrscope.views.actions import TABLE, Action
from ctrscope.views.filtering import Condition, parse_filter
from ctrscope.views.screens.table import TableScreen
from ctrscope.views.widgets.field import Field
from ctrscope.views.widgets.key_bar import KeyBar


class FilteredScreen(TableScreen):
    """A table of which words that are typed leave only what matches."""

    FILTER_HINT: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self.filter = ""

    def compose_words(self) -> Iterable[Widget]:
        """Build the field above the words; it is hidden until somebody asks for it."""
        field = Field(self._filter_taken, placeholder=self.FILTER_HINT, id="filter")
        field.display = False
        yield field
        yield from super().compose_words()

    def on_mount(self) -> None:
        """Begin with the filter that was set, unless somebody came here to look at something; the field shows it."""
        if not self.filter and len(self.app.screen_stack) == 1:
            self.filter = self.ctrscope.preferences.filter.get(self.TITLE_TEXT.casefold(), "")
            self.field.value, self.field.display = self.filter, bool(self.filter)

    def kept_in(self, preferences: Preferences, name: str) -> Preferences:
        """The filter, too."""
        others = {one: kept for one, kept in preferences.filter.items() if one != name}
        filters = others | {name: self.filter} if self.filter else others
        return structs.replace(super().kept_in(preferences, name), filter=filters)

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
        if self.focused is self.field:
            self.query_one(KeyBar).show([action for action in TABLE if action.run == "clear_filter"])
        else:
            super().show_actions()

    def offers(self, action: Action) -> bool:
        """Letters of a filter do nothing else; clearing takes a filter, copying a line."""
        if self.focused is self.field:
            return action.run == "clear_filter"
        if action.run == "clear_filter":
            return bool(self.filter)
        if action.id == "table.copy":
            return self.table.cursor is not None
        return super().offers(action)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """With nothing to clear, escape goes back to where one came from."""
        return bool(self.filter) or self.focused is not self.table if action == "clear_filter" else True

    @property
    def field(self) -> Field:
        """The line to type into."""
        return self.query_one("#filter", Field)

    def action_filter(self) -> None:
        """Open the filter."""
        self.field.open()

    def action_clear_filter(self) -> None:
        """Close the filter and show everything."""
        self.field.value = ""
        self._filter_taken("")

    @on(Input.Changed, "#filter")
    def _filter_changed(self) -> None:
        self._filter(self.field.value)  # as it is by now: it may have been cleared since

    def _filter_taken(self, text: str) -> None:
        self.field.display = bool(text)
        self.set_focus(self.table)
        self._filter(text)

    def _filter(self, text: str) -> None:
        if text != self.filter:
            self.filter = text
            self.draw()
