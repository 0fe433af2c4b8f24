"""Events: a log that follows until somebody scrolls, can be filtered, and leads to the container."""

from msgspec import structs

from ctrscope.model.event import Event, EventKind
from ctrscope.views.event_log import MOST, EventLog
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.events import EventsScreen
from ctrscope.views.widgets.row_table import RowTable
from tests.views.builders import APP, ago, sample
from tests.views.driver import app_of, asynchronous, dashboard, press, screen_lines, settle, show
from tests.views.world import events


def many(count: int, first: int = 0) -> tuple[Event, ...]:
    return tuple(
        Event(time=ago(9), kind=EventKind.STARTED, container=None, name=f"box-{number}", what="started")
        for number in range(first, first + count)
    )


def body(pilot) -> str:  # type: ignore[no-untyped-def]
    return "\n".join(screen_lines(pilot)[2:])


@asynchronous
async def test_each_is_a_line_with_its_cause() -> None:
    async with dashboard([structs.replace(sample(), events=events())], size=(160, 40)) as pilot:
        await press(pilot, "7")
        line = next(line for line in screen_lines(pilot) if "died, exit 137" in line)
        assert line.split()[:2] == ["14:12:00", "✗"]
        assert "OOM-killed by its own limit 512M, victim python3 7300" in line


@asynchronous
async def test_events_are_kept_while_another_screen_is_in_front_and_none_is_lost() -> None:
    async with dashboard([structs.replace(sample(), events=many(2))]) as pilot:
        await show(pilot, structs.replace(sample(second=2), events=many(2, 2)))
        await press(pilot, "7")
        assert [f"box-{number}" in body(pilot) for number in range(5)] == [True] * 4 + [False]


@asynchronous
async def test_it_follows_until_somebody_scrolls_and_says_so() -> None:
    async with dashboard([structs.replace(sample(), events=many(100))], size=(80, 24)) as pilot:
        await press(pilot, "7")
        assert "box-99" in body(pilot)
        assert "not following" not in body(pilot)
        await show(pilot, structs.replace(sample(second=2), events=many(5, 100)))
        assert "box-104" in body(pilot)
        assert "not following" not in body(pilot)
        await press(pilot, "up", "up")
        await show(pilot, structs.replace(sample(second=4), events=many(50, 105)))
        assert "box-154" not in body(pilot)
        assert "not following" in body(pilot)
        await press(pilot, "G")
        assert "box-154" in body(pilot)
        assert "not following" not in body(pilot)


@asynchronous
async def test_what_happened_is_cut_only_where_the_cause_needs_the_room() -> None:
    what = "exec'd in: sh -c cat /dev/zero | tail (pid 18115, by uid 0)"
    for cause, is_whole in (("exit 137 after 0.4 s", True), ("x" * 60, False)):
        event = Event(time=ago(5), kind=EventKind.JOINED, container=APP, name="app", what=what, cause=cause)
        async with dashboard([structs.replace(sample(), events=(event,))]) as pilot:
            await press(pilot, "7")
            row = next(line for line in screen_lines(pilot) if "→" in line)
            assert (what in row) is is_whole
            assert cause[:20] in row


@asynchronous
async def test_a_filter_leaves_what_matches_and_escape_shows_everything() -> None:
    async with dashboard([structs.replace(sample(), events=events())]) as pilot:
        await press(pilot, "7", "slash", *"kind:died", "enter")
        assert "exit 137" in body(pilot)
        assert "unpaused" not in body(pilot)
        assert "1 shown" in body(pilot)
        await press(pilot, "escape")
        assert "unpaused" in body(pilot)


@asynchronous
async def test_what_is_typed_into_the_filter_is_no_command() -> None:
    async with dashboard([structs.replace(sample(), events=events())]) as pilot:
        await press(pilot, "7", "slash", *"q")
        assert isinstance(pilot.app.screen, EventsScreen)
        assert not pilot.app._exit


@asynchronous
async def test_enter_opens_the_container_or_says_that_it_is_gone() -> None:
    async with dashboard([structs.replace(sample(), events=events())]) as pilot:
        await press(pilot, "7", "enter")
        assert any("gone" in note.message for note in pilot.app._notifications)
        table = pilot.app.screen.query_one(RowTable)
        table.stand_on("6")
        await settle(pilot)
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, ContainerScreen)
        assert pilot.app.screen.key == APP


@asynchronous
async def test_a_paused_screen_holds_still_and_forgets_nothing() -> None:
    async with dashboard([structs.replace(sample(), events=many(2))]) as pilot:
        await press(pilot, "7", "space")
        await show(pilot, structs.replace(sample(second=2), events=many(1, 2)))
        assert "box-2" not in body(pilot)
        await press(pilot, "space")
        assert "box-2" in body(pilot)
        assert len(app_of(pilot).events) == 3


def test_the_latest_ten_thousand_are_kept_and_keep_their_numbers() -> None:
    log = EventLog()
    log.add(many(MOST + 5))
    numbered = list(log.numbered())
    assert (len(log), numbered[0][0], numbered[-1][0]) == (MOST, 6, MOST + 5)
    assert numbered[0][1].name == "box-5"
