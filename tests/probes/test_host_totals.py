"""Totals of the host and of ourselves."""

from ctrscope.probes.host_totals import HostTotalsReader
from ctrscope.probes.hostfs import HostFs


def test_a_percentage_takes_two_readings() -> None:
    reader = HostTotalsReader()
    first, second = reader.read(), reader.read()
    assert (first.cpu_percent, first.self_cpu_percent) == (None, None)
    assert second.cpu_percent is not None
    assert 0 <= second.cpu_percent <= 100
    assert second.self_cpu_percent is not None


def test_memory_is_that_of_meminfo() -> None:
    totals = HostTotalsReader().read()
    meminfo = dict(line.split(b":") for line in HostFs().read("/proc/meminfo").splitlines())
    assert totals.memory_total == int(meminfo[b"MemTotal"].split()[0]) * 1024
    assert totals.memory_used is not None
    assert totals.self_rss is not None
    assert 0 < totals.self_rss < totals.memory_used < totals.memory_total
