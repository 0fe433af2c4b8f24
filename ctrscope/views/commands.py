"""The command palette: every action of the screen in front that would do something now, by name."""

from collections.abc import Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from ctrscope.views.actions import Action, key_names
from ctrscope.views.screens.sample_screen import SampleScreen


class ActionCommands(Provider):
    """Offers the rows of the table of actions."""

    async def discover(self) -> Hits:
        """Offer everything, in the order of the key bar."""
        for action in self._offered():
            yield DiscoveryHit(_title(action), partial(self._run, action), help=action.tooltip)

    async def search(self, query: str) -> Hits:
        """Offer what matches."""
        matcher = self.matcher(query)
        for action in self._offered():
            title = _title(action)
            score = max(matcher.match(title), matcher.match(action.tooltip) / 2)
            if score > 0:
                yield Hit(score, matcher.highlight(title), partial(self._run, action), help=action.tooltip)

    def _offered(self) -> Iterator[Action]:
        screen = self.screen
        if isinstance(screen, SampleScreen):
            for action in screen.actions():
                if screen.offers(action) and action.id != "app.palette":
                    yield action

    async def _run(self, action: Action) -> None:
        await self.screen.run_action(action.run)


def _title(action: Action) -> str:
    return f"{action.title}  ({key_names(action)[0]})"
