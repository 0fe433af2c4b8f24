"""A box of text over the screen in front, which scrolls."""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static


class TextScreen(ModalScreen[None]):
    """Shows a text that is made for the width there is."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", "close", show=False)]

    def __init__(self, title: str, draw: Callable[[int], Content]) -> None:
        super().__init__()
        self._title, self._draw = title, draw

    def compose(self) -> ComposeResult:
        """Put the text into a box that scrolls."""
        with VerticalScroll(id="help") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "esc closes"
            yield Static(id="help-text")

    def on_resize(self) -> None:
        """Make the text for the width there is."""
        width = self.query_one("#help").scrollable_content_region.width
        self.query_one("#help-text", Static).update(self._draw(width))
