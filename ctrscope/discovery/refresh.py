"""The figures of a snapshot, read again, as long as the containers are still the ones it describes."""

import os
import time
from collections.abc import Mapping
from contextlib import nullcontext

import msgspec

from ctrscope.discovery.notes import PAUSED_NOTE
from ctrscope.discovery.stats import read_idle, read_stats
from ctrscope.model.cgroup import CgroupStats
from ctrscope.model.container import Container, ContainerStatus
from ctrscope.model.gap import Gap, ParseError
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroup_files import LIMIT_FILES
from ctrscope.probes.cgroupfs import CgroupLayout
from ctrscope.probes.host import now
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_stat import read_stat


def refresh(
    hostfs: HostFs, layout: CgroupLayout | None, snapshot: Snapshot, *, limits: bool = True, opened: str | None = None
) -> Snapshot | None:
    """The same containers with new figures; None when one of them ended, so that the host has to be looked at anew.

    *limits*: whether they are read too, and what moves where nothing ran; else both are taken over. *opened*: key of a
    container of which the latter is read all the same.
    *Cost:* a few reads of every running container; of those that did anything one stat line and the cgroup's figures.
    """
    idle = {} if limits else read_idle(hostfs, layout, snapshot)
    idle.pop(opened or "", None)
    for container in snapshot.containers:
        # An init that ends uses CPU time.
        if container.pid is not None and container.key not in idle and not _is_same(hostfs, container):
            return None
    renewed = _with_figures(hostfs, layout, snapshot, None if limits else snapshot, idle)
    containers = tuple(
        _with_status(container, frozen=figures.frozen)
        if (figures := renewed.stats.get(container.key)) is not None
        else container
        for container in snapshot.containers
    )
    return msgspec.structs.replace(renewed, taken_at=now(), monotonic_ns=time.monotonic_ns(), containers=containers)


def add_figures(hostfs: HostFs, layout: CgroupLayout | None, snapshot: Snapshot, known: Snapshot | None) -> Snapshot:
    """A snapshot that was made without figures, with them. *known*: an earlier one, of which as much is taken over as above."""
    idle: Mapping[str, CgroupStats] = {}
    if known is not None:
        starts = {one.key: one.starttime_ticks for one in snapshot.containers}
        known = msgspec.structs.replace(
            known,
            containers=tuple(one for one in known.containers if starts.get(one.key) == one.starttime_ticks),
            figure_gaps=tuple(gap for gap in known.figure_gaps if gap.subject.removeprefix("container ") in starts),
        )
        idle = read_idle(hostfs, layout, known)
    return _with_figures(hostfs, layout, snapshot, known, idle)


def _with_figures(
    hostfs: HostFs, layout: CgroupLayout | None, snapshot: Snapshot, known: Snapshot | None, idle: Mapping[str, CgroupStats]
) -> Snapshot:
    with hostfs.closing_unread() if known is None else nullcontext():
        stats, effective, traffic, gaps = read_stats(snapshot.containers, hostfs, layout, snapshot.host, known, idle)
    if known is not None:
        gaps = _with_limit_gaps(gaps, known.figure_gaps)
    others = snapshot.gaps[: len(snapshot.gaps) - len(snapshot.figure_gaps)]
    return msgspec.structs.replace(
        snapshot, stats=stats, effective=effective, traffic=traffic, gaps=others + gaps, figure_gaps=gaps
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
    return stat.starttime_ticks == container.starttime_ticks and not stat.has_ended


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
