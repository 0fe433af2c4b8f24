"""Jump: the letters that lead on from where the cursor is, and whither."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.style import Style
from textual.widgets import Static

from ctrscope.render.safe import shorten
from ctrscope.views.jumps import Jump
from ctrscope.views.tones import line

_TITLE = 14  # cells


class JumpScreen(ModalScreen[Jump | None]):
    """A line for each way on. Dismissed with the one whose letter was pressed; any other key closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "close", show=False)]

    def __init__(self, jumps: Sequence[Jump]) -> None:
        super().__init__()
        self._jumps = {jump.key: jump for jump in jumps}

    def compose(self) -> ComposeResult:
        """Put the letters into a box."""
        with Vertical(id="jumps") as box:
            box.border_title = "go to"
            box.border_subtitle = Content("a letter goes there · esc comes back")
            text = Static(id="ways")
            text.auto_links = False
            yield text

    def on_resize(self) -> None:
        """Draw for the width there is."""
        room = self.query_one("#jumps").content_region.width - _TITLE - 5
        lines = [
            line((f" {jump.key}  ", "accent"), f"{jump.title:<{_TITLE}}", (shorten(jump.what, room), "muted")).stylize(
                Style.from_meta({"@click": f"screen.choose({jump.key!r})"})
            )
            for jump in self._jumps.values()
        ]
        self.query_one("#ways", Static).update(Content("\n").join(lines))

    def on_key(self, event: Key) -> None:
        """Take the letter."""
        if event.key != "escape":
            event.stop()
            self.dismiss(self._jumps.get(event.character or ""))

    def action_choose(self, key: str) -> None:
        """Take the line that was clicked."""
        self.dismiss(self._jumps.get(key))
