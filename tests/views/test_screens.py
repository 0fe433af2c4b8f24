"""The screens by their keys: each shows what it is about, keeps its place, and is read only while it is in front."""

import pytest
from msgspec import structs

from ctrscope.model.sample import Focus
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.containers import ContainersScreen
from ctrscope.views.widgets.row_table import RowTable
from ctrscope.views.widgets.screen_strip import ScreenStrip
from tests.views.builders import APP, HOSTILE_NAMES, container, denied, sample
from tests.views.driver import app_of, asynchronous, dashboard, press, screen_lines, settle, show, table_of
from tests.views.world import findings, full, hostile

#: Key → title, a text that is only there, and what has to be read for it.
SCREENS = {
    "1": ("Containers", "14 containers", Focus()),
    "2": ("Processes", "15 processes in 11 containers", Focus(processes=True)),
    "3": ("Namespaces", "53 namespaces", Focus(namespaces=True)),
    "4": ("Cgroups", "16 cgroups", Focus(cgroups=True)),
    "5": ("Network", "5 network namespaces", Focus(topology=True)),
    "6": ("Findings", "what to do", Focus(findings=True)),
    "7": ("Events", "Nothing happened", Focus()),
    "8": ("Host", "psi memory", Focus(host=True)),
    "9": ("Storage", "19 kept", Focus(storage=True)),
}


def chosen_of(pilot) -> str:  # type: ignore[no-untyped-def]
    """What is marked in the line of screens."""
    drawn = pilot.app.screen.query_one(ScreenStrip).render()
    marked = [drawn.plain[span.start : span.end] for span in drawn.spans if "on $accent" in str(span.style)]
    assert len(marked) == 1
    return str(marked[0])


@asynchronous
async def test_a_number_leads_from_every_screen_to_every_other() -> None:
    async with dashboard([full()]) as pilot:
        for before in SCREENS:
            for key, (title, text, _) in SCREENS.items():
                await press(pilot, before, key)
                await show(pilot, full(second=2))
                lines = screen_lines(pilot)
                assert text in "\n".join(lines)
                assert chosen_of(pilot) == f" {key} {title} "


@asynchronous
async def test_what_is_read_follows_the_screen_in_front() -> None:
    async with dashboard([full()]) as pilot:
        for key, (_, _, focus) in SCREENS.items():
            await press(pilot, key)
            app_of(pilot).request_sample()
            assert app_of(pilot)._focused == focus
        await press(pilot, "question_mark")  # help lies over the screen, which goes on
        app_of(pilot).request_sample()
        assert app_of(pilot)._focused == focus


@asynchronous
async def test_a_screen_keeps_its_place_while_others_are_in_front() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "5", "down", "down", "down")
        cursor = pilot.app.screen.query_one(RowTable).cursor
        await press(pilot, "4", "1", "5")
        assert pilot.app.screen.query_one(RowTable).cursor == cursor


@asynchronous
async def test_a_number_leaves_what_was_opened_on_its_screen() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, ContainerScreen)
        await press(pilot, "1")
        assert isinstance(pilot.app.screen, ContainersScreen)


@asynchronous
async def test_a_click_on_a_name_shows_that_screen() -> None:
    async with dashboard([full()]) as pilot:
        strip = pilot.app.screen.query_one(ScreenStrip)
        await pilot.click(strip, offset=(screen_lines(pilot)[1].index("Cgroups"), 0))
        await settle(pilot)
        assert pilot.app.current_mode == "cgroups"


@pytest.mark.parametrize("key", ["2", "3", "4", "5", "6", "7", "8", "9"])
def test_before_a_screen_is_read_it_says_so(key: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard() as pilot:
            await press(pilot, key)
            assert "reading" in "\n".join(screen_lines(pilot))

    run()


@pytest.mark.parametrize("key", ["2", "3", "4", "5", "8", "9"])
def test_a_screen_that_is_held_still_before_it_was_read_takes_the_first_reading_and_no_other(key: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample()]) as pilot:
            await press(pilot, "space", key)
            await show(pilot, full(second=2))
            text = "\n".join(screen_lines(pilot))
            assert SCREENS[key][1] in text
            await show(pilot, full([container("new")], second=4))
            body = "\n".join(screen_lines(pilot)[2:])
            assert "new" not in body

    run()


@pytest.mark.parametrize("key", ["2", "3", "4", "5", "8", "9"])
def test_a_sample_that_was_asked_for_by_another_screen_takes_nothing_away(key: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([full()]) as pilot:
            await press(pilot, key)
            await show(pilot, sample(second=2))
            assert SCREENS[key][1] in "\n".join(screen_lines(pilot))

    run()


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
@pytest.mark.parametrize("key", SCREENS)
def test_hostile_names_are_text_on_every_screen(key: str, size: tuple[int, int]) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([hostile(HOSTILE_NAMES)], size=size) as pilot:
            await press(pilot, key)
            await show(pilot, hostile(HOSTILE_NAMES))
            for _ in range(3):
                await press(pilot, "down", "down", "down")
                lines = screen_lines(pilot)
                text = "\n".join(lines)
                assert len(lines) == size[1]
                assert "\x1b" not in text
                assert "\u202e" not in text
            assert "[@click=app.quit]quit" in text or "[red]markup" in text or "two\\nlines" in text
            await press(pilot, "enter", "escape", "o", "escape", "x", "question_mark", "escape")
            assert not pilot.app._exit

    run()


@pytest.mark.parametrize("key", SCREENS)
def test_help_explains_the_screen_in_front(key: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([full()], size=(120, 60)) as pilot:
            await press(pilot, key, "question_mark")
            text = "\n".join(screen_lines(pilot))
            assert f"{SCREENS[key][0]}: help" in text
            assert "Say whose a PID" in text

    run()


@asynchronous
async def test_the_header_counts_what_is_wrong() -> None:
    async with dashboard([full()], size=(80, 24)) as pilot:
        assert "1 ●  2 ▲" in screen_lines(pilot)[0]
        await show(pilot, sample(second=2))
        assert "▲" not in screen_lines(pilot)[0]
    assert len(findings()) == 6


@asynchronous
async def test_plus_and_minus_change_how_often_samples_are_taken() -> None:
    async with dashboard([full()]) as pilot:
        app = app_of(pilot)
        seen = [app._interval]
        for key in ("plus", "minus", "minus", "minus", "minus", "plus"):
            await press(pilot, key)
            seen.append(app._interval)
        assert seen == [1.0, 1.0, 2.0, 5.0, 10.0, 10.0, 5.0]


@asynchronous
async def test_the_table_names_a_limit_from_above_and_the_traffic() -> None:
    async with dashboard([full()], size=(200, 50)) as pilot:
        table_of(pilot).stand_on(APP)
        row = next(line for line in screen_lines(pilot) if " app " in line)
        assert "480M↑" in row
        assert "86▲" in row
        assert "757K/213K" in row


@pytest.mark.parametrize("key", ["3", "4", "5"])
@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_what_could_not_be_read_for_a_screen_is_said_there(key: str, size: tuple[int, int]) -> None:
    @asynchronous
    async def run() -> None:
        gaps = (denied("namespace net:[1]", "links", source="/proc/7/ns/net"),)
        async with dashboard([structs.replace(full(), gaps=gaps)], size=size) as pilot:
            await press(pilot, key)
            line = screen_lines(pilot)[-2]
            assert "1 gap: denied" in line or "1 gap:…" in line
            assert len(line) <= size[0]
            await show(pilot, full(second=2))
            assert "gap" not in screen_lines(pilot)[-2]

    run()
