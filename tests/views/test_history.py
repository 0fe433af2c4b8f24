"""The last quarter of an hour: what is kept, and how it is spread over the cells of a drawing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from ctrscope.model.rates import Rates
from ctrscope.model.sample import HostTotals
from ctrscope.views.history import MINUTE_NS, POINTS, SPAN_NS, History, HostMetric, Metric, bar_graph, sparkline, spread
from tests.views.builders import APP, M, container, quarter, sample

SECOND = 1_000_000_000


def last_minute(points: list[tuple[int, float | None]], now_ns: int, cells: int) -> list[float | None]:
    return spread(points, now_ns, cells, MINUTE_NS)


def test_a_quarter_of_an_hour_at_a_sample_a_second_is_kept_and_no_more() -> None:
    history = History()
    for second in range(POINTS + 7):
        history.add(sample([container("one")], second=second))
    points = history.points("docker/" + container("one").id, Metric.CPU, 10 * SPAN_NS)
    assert len(points) == POINTS
    assert points[-1][0] - points[0][0] == (POINTS - 1) * SECOND
    assert len(history.host_points(HostMetric.CPU, 10 * SPAN_NS)) == POINTS


def test_three_hundred_containers_take_nine_million_bytes() -> None:
    history = History()
    history.add(sample([container(f"c{number}", id=f"{number}") for number in range(300)]))
    assert sum(ring.itemsize * len(ring) for ring in history._rings.values()) == 300 * 900 * len(Metric) * 4 < 9_000_000


def test_a_container_that_is_gone_is_forgotten() -> None:
    history = History()
    history.add(sample())
    history.add(sample([container("other")], second=2))
    assert not history.points(APP, Metric.CPU)


def test_a_container_that_came_later_is_unknown_before() -> None:
    history = History()
    history.add(sample([]))
    history.add(sample(second=2))
    assert [value is None for _, value in history.points(APP, Metric.MEMORY)] == [True, False]


def test_every_figure_is_remembered_as_what_it_is() -> None:
    history = History()
    rates = Rates(
        cpu_percent=1.0,
        throttled_percent=2.0,
        read_bytes=3.0,
        write_bytes=4.0,
        rx_bytes=5.0,
        tx_bytes=6.0,
        stalled_percent={"cpu": 7.0, "io": 8.0},
    )
    history.add(structs.replace(sample(), rates={APP: rates}))
    remembered = {metric: history.points(APP, metric)[0][1] for metric in Metric}
    assert remembered == {
        Metric.CPU: 1.0,
        Metric.MEMORY: 412 * M,
        Metric.THROTTLED: 2.0,
        Metric.STALLED: 8.0,
        Metric.READ: 3.0,
        Metric.WRITE: 4.0,
        Metric.RX: 5.0,
        Metric.TX: 6.0,
    }


def test_what_is_asked_for_is_no_longer_than_the_span_and_one_before() -> None:
    history = History()
    for taken in quarter():
        history.add(taken)
    points = history.points(APP, Metric.CPU, MINUTE_NS)
    newest = points[-1][0]
    assert [moment for moment, _ in points] == [newest - seconds * SECOND for seconds in range(65, -1, -5)]


@pytest.mark.parametrize("count", [1, 4, 5, 6, 11])
def test_a_ring_that_went_round_gives_its_points_in_order(count: int) -> None:
    history = History(points=5)
    for second in range(count):
        history.add(sample(second=second))
    moments = [moment for moment, _ in history.points(APP, Metric.CPU)]
    assert len(moments) == min(count, 5)
    assert moments == sorted(moments)
    assert all(value is not None and math.isfinite(value) for _, value in history.points(APP, Metric.CPU))


def test_a_value_holds_since_the_sample_before_it() -> None:
    points: list[tuple[int, float | None]] = [(0, 1.0), (4 * SECOND, 2.0)]
    assert last_minute(points, 4 * SECOND, 60)[-6:] == [None, 1.0, 2.0, 2.0, 2.0, 2.0]


def test_after_a_silence_nobody_knows_what_was_in_between() -> None:
    points: list[tuple[int, float | None]] = [(0, 1.0), (30 * SECOND, 2.0)]
    assert [value for value in last_minute(points, 30 * SECOND, 60) if value is not None] == [1.0, 2.0]


def test_what_is_older_than_a_minute_is_not_drawn() -> None:
    assert last_minute([(0, 1.0)], 60 * SECOND, 8) == [None] * 8


def test_an_unknown_value_leaves_its_place_blank() -> None:
    assert last_minute([(0, None)], 0, 4) == [None] * 4


def test_a_spike_is_not_averaged_away() -> None:
    points: list[tuple[int, float | None]] = [(second * SECOND, 90.0 if second == 30 else 1.0) for second in range(60)]
    assert max(value or 0 for value in last_minute(points, 59 * SECOND, 8)) == 90.0


def test_a_sparkline_tells_unknown_from_nothing() -> None:
    assert sparkline([None, 0.0, 50.0, 100.0, 400.0], 100.0) == " ▁▄██"


def test_a_graph_is_as_high_as_asked_and_fills_from_below() -> None:
    assert bar_graph([None, 25.0, 50.0, 100.0], 100.0, 2) == ["   █", " ▄██"]


@given(
    st.lists(st.tuples(st.integers(0, 90 * SECOND), st.none() | st.floats(0, 1e6))),
    st.integers(0, 100 * SECOND),
    st.integers(1, 100),
)
def test_there_is_always_one_part_for_each_cell(points: list[tuple[int, float | None]], now: int, cells: int) -> None:
    parts = last_minute(sorted(points, key=lambda point: point[0]), now, cells)
    assert len(parts) == cells
    assert all(len(line) == cells for line in bar_graph(parts, 100.0, 3))


def test_of_the_host_every_figure_is_remembered_under_its_name() -> None:
    history = History()
    totals = HostTotals(
        cpu_percent=1.0,
        memory_used=2,
        stalled_percent={"cpu": 3.0, "memory": 4.0, "io": 5.0},
        read_bytes=6.0,
        write_bytes=7.0,
        rx_bytes=8.0,
    )
    history.add(structs.replace(sample([]), totals=totals))
    remembered = {metric.name: history.host_points(metric)[0][1] for metric in HostMetric}
    assert remembered == {
        "CPU": 1.0,
        "MEMORY": 2.0,
        "CPU_STALLED": 3.0,
        "MEMORY_STALLED": 4.0,
        "IO_STALLED": 5.0,
        "READ": 6.0,
        "WRITE": 7.0,
        "RX": 8.0,
        "TX": None,
    }
