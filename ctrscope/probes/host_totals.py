"""Usage of the whole host and of ourselves, for the dashboard.

*Source:* proc_stat(5), proc_meminfo(5), /proc/self/stat, through psutil; and what ``host_counters.py`` reads.
"""

import time
from collections.abc import Mapping

from ctrscope.model.sample import HostTotals
from ctrscope.probes.host_counters import HostCounters, HostCountersReader
from ctrscope.probes.hostfs import HostFs


class HostTotalsReader:
    """Keeps the previous reading: a percentage of time needs two. The first one has none."""

    def __init__(self, host: HostFs) -> None:
        import psutil  # only for the dashboard: 20 ms

        self._psutil = psutil
        self._own = psutil.Process()
        self._is_here = host.root == "/"  # of another root, psutil would tell this host's
        self._is_first = True
        self._counters = HostCountersReader(host)
        self._counted: tuple[float, HostCounters] | None = None  # at the reading before

    def read(self) -> HostTotals:
        """Totals since the reading before. Units: percent of all CPUs, own percent of one CPU, bytes."""
        own = self._own.cpu_percent()
        is_first, self._is_first = self._is_first, False
        memory = self._psutil.virtual_memory() if self._is_here else None
        cpu = self._psutil.cpu_percent() if self._is_here else None
        now, counters = time.monotonic(), self._counters.read() if self._is_here else HostCounters()
        then, before = self._counted or (now, counters)
        self._counted = now, counters
        disk, wire = (_rates(getattr(before, one), getattr(counters, one), now - then) for one in ("disk", "wire"))
        return HostTotals(
            cpu_percent=None if is_first else cpu,
            memory_used=memory.total - memory.available if memory else None,
            memory_total=memory.total if memory else None,
            self_cpu_percent=None if is_first else own,
            self_rss=self._own.memory_info().rss,
            stalled_percent=_stalled(before.stalled, counters.stalled, now - then),
            read_bytes=disk[0],
            write_bytes=disk[1],
            rx_bytes=wire[0],
            tx_bytes=wire[1],
        )


def _rates(
    before: tuple[int, int] | None, counted: tuple[int, int] | None, seconds: float
) -> tuple[float, float] | tuple[None, None]:
    """Change a second. None where a counter went backwards: a device is gone, or there is another one."""
    if before is None or counted is None or seconds <= 0 or counted[0] < before[0] or counted[1] < before[1]:
        return None, None
    return (counted[0] - before[0]) / seconds, (counted[1] - before[1]) / seconds


def _stalled(before: Mapping[str, int], counted: Mapping[str, int], seconds: float) -> dict[str, float]:
    """Percent of the time, which may be more than there was: the kernel accounts a stall when it ends."""
    known = [(name, total - before[name]) for name, total in counted.items() if name in before and seconds > 0]
    return {name: min(100.0, waited / seconds / 1e4) for name, waited in known if waited >= 0}
