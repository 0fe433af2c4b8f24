"""Keys that are typed faster than the dashboard draws arrive where they were meant to, in their order, and none is lost."""

import asyncio
import random
from collections.abc import Callable, Sequence

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input

from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.containers import ContainersScreen
from tests.views.builders import sample
from tests.views.driver import CHARACTERS, asynchronous, dashboard, settle, table_of

Pause = Callable[[], int]


async def type_fast(pilot: Pilot[None], keys: Sequence[str], pause: Pause) -> None:
    """Post keys as the terminal would: some before the one before them was looked at, some after a turn or two of the loop."""
    for key in keys:
        pilot.app.post_message(Key(key, CHARACTERS.get(key, key if len(key) == 1 else None)))
        for _ in range(pause()):
            await asyncio.sleep(0)
    await settle(pilot)


def pauses() -> list[Pause]:
    """None at all, always the same, and by chance: where the keys meet a change of focus differs."""
    chance = random.Random(8)
    return [lambda: 0, *(lambda n=n: n for n in range(1, 12)), *[lambda: chance.randrange(12)] * 12]


@pytest.mark.parametrize(
    "keys", [("slash", *"legacy", "enter", "enter"), ("slash", *"legacy", "enter", "down", "enter")], ids=str
)
def test_enter_and_what_follows_it_go_to_the_table_that_a_filter_left(keys: tuple[str, ...]) -> None:
    @asynchronous
    async def run() -> None:
        for pause in pauses():
            async with dashboard([sample()]) as pilot:
                await type_fast(pilot, keys, pause)
                screen = pilot.app.screen
                assert isinstance(screen, ContainerScreen), screen
                assert screen.key.startswith("podman/")

    run()


@asynchronous
async def test_letters_of_a_filter_keep_their_order_and_escape_leaves_none_behind() -> None:
    for pause in pauses():
        async with dashboard([sample()]) as pilot:
            await type_fast(pilot, ("slash", *"engine:podman"), pause)
            screen = pilot.app.screen
            assert isinstance(screen, ContainersScreen)
            assert screen.query_one(Input).value == screen.filter == "engine:podman"
            rows = len(table_of(pilot).row_keys)
            await type_fast(pilot, ("escape", "slash", *"zzz", "escape", "s"), pause)
            assert screen.filter == screen.query_one(Input).value == ""
            assert screen.focused is screen.table
            assert len(table_of(pilot).row_keys) > rows
            assert screen.order.column != screen.ORDER.column  # s was a key again
