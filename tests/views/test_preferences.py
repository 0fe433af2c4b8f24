"""What somebody has set: theme, first screen, refresh, keys; and what is said of names that there are not."""

from pathlib import Path
from typing import Any

import pytest

from ctrscope.act.write_file import write_file
from ctrscope.cli.configuration import Configuration, format_configuration, parse_configuration
from ctrscope.model.preferences import Preferences
from ctrscope.views.acting import SettingsFile
from ctrscope.views.actions import keys_of
from ctrscope.views.app import find_mistakes_in
from ctrscope.views.screens.cgroups import CgroupsScreen
from ctrscope.views.screens.containers import ContainersScreen
from ctrscope.views.themes import THEMES, choose_theme
from tests.views.builders import sample
from tests.views.driver import app_of, asynchronous, dashboard, names_of, press, screen_lines, table_of, unasked
from tests.views.test_export import is_back
from tests.views.world import full


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"theme": "solarised"}, ("theme", "there is no theme solarised; there are auto, dark, light, ansi, none")),
        ({"screen": "pods"}, ("screen", "there is no screen pods; there are containers, processes")),
        ({"keys": {"app.quitt": "x"}}, ("keys.app.quitt", "there is no such action; did you mean app.quit?")),
        ({"keys": {"app.quit": " "}}, ("keys.app.quit", "there is no key in it")),
        ({"keys": {"app.quit": "hyper+q"}}, ("keys.app.quit", "there is no key hyper+q; write it like")),
        ({"keys": {"app.quit": "s"}}, ("keys.app.quit", "s is the key of both table.sort and app.quit")),
        ({"keys": {"containers": {"group": "s"}}}, ("keys.containers.group", "s is the key of both")),
        ({"keys": {"move.down": "g"}}, ("keys.move.down", "g is the key of both app.jump and move.down")),
        (
            {"columns": {"pods": ("name",)}},
            ("columns.pods", "there is no such screen; there are containers, processes"),
        ),
        ({"columns": {"containers": ("nam",)}}, ("columns.containers", "there is no column nam; there are")),
        ({"sort": {"pods": "cpu"}}, ("sort.pods", "there is no such screen; there are containers, processes")),
        ({"sort": {"containers": "-nam"}}, ("sort.containers", "there is no column nam; there are")),
        ({"filter": {"host": "x"}}, ("filter.host", "there is no such screen; there are containers, processes")),
        ({"columns": {"containers": ()}}, ("columns.containers", "there is no column in it")),
    ],
    ids=str,
)
def test_a_name_that_there_is_not_is_said_with_its_key(changes: dict[str, Any], mistake: tuple[str, str]) -> None:
    found = find_mistakes_in(Preferences(**changes))
    assert len(found) >= 1
    key, what = found[0]
    assert (key, what[: len(mistake[1])]) == mistake


def test_what_is_right_is_not_complained_about() -> None:
    assert find_mistakes_in(Preferences()) == []
    right = Preferences(
        theme="nord",
        screen="findings",
        keys={"app.quit": "^x f10", "table": {"sort": "b"}},
        columns={"containers": ("name", "cpu")},
        sort={"containers": "-memory", "storage": "size"},
        filter={"containers": "engine:podman", "findings": "severity:high"},
    )
    assert find_mistakes_in(right) == []


def test_keys_are_read_as_people_write_them() -> None:
    assert keys_of("? ^p esc / ctrl+s F5") == "question_mark,ctrl+p,escape,slash,ctrl+s,f5"


@asynchronous
async def test_a_key_that_was_set_does_it_is_shown_and_the_old_one_does_not() -> None:
    async with dashboard([sample()], preferences=Preferences(keys={"table.sort": "x", "screen.cgroups": "^k"})) as pilot:
        before = "\n".join(screen_lines(pilot))
        assert "x sort" in before
        assert "^k Cgroups" in before
        await press(pilot, "s")
        assert "sort THR %" not in "\n".join(screen_lines(pilot))
        await press(pilot, "x")
        assert "sort THR %" in "\n".join(screen_lines(pilot))
        await press(pilot, "question_mark")
        assert "x             Sort by the next column" in "\n".join(screen_lines(pilot))
        await press(pilot, "escape", "ctrl+k")
        assert isinstance(pilot.app.screen, CgroupsScreen)


@asynchronous
async def test_the_dashboard_begins_where_and_as_often_as_was_set() -> None:
    async with dashboard([full()], preferences=Preferences(screen="cgroups", refresh=5)) as pilot:
        assert isinstance(pilot.app.screen, CgroupsScreen)
        assert app_of(pilot).header_state().interval == 5
        await press(pilot, "1")
        assert isinstance(pilot.app.screen, ContainersScreen)


@asynchronous
async def test_what_is_wrong_with_the_file_is_said_in_the_dashboard_too() -> None:
    async with dashboard([sample()], complaints=("config.toml: line 3: theme: there is no theme x",)) as pilot:
        assert "line 3: theme: there is no theme x" in "\n".join(screen_lines(pilot))


