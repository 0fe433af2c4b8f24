"""`g` and a letter: from anything to what is related to it, and back to where one was."""

import pytest
from textual.pilot import Pilot

from ctrscope.model.namespace import NamespaceId, NamespaceType
from ctrscope.views.jumps import Item, jumps_from
from ctrscope.views.panes import PANES
from ctrscope.views.screens.cgroups import CgroupsScreen
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.containers import ContainersScreen
from ctrscope.views.screens.events import EventsScreen
from ctrscope.views.screens.findings import FindingsScreen
from ctrscope.views.screens.jump import JumpScreen
from ctrscope.views.screens.namespaces import NamespacesScreen
from ctrscope.views.screens.network import NetworkScreen
from ctrscope.views.screens.processes import ProcessesScreen
from ctrscope.views.screens.sample_screen import SampleScreen
from ctrscope.views.screens.table import TableScreen
from tests.views.builders import APP, containers, sample
from tests.views.driver import asynchronous, dashboard, press, screen_lines, show, table_of
from tests.views.world import full


async def _jump(pilot: Pilot[None], *keys: str) -> SampleScreen:
    await press(pilot, *keys)
    await show(pilot, full(second=3))
    screen = pilot.app.screen
    assert isinstance(screen, SampleScreen)
    return screen


def _filter_of(screen: SampleScreen) -> str:
    assert isinstance(screen, EventsScreen)
    return screen.filter


@pytest.mark.parametrize(
    ("letter", "kind", "cursor"),
    [
        ("p", ProcessesScreen, "25112 "),
        ("c", CgroupsScreen, "cri-containerd-3fca"),
        ("n", NamespacesScreen, APP),
        ("i", NetworkScreen, "4026531833/14"),  # the end on the host of the veth that leads to it
        ("f", FindingsScreen, APP),
    ],
)
def test_from_a_container_a_letter_leads_to_what_is_related_and_escape_back(
    letter: str, kind: type[TableScreen], cursor: str
) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([full()]) as pilot:
            table_of(pilot).stand_on(APP)
            screen = await _jump(pilot, "g", letter)
            assert isinstance(screen, kind)
            assert cursor in (screen.table.cursor or "")
            assert pilot.app.current_mode == "containers"
            await press(pilot, "escape")
            assert isinstance(pilot.app.screen, ContainersScreen)
            assert table_of(pilot).cursor == APP

    run()


@pytest.mark.parametrize(
    ("letter", "tab"),
    [
        *(("o", "Overview"), ("m", "Mounts"), ("s", "Security"), ("e", "Environment")),
        *(("h", "Changes"), ("l", "Logs"), ("k", "Config"), ("w", "Evidence")),
    ],
)
def test_letters_lead_to_the_tabs_of_the_container_page(letter: str, tab: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([full()]) as pilot:
            table_of(pilot).stand_on(APP)
            screen = await _jump(pilot, "g", letter)
            assert isinstance(screen, ContainerScreen)
            assert PANES[screen.tab].title == tab
            # On the page itself it is the same page.
            assert await _jump(pilot, "g", "o") is screen
            assert PANES[screen.tab].title == "Overview"
            await press(pilot, "escape")
            assert isinstance(pilot.app.screen, ContainersScreen)

    run()


@asynchronous
async def test_one_can_go_on_and_on_and_comes_back_step_by_step() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "2")
        await show(pilot, full(second=2))
        processes = pilot.app.screen
        assert isinstance(processes, ProcessesScreen)
        processes.table.stand_on(next(key for key in processes.table.row_keys if key.startswith("25131 ")))
        here = processes.table.cursor
        cgroups = await _jump(pilot, "g", "c")
        namespaces = await _jump(pilot, "g", "n")
        page = await _jump(pilot, "g", "l")
        network = await _jump(pilot, "g", "i")
        kinds = [type(one) for one in (cgroups, namespaces, page, network)]
        assert kinds == [CgroupsScreen, NamespacesScreen, ContainerScreen, NetworkScreen]
        for expected in (page, namespaces, cgroups, processes):
            await press(pilot, "escape")
            assert pilot.app.screen is expected
        assert processes.table.cursor == here
        await press(pilot, "escape")
        assert pilot.app.screen is processes  # nowhere to go back to


@asynchronous
async def test_the_process_under_the_cursor_is_the_one_that_is_gone_to() -> None:
    async with dashboard([full()]) as pilot:
        screen = await _jump(pilot, "2")
        assert isinstance(screen, ProcessesScreen)
        screen.table.stand_on(next(key for key in screen.table.row_keys if key.startswith("25131 ")))
        assert screen.item().pid == 25131


@asynchronous
async def test_events_of_one_container_are_shown_and_escape_clears_before_it_leaves() -> None:
    async with dashboard([full()]) as pilot:
        table_of(pilot).stand_on(APP)
        screen = await _jump(pilot, "g", "v")
        assert isinstance(screen, EventsScreen)
        assert _filter_of(screen) == "name:app"
        assert "name:app" in "\n".join(screen_lines(pilot))
        await press(pilot, "escape")
        assert pilot.app.screen is screen
        assert _filter_of(screen) == ""
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, ContainersScreen)


@asynchronous
async def test_the_menu_lists_the_ways_and_any_other_key_closes_it() -> None:
    async with dashboard([full()]) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "g")
        assert isinstance(pilot.app.screen, JumpScreen)
        text = "\n".join(screen_lines(pilot))
        for words in ("p  processes", "of app, at 25112", "l  logs", "net:[4026532913]"):
            assert words in text
        await press(pilot, "x")
        assert isinstance(pilot.app.screen, ContainersScreen)
        await press(pilot, "g", "escape")
        assert isinstance(pilot.app.screen, ContainersScreen)


@asynchronous
async def test_a_way_in_the_menu_can_be_clicked() -> None:
    async with dashboard([full()]) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "g")
        lines = screen_lines(pilot)
        y = next(number for number, text in enumerate(lines) if "l  logs" in text)
        await pilot.click(offset=(lines[y].index("logs") + 1, y))
        await press(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, ContainerScreen)
        assert PANES[screen.tab].title == "Logs"


@asynchronous
async def test_where_there_is_nothing_nothing_is_offered() -> None:
    async with dashboard([sample([])]) as pilot:
        await press(pilot, "g")
        assert isinstance(pilot.app.screen, ContainersScreen)
        assert "nothing is related" in "\n".join(screen_lines(pilot))


@asynchronous
async def test_the_strip_marks_the_screen_that_was_jumped_to() -> None:
    async with dashboard([full()]) as pilot:
        table_of(pilot).stand_on(APP)
        await _jump(pilot, "g", "c")
        await _jump(pilot, "g", "o")
        strip = pilot.app.screen.query_one("ScreenStrip")
        assert strip._shown() == "Cgroups"  # type: ignore[attr-defined]


def test_a_container_that_does_not_run_has_pages_and_no_namespaces() -> None:
    batch = next(one for one in containers() if one.name == "batch-7")
    assert "".join(jump.key for jump in jumps_from(Item(batch))) == "omhselkwdv"


def test_a_namespace_without_a_container_leads_to_its_network() -> None:
    jumps = jumps_from(Item(namespace=NamespaceId(NamespaceType.NET, 4026532977)))
    assert [(jump.key, jump.screen, jump.place) for jump in jumps] == [
        ("n", "namespaces", "net:[4026532977]"),
        ("i", "network", "net:[4026532977]"),
    ]


def test_a_cgroup_without_a_container_leads_to_itself_only() -> None:
    assert [jump.key for jump in jumps_from(Item(cgroup="/init.scope"))] == ["c"]
