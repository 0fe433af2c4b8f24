"""Changes: what a container changed, piece by piece, filtered and sorted, hostile names inert; and why there is nothing."""

import json
import threading
from typing import Any

import pytest
from textual.pilot import Pilot

from ctrscope.model.changes import Change, FileType
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap, Reading, Reason
from ctrscope.views.change_rows import FIELDS, shown_changes
from ctrscope.views.filtering import parse_filter
from ctrscope.views.ordering import Order
from ctrscope.views.panes import PANES
from ctrscope.views.panes.changes import ChangesPane
from ctrscope.views.screens.container import ContainerScreen
from tests.views.builders import APP, NOW, sample
from tests.views.changes import ADDED, FOUND, UPPER, piece, told
from tests.views.driver import asked_of, asynchronous, dashboard, press, screen_lines, settle, show, table_of, until


async def open_tab(pilot: Pilot[None], tab: str = "Changes") -> ContainerScreen:
    table_of(pilot).stand_on(APP)
    await press(pilot, "enter")
    screen = pilot.app.screen
    assert isinstance(screen, ContainerScreen)
    screen.action_show_tab(next(index for index, pane in enumerate(PANES) if pane.title == tab))
    await settle(pilot)
    return screen


def paths(pilot: Pilot[None]) -> list[str]:
    return list(pilot.app.screen.query_one(ChangesPane).table.row_keys)


@asynchronous
async def test_the_heading_says_what_it_comes_to_and_every_change_is_a_line() -> None:
    async with dashboard([sample()], size=(200, 50), asked=told(piece(by_engine=4))[1]) as pilot:
        await open_tab(pilot)
        text = await until(pilot, "1 added 5M · 3 changed 1.17K · 1 deleted · 5M written")
        assert "4 that containerd makes in every container not listed" in text
        assert UPPER in text
        assert paths(pilot) == ["/data.db", "/etc", "/etc/group", "/etc/passwd", "/www"]
        lines = {
            line.split()[1]: line.split() for line in screen_lines(pilot) if line.startswith((" added", " changed", " deleted"))
        }
        assert lines["/data.db"] == ["added", "/data.db", "file", "5M", "1m"]
        assert lines["/etc/"] == ["changed", "/etc/", "directory", "–", "1m"]
        assert lines["/etc/group"] == ["deleted", "/etc/group", "file", "–", "–"]
        assert lines["/www/"][-1] == "replaced"


@asynchronous
async def test_what_there_is_already_can_be_looked_at_while_the_rest_is_read() -> None:
    changes, asked = told(piece(FOUND[:2], is_last=False), piece(FOUND[2:]))
    changes.may = threading.Semaphore(1)
    async with dashboard([sample()], asked=asked) as pilot:
        await open_tab(pilot)
        assert "reading …" in await until(pilot, "/etc/group")
        await press(pilot, "down", "S")
        assert paths(pilot) == ["/etc/group", "/etc"]
        changes.may.release()
        await until(pilot, "/data.db")
        assert paths(pilot) == ["/www", "/etc/passwd", "/etc/group", "/etc", "/data.db"]
        assert pilot.app.screen.query_one(ChangesPane).table.cursor == "/etc/group"
        assert "reading …" not in "\n".join(screen_lines(pilot))


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        ("passwd", ["/etc/passwd"]),
        ("change:added", ["/data.db"]),
        ("size>1m", ["/data.db"]),
        ("age<10m !type:directory", ["/data.db"]),
        ("note:replaced", ["/www"]),
        ("path:/etc/ change:deleted", ["/etc/group"]),
        ("type=file size<2k", ["/etc/passwd"]),
    ],
)
def test_a_filter_asks_for_what_a_line_says(typed: str, left: list[str]) -> None:
    assert [one.path for one in shown_changes(FOUND, parse_filter(typed), Order("path"), NOW)] == left


def test_every_column_sorts_and_what_has_nothing_there_comes_last() -> None:
    for key in FIELDS:
        for descending in (False, True):
            assert len(shown_changes(FOUND, (), Order(key, descending), NOW)) == len(FOUND)
    assert [one.path for one in shown_changes(FOUND, (), Order("size", True), NOW)][:2] == ["/data.db", "/etc/passwd"]
    assert [one.path for one in shown_changes(FOUND, (), Order("age"), NOW)][-1] == "/etc/group"


