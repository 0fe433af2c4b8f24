"""Limits, usage and pressure of every running container that has a cgroup of its own."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ctrscope.discovery.effective import Ancestry
from ctrscope.model.cgroup import CgroupStats, EffectiveLimits
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap, ParseError, Reason
from ctrscope.model.host import Host
from ctrscope.model.network import Traffic
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroup_stats import read_cgroup_stats, reread_idle
from ctrscope.probes.cgroupfs import CgroupLayout
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_net import read_traffic


def shared_cgroup_gap(container: Container, *fields: str) -> Gap:
    """Why a container without a cgroup of its own has no figures."""
    path = container.cgroup.path if container.cgroup is not None else "/"
    detail = f"it has no cgroup of its own: the figures of {path} are also those of other processes"
    source = f"/proc/{container.pid}/cgroup"
    return Gap(subject=f"container {container.key}", fields=fields, source=source, reason=Reason.UNAVAILABLE, detail=detail)


class Figures(NamedTuple):
    """Figures of the running containers, by container key."""

    stats: Mapping[str, CgroupStats]
    effective: Mapping[str, EffectiveLimits]
    traffic: Mapping[str, Traffic]
    gaps: tuple[Gap, ...]


def read_stats(
    containers: Iterable[Container],
    hostfs: HostFs,
    layout: CgroupLayout | None,
    host: Host,
    known: Snapshot | None = None,
    idle: Mapping[str, CgroupStats] = {},
) -> Figures:
    """Read them. A container without a cgroup of its own has none, with a Gap: they would be another's.

    *known*: a snapshot whose limits still hold, so that only what moves is read. *idle*: figures that need no reading.
    """
    if layout is None:
        return Figures({}, {}, {}, ())
    stats: dict[str, CgroupStats] = {}
    effective: dict[str, EffectiveLimits] = {}
    traffic: dict[str, Traffic] = {}
    gaps: list[Gap] = []
    ancestry = Ancestry(hostfs, layout)
    of_network: dict[int, Traffic | None] = {}
    told: dict[str, list[Gap]] = {}
    for gap in known.figure_gaps if known is not None and idle else ():
        told.setdefault(gap.subject, []).append(gap)
    for container in containers:
        if container.pid is None:
            continue
        key, net = container.key, container.namespaces.net
        if net is not None and net != host.namespaces.net:
            if net not in of_network:
                of_network[net] = _read_traffic(hostfs, container.pid)
            if (counted := of_network[net]) is not None:
                traffic[key] = counted
        if container.cgroup is None:
            continue
        if not container.has_own_cgroup:
            gaps.append(shared_cgroup_gap(container, "stats"))
            continue
        if known is not None and key in idle:
            stats[key], effective[key] = idle[key], known.effective[key]
            gaps += told.get(f"container {key}", ())
            continue
        before = None if known is None else known.stats.get(key)
        value, more = read_cgroup_stats(hostfs, layout, container.cgroup, f"container {key}", known=before)
        gaps += more
        if value is not None:
            stats[key] = value
            limits = None if known is None or before is None or before.ino != value.ino else known.effective.get(key)
            effective[key] = limits or ancestry.limits(container.cgroup, value)
    return Figures(stats, effective, traffic, tuple(gaps))


def read_idle(hostfs: HostFs, layout: CgroupLayout | None, known: Snapshot) -> dict[str, CgroupStats]:
    """Figures of the containers in which nothing ran since the snapshot, by key."""
    found: dict[str, CgroupStats] = {}
    for container in known.containers if layout is not None else ():
        assert layout is not None
        key, cgroup = container.key, container.cgroup
        before = known.stats.get(key)
        if before is None or cgroup is None or container.pid is None or key not in known.effective:
            continue
        if (value := reread_idle(hostfs, layout, cgroup, before)) is not None:
            found[key] = value
    return found


def _read_traffic(hostfs: HostFs, pid: int) -> Traffic | None:
    try:
        return read_traffic(hostfs, pid)
    except (OSError, ParseError):
        return None
