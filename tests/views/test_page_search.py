"""Search on the tabs of a container's page that are no logs or files."""

from textual.pilot import Pilot

from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.widgets.pane_view import PaneView
from tests.views.builders import APP, container, detail, minute, sample
from tests.views.driver import app_of, asynchronous, dashboard, press, screen_lines, show, table_of

MANY = container("web", labels={f"label-{number:03}": "needle" if number in (40, 80) else "hay" for number in range(100)})


def top(pilot: Pilot[None]) -> int:
    return int(pilot.app.screen.query_one(PaneView).scroll_offset.y)


def in_sight(pilot: Pilot[None]) -> list[str]:
    return [found for found in ("label-040=needle", "label-080=needle") if found in "\n".join(screen_lines(pilot))]


@asynchronous
async def test_a_search_goes_from_match_to_match_and_round() -> None:
    async with dashboard([sample([MANY])], size=(80, 24)) as pilot:
        await press(pilot, "enter")
        assert in_sight(pilot) == []
        await press(pilot, "slash", *"Needle", "enter")
        assert in_sight(pilot) == []  # a capital means it
        await press(pilot, "slash", *"needle", "enter")
        assert in_sight(pilot) == ["label-040=needle"]
        await press(pilot, "n")
        assert in_sight(pilot) == ["label-080=needle"]
        await press(pilot, "n")
        assert in_sight(pilot) == ["label-040=needle"]
        await press(pilot, "N")
        assert in_sight(pilot) == ["label-080=needle"]
        await show(pilot, sample([MANY], second=1))
        assert in_sight(pilot) == ["label-080=needle"]


@asynchronous
async def test_what_is_found_is_marked_until_escape_and_the_next_one_goes_back() -> None:
    async with dashboard([sample([MANY])], size=(80, 24)) as pilot:
        await press(pilot, "enter", "slash", *"needle", "enter")
        page = pilot.app.screen.query_one(PaneView)
        assert page.pattern is not None

        await press(pilot, "escape")
        assert page.pattern is None
        assert isinstance(pilot.app.screen, ContainerScreen)
        await press(pilot, "escape")
        assert not isinstance(pilot.app.screen, ContainerScreen)


@asynchronous
async def test_letters_of_a_search_do_nothing_else_and_escape_closes_it() -> None:
    async with dashboard(minute()) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "enter")
        await show(pilot, sample(details={APP: detail()}))
        screen = pilot.app.screen
        assert isinstance(screen, ContainerScreen)
        await press(pilot, "slash", *"q1lyp")
        assert app_of(pilot).clipboard == ""
        assert screen.tab == 0
        assert screen.query_one("#search").display
        await press(pilot, "escape")
        assert not screen.query_one("#search").display
        await press(pilot, "l")
        assert screen.tab == 1


@asynchronous
async def test_what_is_not_there_is_said() -> None:
    async with dashboard([sample([MANY])]) as pilot:
        await press(pilot, "enter", "slash", *"nowhere", "enter")
        assert any("“nowhere” is not on this tab" in str(one.message) for one in pilot.app._notifications)
