"""The table of ``stats``, with what an attacker would call a container."""

import msgspec
import pytest

from ctrscope.model.cgroup import CgroupStats, EffectiveLimit, EffectiveLimits
from ctrscope.model.network import Traffic
from ctrscope.model.rates import Rates
from ctrscope.render.safe import cell_width
from ctrscope.render.stats import StatsRow, format_stats, limit_text
from tests.awkward import HOSTILE, ORPHAN, STATS, WEB
from tests.golden import assert_golden

_OWN = EffectiveLimits(
    cpus=EffectiveLimit(value=0.5, limited_by="/system.slice/docker-3fcac954851d.scope"),
    memory=EffectiveLimit(value=512 << 20, limited_by="/system.slice/docker-3fcac954851d.scope"),
)
_ABOVE = EffectiveLimits(
    cpus=EffectiveLimit(value=16, limited_by="host"), memory=EffectiveLimit(value=128 << 20, limited_by="/kubepods.slice")
)
_UNLIMITED = EffectiveLimits(
    cpus=EffectiveLimit(value=16, limited_by="host"), memory=EffectiveLimit(value=64 << 30, limited_by="host")
)
_RATES = Rates(cpu_percent=48.1, throttled_percent=31)
_TRAFFIC = Traffic(rx_bytes=8220, tx_bytes=1_258_291, rx_dropped=0, tx_dropped=0)
ROWS = (
    StatsRow(WEB, STATS, _OWN, _RATES, _TRAFFIC),
    StatsRow(HOSTILE, STATS, _ABOVE, Rates(cpu_percent=0.04), None),
    StatsRow(ORPHAN, msgspec.structs.replace(STATS, pressure=None), _UNLIMITED, None, _TRAFFIC),
    StatsRow(ORPHAN, CgroupStats(), None, None, None),
    StatsRow(ORPHAN, None, None, None, None),
)


@pytest.mark.parametrize("width", [None, 80, 120, 200])
def test_the_table_shows_what_fits(width: int | None) -> None:
    lines = format_stats(ROWS, width)
    assert width is None or max(map(cell_width, lines)) <= width
    assert_golden(f"stats-{width}.txt" if width else "stats.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (EffectiveLimit(value=64, limited_by="/web"), "64B"),
        (EffectiveLimit(value=64, limited_by="/"), "↑64B"),
        (EffectiveLimit(value=64, limited_by="host"), "(64B)"),
        (EffectiveLimit(value="max"), "max"),
        (EffectiveLimit(value=None), "·"),
        (None, "·"),
    ],
)
def test_a_limit_says_who_imposes_it(limit: EffectiveLimit | None, text: str) -> None:
    assert limit_text(limit, "/web", "64B") == text
