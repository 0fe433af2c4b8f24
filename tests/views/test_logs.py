"""The Logs and Config tabs: followed, searched, filtered, gone through by time; whatever a container wrote is text."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot

from ctrscope.discovery.log_reader import LogReader
from ctrscope.model.container import Container
from ctrscope.model.detail import ConfigFile
from ctrscope.model.log import LogFormat, LogPage, LogPlace, LogSource
from ctrscope.probes.hostfs import HostFs
from ctrscope.views.acting import Refused
from ctrscope.views.asking import Asked, Keep, Log
from ctrscope.views.moments import parse_moment
from ctrscope.views.panes.logs import LogsPane
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.containers import ContainersScreen
from ctrscope.views.widgets.lines_view import LinesView
from tests.views.builders import APP, HOSTILE_NAMES, NOW, sample
from tests.views.driver import asked_of, asynchronous, dashboard, press, screen_lines, settle, show, table_of, until

_START = datetime(2026, 9, 21, 12, tzinfo=UTC)


def _text(first: int, count: int) -> str:
    return "".join(
        f"{(_START + timedelta(seconds=number)).isoformat()} {'stderr' if number % 10 == 0 else 'stdout'} F "
        f"{'Error' if number % 10 == 0 else 'line'} {number}\n"
        for number in range(first, first + count)
    )


def _asked(path: Path, format_: LogFormat = LogFormat.CRI, files: Sequence[ConfigFile] = ()) -> Asked:
    def log(container: Container) -> Log:
        return LogReader(HostFs(), LogSource(paths=(str(path),), format=format_))

    return asked_of(log=log, files=lambda container, secrets: tuple(files))


async def _open(pilot: Pilot[None], tab: str) -> None:
    table_of(pilot).stand_on(APP)
    await press(pilot, "enter", "g", {"Logs": "l", "Config": "k"}[tab])


async def _type(pilot: Pilot[None], key: str, text: str) -> None:
    await press(pilot, key, *("space" if char == " " else char for char in text), "enter")


def _view(pilot: Pilot[None]) -> LinesView:
    screen = pilot.app.screen
    assert isinstance(screen, ContainerScreen)
    assert screen.text is not None
    return screen.text.view


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    path.write_text(_text(0, 12_000))
    return path


@asynchronous
async def _end(log: Path) -> None:
    async with dashboard([sample()], asked=_asked(log)) as pilot:
        await _open(pilot, "Logs")
        text = await until(pilot, "line 11999")
        assert "09-21 15:19:59   line 11999" in text
        assert "following" in text
        assert "09-21 15:19:50 E Error 11990" in text
        with log.open("a") as file:
            file.write(_text(12_000, 2))
        await show(pilot, sample(second=2))
        await until(pilot, "line 12001")


def test_a_log_opens_at_its_end_and_follows_what_is_written(log: Path) -> None:
    _end(log)


@asynchronous
async def test_times_are_left_out_and_come_back_and_errors_keep_their_sign(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text("2026-09-21T14:10:00.5Z stdout F fine\n2026-09-21T14:10:01.5Z stderr F broken\n")
    async with dashboard([sample()], asked=_asked(path)) as pilot:
        await _open(pilot, "Logs")
        with_times = await until(pilot, "broken")
        await press(pilot, "T")
        without = screen_lines(pilot)
        assert next(line for line in without if "fine" in line).strip() == "fine"
        assert next(line for line in without if "broken" in line).strip() == "E broken"
        await press(pilot, "T")
        assert "\n".join(screen_lines(pilot)[5:-2]) == "\n".join(with_times.split("\n")[5:-2])


def test_what_is_written_while_the_page_is_held_still_is_not_drawn(log: Path) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample()], asked=_asked(log)) as pilot:
            await _open(pilot, "Logs")
            await until(pilot, "line 11999")
            await press(pilot, "space")
            with log.open("a") as file:
                file.write(_text(12_000, 2))
            await show(pilot, sample(second=2))
            assert "line 12001" not in "\n".join(screen_lines(pilot))
            await press(pilot, "space")
            await until(pilot, "line 12001")

    run()


def test_a_look_for_newer_lines_that_ends_after_the_screen_was_held_still_is_not_drawn(log: Path) -> None:
    begun, let = threading.Event(), threading.Event()

    class Slow(LogReader):
        def after(self, place: LogPlace, count: int, keep: Keep | None = None) -> LogPage:
            begun.set()
            assert let.wait(10)
            return super().after(place, count, keep)

    def open_log(container: Container) -> Log:
        return Slow(HostFs(), LogSource(paths=(str(log),), format=LogFormat.CRI))

    @asynchronous
    async def run() -> None:
        async with dashboard([sample()], asked=asked_of(open_log, lambda container, secrets: ())) as pilot:
            await _open(pilot, "Logs")
            await until(pilot, "line 11999")
            await show(pilot, sample(second=2))
            assert await asyncio.to_thread(begun.wait, 10)
            await press(pilot, "space")
            with log.open("a") as file:
                file.write(_text(12_000, 2))
            let.set()
            pane = pilot.app.screen.query_one(LogsPane)
            for _ in range(400):
                if not pane._busy:
                    break
                await settle(pilot)
            assert not pane._busy
            assert "line 12001" not in "\n".join(screen_lines(pilot))
            await press(pilot, "space")
            await until(pilot, "line 12001")

    run()


def test_scrolling_up_ends_following_and_goes_as_far_as_there_are_lines(log: Path) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample()], asked=_asked(log)) as pilot:
            await _open(pilot, "Logs")
            await until(pilot, "line 11999")
            for _ in range(25):
                await press(pilot, "pageup")
            assert "the end: G" in "\n".join(screen_lines(pilot))
            view = _view(pilot)
            assert view.lines[view.in_sight()[0]].text < "line 11499"  # what was read at first
            await press(pilot, "home")
            await until(pilot, "Error 0\n")
            await press(pilot, "G")
            await until(pilot, "following")
            await until(pilot, "line 11999")

    run()


def test_a_search_goes_through_the_whole_log_both_ways(log: Path) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample()], asked=_asked(log)) as pilot:
            await _open(pilot, "Logs")
            await until(pilot, "line 11999")
            await _type(pilot, "slash", "line 77")
            await until(pilot, "line 7799")
            await press(pilot, "N")
            await until(pilot, "line 7798")
            await press(pilot, "n", "n")
            await until(pilot, "nothing newer matches")
            await _type(pilot, "slash", "nowhere")
            await until(pilot, "nothing older matches")
            await press(pilot, "escape")
            assert isinstance(pilot.app.screen, ContainerScreen)
            await press(pilot, "escape")
            assert isinstance(pilot.app.screen, ContainersScreen)

    run()


def test_a_filter_leaves_the_lines_that_match_and_escape_brings_the_others_back(log: Path) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample()], asked=_asked(log)) as pilot:
            await _open(pilot, "Logs")
            await until(pilot, "line 11999")
            await _type(pilot, "ampersand", "error.*1.9")
            text = await until(pilot, "filter “error.*1.9”")
            await until(pilot, "Error 11990")
            assert "line 11999" not in text
            await _type(pilot, "ampersand", "[")
            await until(pilot, "not a regular expression")
            await press(pilot, "escape")
            await until(pilot, "line 11999")
            assert isinstance(pilot.app.screen, ContainerScreen)

    run()


def test_a_moment_that_is_typed_is_gone_to(log: Path) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample()], asked=_asked(log)) as pilot:
            await _open(pilot, "Logs")
            await until(pilot, "line 11999")
            await _type(pilot, "t", "13:00:05")
            await until(pilot, "line 3605")
            await _type(pilot, "t", "soon")
            await until(pilot, "not a time: soon")

    run()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", -600), ("10m ago", -600), ("-2h", -7200), ("14:13", -20), ("14:20", 400 - 86400), ("2026-09-21 14:00:00", -800)],
)
def test_moments_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_moment(text, NOW) == NOW + seconds  # NOW is 14:13:20


def test_long_lines_are_wrapped_or_cut(tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        path = tmp_path / "0.log"
        path.write_text("2026-09-21T12:00:00Z stdout F " + "日本語" * 60 + "the end\n")
        async with dashboard([sample()], size=(80, 24), asked=_asked(path)) as pilot:
            await _open(pilot, "Logs")
            await until(pilot, "the end")
            await press(pilot, "w")
            assert "the end\n" not in "\n".join(screen_lines(pilot)[:-2])
            await press(pilot, "w")
            await until(pilot, "the end")

    run()


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_whatever_a_container_writes_is_text(tmp_path: Path, size: tuple[int, int]) -> None:
    @asynchronous
    async def run() -> None:
        path = tmp_path / "0.log"
        colours = b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J\x1b[H\xff\xfe\x00 [red]markup[/red] \xe2\x80\xae\n"
        names = b"".join(name.encode("utf-8", "surrogateescape").replace(b"\n", b" ") + b"\n" for name in HOSTILE_NAMES)
        path.write_bytes(names + colours)
        async with dashboard([sample()], size=size, asked=_asked(path, LogFormat.PLAIN)) as pilot:
            await _open(pilot, "Logs")
            text = await until(pilot, "[red]markup[/red]")
            assert r"red \x1b]0;title\x07 \x1b[2J\x1b[H\xff\xfe\x00" in text
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert len(screen_lines(pilot)) == size[1]

    run()


def test_without_a_file_the_tab_says_where_the_log_is_read() -> None:
    def refuse(container: Container) -> Log:
        raise Refused("journald has it: journalctl CONTAINER_ID_FULL=3fca")

    @asynchronous
    async def run() -> None:
        asked = asked_of(log=refuse, files=lambda container, secrets: ())
        async with dashboard([sample()], asked=asked) as pilot:
            await _open(pilot, "Logs")
            await until(pilot, "journald has it: journalctl CONTAINER_ID_FULL=3fca")
            await press(pilot, "right")
            await until(pilot, "no file says what it was asked to be")

    run()


def test_an_empty_log_says_so(tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        (tmp_path / "0.log").touch()
        async with dashboard([sample()], asked=_asked(tmp_path / "0.log")) as pilot:
            await _open(pilot, "Logs")
            await until(pilot, "nothing was written yet")

    run()


def test_configuration_is_searched_filtered_and_shows_its_secrets_when_asked() -> None:
    def files(container: Container, secrets: bool) -> Sequence[ConfigFile]:
        lines = (
            "{",
            *(f'  "key{number}": 1,' for number in range(200)),
            f'  "token": "{"hunter2" if secrets else "***"}"',
            "}",
        )
        return (
            ConfigFile(path="/bundle/config.json", lines=lines),
            ConfigFile(path="/x/\x1b[2Jstate", trouble="no JSON: \x07"),
        )

    def no_log(container: Container) -> Log:
        raise Refused("none")

    @asynchronous
    async def run() -> None:
        async with dashboard([sample()], asked=asked_of(log=no_log, files=files)) as pilot:
            await _open(pilot, "Config")
            await until(pilot, "/bundle/config.json")
            await _type(pilot, "slash", "token")
            await until(pilot, '"token": "***"')
            await press(pilot, "v")
            await until(pilot, "hunter2")
            await _type(pilot, "ampersand", "key1.5")
            text = await until(pilot, '"key195"')
            assert '"key190"' not in text
            await press(pilot, "escape", "end")
            text = await until(pilot, r"/x/\x1b[2Jstate")
            assert r"no JSON: \x07" in text

    run()


def test_keys_that_are_typed_into_the_field_do_nothing_else(log: Path) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample()], asked=_asked(log)) as pilot:
            await _open(pilot, "Logs")
            await until(pilot, "line 11999")
            await press(pilot, "slash", "q", "g", "3", "n")
            assert isinstance(pilot.app.screen, ContainerScreen)
            text = "\n".join(screen_lines(pilot))
            assert "qg3n" in text
            await press(pilot, "escape")
            await settle(pilot)
            assert "qg3n" not in "\n".join(screen_lines(pilot))

    run()


def test_lines_that_are_json_are_laid_out_on_a_key_and_searched_as_they_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    lines = [
        r'{"msg":"slow query","level":"warn","ms":1200,"time":"T1"}',
        r"plain text, level=warn",
        r'{"msg":"\u001b[2Jcleared [red]x[/red]","level":"info","who":"\u202e"}',
        '{"msg":"torn',
    ]
    path.write_text("".join(f"2026-09-21T12:00:00Z stdout F {text}\n" for text in lines))

    @asynchronous
    async def run() -> None:
        async with dashboard([sample()], asked=_asked(path)) as pilot:
            await _open(pilot, "Logs")
            await until(pilot, r'{"msg":"slow query","level":"warn","ms":1200,"time":"T1"}')
            await press(pilot, "J")
            text = await until(pilot, "T1 warn slow query  ms=1200")
            assert "plain text, level=warn" in text
            assert r"info \x1b[2Jcleared [red]x[/red]  who=\u202e" in text
            assert '{"msg":"torn' in text
            assert "JSON laid out" in text
            await _type(pilot, "ampersand", "^T1 warn|^plain")
            text = await until(pilot, "2 lines")
            assert "slow query" in text
            assert "torn" not in text
            await press(pilot, "J")  # as it was written, only one begins so
            text = await until(pilot, "1 lines")
            assert "slow query" not in text
            await press(pilot, "escape")
            await until(pilot, '{"msg":"slow query"')

    run()


def test_a_key_goes_further_back_each_time_it_is_pressed(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    seconds = (*range(90_000, 4000, -1000), *range(4000, 0, -10))
    path.write_text(
        "".join(f"{datetime.fromtimestamp(NOW - one, UTC).isoformat()} stdout F said {one} ago\n" for one in seconds)
    )

    @asynchronous
    async def run() -> None:
        async with dashboard([sample()], asked=_asked(path), now=NOW) as pilot:
            await _open(pilot, "Logs")
            await until(pilot, "said 10 ago")
            for ago in (300, 900, 3600, 86_000):
                await press(pilot, *(("b", "b") if ago == 300 else "b"))
                await until(pilot, f"said {ago} ago")
            await press(pilot, "G")
            await until(pilot, "said 10 ago")

    run()