@asynchronous
async def test_slash_filters_s_sorts_and_escape_goes_back_one_step_at_a_time() -> None:
    async with dashboard([sample()], asked=told(piece())[1]) as pilot:
        screen = await open_tab(pilot)
        await until(pilot, "written")
        await press(pilot, "slash", *"etc")
        assert paths(pilot) == ["/etc", "/etc/group", "/etc/passwd"]
        assert "3 shown" in "\n".join(screen_lines(pilot))
        await press(pilot, "enter", "s", "s")
        assert paths(pilot)[0] == "/etc/passwd"  # by size, the largest first
        await press(pilot, "escape")
        assert len(paths(pilot)) == len(FOUND)
        assert pilot.app.screen is screen
        await press(pilot, "escape")
        assert pilot.app.screen is not screen


@asynchronous
async def test_keys_of_the_changes_are_nobodys_on_another_tab() -> None:
    files = asked_of(changes=lambda container: Reading(told(piece())[0]))
    async with dashboard([sample()], asked=files) as pilot:
        screen = await open_tab(pilot, "Config")
        await press(pilot, "slash", "x")
        assert screen.text is not None
        assert screen.text.is_typing
        await press(pilot, "escape")
        await open_again(pilot, screen)
        await until(pilot, "written")
        await press(pilot, "slash")
        assert screen.query_one(ChangesPane).is_typing


async def open_again(pilot: Pilot[None], screen: ContainerScreen) -> None:
    screen.action_show_tab(next(index for index, pane in enumerate(PANES) if pane.title == "Changes"))
    await settle(pilot)


@asynchronous
async def test_hostile_names_are_drawn_inert() -> None:
    odd = "\x1b[31m\u202e[bold red]\udcff\nx"
    async with dashboard(
        [sample()], asked=told(piece([Change(ADDED, f"/{odd}", FileType.FILE, 1, NOW, "[b]\x1b[2J")]))[1]
    ) as pilot:
        await open_tab(pilot)
        text = await until(pilot, "[bold red]")
        assert "\x1b" not in text
        assert "\u202e" not in text


@asynchronous
async def test_why_there_is_nothing_stands_in_its_place() -> None:
    gap = Gap(
        subject=f"container {APP}",
        fields=("layer",),
        source="/proc/25112/mountinfo",
        reason=Reason.UNSUPPORTED,
        detail="its root is ext4, no overlay",
    )
    async with dashboard([sample()], asked=asked_of(changes=lambda container: Reading(None, (gap,)))) as pilot:
        await open_tab(pilot)
        assert "/proc/25112/mountinfo" in await until(pilot, "its root is ext4, no overlay")


@asynchronous
async def test_a_layer_that_cannot_be_read_says_so() -> None:
    def changes(container: Container) -> Reading[Any]:
        raise PermissionError(13, "Permission denied", UPPER)

    async with dashboard([sample()], asked=asked_of(changes=changes)) as pilot:
        await open_tab(pilot)
        await until(pilot, "Permission denied")


@asynchronous
async def test_too_many_and_too_deep_are_said() -> None:
    last = piece(left_out=163_402, trouble="more than 256 directories below each other")
    async with dashboard([sample()], asked=told(last)[1]) as pilot:
        await open_tab(pilot)
        assert "163402 more not listed" in await until(pilot, "more than 256 directories below each other")


@asynchronous
async def test_it_is_read_again_when_its_turn_comes_and_stands_still_while_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("ctrscope.views.panes.changes.monotonic", lambda: now[0])
    changes, asked = told(piece(FOUND[:1]), piece(FOUND))
    async with dashboard([sample()], asked=asked) as pilot:
        await open_tab(pilot)
        await until(pilot, "written")
        await show(pilot, sample(second=2))
        assert changes.looks == 1
        now[0] += 6
        await press(pilot, "space")
        await show(pilot, sample(second=4))
        assert changes.looks == 1
        await press(pilot, "space")
        await show(pilot, sample(second=6))
        await until(pilot, "/data.db")
        assert changes.looks == 2


@asynchronous
async def test_the_page_as_json_has_the_changes_that_are_shown() -> None:
    async with dashboard([sample()], asked=told(piece())[1]) as pilot:
        screen = await open_tab(pilot)
        await until(pilot, "written")
        await press(pilot, "Y")
        copied = json.loads(pilot.app.clipboard)
        assert [one["path"] for one in copied["changes"]] == paths(pilot)
        assert any("/etc/passwd" in text and "1.17K" in text for text in screen.shown_lines())


@asynchronous
async def test_what_is_not_this_host_has_no_layer_to_look_into() -> None:
    async with dashboard([sample()]) as pilot:
        await open_tab(pilot)
        await until(pilot, "it is not this host, live")
