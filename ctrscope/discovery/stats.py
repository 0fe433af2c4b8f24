"""Limits, usage and pressure of every running container that has a cgroup of its own."""

from collections.abc import Iterable

import msgspec

from ctrscope.model.cgroup import CgroupStats
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap
from ctrscope.probes.cgroup_stats import read_cgroup_stats
from ctrscope.probes.cgroupfs import CgroupLayout, read_frozen
from ctrscope.probes.hostfs import HostFs


def read_stats(
    containers: Iterable[Container], hostfs: HostFs, layout: CgroupLayout | None
) -> tuple[dict[str, CgroupStats], tuple[Gap, ...]]:
    """Shape: container key → figures. Containers in the root cgroup have none: those would be the host's."""
    stats: dict[str, CgroupStats] = {}
    gaps: list[Gap] = []
    if layout is None:
        return stats, ()
    for container in containers:
        if container.pid is None or container.cgroup is None or container.cgroup.path == "/":
            continue
        value, more = read_cgroup_stats(hostfs, layout, container.cgroup, f"container {container.key}")
        gaps += more
        if value is not None:
            stats[container.key] = msgspec.structs.replace(value, frozen=read_frozen(hostfs, layout, container.cgroup))
    return stats, tuple(gaps)
