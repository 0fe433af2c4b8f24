"""The interface files of one container's cgroup: usage, limits and pressure, from v2, v1 and hybrid alike.

*Source:* kernel documents cgroup-v2 and cgroup-v1 (cpuacct, memory, pids, blkio-controller, scheduler/sched-bwc).
*Shape:* both are told in the words of v2. A file that this kernel or this cgroup does not have leaves its field None, with
a Gap; a whole controller that is missing leaves its part None, with one Gap.
*Cost:* about 17 small reads on v2, 14 on v1.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from ctrscope.model.cgroup import CgroupMembership, CgroupStats, CpuStats, IoStats, Limit, MemoryStats, PidsStats, Pressure
from ctrscope.model.gap import VANISHED, Gap, ParseError, Reading, Reason, gap_of
from ctrscope.probes.cgroupfs import CgroupLayout
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.keyed import parse_flat, parse_limit, parse_nested_sums, parse_number
from ctrscope.probes.proc_pressure import read_pressure

T = TypeVar("T")

#: What cpu.stat and cpu.max say only where the cpu controller is on; the three times of cpu.stat are always there.
_CPU_CONTROLLER = (
    "cpu.quota_usec",
    "cpu.period_usec",
    "cpu.weight",
    "cpu.nr_periods",
    "cpu.nr_throttled",
    "cpu.throttled_usec",
)

#: cpuacct.stat counts ticks of USER_HZ, which is 100 on every architecture we run on.
_USEC_PER_TICK = 10_000
#: v1 writes "no limit" as LONG_MAX cut to whole pages (0x7ffffffffffff000 with 4 KiB pages, less with 64 KiB ones).
_UNLIMITED = 2**63 - 2**16


def read_cgroup_stats(host: HostFs, layout: CgroupLayout, membership: CgroupMembership, subject: str) -> Reading[CgroupStats]:
    """Read everything CgroupStats has but ``frozen``.

    The value is None, without a Gap, when the cgroup went away or is the root: that one is the whole host's.
    """
    if membership.path == "/":
        return Reading(None)
    files = _Files(host, subject)
    read = _read_v2 if layout.version == "v2" else _read_v1
    stats = read(files, layout, membership)
    directory = layout.own_directory(membership)
    if files.missed and (directory is None or not host.exists(directory)):
        return Reading(None)
    return Reading(stats, tuple(files.gaps))


class _Files:
    """Reads interface files; what is missing becomes a Gap."""

    def __init__(self, host: HostFs, subject: str) -> None:
        self.host, self.subject = host, subject
        self.gaps: list[Gap] = []
        self.missed = False  # whether some file was not there: then the cgroup may have gone

    def read(self, directory: str, name: str, parse: Callable[[bytes], T], *fields: str) -> T | None:
        """Parsed content, or None with a Gap for *fields*."""
        path = f"{directory}/{name}"
        try:
            return parse(self.host.read(path))
        except ParseError as error:
            self.gaps.append(Gap(subject=self.subject, fields=fields, source=path, reason=Reason.MALFORMED, detail=str(error)))
        except OSError as error:
            if error.errno in VANISHED:
                self.missed = True
                self.unsupported(path, "no such file: the controller is off for this cgroup, or the kernel older", *fields)
            else:
                self.gaps.append(gap_of(error, self.subject, fields, path))
        return None

    def flat(self, directory: str, name: str, *fields: str) -> Mapping[str, int]:
        """A flat keyed file; empty with a Gap when it cannot be read."""
        return self.read(directory, name, parse_flat, *fields) or {}

    def unsupported(self, source: str, detail: str, *fields: str) -> None:
        self.gaps.append(Gap(subject=self.subject, fields=fields, source=source, reason=Reason.UNSUPPORTED, detail=detail))

    def pressure(self, directory: str) -> Mapping[str, Pressure] | None:
        reading = read_pressure(self.host, self.subject, directory + "/{}.pressure")
        self.gaps += reading.gaps
        self.missed = self.missed or bool(reading.gaps)
        return reading.value


def _read_v2(files: _Files, layout: CgroupLayout, membership: CgroupMembership) -> CgroupStats:
    here = layout.directory(membership, "") or ""
    # crun with the systemd driver puts init into a sub-cgroup and sets the limits there, not on the scope.
    inner = f"{here}/container" if here.endswith(".scope") and files.host.exists(f"{here}/container") else None

    def limit(name: str, field: str) -> Limit | None:
        found = files.read(here, name, parse_limit, field)
        return found if inner is None else _lower(found, files.read(inner, name, parse_limit, field))

    stat = files.flat(here, "cpu.stat", "cpu.usage_usec", "cpu.user_usec", "cpu.system_usec")
    throttling = stat
    quota, period = files.read(here, "cpu.max", _parse_cpu_max, *_CPU_CONTROLLER) or (None, None)
    if quota == "max" and inner:
        quota, period = files.read(inner, "cpu.max", _parse_cpu_max, *_CPU_CONTROLLER) or (None, None)
        throttling = files.flat(inner, "cpu.stat", "cpu.nr_periods", "cpu.nr_throttled", "cpu.throttled_usec")
    cpu = CpuStats(
        usage_usec=stat.get("usage_usec"),
        user_usec=stat.get("user_usec"),
        system_usec=stat.get("system_usec"),
        nr_periods=throttling.get("nr_periods"),
        nr_throttled=throttling.get("nr_throttled"),
        throttled_usec=throttling.get("throttled_usec"),
        quota_usec=quota,
        period_usec=period,
        weight=None if quota is None else files.read(inner or here, "cpu.weight", parse_number, "cpu.weight"),
    )
    memory = pids = io = None
    if (current := files.read(here, "memory.current", parse_number, "memory")) is not None:
        memory = MemoryStats(
            current=current,
            inactive_file=files.flat(here, "memory.stat", "memory.inactive_file").get("inactive_file"),
            peak=files.read(here, "memory.peak", parse_number, "memory.peak"),  # since Linux 5.19
            limit=limit("memory.max", "memory.limit"),
            high=limit("memory.high", "memory.high"),
            swap_current=files.read(here, "memory.swap.current", parse_number, "memory.swap_current"),
            swap_limit=limit("memory.swap.max", "memory.swap_limit"),
            oom_kills=files.flat(here, "memory.events", "memory.oom_kills").get("oom_kill"),
        )
    if (tasks := files.read(here, "pids.current", parse_number, "pids")) is not None:
        pids = PidsStats(current=tasks, limit=limit("pids.max", "pids.limit"))
    if (sums := files.read(here, "io.stat", parse_nested_sums, "io")) is not None:
        io = IoStats(
            read_bytes=sums.get("rbytes", 0),
            write_bytes=sums.get("wbytes", 0),
            read_operations=sums.get("rios", 0),
            write_operations=sums.get("wios", 0),
        )
    return CgroupStats(cpu=cpu, memory=memory, pids=pids, io=io, pressure=files.pressure(here))


def _read_v1(files: _Files, layout: CgroupLayout, membership: CgroupMembership) -> CgroupStats:
    def own(controller: str, *fields: str) -> str | None:
        directory = layout.directory(membership, controller)
        if directory is not None and membership.paths.get(controller, "/") != "/":
            return directory
        name = controller or "cgroup2"
        why = (
            "not mounted" if directory is None else "the container is in the root of that hierarchy, with the rest of the host"
        )
        files.unsupported(f"{name} hierarchy", why, *fields)
        return None

    memory = pids = io = pressure = None
    if (here := own("memory", "memory")) is not None:
        memory = _read_v1_memory(files, here)
    if (here := own("pids", "pids")) is not None:
        pids = PidsStats(
            current=files.read(here, "pids.current", parse_number, "pids.current"),
            limit=files.read(here, "pids.max", parse_limit, "pids.limit"),
        )
    if (here := own("blkio", "io")) is not None:
        moved = files.read(here, "blkio.throttle.io_service_bytes_recursive", _parse_blkio, "io.read_bytes", "io.write_bytes")
        served = files.read(
            here, "blkio.throttle.io_serviced_recursive", _parse_blkio, "io.read_operations", "io.write_operations"
        )
        io = IoStats(
            read_bytes=moved and moved[0],
            write_bytes=moved and moved[1],
            read_operations=served and served[0],
            write_operations=served and served[1],
        )
    if (here := own("", "pressure")) is not None:
        pressure = files.pressure(here)
    cpu = _read_v1_cpu(
        files, own("cpuacct", "cpu.usage_usec", "cpu.user_usec", "cpu.system_usec"), own("cpu", *_CPU_CONTROLLER)
    )
    return CgroupStats(cpu=cpu, memory=memory, pids=pids, io=io, pressure=pressure)


def _read_v1_cpu(files: _Files, cpuacct: str | None, cpu: str | None) -> CpuStats | None:
    if cpuacct is None and cpu is None:
        return None
    usage = quota = None
    ticks: Mapping[str, int] = {}
    stat: Mapping[str, int] = {}
    period = weight = None
    if cpuacct is not None:
        usage = files.read(cpuacct, "cpuacct.usage", parse_number, "cpu.usage_usec")
        ticks = files.flat(cpuacct, "cpuacct.stat", "cpu.user_usec", "cpu.system_usec")
    if cpu is not None:
        # cpu.stat and the quota are there only with CONFIG_CFS_BANDWIDTH.
        stat = files.flat(cpu, "cpu.stat", "cpu.nr_periods", "cpu.nr_throttled", "cpu.throttled_usec")
        quota = files.read(cpu, "cpu.cfs_quota_us", parse_number, "cpu.quota_usec")
        period = files.read(cpu, "cpu.cfs_period_us", parse_number, "cpu.period_usec")
        weight = files.read(cpu, "cpu.shares", parse_number, "cpu.weight")
    return CpuStats(
        usage_usec=None if usage is None else usage // 1000,
        user_usec=ticks["user"] * _USEC_PER_TICK if "user" in ticks else None,
        system_usec=ticks["system"] * _USEC_PER_TICK if "system" in ticks else None,
        nr_periods=stat.get("nr_periods"),
        nr_throttled=stat.get("nr_throttled"),
        throttled_usec=stat["throttled_time"] // 1000 if "throttled_time" in stat else None,
        quota_usec="max" if quota is not None and quota < 0 else quota,
        period_usec=period,
        weight=weight,
    )


def _read_v1_memory(files: _Files, here: str) -> MemoryStats:
    current = files.read(here, "memory.usage_in_bytes", parse_number, "memory.current")
    limit = files.read(here, "memory.limit_in_bytes", _parse_v1_limit, "memory.limit")
    # The memsw files are memory and swap together; a kernel without swapaccount=1 (before 5.8) does not have them.
    both = files.read(here, "memory.memsw.usage_in_bytes", parse_number, "memory.swap_current")
    both_limit = None if both is None else files.read(here, "memory.memsw.limit_in_bytes", _parse_v1_limit, "memory.swap_limit")
    return MemoryStats(
        current=current,
        inactive_file=files.flat(here, "memory.stat", "memory.inactive_file").get("total_inactive_file"),
        peak=files.read(here, "memory.max_usage_in_bytes", parse_number, "memory.peak"),
        limit=limit,
        swap_current=None if both is None or current is None else max(0, both - current),
        swap_limit=max(0, both_limit - limit) if isinstance(both_limit, int) and isinstance(limit, int) else both_limit,
        oom_kills=files.flat(here, "memory.oom_control", "memory.oom_kills").get("oom_kill"),  # since Linux 4.13
    )


def _lower(one: Limit | None, other: Limit | None) -> Limit | None:
    numbers = [limit for limit in (one, other) if isinstance(limit, int)]
    return min(numbers) if numbers else one or other


def _parse_cpu_max(text: bytes) -> tuple[Limit, int]:
    quota, _, period = text.partition(b" ")
    return parse_limit(quota), parse_number(period)


def _parse_v1_limit(text: bytes) -> Limit:
    number = parse_number(text)
    return "max" if number >= _UNLIMITED else number


def _parse_blkio(text: bytes) -> tuple[int, int]:
    """Sums of ``8:0 Read 4096`` and ``8:0 Write 0``; the line ``Total 4096`` has two words."""
    sums = {b"Read": 0, b"Write": 0}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in sums:
            sums[words[1]] += parse_number(words[2])
    return sums[b"Read"], sums[b"Write"]
