"""Processes: a tree for each container, with what joined it; folded, filtered, sorted, and fast when there are thousands."""

import time

from msgspec import structs

from ctrscope.model.process import Process, ProcessForest, Role
from ctrscope.views.grouping import GROUP
from ctrscope.views.ordering import Order
from ctrscope.views.process_rows import FIGURES, Context, process_rows, trees
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.widgets.row_table import RowTable
from tests.views.builders import APP, NOW, containers, process
from tests.views.driver import asynchronous, dashboard, press, screen_lines, settle, show
from tests.views.world import forest, full


def line_with(pilot, text: str) -> str:  # type: ignore[no-untyped-def]
    return next(line for line in screen_lines(pilot)[3:-3] if text in line)


@asynchronous
async def test_a_process_has_its_pids_user_state_and_cpu() -> None:
    async with dashboard([full()], size=(120, 50)) as pilot:
        await press(pilot, "2")
        assert line_with(pilot, "/srv/server.js").split()[:6] == ["25112", "1", "root", "S", "31.4", "4d"]
        assert line_with(pilot, "sh -c").split()[:5] == ["25131", "20", "alice", "S", "16.7"]
        assert line_with(pilot, "defunct").split()[3] == "Z"
        assert "48.1" in line_with(pilot, "app  5")  # all that is inside


@asynchronous
async def test_who_came_in_from_outside_is_marked() -> None:
    async with dashboard([full()], size=(120, 50)) as pilot:
        await press(pilot, "2")
        assert line_with(pilot, "bash").strip().startswith("→")
        assert "joined from outside" in line_with(pilot, "bash")
        assert "→ 1 joined from outside" in screen_lines(pilot)[-2]


@asynchronous
async def test_a_container_folds_and_unfolds_and_all_of_them_do() -> None:
    async with dashboard([full()], size=(120, 50)) as pilot:
        await press(pilot, "2")
        table = pilot.app.screen.query_one(RowTable)
        table.stand_on(GROUP + APP)
        await press(pilot, "left")
        assert not any("/srv/server.js" in line for line in screen_lines(pilot))
        assert table.cursor == GROUP + APP
        await press(pilot, "right", "z")
        assert len(table.row_keys) == 11
        await press(pilot, "z")
        assert len(table.row_keys) == 11 + 16


@asynchronous
async def test_a_filter_and_the_way_to_the_container() -> None:
    async with dashboard([full()], size=(120, 50)) as pilot:
        await press(pilot, "2", "slash", *"role:joined", "enter")
        table = pilot.app.screen.query_one(RowTable)
        assert len(table.row_keys) == 2
        await press(pilot, "down", "enter")
        assert isinstance(pilot.app.screen, ContainerScreen)
        assert pilot.app.screen.key == APP
        await press(pilot, "escape", "escape")
        assert len(table.row_keys) == 11 + 16


@asynchronous
async def test_the_busiest_container_comes_first_when_asked() -> None:
    async with dashboard([full()], size=(120, 50)) as pilot:
        await press(pilot, "2", "s")
        assert pilot.app.screen.query_one(RowTable).row_keys[0] == GROUP + APP


@asynchronous
async def test_the_cursor_stays_on_its_process() -> None:
    async with dashboard([full()], size=(120, 50)) as pilot:
        await press(pilot, "2")
        table = pilot.app.screen.query_one(RowTable)
        key = next(key for key in table.row_keys if key.startswith("25131 "))
        table.stand_on(key)
        less = forest()
        rest = tuple(one for one in less.processes[APP] if one.pid != 25130)
        await show(pilot, structs.replace(full(second=2), processes=structs.replace(less, processes={APP: rest})))
        await settle(pilot)
        assert table.cursor == key


def test_five_thousand_processes_cost_little_until_they_are_seen() -> None:
    app = next(one for one in containers() if one.key == APP)
    members = (process(1000 + number, 1000, "w", Role.DESCENDANT) for number in range(1, 5000))
    found: tuple[Process, ...] = (process(1000, 1, "init", Role.INIT), *members)
    many = ProcessForest(processes={APP: found})
    seconds = []
    for _ in range(3):  # the least of them: the collector may walk what other tests left
        started = time.process_time()
        rows = list(process_rows(trees([app], Context(many, NOW), frozenset(), [], Order()), Context(many, NOW), FIGURES))
        seconds.append(time.process_time() - started)
        assert len(rows) == 5001
    assert min(seconds) < 0.5


@asynchronous
async def test_t_makes_one_list_of_all_in_the_order_of_any_column() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "2", "t")
        table = pilot.app.screen.query_one(RowTable)
        assert not any(key.startswith(GROUP) for key in table.row_keys)
        assert table.row_keys[0].startswith("25112 ")  # 31.4 % of a CPU
        assert "list · sort CPU % ▼" in screen_lines(pilot)[-2]
        pilot.app.screen.sort_by("pid")  # type: ignore[attr-defined]
        await settle(pilot)
        pids = [int(key.split()[0]) for key in table.row_keys]
        assert pids == sorted(pids)
        await press(pilot, "S")
        assert [int(key.split()[0]) for key in table.row_keys] == pids[::-1]
        await press(pilot, "t")
        assert table.row_keys[0].startswith(GROUP)


@asynchronous
async def test_a_filter_compares_figures() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "2", "slash", *"cpu>30", "enter")
        keys = [key for key in pilot.app.screen.query_one(RowTable).row_keys if not key.startswith(GROUP)]
        assert [key.split()[0] for key in keys] == ["25112"]
