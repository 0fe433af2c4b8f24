"""One consistent view of the host, and the sample that the dashboard draws."""

from collections.abc import Mapping

import msgspec

from ctrscope.model.cgroup import CgroupStats
from ctrscope.model.container import Container, EngineStatus
from ctrscope.model.detail import Detail
from ctrscope.model.gap import Gap
from ctrscope.model.host import Host


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one pass over the host found. Compared by identity, so that handing it on never walks it."""

    taken_at: str  # RFC 3339
    monotonic_ns: int
    host: Host
    containers: tuple[Container, ...]
    engines: tuple[EngineStatus, ...]
    gaps: tuple[Gap, ...]
    stats: Mapping[str, CgroupStats]  # by container key; only what the plan asked for
    vanished: int = 0  # processes that ended between listing and reading

    def container(self, key: str) -> Container | None:
        """The container with that key."""
        return next((found for found in self.containers if found.key == key), None)


class HostTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Usage of the whole host and of ourselves, for the header."""

    cpu_percent: float | None = None  # of all CPUs
    memory_used: int | None = None  # total minus available, bytes
    memory_total: int | None = None
    self_cpu_percent: float | None = None  # of one CPU
    self_rss: int | None = None


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Change a second between two readings of one container; None when it cannot be said."""

    cpu_percent: float | None = None  # of one CPU
    throttled_percent: float | None = None  # of the periods that passed
    read_bytes: float | None = None
    write_bytes: float | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What the dashboard draws: a snapshot, and what changed since the last."""

    snapshot: Snapshot
    rates: Mapping[str, Rates]  # by container key
    totals: HostTotals
    details: Mapping[str, Detail]  # by container key, for what Focus asked


class Focus(msgspec.Struct, frozen=True, kw_only=True):
    """What is on the screen, hence what is worth reading."""

    container: str | None = None  # key
