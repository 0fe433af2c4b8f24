"""Which columns stand on a screen of which width."""

import pytest

from ctrscope.model.cgroup import EffectiveLimit, EffectiveLimits
from ctrscope.model.rates import Rates
from ctrscope.render.fields import Row
from ctrscope.render.units import NOT_APPLICABLE
from ctrscope.views.columns import FIELDS, MARGIN, SCROLLBAR, fit_columns
from ctrscope.views.filtering import matches, parse_filter
from ctrscope.views.rows import container_fields, rows_of
from tests.views.builders import HOSTILE_NAMES, NOW, container, sample, stats

ROWS = rows_of(sample())


def keys(width: int) -> list[str]:
    return [column.key for column in fit_columns(width, ROWS, NOW)]


def test_at_eighty_columns_there_is_what_decides() -> None:
    assert keys(80) == ["sign", "name", "engine", "cpu", "memory_percent", "note"]


def test_at_a_hundred_and_twenty_there_is_the_last_minute_and_the_limit() -> None:
    assert set(keys(120)) - set(keys(80)) == {
        "group",
        "last_minute",
        "throttled",
        "memory",
        "memory_limit",
        "pids",
        "age",
    }


def test_at_two_hundred_there_is_the_image() -> None:
    assert set(keys(200)) - set(keys(120)) == {"image", "pid", "net"}


@pytest.mark.parametrize("width", [40, 60, 79, 80, 99, 100, 119, 120, 159, 160, 200, 320])
def test_columns_fill_the_width_and_no_more(width: int) -> None:
    for rows in (ROWS, (), rows_of(sample([container(name * 9) for name in HOSTILE_NAMES]))):
        columns = fit_columns(width, rows, NOW)
        taken = sum(column.width + column.gap for column in columns)
        assert taken <= width - SCROLLBAR or (columns[-1].key == "note" and columns[-1].width == 0)
        assert columns[0].width == MARGIN + 1


def test_a_column_that_nobody_fills_is_left_out() -> None:
    rows = rows_of(sample([container("web")]))
    assert "group" not in [column.key for column in fit_columns(120, rows, NOW)]


def test_the_column_that_a_heading_says_already_is_left_out() -> None:
    assert "engine" not in [column.key for column in fit_columns(120, ROWS, NOW, without={"engine"})]


def test_columns_that_somebody_chose_say_what_the_engine_counted_and_the_disk_did() -> None:
    told = container("db", restart_count=3, health="unhealthy", addresses=("10.88.0.7/16", "fd00::7/64"))
    row = Row(told, rates=Rates(read_bytes=2048.0, write_bytes=0.0))
    columns = fit_columns(200, (row,), NOW, chosen=("restarts", "addresses", "disk", "health"))
    assert {column.key: FIELDS[column.key].get(row, NOW) for column in columns if column.key not in ("sign", "name")} == {
        "restarts": "3",
        "addresses": "10.88.0.7/16, fd00::7/64",
        "disk": "2K/0",
        "health": "unhealthy",
    }
    assert matches(parse_filter("restarts>2 addresses:10.88 health:unhealthy"), container_fields(row, NOW))
    assert not matches(parse_filter("disk>1M"), container_fields(row, NOW))


def test_cpu_is_told_in_percent_of_the_limit_that_bites() -> None:
    def shown(cpus: EffectiveLimit | None, quota: int | str = 50_000, used: float | None = 48.0) -> str:
        effective = EffectiveLimits(cpus=cpus) if cpus is not None else None
        row = Row(container("db"), stats(1, "max", quota=quota), Rates(cpu_percent=used), effective)
        return FIELDS["cpu_share"].get(row, NOW)

    assert shown(None) == "96.0"
    assert shown(EffectiveLimit(value=2.0, limited_by="/kubepods.slice")) == "24.0"
    assert shown(EffectiveLimit(value=16.0, limited_by="host"), quota="max") == NOT_APPLICABLE
    assert shown(EffectiveLimit(value="max")) == NOT_APPLICABLE
    assert shown(None, used=None) == NOT_APPLICABLE
    assert FIELDS["cpu_share"].get(Row(container("db")), NOW) == NOT_APPLICABLE


def test_what_no_engine_counted_is_not_zero() -> None:
    row = Row(container("db"))
    assert [FIELDS[key].get(row, NOW) for key in ("restarts", "addresses", "disk", "health")] == [""] * 4
    assert container_fields(row, NOW)["restarts"] is None
