"""From a sample to lines: filter, order, groups, and the words and tones of a cell."""

import pytest

from ctrscope.model.container import EngineName
from ctrscope.model.rates import Rates
from ctrscope.render.fields import Row
from ctrscope.render.units import NOT_APPLICABLE, NOT_PERMITTED
from ctrscope.views.columns import FIELDS, fit_columns
from ctrscope.views.filtering import matches, parse_filter
from ctrscope.views.grouping import Grouping, group_rows, roll_up
from ctrscope.views.history import History
from ctrscope.views.ordering import Order
from ctrscope.views.rows import Look, container_fields, rows_of, shown_groups, sort_rows, table_rows
from ctrscope.views.widgets.row_table import Cell, TableRow
from tests.views.builders import NOW, container, containers, sample, stats, stopped

M = 1024**2


def names(rows: list[Row]) -> list[str]:
    return [row.container.name for row in rows]


def lines(look: Look, width: int = 120) -> dict[str, TableRow]:
    rows = rows_of(sample())
    columns = fit_columns(width, rows, NOW)
    return {
        row.cells[1].text: row for row in table_rows(shown_groups(rows, look, NOW), look, columns, History(), NOW, sample())
    }


def cell(row: TableRow, key: str, width: int = 120) -> Cell:
    columns = fit_columns(width, rows_of(sample()), NOW)
    return row.cells[[column.key for column in columns].index(key)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("engine:lxc", ["alpine"]),
        ("status:paused", ["d-paused"]),
        ("shop server.js", ["app"]),
        ("pod:shop/web-0", ["app", "istio-proxy", "pause"]),
        ("id:3fcac954851d", ["app"]),
        ("POSTGRES", ["d-db"]),
        ("oom-killed", ["batch-7"]),
        ("engine:podman app", []),
        ("nosuchcolumn:x", []),
        ("net:[4026", ["net:[4026532911]"]),
        ("cpu>40 engine:containerd", ["app"]),
        ("mem>70% mem<90%", ["app"]),
        ("status:stale", ["ghost"]),
        ("cgroup:kubepods name=pause", ["pause"]),
        ("label:tier", ["app"]),
        ("label=tier=front", ["app"]),
        ("!label: status:running engine:containerd", ["istio-proxy", "pause"]),
        ("limit:max engine:lxc", ["alpine"]),
        ("ports:8080", ["app"]),
        ("pid:8300", ["debian"]),
        ("pids>20", ["app"]),
        ("created>3d image:batch", ["batch-7"]),
        ("sign:?", ["net:[4026532911]"]),
    ],
)
def test_a_filter_shows_what_has_every_word(words: str, found: list[str]) -> None:
    rows = rows_of(sample())
    assert names([row for row in rows if matches(parse_filter(words), container_fields(row, NOW))]) == found


def test_a_filter_may_ask_for_every_column_that_can_be_shown() -> None:
    asked = container_fields(rows_of(sample())[0], NOW)
    for key in FIELDS:
        (condition,) = parse_filter(f"{key}:x")
        assert condition.field in asked


def test_figures_sort_downwards_and_what_has_none_comes_last() -> None:
    order = names(sort_rows(rows_of(sample()), Order("cpu", descending=True), NOW))
    assert order[:3] == ["builder", "app", "d-db"]
    assert set(order[-3:]) == {"batch-7", "ghost", "migrate"}


def test_what_has_no_value_comes_last_upwards_too() -> None:
    assert set(names(sort_rows(rows_of(sample()), Order("cpu"), NOW))[-3:]) == {"batch-7", "ghost", "migrate"}


def test_rows_without_a_note_come_after_those_that_have_one() -> None:
    order = sort_rows(rows_of(sample()), Order("note"), NOW)
    notes = [bool(row.container.note) for row in order]
    assert notes == sorted(notes, reverse=True)


def test_equal_rows_are_in_the_order_of_their_names() -> None:
    rows = [Row(container(name), stats(M, "max"), Rates(cpu_percent=1.0)) for name in ("b", "C", "a")]
    assert names(sort_rows(rows, Order("cpu", descending=True), NOW)) == ["a", "b", "C"]


