"""The last minute: what is kept, and how it is drawn."""

from hypothesis import given
from hypothesis import strategies as st

from ctrscope.views.history import POINTS, History, bar_graph, last_minute, sparkline
from tests.views.builders import APP, container, sample

SECOND = 1_000_000_000


def test_a_ring_keeps_no_more_than_its_points() -> None:
    history = History()
    for second in range(POINTS + 7):
        history.add(sample(second=second))
    assert len(history.points(APP)) == POINTS
    assert len(history.host_cpu) == POINTS


def test_a_container_that_is_gone_is_forgotten() -> None:
    history = History()
    history.add(sample())
    history.add(sample([container("other")], second=2))
    assert not history.points(APP)


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
