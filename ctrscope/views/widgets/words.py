"""Lines of words whose place on the screen stays: drawing others costs no new layout, and the same ones nothing."""

from textual.content import Content
from textual.widgets import Static


class Words(Static):
    """Text in a box whose size does not follow it."""

    def say(self, text: Content) -> None:
        """Draw other words."""
        shown = self.content
        if not (isinstance(shown, Content) and shown.is_same(text)):
            self.update(text, layout=False)
