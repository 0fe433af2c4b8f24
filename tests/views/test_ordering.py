"""Every table is sorted by any of its columns and shows the columns that somebody chose, the same way on every screen."""

import pytest
from msgspec import structs
from textual.pilot import Pilot

from ctrscope.model.sample import Sample
from ctrscope.views.ordering import Order, ordered
from ctrscope.views.screens.filtered import FilteredScreen
from ctrscope.views.widgets.row_table import RowTable
from tests.views.builders import APP
from tests.views.driver import asynchronous, dashboard, press, screen_lines, settle
from tests.views.test_attach import messages
from tests.views.world import events, full

#: Key of each screen that is a table.
TABLES = {
    "containers": "1",
    "processes": "2",
    "namespaces": "3",
    "cgroups": "4",
    "findings": "6",
    "events": "7",
    "storage": "9",
}
CHOOSING = {name: key for name, key in TABLES.items() if name != "namespaces"}  # all of the matrix always fits


def everything() -> Sample:
    return structs.replace(full(), events=events())


def screen_of(pilot: Pilot[None]) -> FilteredScreen:
    assert isinstance(pilot.app.screen, FilteredScreen)
    return pilot.app.screen


def texts(table: RowTable, column: str) -> list[str]:
    """Texts of a column from the top, without headings."""
    at = [one.key for one in table.columns].index(column)
    rows = [row for key in table.row_keys if (row := table.row(key)) is not None and not row.heading]
    return [row.cells[at].text.strip() for row in rows]


async def click_title(pilot: Pilot[None], key: str) -> None:
    table = screen_of(pilot).table
    keys = [column.key for column in table.columns]
    left = sum(column.width + column.gap for column in table.columns[: keys.index(key)])
    await pilot.click(table, offset=(left + 1, 0))
    await settle(pilot)


def test_equal_rows_stay_as_they_come_and_those_without_a_value_are_last_either_way() -> None:
    rows = [("b", 2.0), ("none", None), ("a", 1.0), ("c", 2.0)]
    assert [name for name, _ in ordered(rows, lambda row: row[1], descending=False)] == ["a", "b", "c", "none"]
    assert [name for name, _ in ordered(rows, lambda row: row[1], descending=True)] == ["b", "c", "a", "none"]
    assert ordered(["b", "A", "C"], lambda word: word, descending=False) == ["A", "b", "C"]


