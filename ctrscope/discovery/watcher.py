"""One snapshot after another: mostly only the figures are read again.

The whole host is looked at when an init process ended, when an engine's state directory changed, and every few seconds for what
shows in neither.
"""

import time
from collections.abc import Callable

import msgspec

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.refresh import add_figures, refresh, watched
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroupfs import read_layout
from ctrscope.probes.hostfs import HostFs

#: A whole look that somebody asks for waits until this many times as long has passed as the last one took.
_REST = 19.0


class Watcher:
    """Keeps the previous snapshot only.

    *whole_every*: seconds after which the whole host is looked at, whatever seems to have changed. *limits_every*: seconds
    after which everything of every cgroup is read again: limits, which somebody has to change by hand, and what moves where
    nothing runs. *select*: what of a whole look is watched. *keep_open*: how many interface files may stay open between two
    looks.
    """

    def __init__(
        self,
        hostfs: HostFs,
        plan: Plan,
        *,
        whole_every: float = 5.0,
        limits_every: float = 5.0,
        select: Callable[[Snapshot], Snapshot] | None = None,
        keep_open: int = 0,
    ) -> None:
        self._hostfs, self._plan = hostfs, plan
        hostfs.keep_open(keep_open)
        self._whole_every, self._limits_every, self._select = whole_every, limits_every, select
        self._layout = read_layout(hostfs)
        self._previous: Snapshot | None = None
        self._watched: tuple[int, ...] = ()
        self._whole_at = self._limits_at = 0.0  # monotonic
        self._whole_took = 0.0  # seconds
        self._whole_wanted = False

    @property
    def limits_age(self) -> float | None:
        """Seconds since everything of every cgroup was read; None before the first look."""
        return time.monotonic() - self._limits_at if self._limits_at else None

    def look(self, *, whole: bool = False, limits: bool = False, opened: str | None = None) -> Snapshot:
        """The next snapshot, with figures.

        *whole*: somebody knows that containers came or went. *limits*: that a limit was written. *opened*: key of a container
        whose figures somebody looks at: they are read even where nothing ran.
        """
        started = time.monotonic()
        self._whole_wanted |= whole
        if self._whole_wanted and started - self._whole_at >= _REST * self._whole_took:
            self._whole_at = 0.0
        if limits:
            self._limits_at = 0.0
        limits = started - self._limits_at >= self._limits_every
        if limits:
            self._limits_at = started
        self._previous = self._refreshed(started, limits, opened) or self._discovered(started, limits)
        return self._previous

    def _refreshed(self, started: float, limits: bool, opened: str | None) -> Snapshot | None:
        previous = self._previous
        if previous is None or started - self._whole_at > self._whole_every:
            return None
        if watched(self._hostfs, previous) != self._watched:
            return None
        return refresh(self._hostfs, self._layout, previous, limits=limits, opened=opened)

    def _discovered(self, started: float, limits: bool) -> Snapshot:
        snapshot = discover(self._hostfs, msgspec.structs.replace(self._plan, stats=False))
        if self._plan.stats:
            snapshot = add_figures(self._hostfs, self._layout, snapshot, None if limits else self._previous)
        self._whole_at = started
        self._whole_took, self._whole_wanted = time.monotonic() - started, False
        self._watched = watched(self._hostfs, snapshot)
        return snapshot if self._select is None else self._select(snapshot)
