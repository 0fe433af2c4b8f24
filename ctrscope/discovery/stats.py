"""Limits, usage and pressure of every running container that has a cgroup of its own."""

from collections.abc import Iterable

import msgspec

from ctrscope.model.cgroup import CgroupStats
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap, Reason
from ctrscope.probes.cgroup_stats import read_cgroup_stats
from ctrscope.probes.cgroupfs import CgroupLayout, read_frozen
from ctrscope.probes.hostfs import HostFs


def shared_cgroup_gap(container: Container, *fields: str) -> Gap:
    """Why a container without a cgroup of its own has no figures."""
    path = container.cgroup.path if container.cgroup is not None else "/"
    detail = f"it has no cgroup of its own: the figures of {path} are also those of other processes"
    source = f"/proc/{container.pid}/cgroup"
    return Gap(subject=f"container {container.key}", fields=fields, source=source, reason=Reason.UNAVAILABLE, detail=detail)


def read_stats(
    containers: Iterable[Container], hostfs: HostFs, layout: CgroupLayout | None
) -> tuple[dict[str, CgroupStats], tuple[Gap, ...]]:
    """Shape: container key → figures. A container without a cgroup of its own has none, with a Gap: they would be another's."""
    stats: dict[str, CgroupStats] = {}
    gaps: list[Gap] = []
    if layout is None:
        return stats, ()
    for container in containers:
        if container.pid is None or container.cgroup is None:
            continue
        if not container.has_own_cgroup:
            gaps.append(shared_cgroup_gap(container, "stats"))
            continue
        value, more = read_cgroup_stats(hostfs, layout, container.cgroup, f"container {container.key}")
        gaps += more
        if value is not None:
            stats[container.key] = msgspec.structs.replace(value, frozen=read_frozen(hostfs, layout, container.cgroup))
    return stats, tuple(gaps)