@pytest.mark.parametrize("screen", TABLES)
def test_s_goes_through_every_column_and_comes_round_while_the_cursor_stays_on_its_row(screen: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([everything()], size=(200, 60)) as pilot:
            await press(pilot, TABLES[screen], "down")
            found = screen_of(pilot)
            first, cursor = found.order, found.table.cursor
            rows = {key for key in found.table.row_keys if not key.startswith("severity ")}
            seen = []
            for _ in found.sortable():
                await press(pilot, "s")
                seen.append(found.order.column)
                assert {key for key in found.table.row_keys if not key.startswith("severity ")} == rows
                assert found.table.cursor == cursor
                if found.order != found.ORDER:
                    assert found.sort_words() in "\n".join(screen_lines(pilot)[-3:])
            assert found.order.column == first.column
            assert len(set(seen)) == len(seen) > 3

    run()


@pytest.mark.parametrize("screen", TABLES)
def test_a_click_on_any_title_sorts_by_it_and_a_second_one_turns_the_order(screen: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([everything()], size=(200, 60)) as pilot:
            await press(pilot, TABLES[screen])
            found = screen_of(pilot)
            for key in [key for key in found.sortable() if key]:
                if key == found.order.column:
                    await press(pilot, "s")
                await click_title(pilot, key)
                once = found.order
                assert once.column == key
                assert once.arrow in screen_lines(pilot)[2]
                await click_title(pilot, key)
                assert found.order == once.turned

    run()


@asynchronous
async def test_findings_by_subject_are_one_list_that_says_the_severity_in_words() -> None:
    async with dashboard([everything()], size=(160, 60)) as pilot:
        await press(pilot, "6")
        table = screen_of(pilot).table
        assert table.row_keys[0] == "severity high"
        await click_title(pilot, "subject")
        names = texts(table, "subject")
        assert names == sorted(names, key=str.casefold)
        assert not any(key.startswith("severity ") for key in table.row_keys)
        assert {"high", "medium", "low"} <= set(texts(table, "severity"))
        await click_title(pilot, "severity")
        assert table.row_keys[0] == "severity high"
        assert "severity" not in [column.key for column in table.columns]  # the headings say it
        await press(pilot, "S")
        assert table.row_keys[0] == "severity info"


@asynchronous
async def test_events_by_subject_do_not_follow_until_the_latest_is_last_again() -> None:
    async with dashboard([everything()], size=(160, 40)) as pilot:
        await press(pilot, "7")
        table = screen_of(pilot).table
        last = table.row_keys[-1]
        await click_title(pilot, "subject")
        names = texts(table, "subject")
        assert names == sorted(names, key=str.casefold)
        assert "following" not in screen_lines(pilot)[-2]
        await click_title(pilot, "time")
        assert table.row_keys[0] == last
        await press(pilot, "G")
        assert table.row_keys[-1] == table.cursor == last
        assert "following" in screen_lines(pilot)[-2]


@asynchronous
async def test_sorted_by_a_type_those_that_share_a_namespace_stand_together() -> None:
    async with dashboard([everything()], size=(160, 40)) as pilot:
        await press(pilot, "3")
        table = screen_of(pilot).table
        assert table.row_keys[0] == "host"
        await click_title(pilot, "net")
        shared = [at for at, text in enumerate(texts(table, "net")) if text.endswith(" A")]
        assert len(shared) > 1
        assert shared == list(range(shared[0], shared[-1] + 1))
        await click_title(pilot, "pid")
        assert texts(table, "pid")[-1] == ""  # that of another type has none


@asynchronous
async def test_trees_of_processes_are_sorted_by_what_stands_side_by_side() -> None:
    async with dashboard([everything()], size=(160, 60)) as pilot:
        await press(pilot, "2")
        table = screen_of(pilot).table
        await click_title(pilot, "pid")
        up = [key.split()[0] for key in table.row_keys if key.endswith(f" {APP}") and key.split()[0].isdigit()]
        await press(pilot, "S")
        down = [key.split()[0] for key in table.row_keys if key.endswith(f" {APP}") and key.split()[0].isdigit()]
        assert up != down
        assert set(up) == set(down)
        for pids in (up, down):  # a child is below its parent, whichever way
            assert pids.index("25090") < pids.index("25112") < pids.index("25131")


@pytest.mark.parametrize("screen", CHOOSING)
def test_columns_are_chosen_on_every_table_that_has_more_than_fit(screen: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([everything()], size=(130, 60)) as pilot:
            await press(pilot, CHOOSING[screen])
            found = screen_of(pilot)
            before = [column.key for column in found.table.columns]
            last = [key for key in found.COLUMNS if key not in found.STAYING and key not in before][-1]
            hidden = sum(key in found.COLUMNS and key not in found.STAYING for key in before)
            await press(pilot, "o", *["space", "down"] * hidden, "end", "space", "enter")
            more = [column.key for column in found.table.columns]
            assert last in more
            assert set(more) - {last} <= {*found.STAYING, "sign"}  # the others were hidden
            assert sum(column.width + column.gap for column in found.table.columns) <= 130
            await press(pilot, "o", "d")
            assert [column.key for column in found.table.columns] == before

    run()


@pytest.mark.parametrize("screen", CHOOSING)
def test_order_columns_filter_and_cursor_are_kept_while_another_screen_is_in_front(screen: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([everything()], size=(160, 60)) as pilot:
            await press(pilot, CHOOSING[screen], "s", "S", "o", "end", "space", "enter", "slash", "a", "enter", "end")
            found = screen_of(pilot)
            kept = (found.order, found.chosen, found.filter, found.table.cursor, found.table.row_keys)
            assert found.order != found.ORDER
            assert found.chosen
            await press(pilot, "8", "1", CHOOSING[screen])
            assert screen_of(pilot) is found
            assert (found.order, found.chosen, found.filter, found.table.cursor, found.table.row_keys) == kept

    run()


@asynchronous
async def test_a_column_for_which_there_is_no_room_is_said() -> None:
    async with dashboard([everything()], size=(80, 24)) as pilot:
        await press(pilot, "4", "o", "end", "space", "enter")
        assert "by" not in [column.key for column in screen_of(pilot).table.columns]
        assert "no room for IMPOSED" in messages(pilot)


@asynchronous
async def test_the_links_are_a_list_in_any_order_with_the_cursor_on_the_same_link_as_on_the_map() -> None:
    async with dashboard([everything()], size=(200, 40)) as pilot:
        await press(pilot, "5", "n", "t")
        found = screen_of(pilot)
        cursor = found.table.cursor
        assert cursor in found.table.row_keys
        assert "list · sort ↓/S ▼" in screen_lines(pilot)[-2]
        assert texts(found.table, "name")[:2] == ["eth0", "eth0"]  # the pod's and d-db's; of the others no rate is known
        assert texts(found.table, "where")[:2] == ["pod shop/web-0 (app, istio-proxy, pause)", "d-db"]
        assert "lo" not in texts(found.table, "name")
        await click_title(pilot, "name")
        names = texts(found.table, "name")
        assert names == sorted(names)
        assert found.table.cursor == cursor
        await click_title(pilot, "sign")
        assert "link is down" in texts(found.table, "where")[0]
        assert texts(found.table, "peer")[texts(found.table, "name").index("veth5a1b")] == "eth0"
        await press(pilot, "slash", *"rx>100k", "enter")
        assert texts(found.table, "name") == ["eth0"]
        await press(pilot, "escape", "o", "end", "space", "enter", "t", "t")
        assert "state" in [column.key for column in found.table.columns]
        await press(pilot, "t")
        assert found.order == Order()


@asynchronous
async def test_a_map_is_in_the_order_of_the_wires() -> None:
    async with dashboard([everything()]) as pilot:
        await press(pilot, "5")
        rows = screen_of(pilot).table.row_keys
        await press(pilot, "s", "S")
        assert screen_of(pilot).table.row_keys == rows
        assert screen_of(pilot).order == Order()
