"""The last line of every screen: the keys that do something here and now, most important first."""

from collections.abc import Sequence

from textual.content import Content
from textual.style import Style
from textual.widget import Widget

from ctrscope.render.safe import cell_width
from ctrscope.views.actions import Action, key_names
from ctrscope.views.tones import line


class KeyBar(Widget):
    """Draws actions; a click on one does what its key does."""

    auto_links = False  # a click runs the action without the looks of a hyperlink
    actions: Sequence[Action] = ()

    def show(self, actions: Sequence[Action]) -> None:
        """Draw other actions."""
        ranked = sorted((action for action in actions if action.rank), key=lambda action: action.rank)
        if ranked != self.actions:
            self.actions = ranked
            self.refresh()

    def render(self) -> Content:
        """Draw as many as fit."""
        drawn, room = Content(" "), self.size.width - 1
        for action in self.actions:
            key = key_names(action)[0]
            needed = cell_width(key) + 1 + cell_width(action.title) + 2
            if needed > room + 2:
                break
            room -= needed
            run = action.run if action.run.startswith("app.") else f"screen.{action.run}"
            piece = line((key, "accent"), (f" {action.title}", "muted"))
            drawn += piece.stylize(Style.from_meta({"@click": run})) + "  "
        return drawn
