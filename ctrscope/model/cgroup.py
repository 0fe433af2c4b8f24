"""Cgroups: limits, usage and pressure, in the words of the kernel's cgroup-v2 document."""

from collections.abc import Mapping
from typing import Literal

from ctrscope.model.value import Value

#: A limit as the kernel says it. None means unknown (there is a Gap) or that it does not apply.
Limit = int | Literal["max"]


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
    weight: int | None = None  # cpu.weight; v1: cpu.shares as it stands; full reading only
    max_burst_usec: int | None = None  # unused time it may save up for later: cpu.max.burst, cpu.cfs_burst_us; full only
    nr_bursts: int | None = None  # periods in which it used some of that
    burst_usec: int | None = None  # how much

    @property
    def limit_cpus(self) -> float | Literal["max"] | None:
        """Quota divided by period: how many CPUs' worth of time this cgroup may use."""
        if self.quota_usec is None or self.quota_usec == "max" or not self.period_usec:
            return "max" if self.quota_usec == "max" else None
        return self.quota_usec / self.period_usec


class CpusetStats(Value, frozen=True, kw_only=True):
    """CPUs and memory nodes as lists of ranges, in the kernel's words: ``0-3,8``. Empty as set: those of the parent."""

    cpus: str | None = None  # as set; full reading only
    cpus_effective: str | None = None
    mems: str | None = None  # as set; full reading only
    mems_effective: str | None = None  # full reading only


class MemoryStats(Value, frozen=True, kw_only=True):
    """Memory in bytes. ``events`` and ``events_local`` are counts, in the words of memory.events.

    On v1 ``events`` has ``max`` (memory.failcnt: how often this very cgroup hit its limit) and ``oom_kill``, both local, and
    ``events_local`` also ``swap_max``: how often memory and swap together hit theirs, memory.memsw.failcnt.
    """

    current: int | None = None
    inactive_file: int | None = None
    peak: int | None = None
    limit: Limit | None = None  # memory.max, memory.limit_in_bytes
    high: Limit | None = None  # v2; full reading only, as the four below
    low: Limit | None = None  # v2
    min: Limit | None = None  # v2
    soft_limit: Limit | None = None  # v1
    oom_group: bool | None = None  # v2: whether all of it dies when one of it is killed
    swap_current: int | None = None
    swap_peak: int | None = None  # v2 since Linux 6.5; full reading only
    swap_limit: Limit | None = None
    oom_kills: int | None = None
    events: Mapping[str, int] = {}  # this cgroup and those below: low high max oom oom_kill oom_group_kill
    events_local: Mapping[str, int] = {}  # this cgroup alone; full reading only
    under_oom: bool | None = None  # v1: its tasks wait for memory now; full reading only, as those below
    oom_kill_disabled: bool | None = None  # v1: nothing is killed, they wait
    kmem_current: int | None = None  # v1: part of current that the kernel has for it
    kmem_limit: Limit | None = None  # v1 before Linux 6.x

    @property
    def working_set(self) -> int | None:
        """Current minus inactive_file: what reclaim would not get back easily."""
        if self.current is None or self.inactive_file is None:
            return None
        return max(0, self.current - self.inactive_file)


class PidsStats(Value, frozen=True, kw_only=True):
    """Tasks (threads count too)."""

    current: int | None = None
    peak: int | None = None  # v2 since Linux 6.1; full reading only
    limit: Limit | None = None
    max_events: int | None = None  # how often a fork failed: pids.events max; full reading only


class DeviceIo(Value, frozen=True, kw_only=True):
    """Input and output of one block device, and what is allowed a second. None: the kernel counted or limited nothing."""

    name: str | None = None  # "vda"; None: no such device now
    read_bytes: int | None = None
    write_bytes: int | None = None
    read_operations: int | None = None
    write_operations: int | None = None
    read_bytes_limit: Limit | None = None
    write_bytes_limit: Limit | None = None
    read_operations_limit: Limit | None = None
    write_operations_limit: Limit | None = None


class IoStats(Value, frozen=True, kw_only=True):
    """Block input and output, summed over devices."""

    read_bytes: int | None = None
    write_bytes: int | None = None
    read_operations: int | None = None
    write_operations: int | None = None
    weight: int | None = None  # io.weight, blkio.weight; full reading only
    devices: Mapping[str, DeviceIo] = {}  # by "major:minor"; full reading only


class HugetlbStats(Value, frozen=True, kw_only=True):
    """Huge pages of one size, in bytes."""

    current: int | None = None
    limit: Limit | None = None
    max_events: int | None = None  # how often the limit was hit: hugetlb.*.events max, failcnt


class CgroupStats(Value, frozen=True, kw_only=True):
    """One reading of the interface files of one container's cgroup, v1 and v2 alike. A None part: no such controller there.

    A lean reading, which is what is read every second, leaves out what its fields call "full reading only".
    """

    ino: int | None = None  # inode number of its directory: another number is another cgroup
    read_at_ns: int | None = None  # when, by the monotonic clock, in nanoseconds
    cpu: CpuStats | None = None
    cpuset: CpusetStats | None = None
    memory: MemoryStats | None = None
    pids: PidsStats | None = None
    io: IoStats | None = None
    hugetlb: Mapping[str, HugetlbStats] | None = None  # by size: "2MB"; full reading only, as those below
    devices: tuple[str, ...] | None = None  # v1: lines of devices.list; v2 has a BPF program that nobody can read
    nr_descendants: int | None = None  # v2: living cgroups below
    nr_dying_descendants: int | None = None  # v2: removed, and still charged with memory
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


class LimitEvents(Value, frozen=True, kw_only=True):
    """How often one cgroup, a container's own or one above it, hit a limit of its own: whose limit it was that bit."""

    path: str
    nr_throttled: int | None = None  # periods in which its quota was used up
    nr_periods: int | None = None
    throttled_usec: int | None = None
    memory_max: int | None = None  # memory.events.local max; v1: memory.failcnt + memory.memsw.failcnt
    was_full: bool | None = None  # whether the peak of its memory is its limit
    memory_oom: int | None = None  # memory.events.local oom: its limit called the OOM killer; v1 does not count that
    oom_kills: int | None = None  # tasks of this very cgroup that were killed, whosever limit it was
    pids_max: int | None = None  # forks that its limit made fail; None where the kernel counts elsewhere


class CgroupNode(Value, frozen=True, kw_only=True):
    """One cgroup of the host with its figures, and those below it."""

    path: str  # v2; on v1 and hybrid the path that controllers agree on
    kind: str | None = None  # cgroup.type: "domain", "threaded", "domain threaded", "domain invalid"; None on v1
    controllers: tuple[str, ...] = ()  # enabled for it
    nprocs: int | None = None  # in it, without those below
    container: str | None = None  # id of the container whose own cgroup it is
    inside: str | None = None  # its path as that container sees it; cgroup_namespaces(7)
    owner_uid: int | None = None  # whose directory it is; another uid than 0: it is delegated
    nr_empty: int = 0  # cgroups right below it without processes, container or limit, which are left out
    stats: CgroupStats | None = None
    effective: EffectiveLimits | None = None
    children: tuple["CgroupNode", ...] = ()