@pytest.mark.parametrize("theme", ["dark", "light", "ansi", "nord", "textual-light", "gruvbox", "ansi-dark", "solarized-light"])
def test_every_screen_can_be_drawn_with_the_theme(theme: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([full()], preferences=Preferences(theme=theme)) as pilot:
            await press(pilot, "3", "1", "enter", "g")
            assert "go to" in "\n".join(screen_lines(pilot))

    run()


@pytest.mark.parametrize(
    ("wanted", "colours", "background", "chosen"),
    [
        ("auto", "truecolor", "", "ctrscope-dark"),
        ("auto", "256", "15;0", "ctrscope-dark"),
        ("auto", "256", "0;15", "ctrscope-light"),
        ("auto", "truecolor", "0;default;7", "ctrscope-light"),
        ("auto", "standard", "0;15", "ctrscope-ansi"),
        ("auto", None, "", "ctrscope-ansi"),
        ("light", "standard", "", "ctrscope-light"),
        ("none", "truecolor", "", "ctrscope-ansi"),
        ("nord", "truecolor", "", "nord"),
    ],
)
def test_the_theme_follows_what_the_terminal_can_do(wanted: str, colours: str | None, background: str, chosen: str) -> None:
    assert choose_theme(wanted, colours, background) == chosen


@asynchronous
async def test_where_there_are_sixteen_colours_no_other_one_is_used() -> None:
    async with dashboard([full()], preferences=Preferences(theme="ansi")) as pilot:
        styles = {segment.style for strip in pilot.app.screen._compositor.render_strips() for segment in strip if segment.style}
        numbers = {
            colour.number for style in styles for colour in (style.color, style.bgcolor) if colour and not colour.is_default
        }
        assert all(number is not None and number < 16 for number in numbers)
        assert any(style.reverse for style in styles)  # the cursor


def _contrast(first: str, second: str) -> float:
    """Contrast of two colours as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [theme for theme in THEMES if not theme.ansi], ids=lambda theme: theme.name)
def test_what_is_written_can_be_read(theme: Any) -> None:
    grounds = [theme.background, theme.surface, theme.panel, theme.variables["cursor"]]
    for colour in (theme.foreground, theme.warning, theme.error, theme.variables["muted"]):
        for ground in grounds:
            assert _contrast(colour, ground) >= 4.0, (colour, ground)
    assert _contrast(theme.variables["idle"], theme.background) >= 3.0


@asynchronous
async def test_the_columns_that_were_set_are_there_and_no_others() -> None:
    async with dashboard([sample()], preferences=Preferences(columns={"containers": ("engine", "memory")})) as pilot:
        assert [column.key for column in table_of(pilot).columns] == ["sign", "name", "engine", "memory"]


@asynchronous
async def test_a_screen_begins_in_the_order_and_with_the_filter_that_were_set() -> None:
    chosen = Preferences(
        sort={"containers": "memory", "storage": "-size"},
        filter={"containers": "engine:containerd", "processes": "user:nobody-at-all"},  # but not of what one jumps to
    )
    async with dashboard([full()], preferences=chosen) as pilot:
        assert names_of(pilot) == ["app", "istio-proxy", "pause"]
        text = "\n".join(screen_lines(pilot))
        assert "sort MEM ▼" in text
        assert "engine:containerd" in text
        await press(pilot, "escape")
        assert names_of(pilot)[:2] == ["builder", "app"]
        await press(pilot, "g", "p")
        assert "node" in "\n".join(screen_lines(pilot))
        await press(pilot, "9")
        assert "sort SIZE ▲" in "\n".join(screen_lines(pilot))
    async with dashboard([full()], preferences=Preferences(sort={"containers": "-name"})) as pilot:
        assert names_of(pilot)[-1] == "alpine"


@asynchronous
async def test_the_column_to_sort_by_is_chosen_from_a_list() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "O")
        text = "\n".join(screen_lines(pilot))
        assert "sort by" in text
        assert "STATE" in text
        await press(pilot, "home", "down", "enter")
        assert "sort NAME ▲" in "\n".join(screen_lines(pilot))


@asynchronous
async def test_how_the_screens_look_is_kept_and_a_new_dashboard_begins_with_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.toml"
    keep = SettingsFile(
        str(path), format_configuration, lambda path, text, replace: write_file(path, text, with_directory=True)
    )
    async with dashboard([full()], keep=keep, preferences=Configuration(refresh=5, keys={"app.quit": "^x"})) as pilot:
        await press(pilot, "r", "slash", *"engine:containerd", "enter", "O", "home", "down", "enter", "S")
        await press(pilot, "2", "t", "S", "9", "1", "ctrl+s")
        assert "what stands in that file is replaced" in "\n".join(screen_lines(pilot))
        await press(pilot, "enter")
        await is_back(pilot)
    kept = parse_configuration(path.read_bytes())
    assert kept == Configuration(
        refresh=5,
        only_running=True,
        keys={"app.quit": "^x"},
        sort={"containers": "-name", "processes": "-cpu"},
        filter={"containers": "engine:containerd"},
    )
    assert find_mistakes_in(kept) == []
    async with dashboard([full()], preferences=kept) as pilot:
        assert names_of(pilot) == ["pause", "istio-proxy", "app"]
        assert "ONLY RUNNING" in screen_lines(pilot)[0]


@pytest.mark.parametrize("read_only", [True, False])
@asynchronous
async def test_settings_are_not_kept_where_nothing_is_written(read_only: bool) -> None:
    keep = SettingsFile("/nowhere", format_configuration, unasked) if read_only else None
    async with dashboard([full()], keep=keep, read_only=read_only) as pilot:
        await press(pilot, "ctrl+s")
        assert isinstance(pilot.app.screen, ContainersScreen)
