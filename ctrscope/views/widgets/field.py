"""A line to type into whose enter is worked off at once, so that the key after it finds the focus where it went."""

from collections.abc import Callable
from typing import Any

from textual.widgets import Input


class Field(Input):
    """Hands over what was typed by a call; a message would come after the keys that are waiting already."""

    def __init__(self, taken: Callable[[str], None], **kwargs: Any) -> None:
        # What is there is marked as it opens, and not when the focus is noticed: then something may have been typed already.
        super().__init__(compact=True, select_on_focus=False, **kwargs)
        self._taken = taken

    async def action_submit(self) -> None:
        """Hand over what is there."""
        self._taken(self.value)

    def open(self) -> None:
        """Show it and give it the keys; the next letter takes the place of what is there."""
        self.display = True
        self.action_select_all()
        self.screen.set_focus(self)
