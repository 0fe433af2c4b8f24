"""The table of actions: one key for one action, a sentence for each, and every one of them runs."""

import re
from pathlib import Path

import pytest

from ctrscope.views.actions import (
    ANYWHERE,
    CGROUPS,
    COLUMNS,
    CONTAINER,
    CONTAINERS,
    EVENTS,
    FINDINGS,
    LOGS,
    LONG_TEXT,
    MERGED,
    MOVES,
    NAMESPACES,
    NETWORK,
    PAGE,
    PROCESSES,
    SCREENS,
    SELECTED,
    STORAGE,
    TABLE,
    Action,
    key_names,
)
from ctrscope.views.widgets.key_bar import KeyBar
from tests.views.builders import APP, sample
from tests.views.driver import asynchronous, dashboard, press, screen_lines, settle, show, table_of
from tests.views.world import full

ALWAYS = (*SELECTED, *SCREENS, *ANYWHERE, *MOVES)
#: Name of a screen → its own actions and the key that leads to it from the containers.
OWN: dict[str, tuple[tuple[Action, ...], str]] = {
    "containers": ((*CONTAINERS, *TABLE, *COLUMNS), "1"),
    "container": ((*CONTAINER, *LONG_TEXT, *LOGS, *PAGE), "enter"),
    "merged": ((*MERGED, *LONG_TEXT, *LOGS, *PAGE), "m"),
    "namespaces": ((*NAMESPACES, *TABLE), "3"),
    "cgroups": ((*CGROUPS, *TABLE, *COLUMNS), "4"),
    "network": ((*NETWORK, *TABLE, *COLUMNS), "5"),
    "findings": ((*FINDINGS, *TABLE, *COLUMNS), "6"),
    "processes": ((*PROCESSES, *TABLE, *COLUMNS), "2"),
    "host": (PAGE, "8"),
    "storage": ((*STORAGE, *TABLE, *COLUMNS), "9"),
    "events": ((*EVENTS, *TABLE, *COLUMNS), "7"),
}
TABLES = {name: (*own, *ALWAYS) for name, (own, _) in OWN.items()}
EVERY = {action.id: action for actions in TABLES.values() for action in actions}


@pytest.mark.parametrize("actions", TABLES.values(), ids=TABLES)
def test_no_two_actions_of_a_screen_share_a_key(actions: tuple[Action, ...]) -> None:
    # Escape goes back where the screen has nothing to close or to clear: then its own action lets the key through.
    keys = [key for action in actions for key in action.keys.split(",") if action.id != "app.back"]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("actions", TABLES.values(), ids=TABLES)
def test_no_two_actions_share_a_place_on_the_key_bar(actions: tuple[Action, ...]) -> None:
    ranks = [action.rank for action in actions if action.rank]
    assert len(ranks) == len(set(ranks))


@pytest.mark.parametrize("action", EVERY.values(), ids=EVERY)
def test_every_action_has_a_title_and_a_sentence(action: Action) -> None:
    assert action.title
    assert action.tooltip[0].isupper()
    assert action.tooltip.endswith(".")
    assert all(key_names(action))


@pytest.mark.parametrize("screen", OWN)
def test_every_key_of_a_screen_does_something_without_harm(screen: str) -> None:
    own, way = OWN[screen]
    actions = (*own, *ALWAYS) if screen == "containers" else own
    keys = [key for action in actions if action.id != "app.quit" for key in action.keys.split(",")]

    @asynchronous
    async def run() -> None:
        async with dashboard([full()]) as pilot:
            for key in keys:
                # A box that the key before opened is left, and so is what was opened on the screen.
                await press(pilot, "escape", "escape", "1")
                table_of(pilot).stand_on(APP)
                await press(pilot, way)
                await show(pilot, full(second=2))
                await press(pilot, key)
                assert not pilot.app._exit, key

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


def test_the_readme_lists_the_keys_that_work_everywhere() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = readme.split("## The dashboard\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{'` `'.join(key_names(action))}` | {action.tooltip} |" for action in (*SCREENS, *ANYWHERE, *SELECTED)]


def test_the_readme_shows_every_picture() -> None:
    root = Path(__file__).parents[2]
    shown = set(re.findall(r"\((screenshots/[a-z]+\.svg)\)", (root / "README.md").read_text(encoding="utf-8")))
    assert shown >= {
        f"screenshots/{name}.svg" for name in ("containers", "namespaces", "cgroups", "network", "findings", "cgroup")
    }
    assert all((root / path).is_file() for path in shown)


@pytest.mark.parametrize("key", "12345679")
def test_while_a_filter_is_typed_only_what_ends_it_is_offered(key: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([full()]) as pilot:
            await press(pilot, key, "slash")
            assert screen_lines(pilot)[-1].split() == ["esc", "show", "all"]

    run()
