"""The processes of every running container, read while somebody looks at them, and how much CPU each uses."""

from collections.abc import Mapping

import msgspec

from ctrscope.discovery.processes import ProcessFacts, read_processes
from ctrscope.model.container import Container
from ctrscope.model.process import ProcessForest
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroupfs import read_layout, read_members
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.user_names import read_user_names


class ForestReader:
    """Keeps what does not change, and the ticks of the reading before.

    *Cost:* of a process that is known already one stat line, of a new one twelve reads.
    """

    def __init__(self, host: HostFs) -> None:
        self._host = host
        self._layout = read_layout(host)
        self._facts = ProcessFacts()
        self._ticks: Mapping[tuple[int, int], int] = {}
        self._read_at_ns = 0
        self._users: Mapping[int, str] | None = None

    def read(self, snapshot: Snapshot, monotonic_ns: int) -> ProcessForest:
        """Read once more. *monotonic_ns*: now."""
        self._facts.begin()
        if self._users is None:
            self._users = read_user_names(self._host)
        found = {
            one.key: read_processes(self._host, self._with_members(one), self._facts)
            for one in snapshot.containers
            if one.is_running
        }
        ticks = {(one.pid, one.starttime_ticks): one.cpu_ticks for group in found.values() for one in group}
        seconds = (monotonic_ns - self._read_at_ns) / 1e9
        percent = cpu_percent(self._ticks, ticks, seconds, snapshot.host.clock_ticks) if self._read_at_ns else {}
        self._ticks, self._read_at_ns = ticks, monotonic_ns
        return ProcessForest(processes=found, cpu_percent=percent, users=self._users)

    def _with_members(self, container: Container) -> Container:
        """The container with the processes that are in its cgroup now, and those that were found elsewhere."""
        if self._layout is None or container.cgroup is None or not container.has_own_cgroup:
            return container
        directory = self._layout.own_directory(container.cgroup)
        if directory is None:
            return container
        members = read_members(self._host, directory)
        return msgspec.structs.replace(container, pids=tuple(dict.fromkeys((*container.pids, *members))))


def cpu_percent(
    before: Mapping[tuple[int, int], int], after: Mapping[tuple[int, int], int], seconds: float, clock_ticks: int
) -> dict[int, float]:
    """Percent of one CPU by PID. Ticks are by PID and start time, so that another process with the same PID counts anew."""
    if seconds <= 0 or clock_ticks <= 0:
        return {}
    return {key[0]: 100 * max(0, ticks - before[key]) / clock_ticks / seconds for key, ticks in after.items() if key in before}
