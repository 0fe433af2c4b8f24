"""Figures of cgroups that stand above containers: of a pod, a unit, a slice."""

from collections.abc import Iterable, Mapping

from ctrscope.discovery.rates import stats_rates
from ctrscope.model.cgroup import CgroupStats
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.rates import Rates
from ctrscope.probes.cgroup_stats import read_cgroup_stats
from ctrscope.probes.cgroupfs import read_layout
from ctrscope.probes.hostfs import HostFs


class LevelReader:
    """Keeps the readings before, for what changed since."""

    def __init__(self, hostfs: HostFs) -> None:
        self._hostfs = hostfs
        self._layout = read_layout(hostfs)
        self._before: Mapping[str, CgroupStats] = {}

    def read(self, paths: Iterable[str]) -> tuple[Mapping[str, CgroupStats], Mapping[str, Rates]]:
        """Figures and their change a second, by path; a cgroup that is gone, or the root, has none."""
        stats: dict[str, CgroupStats] = {}
        rates: dict[str, Rates] = {}
        layout = self._layout
        for path in paths if layout is not None else ():
            assert layout is not None
            controllers = {} if layout.version == "v2" else dict.fromkeys(layout.mounts, path)
            membership = CgroupMembership(version=layout.version, path=path, paths=controllers)
            found = read_cgroup_stats(self._hostfs, layout, membership, f"cgroup {path}").value
            if found is None:
                continue
            stats[path], old = found, self._before.get(path)
            if old is not None and old.ino == found.ino and old.read_at_ns is not None and found.read_at_ns is not None:
                seconds = (found.read_at_ns - old.read_at_ns) / 1e9
                if seconds > 0:
                    rates[path] = stats_rates(old, found, None, None, seconds)
        self._before = stats
        return stats, rates
