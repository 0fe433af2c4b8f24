"""Usage of the whole host and of ourselves, for the dashboard's header.

*Source:* proc_stat(5), proc_meminfo(5), /proc/self/stat, through psutil.
"""

from ctrscope.model.snapshot import HostTotals


class HostTotalsReader:
    """Keeps the previous reading: a percentage of time needs two. The first one has none."""

    def __init__(self) -> None:
        import psutil  # only for the dashboard: 20 ms

        self._psutil = psutil
        self._own = psutil.Process()
        self._is_first = True

    def read(self) -> HostTotals:
        """Totals since the reading before. Units: percent of all CPUs, own percent of one CPU, bytes."""
        memory = self._psutil.virtual_memory()
        cpu, own = self._psutil.cpu_percent(), self._own.cpu_percent()
        is_first, self._is_first = self._is_first, False
        return HostTotals(
            cpu_percent=None if is_first else cpu,
            memory_used=memory.total - memory.available,
            memory_total=memory.total,
            self_cpu_percent=None if is_first else own,
            self_rss=self._own.memory_info().rss,
        )
