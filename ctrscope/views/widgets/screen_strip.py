"""The second line of every screen: the screens with their keys, the one in front marked."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from textual.content import Content
from textual.style import Style
from textual.widget import Widget

from ctrscope.render.safe import cell_width
from ctrscope.views.actions import ANYWHERE, SCREENS, key_names, rebound
from ctrscope.views.tones import line

if TYPE_CHECKING:
    from ctrscope.views.app import CtrscopeApp

#: Said at the right end where there is room: what a newcomer needs first.
_HINTS = ("app.find", "app.help")
#: Names that are shorter where they do not fit otherwise.
_SHORT = {"Namespaces": "NS"}


class ScreenStrip(Widget):
    """Draws the names of the screens; a click on one shows it."""

    auto_links = False  # a click runs the action without the looks of a hyperlink

    def render(self) -> Content:
        """Draw the names, and the hints as far as there is room."""
        looks = (self._screens(" ", " ", {}), self._screens("", "", {}), self._screens("", "", _SHORT))
        drawn = next((one for one in looks if cell_width(one.plain) <= self.size.width), looks[-1])
        hints = Content("  ").join(
            line((key_names(action)[0], "accent"), (f" {action.title}", "muted")).stylize(
                Style.from_meta({"@click": action.run})
            )
            for action in rebound((one for one in ANYWHERE if one.id in _HINTS), self._keys())
        )
        space = self.size.width - cell_width(drawn.plain) - cell_width(hints.plain) - 1
        return drawn + " " * space + hints if space > 1 else drawn

    def _screens(self, between: str, after: str, short: Mapping[str, str]) -> Content:
        """Key and name of each screen; *between* the two, and *after* them; some names *short*."""
        drawn = Content("")
        shown = self._shown()
        for action in rebound(SCREENS, self._keys()):
            key, title = key_names(action)[0], short.get(action.title, action.title)
            if action.title == shown:
                piece = line((f" {key}{between}{title}{after}", "chosen"))
            else:
                piece = line((f" {key}", "accent"), (f"{between}{title}{after}", "muted"))
            drawn += piece.stylize(Style.from_meta({"@click": action.run}))
        return drawn

    def _keys(self) -> Mapping[str, str]:
        return cast("CtrscopeApp", self.app).preferences.bound

    def _shown(self) -> str:
        """Title of the screen in front, or of the one below the page in front: one may have jumped to another."""
        stack = self.app.screen_stack
        place = stack.index(self.screen) if self.screen in stack else len(stack) - 1
        titles = {action.title for action in SCREENS}
        names = (getattr(screen, "TITLE_TEXT", "") for screen in reversed(stack[: place + 1]))
        return next((name for name in names if name in titles), "")
