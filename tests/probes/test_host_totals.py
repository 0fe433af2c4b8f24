"""Totals of the host and of ourselves."""

from pathlib import Path

from ctrscope.probes.host_totals import HostTotalsReader
from ctrscope.probes.hostfs import HostFs


def test_a_percentage_takes_two_readings() -> None:
    reader = HostTotalsReader(HostFs())
    first, second = reader.read(), reader.read()
    assert (first.cpu_percent, first.self_cpu_percent) == (None, None)
    assert second.cpu_percent is not None
    assert 0 <= second.cpu_percent <= 100
    assert second.self_cpu_percent is not None


def test_memory_is_that_of_meminfo() -> None:
    totals = HostTotalsReader(HostFs()).read()
    meminfo = dict(line.split(b":") for line in HostFs().read("/proc/meminfo").splitlines())
    assert totals.memory_total == int(meminfo[b"MemTotal"].split()[0]) * 1024
    assert totals.memory_used is not None
    assert totals.self_rss is not None
    assert 0 < totals.self_rss < totals.memory_used < totals.memory_total


def test_of_another_root_only_our_own_figures_are_told(tmp_path: Path) -> None:
    totals = HostTotalsReader(HostFs(str(tmp_path))).read()

    assert (totals.cpu_percent, totals.memory_used, totals.memory_total) == (None, None, None)
    assert totals.self_rss
