"""A plot: a quarter of an hour in characters, limits as lines, blank where nobody knows."""

import pytest

from ctrscope.render.safe import cell_width
from ctrscope.views.history import SPAN_NS, History
from ctrscope.views.panes.cgroup_plots import plot_lines
from ctrscope.views.panes.opened import Opened
from ctrscope.views.plots import SCALE, LimitLine, Plot
from ctrscope.views.tones import Part
from tests.views.builders import APP, NOW, quarter, sample

SECOND = 1_000_000_000


def texts(lines: list[list[Part]]) -> list[str]:
    return ["".join(part if isinstance(part, str) else part[0] for part in parts) for parts in lines]


def plot(values: list[float | None], *limits: LimitLine, width: int = 40, height: int = 4) -> list[str]:
    step = SPAN_NS // 180
    points = [((at + 1) * step, value) for at, value in enumerate(values)]
    # Of 180 points the last is now.
    return texts(Plot("memory", points, lambda value: f"{value:.0f}", limits).lines(len(values) * step, width, height))


@pytest.mark.parametrize("width", [26, 38, 58, 65, 120])
def test_every_line_is_as_wide_as_asked(width: int) -> None:
    lines = plot([50.0] * 180, LimitLine(80.0, "limit"), LimitLine(60.0, "↑ a.slice with a long name"), width=width)
    assert {cell_width(line) for line in lines} == {width}


def test_the_axis_says_fifteen_minutes_at_the_left_and_now_at_the_right() -> None:
    axis = plot([1.0])[-1]
    assert axis.index("−15 min") < axis.index("now")
    assert axis.endswith("now")


def test_the_newest_value_is_at_the_right_and_the_title_has_it_in_figures() -> None:
    lines = plot([*[0.0] * 170, *[100.0] * 10])
    assert lines[0].startswith("memory 100")
    assert lines[2].rstrip().endswith("█")
    assert lines[2][SCALE + 1] == " "


def test_an_unknown_stretch_is_blank() -> None:
    lines = plot([*[50.0] * 60, *[None] * 60, *[50.0] * 60])
    ground = lines[-2][SCALE + 1 :]
    third = len(ground) // 3
    assert set(ground[: third - 1]) == {"█"}
    assert set(ground[third + 1 : 2 * third - 1]) == {" "}
    assert set(ground[2 * third + 1 :]) == {"█"}


def test_a_limit_far_above_is_named_in_the_title_without_the_arrow_that_means_imposed() -> None:
    title = plot([1.0] * 180, LimitLine(100.0, "limit"), LimitLine(80.0, "↑ a.slice"), width=60)[0]
    assert title.endswith("↑ a.slice 80, off the top")  # the tighter one
    assert plot([1.0] * 180, LimitLine(100.0, "limit"), width=60)[0].endswith("limit 100, off the top")


def test_a_limit_is_a_line_at_its_height_with_its_name() -> None:
    lines = plot([50.0] * 180, LimitLine(100.0, "limit"))
    assert "100┤ limit ╌╌╌╌" in lines[1]
    assert all("╌" not in line for line in lines[2:])


def test_two_limits_on_one_line_are_both_named_and_the_tighter_has_the_line() -> None:
    lines = plot([50.0] * 180, LimitLine(100.0, "limit"), LimitLine(98.0, "↑ a.slice"), width=60)
    assert "98┤ ↑ a.slice, limit 100 ╌" in lines[1]


def test_a_limit_far_above_is_told_and_not_drawn() -> None:
    lines = plot([1.0] * 180, LimitLine(1000.0, "limit"))
    assert lines[0].endswith("limit 1000, off the top")
    assert "╌" not in "".join(lines)
    assert "█" in "".join(lines)


def test_usage_that_reaches_the_line_of_the_limit_is_red() -> None:
    drawn = Plot("cpu", [(SPAN_NS, 100.0)], str, [LimitLine(100.0, "limit")]).lines(SPAN_NS, 40, 3)
    assert any(part[1] == "act" for part in drawn[1] if not isinstance(part, str))


def test_nothing_known_has_no_figure() -> None:
    assert plot([None] * 3)[0].startswith("memory ·")


@pytest.mark.parametrize(("width", "beside"), [(60, 1), (78, 2), (118, 2), (198, 3)])
def test_as_many_plots_stand_beside_each_other_as_fit(width: int, beside: int) -> None:
    history, newest = History(), quarter()[-1]
    for taken in quarter():
        history.add(taken)
    found = newest.snapshot.container(APP)
    assert found is not None
    opened = Opened(found, newest.snapshot, NOW, width, history=history, effective=newest.snapshot.effective[APP])
    lines = [line.plain for line in plot_lines(opened)]
    assert max(line.count("now") for line in lines) == beside
    assert max(map(cell_width, lines)) <= width
    assert any("kubepods-burstable-pod" in line for line in lines)


def test_a_figure_that_was_never_known_has_no_plot() -> None:
    history, newest = History(), sample(with_figures=False)
    history.add(newest)
    found = newest.snapshot.container(APP)
    assert found is not None
    assert plot_lines(Opened(found, newest.snapshot, NOW, 100, history=history)) == []
