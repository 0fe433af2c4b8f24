"""Usage of the whole host and of ourselves, for the dashboard's header.

*Source:* proc_stat(5), proc_meminfo(5), /proc/self/stat, through psutil.
"""

from ctrscope.model.sample import HostTotals
from ctrscope.probes.hostfs import HostFs


class HostTotalsReader:
    """Keeps the previous reading: a percentage of time needs two. The first one has none."""

    def __init__(self, host: HostFs) -> None:
        import psutil  # only for the dashboard: 20 ms

        self._psutil = psutil
        self._own = psutil.Process()
        self._is_here = host.root == "/"  # of another root, psutil would tell this host's
        self._is_first = True

    def read(self) -> HostTotals:
        """Totals since the reading before. Units: percent of all CPUs, own percent of one CPU, bytes."""
        own = self._own.cpu_percent()
        is_first, self._is_first = self._is_first, False
        memory = self._psutil.virtual_memory() if self._is_here else None
        cpu = self._psutil.cpu_percent() if self._is_here else None
        return HostTotals(
            cpu_percent=None if is_first else cpu,
            memory_used=memory.total - memory.available if memory else None,
            memory_total=memory.total if memory else None,
            self_cpu_percent=None if is_first else own,
            self_rss=self._own.memory_info().rss,
        )
