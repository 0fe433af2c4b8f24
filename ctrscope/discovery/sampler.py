"""The dashboard's source: one snapshot after another, and what changed in between.

Most samples only read the figures again. The whole host is looked at when an init process ended, when an engine's state
directory changed, and every few seconds for what shows in neither.
"""

import time
from collections.abc import Mapping

import msgspec

from ctrscope.discovery.discover import discover
from ctrscope.discovery.notes import note_of_figures
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.refresh import refresh, watched
from ctrscope.model.cgroup import CgroupStats, CpuStats, IoStats
from ctrscope.model.detail import Detail
from ctrscope.model.rates import Rates
from ctrscope.model.sample import Focus, Sample
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroupfs import read_layout
from ctrscope.probes.hostfs import HostFs

_PLAN = Plan(namespaces=True, addresses=True, stats=True, stopped=True)
#: Seconds after which the whole host is looked at again, whatever seems to have changed.
_WHOLE_EVERY = 5.0


class Sampler:
    """Takes samples; keeps only the previous snapshot."""

    def __init__(self, hostfs: HostFs) -> None:
        from ctrscope.probes.host_totals import HostTotalsReader  # psutil, for the dashboard only

        self._hostfs = hostfs
        self._layout = read_layout(hostfs)
        self._previous: Snapshot | None = None
        self._watched: tuple[int, ...] = ()
        self._whole_at = 0.0  # monotonic
        self._totals = HostTotalsReader(hostfs)

    def sample(self, focus: Focus) -> Sample:
        """Take one, with the details of what is on the screen."""
        started = time.monotonic()
        snapshot = self._refreshed(started) or self._discovered(started)
        rates = rates_between(self._previous, snapshot) if self._previous is not None else {}
        self._previous = snapshot
        return Sample(
            snapshot=with_figure_notes(snapshot, rates),
            rates=rates,
            totals=self._totals.read(),
            details=self._details(snapshot, focus),
        )

    def _refreshed(self, started: float) -> Snapshot | None:
        previous = self._previous
        if previous is None or started - self._whole_at > _WHOLE_EVERY or watched(self._hostfs, previous) != self._watched:
            return None
        return refresh(self._hostfs, self._layout, previous)

    def _discovered(self, started: float) -> Snapshot:
        snapshot = discover(self._hostfs, _PLAN)
        self._whole_at = started
        self._watched = watched(self._hostfs, snapshot)
        return snapshot

    def _details(self, snapshot: Snapshot, focus: Focus) -> dict[str, Detail]:
        container = snapshot.container(focus.container) if focus.container is not None else None
        if container is None:
            return {}
        from ctrscope.discovery.detail import read_detail  # only once a container is opened

        return {container.key: read_detail(self._hostfs, container)}


def with_figure_notes(snapshot: Snapshot, rates: Mapping[str, Rates]) -> Snapshot:
    """The snapshot, where a container that has no note yet gets one from its figures."""
    containers = tuple(
        msgspec.structs.replace(container, note=note)
        if container.note is None
        and container.is_running
        and (note := note_of_figures(snapshot.stats.get(container.key), rates.get(container.key))) is not None
        else container
        for container in snapshot.containers
    )
    return msgspec.structs.replace(snapshot, containers=containers)


def rates_between(earlier: Snapshot, later: Snapshot) -> dict[str, Rates]:
    """Change a second of every container that is in both; nothing from a container that was started anew."""
    seconds = (later.monotonic_ns - earlier.monotonic_ns) / 1e9
    if seconds <= 0:
        return {}
    before = {container.key: container for container in earlier.containers}
    rates: dict[str, Rates] = {}
    for container in later.containers:
        known = before.get(container.key)
        old, new = earlier.stats.get(container.key), later.stats.get(container.key)
        if known is None or old is None or new is None or known.starttime_ticks != container.starttime_ticks:
            continue
        rates[container.key] = _rates(old, new, seconds)
    return rates


def _rates(old: CgroupStats, new: CgroupStats, seconds: float) -> Rates:
    old_cpu, new_cpu = old.cpu or CpuStats(), new.cpu or CpuStats()
    old_io, new_io = old.io or IoStats(), new.io or IoStats()
    usage = _grown(old_cpu.usage_usec, new_cpu.usage_usec)
    periods = _grown(old_cpu.nr_periods, new_cpu.nr_periods)
    throttled = _grown(old_cpu.nr_throttled, new_cpu.nr_throttled)
    read = _grown(old_io.read_bytes, new_io.read_bytes)
    written = _grown(old_io.write_bytes, new_io.write_bytes)
    return Rates(
        cpu_percent=None if usage is None else usage / seconds / 1e4,
        throttled_percent=None if not periods or throttled is None else 100 * throttled / periods,
        read_bytes=None if read is None else read / seconds,
        write_bytes=None if written is None else written / seconds,
    )


def _grown(old: int | None, new: int | None) -> int | None:
    """How much a counter grew; None when unknown, or when it went backwards: then it is another counter."""
    if old is None or new is None or new < old:
        return None
    return new - old
