"""The figures of a snapshot, read again, as long as the containers are still the ones it describes."""

import os
import time

import msgspec

from ctrscope.discovery.notes import PAUSED_NOTE
from ctrscope.discovery.stats import read_stats
from ctrscope.model.container import Container, ContainerStatus
from ctrscope.model.gap import Gap, ParseError
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroup_files import LIMIT_FILES
from ctrscope.probes.cgroupfs import CgroupLayout
from ctrscope.probes.host import now
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_stat import read_stat


def refresh(hostfs: HostFs, layout: CgroupLayout | None, snapshot: Snapshot, *, limits: bool = True) -> Snapshot | None:
    """The same containers with new figures; None when one of them ended, so that the host has to be looked at anew.

    *limits*: whether they are read too, or taken over.
    *Cost:* one stat line and the cgroup's figures of every running container.
    """
    for container in snapshot.containers:
        if container.pid is not None and not _is_same(hostfs, container):
            return None
    stats, effective, traffic, gaps = read_stats(
        snapshot.containers, hostfs, layout, snapshot.host, None if limits else snapshot
    )
    if not limits:
        gaps = _with_limit_gaps(gaps, snapshot.figure_gaps)
    containers = tuple(
        _with_status(container, frozen=figures.frozen) if (figures := stats.get(container.key)) is not None else container
        for container in snapshot.containers
    )
    return msgspec.structs.replace(
        snapshot,
        taken_at=now(),
        monotonic_ns=time.monotonic_ns(),
        containers=containers,
        stats=stats,
        effective=effective,
        traffic=traffic,
        gaps=snapshot.gaps[: len(snapshot.gaps) - len(snapshot.figure_gaps)] + gaps,
        figure_gaps=gaps,
    )


def watched(hostfs: HostFs, snapshot: Snapshot) -> tuple[int, ...]:
    """Moments of change of the engines' state directories: when one differs, containers may have come or gone."""
    return tuple(_mtime(hostfs, root) for status in snapshot.engines for root in status.state_roots)


def _with_limit_gaps(gaps: tuple[Gap, ...], before: tuple[Gap, ...]) -> tuple[Gap, ...]:
    """What is missing now, and what was missing when the limits were read, in the order in which that was told."""
    found = frozenset(gaps)
    kept = (gap for gap in before if gap in found or gap.source.rpartition("/")[2] in LIMIT_FILES)
    return tuple(dict.fromkeys((*kept, *gaps)))


def _is_same(hostfs: HostFs, container: Container) -> bool:
    assert container.pid is not None
    try:
        stat = read_stat(hostfs, container.pid)
    except (OSError, ParseError):
        return False
    return stat.starttime_ticks == container.starttime_ticks and stat.state not in "ZX"


def _with_status(container: Container, *, frozen: bool | None) -> Container:
    if frozen and container.status is ContainerStatus.RUNNING:
        return msgspec.structs.replace(container, status=ContainerStatus.PAUSED, note=container.note or PAUSED_NOTE)
    if frozen is False and container.status is ContainerStatus.PAUSED:
        note = None if container.note == PAUSED_NOTE else container.note
        return msgspec.structs.replace(container, status=ContainerStatus.RUNNING, note=note)
    return container


def _mtime(hostfs: HostFs, path: str) -> int:
    try:
        found: os.stat_result = hostfs.stat(path)
    except OSError:
        return 0
    return found.st_mtime_ns
