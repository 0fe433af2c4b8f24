"""Cgroups: membership, limits, usage and pressure, in the words of the kernel's cgroup-v2 document."""

from collections.abc import Mapping
from typing import Literal

from ctrscope.model.value import Value

#: A limit as the kernel says it. None means unknown (there is a Gap) or that it does not apply.
Limit = int | Literal["max"]
CgroupVersion = Literal["v1", "v2", "hybrid"]


class CgroupMembership(Value, frozen=True, kw_only=True):
    """Where a process stands in the cgroup hierarchies, as seen from the host; cgroups(7)."""

    version: CgroupVersion
    path: str  # the v2 path; on v1 and hybrid the path most controllers agree on
    paths: Mapping[str, str]  # v1 and hybrid: controller → path; "" is the v2 hierarchy


class PressureLine(Value, frozen=True, kw_only=True):
    """One line of a pressure file: percent of wall time, and total microseconds."""

    avg10: float
    avg60: float
    avg300: float
    total: int


class Pressure(Value, frozen=True, kw_only=True):
    """Pressure stall information of one resource. ``full`` is None for host CPU before Linux 5.13."""

    some: PressureLine
    full: PressureLine | None = None


class CpuStats(Value, frozen=True, kw_only=True):
    """CPU time used and limits set. Times in microseconds."""

    usage_usec: int | None = None
    user_usec: int | None = None
    system_usec: int | None = None
    nr_periods: int | None = None
    nr_throttled: int | None = None
    throttled_usec: int | None = None
    quota_usec: Limit | None = None  # cpu.max, cpu.cfs_quota_us
    period_usec: int | None = None
    weight: int | None = None  # cpu.weight; v1: cpu.shares as it stands

    @property
    def limit_cpus(self) -> float | Literal["max"] | None:
        """Quota divided by period: how many CPUs' worth of time this cgroup may use."""
        if self.quota_usec is None or self.quota_usec == "max" or not self.period_usec:
            return "max" if self.quota_usec == "max" else None
        return self.quota_usec / self.period_usec


class MemoryStats(Value, frozen=True, kw_only=True):
    """Memory in bytes."""

    current: int | None = None
    inactive_file: int | None = None
    peak: int | None = None
    limit: Limit | None = None  # memory.max, memory.limit_in_bytes
    high: Limit | None = None
    swap_current: int | None = None
    swap_limit: Limit | None = None
    oom_kills: int | None = None

    @property
    def working_set(self) -> int | None:
        """Current minus inactive_file: what reclaim would not get back easily."""
        if self.current is None or self.inactive_file is None:
            return None
        return max(0, self.current - self.inactive_file)


class PidsStats(Value, frozen=True, kw_only=True):
    """Tasks (threads count too)."""

    current: int | None = None
    limit: Limit | None = None


class IoStats(Value, frozen=True, kw_only=True):
    """Block input and output, summed over devices."""

    read_bytes: int | None = None
    write_bytes: int | None = None
    read_operations: int | None = None
    write_operations: int | None = None


class CgroupStats(Value, frozen=True, kw_only=True):
    """One reading of the interface files of one container's cgroup, v1 and v2 alike. A None part: no such controller there."""

    cpu: CpuStats | None = None
    memory: MemoryStats | None = None
    pids: PidsStats | None = None
    io: IoStats | None = None
    pressure: Mapping[str, Pressure] | None = None  # cpu, memory, io
    frozen: bool | None = None


class EffectiveLimit(Value, frozen=True, kw_only=True):
    """The tightest bound of one resource from a cgroup up to the host, and who imposes it."""

    value: float | Literal["max"] | None  # CPUs, bytes or tasks
    limited_by: str | None = None  # path of the cgroup that imposes it; "host" when only its size bounds it


class EffectiveLimits(Value, frozen=True, kw_only=True):
    """What a cgroup may really use, with every ancestor asked."""

    cpus: EffectiveLimit | None = None
    memory: EffectiveLimit | None = None
    swap: EffectiveLimit | None = None
    pids: EffectiveLimit | None = None


class CgroupNode(Value, frozen=True, kw_only=True):
    """One cgroup of the host with its figures, and those below it."""

    path: str  # v2; on v1 and hybrid the path that controllers agree on
    kind: str | None = None  # cgroup.type: "domain", "threaded", "domain threaded", "domain invalid"; None on v1
    controllers: tuple[str, ...] = ()  # enabled for it
    nprocs: int | None = None  # in it, without those below
    container: str | None = None  # id of the container whose own cgroup it is
    stats: CgroupStats | None = None
    effective: EffectiveLimits | None = None
    children: tuple["CgroupNode", ...] = ()
