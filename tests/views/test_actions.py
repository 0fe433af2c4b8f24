"""The table of actions: one key for one action, a sentence for each, and every one of them runs."""

import pytest

from ctrscope.views.actions import ANYWHERE, CONTAINER, CONTAINERS, MOVES, SELECTED, Action, key_names
from ctrscope.views.widgets.key_bar import KeyBar
from tests.views.builders import APP, sample
from tests.views.driver import asynchronous, dashboard, press, screen_lines, settle, table_of

SCREENS = {
    "containers": (*CONTAINERS, *SELECTED, *ANYWHERE, *MOVES),
    "container": (*CONTAINER, *SELECTED, *ANYWHERE, *MOVES),
}
EVERY = {action.id: action for actions in SCREENS.values() for action in actions}


@pytest.mark.parametrize("actions", SCREENS.values(), ids=SCREENS)
def test_no_two_actions_of_a_screen_share_a_key(actions: tuple[Action, ...]) -> None:
    keys = [key for action in actions for key in action.keys.split(",")]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("actions", SCREENS.values(), ids=SCREENS)
def test_no_two_actions_share_a_place_on_the_key_bar(actions: tuple[Action, ...]) -> None:
    ranks = [action.rank for action in actions if action.rank]
    assert len(ranks) == len(set(ranks))


@pytest.mark.parametrize("action", EVERY.values(), ids=EVERY)
def test_every_action_has_a_title_and_a_sentence(action: Action) -> None:
    assert action.title
    assert action.tooltip[0].isupper()
    assert action.tooltip.endswith(".")
    assert all(key_names(action))


@pytest.mark.parametrize("action", [found for found in EVERY.values() if found.id != "app.quit"], ids=lambda found: found.id)
def test_every_key_of_an_action_does_something_without_harm(action: Action) -> None:
    @asynchronous
    async def run() -> None:
        for key in action.keys.split(","):
            async with dashboard([sample()]) as pilot:
                table_of(pilot).stand_on(APP)
                if action in CONTAINER:
                    await press(pilot, "enter")
                await press(pilot, key)
                assert not pilot.app._exit

    run()


@asynchronous
async def test_every_action_on_the_key_bar_runs_when_it_is_clicked() -> None:
    async with dashboard([sample()]) as pilot:
        bar = pilot.app.screen.query_one(KeyBar)
        text = screen_lines(pilot)[-1]
        await pilot.click(bar, offset=(text.index("sort"), 0))
        await settle(pilot)
        assert "sort THR % ▼" in "\n".join(screen_lines(pilot))
        await pilot.click(bar, offset=(text.index("pause"), 0))
        await settle(pilot)
        assert "PAUSED" in screen_lines(pilot)[0]