def test_each_pod_and_project_is_a_group_and_the_others_stand_alone() -> None:
    groups = group_rows(sort_rows(rows_of(sample()), Order("cpu", descending=True), NOW), Grouping.POD)
    assert [group.title for group in groups][:4] == ["", "pod shop/web-0", "project shop", ""]
    assert all(len(group.rows) == 1 for group in groups if not group.title)


def test_grouped_by_engine_every_row_is_in_a_group() -> None:
    groups = group_rows(rows_of(sample()), Grouping.ENGINE)
    assert all(group.title for group in groups)
    assert {group.title for group in groups} >= {"docker", "podman", "podman@1000", "containerd/k8s.io", "unclaimed@1000"}
    assert sum(len(group.rows) for group in groups) == len(containers())


def test_a_group_has_the_sum_of_its_members() -> None:
    group = next(group for group in group_rows(rows_of(sample()), Grouping.POD) if group.title == "pod shop/web-0")
    total = roll_up(group, {}, {})
    assert total.rates is not None
    assert total.rates.cpu_percent == pytest.approx(50.1)
    assert total.stats is not None
    assert total.stats.memory is not None
    assert total.stats.memory.current == 412 * M + 61 * M + M // 2


def test_a_group_with_a_member_that_cannot_be_read_has_no_sum() -> None:
    rows = [
        Row(container("a", group="g"), stats(M, "max"), Rates(cpu_percent=1.0)),
        Row(container("b", group="g"), stats(None, "max"), Rates()),
    ]
    total = roll_up(group_rows(rows, Grouping.POD)[0], {}, {})
    assert total.rates is not None
    assert total.rates.cpu_percent is None
    assert total.stats is not None
    assert total.stats.memory is not None
    assert total.stats.memory.current is None
    assert FIELDS["memory"].get(total, NOW) == NOT_PERMITTED


def test_a_group_with_a_member_that_has_no_cgroup_of_its_own_has_no_figure_to_be_refused() -> None:
    rows = [Row(container("a", group="g"), stats(M, "max")), Row(container("b", group="g", has_own_cgroup=False))]
    total = roll_up(group_rows(rows, Grouping.POD)[0], {}, {})
    assert FIELDS["memory"].get(total, NOW) == NOT_APPLICABLE


def test_a_folded_group_shows_its_heading_only() -> None:
    shown = lines(Look(grouping=Grouping.POD, folded=frozenset({"group pod shop/web-0"})))
    assert "pod shop/web-0  3" in shown
    assert shown["pod shop/web-0  3"].cells[0].text == "▸"
    assert "  app" not in shown
    assert "  d-db" in shown


def test_two_projects_of_one_name_in_a_pod_and_in_compose_are_two_groups() -> None:
    from ctrscope.model.container import Pod

    rows = [
        Row(container("a", group="shop")),
        Row(container("b", EngineName.PODMAN, pod=Pod(name="shop"))),
    ]
    assert [group.title for group in group_rows(rows, Grouping.POD)] == ["project shop", "pod shop"]


def test_high_memory_is_marked_by_a_sign_as_well_as_a_colour() -> None:
    shown = lines(Look())
    assert cell(shown["app"], "memory_percent") == Cell("86", "watch", "▲")
    assert cell(shown["builder"], "memory_percent").mark == "▲"
    assert cell(shown["istio-proxy"], "memory_percent").mark == " "


def test_throttling_is_marked() -> None:
    assert cell(lines(Look())["app"], "throttled") == Cell("31.2", "watch", "▲")


def test_what_does_not_run_is_dim_and_its_figures_do_not_apply() -> None:
    row = lines(Look())["migrate"]
    assert cell(row, "cpu") == Cell("–", "idle")
    assert cell(row, "sign") == Cell("○", "idle")


def test_only_what_needs_somebody_is_red() -> None:
    red = {name for name, row in lines(Look()).items() if any(found.tone == "act" for found in row.cells)}
    assert red == {"legacy", "ghost", "batch-7", "builder"}  # orphaned, stale, killed for memory, at its limit


def test_a_row_has_one_cell_for_each_column() -> None:
    rows = rows_of(sample([*containers(), stopped("x")]))
    for width in (40, 60, 80, 120, 200):
        columns = fit_columns(width, rows, NOW)
        look = Look(grouping=Grouping.POD)
        drawn = table_rows(shown_groups(rows, look, NOW), look, columns, History(), NOW, sample())
        assert {len(row.cells) for row in drawn} == {len(columns)}
