"""Interface files of the controllers of cgroup v1, told in the words of v2.

*Source:* kernel documents cgroup-v1: cpuacct, memory, pids, blkio-controller, hugetlb, devices, scheduler/sched-bwc.
*Versions:* hybrid hosts mount a v2 hierarchy beside these, which has the pressure files and no controller.
*Cost:* 20 small reads, some 45 for a full reading.
"""

import functools
from collections.abc import Mapping

from ctrscope.model.cgroup import CgroupStats, CpusetStats, CpuStats, IoStats, Limit, MemoryStats, PidsStats
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.probes.cgroup_files import CPU_CONTROLLER, InterfaceFiles
from ctrscope.probes.cgroupfs import CgroupLayout
from ctrscope.probes.keyed import parse_flat, parse_limit, parse_number, parse_text

#: cpuacct.stat counts ticks of USER_HZ, which is 100 on every architecture we run on.
_USEC_PER_TICK = 10_000
#: v1 writes "no limit" as LONG_MAX cut to whole pages, of whatever size: more than any machine has.
_UNLIMITED = 2**62
#: Files of limits by device → fields of DeviceIo.
_THROTTLES = {
    "blkio.throttle.read_bps_device": "read_bytes_limit",
    "blkio.throttle.write_bps_device": "write_bytes_limit",
    "blkio.throttle.read_iops_device": "read_operations_limit",
    "blkio.throttle.write_iops_device": "write_operations_limit",
}


def read_v1(files: InterfaceFiles, layout: CgroupLayout, membership: CgroupMembership) -> CgroupStats:
    """Read every controller's directory."""

    def own(controller: str, *fields: str) -> str | None:
        directory, path = layout.mounts.get(controller), membership.paths.get(controller, "/")
        if directory is not None and path != "/":
            return directory + path
        if fields:
            name = controller or "cgroup2"
            why = "the container is in the root of that hierarchy, with the rest of the host"
            files.unsupported(f"{name} hierarchy", "not mounted" if directory is None else why, *fields)
        return None

    memory = pids = io = pressure = cpuset = hugetlb = devices = None
    if (here := own("memory", "memory")) is not None:
        memory = _memory(files, here)
    if (here := own("pids", "pids")) is not None:
        pids = _pids(files, here)
    if (here := own("blkio", "io")) is not None:
        io = _io(files, here)
    if (here := own("", "pressure")) is not None:
        pressure = files.pressure(here)
    if (here := own("cpuset")) is not None:
        cpuset = _cpuset(files, here)
    cpu = _cpu(files, own("cpuacct", "cpu.usage_usec", "cpu.user_usec", "cpu.system_usec"), own("cpu", *CPU_CONTROLLER))
    if files.full:
        if (here := own("hugetlb", "hugetlb")) is not None:
            hugetlb = files.hugetlb(here, ("usage_in_bytes", "limit_in_bytes", "failcnt"), parse_v1_limit, parse_number)
        if (here := own("devices", "devices")) is not None:
            lines = files.read(here, "devices.list", parse_text, "devices")
            devices = None if lines is None else tuple(lines.splitlines())
    return CgroupStats(
        cpu=cpu, cpuset=cpuset, memory=memory, pids=pids, io=io, hugetlb=hugetlb, devices=devices, pressure=pressure
    )


def parse_v1_limit(text: bytes) -> Limit:
    """A limit in bytes; a number that no machine has is no limit."""
    number = parse_number(text)
    return "max" if number >= _UNLIMITED else number


def parse_v1_quota(text: bytes) -> Limit:
    """cpu.cfs_quota_us: -1 is no limit."""
    number = parse_number(text)
    return "max" if number < 0 else number


def _cpu(files: InterfaceFiles, cpuacct: str | None, cpu: str | None) -> CpuStats | None:
    if cpuacct is None and cpu is None:
        return None
    usage: int | None = None
    ticks: Mapping[str, int] = {}
    stat: Mapping[str, int] = {}
    quota: Limit | None = None
    period = weight = burst = None
    if cpuacct is not None:
        usage = files.read(cpuacct, "cpuacct.usage", parse_number, "cpu.usage_usec")
        if files.full:
            ticks = files.flat(cpuacct, "cpuacct.stat", "cpu.user_usec", "cpu.system_usec")
    if cpu is not None:
        # cpu.stat and the quota are there only with CONFIG_CFS_BANDWIDTH.
        stat = files.flat(cpu, "cpu.stat", "cpu.nr_periods", "cpu.nr_throttled", "cpu.throttled_usec")
        if files.known.cpu is not None:
            quota, period = files.known.cpu.quota_usec, files.known.cpu.period_usec
        else:
            quota = files.read(cpu, "cpu.cfs_quota_us", parse_v1_quota, "cpu.quota_usec")
            period = files.read(cpu, "cpu.cfs_period_us", parse_number, "cpu.period_usec")
        if files.full:
            weight = files.read(cpu, "cpu.shares", parse_number, "cpu.weight")
            burst = files.read(cpu, "cpu.cfs_burst_us", parse_number, "cpu.max_burst_usec")
    return CpuStats(
        usage_usec=None if usage is None else usage // 1000,
        user_usec=ticks["user"] * _USEC_PER_TICK if "user" in ticks else None,
        system_usec=ticks["system"] * _USEC_PER_TICK if "system" in ticks else None,
        nr_periods=stat.get("nr_periods"),
        nr_throttled=stat.get("nr_throttled"),
        throttled_usec=stat["throttled_time"] // 1000 if "throttled_time" in stat else None,
        quota_usec=quota,
        period_usec=period,
        weight=weight,
        max_burst_usec=burst,
        nr_bursts=stat.get("nr_bursts"),
        burst_usec=stat["burst_time"] // 1000 if "burst_time" in stat else None,
    )


def _cpuset(files: InterfaceFiles, here: str) -> CpusetStats:
    if files.known.cpuset is not None:
        return files.known.cpuset
    effective = files.read(here, "cpuset.effective_cpus", parse_text, "cpuset.cpus_effective")
    if not files.full:
        return CpusetStats(cpus_effective=effective)
    return CpusetStats(
        cpus=files.read(here, "cpuset.cpus", parse_text, "cpuset.cpus"),
        cpus_effective=effective,
        mems=files.read(here, "cpuset.mems", parse_text, "cpuset.mems"),
        mems_effective=files.read(here, "cpuset.effective_mems", parse_text, "cpuset.mems_effective"),
    )


def _memory(files: InterfaceFiles, here: str) -> MemoryStats:
    current = files.read(here, "memory.usage_in_bytes", parse_number, "memory.current")
    # The memsw files are memory and swap together; a kernel without swapaccount=1 (before 5.8) does not have them.
    both = files.read(here, "memory.memsw.usage_in_bytes", parse_number, "memory.swap_current")
    if files.known.memory is not None:
        limit, swap_limit = files.known.memory.limit, files.known.memory.swap_limit
    else:
        limit, swap_limit = _memory_limits(files, here, with_swap=both is not None)
    failures = files.read(here, "memory.failcnt", parse_number, "memory.events")
    oom = files.flat(here, "memory.oom_control", "memory.oom_kills")
    events = {} if failures is None else {"max": failures}
    if "oom_kill" in oom:  # since Linux 4.13
        events["oom_kill"] = oom["oom_kill"]
    lean = MemoryStats(
        current=current,
        inactive_file=files.number_of(here, "memory.stat", b"total_inactive_file", "memory.inactive_file"),
        peak=files.read(here, "memory.max_usage_in_bytes", parse_number, "memory.peak"),
        limit=limit,
        swap_current=None if both is None or current is None else max(0, both - current),
        swap_limit=swap_limit,
        oom_kills=oom.get("oom_kill"),
        events=events,
    )
    if not files.full:
        return lean
    import msgspec

    swap_failures = files.find(here, "memory.memsw.failcnt", parse_number, "memory.events_local")
    return msgspec.structs.replace(
        lean,
        soft_limit=files.read(here, "memory.soft_limit_in_bytes", parse_v1_limit, "memory.soft_limit"),
        events_local=events if swap_failures is None else {**events, "swap_max": swap_failures},
        under_oom=bool(oom["under_oom"]) if "under_oom" in oom else None,
        oom_kill_disabled=bool(oom["oom_kill_disable"]) if "oom_kill_disable" in oom else None,
        kmem_current=files.find(here, "memory.kmem.usage_in_bytes", parse_number, "memory.kmem_current"),
        kmem_limit=files.find(here, "memory.kmem.limit_in_bytes", parse_v1_limit, "memory.kmem_limit"),
    )


def _memory_limits(files: InterfaceFiles, here: str, *, with_swap: bool) -> tuple[Limit | None, Limit | None]:
    """Limits of memory, and of swap: what both together may take beyond that."""
    limit = files.read(here, "memory.limit_in_bytes", parse_v1_limit, "memory.limit")
    both = files.read(here, "memory.memsw.limit_in_bytes", parse_v1_limit, "memory.swap_limit") if with_swap else None
    return limit, max(0, both - limit) if isinstance(both, int) and isinstance(limit, int) else both


def _pids(files: InterfaceFiles, here: str) -> PidsStats:
    current = files.read(here, "pids.current", parse_number, "pids.current")
    known = files.known.pids
    limit = known.limit if known is not None else files.read(here, "pids.max", parse_limit, "pids.limit")
    if not files.full:
        return PidsStats(current=current, limit=limit)
    return PidsStats(
        current=current,
        limit=limit,
        peak=files.find(here, "pids.peak", parse_number, "pids.peak"),
        max_events=files.flat(here, "pids.events", "pids.max_events").get("max"),
    )


def _io(files: InterfaceFiles, here: str) -> IoStats:
    bytes_fields, operations_fields = ("io.read_bytes", "io.write_bytes"), ("io.read_operations", "io.write_operations")
    moved = files.read(here, "blkio.throttle.io_service_bytes_recursive", _parse_blkio, *bytes_fields)
    served = files.read(here, "blkio.throttle.io_serviced_recursive", _parse_blkio, *operations_fields)
    read_bytes, write_bytes = _sums(moved)
    read_operations, write_operations = _sums(served)
    lean = IoStats(
        read_bytes=read_bytes, write_bytes=write_bytes, read_operations=read_operations, write_operations=write_operations
    )
    if not files.full:
        return lean
    devices: dict[str, dict[str, Limit]] = {}
    for known, fields in ((moved, bytes_fields), (served, operations_fields)):
        for device, (read, written) in (known or {}).items():
            devices.setdefault(device, {}).update({fields[0][3:]: read, fields[1][3:]: written})
    for name, field in _THROTTLES.items():
        for device, limit in (files.read(here, name, _parse_by_device, "io.devices") or {}).items():
            devices.setdefault(device, {})[field] = limit
    import msgspec

    weight = files.find(here, "blkio.weight", parse_number, "io.weight") or files.find(
        here, "blkio.bfq.weight", parse_number, "io.weight"
    )
    return msgspec.structs.replace(lean, weight=weight, devices=files.named_devices(devices))


def _sums(devices: Mapping[str, tuple[int, int]] | None) -> tuple[int | None, int | None]:
    if devices is None:
        return None, None
    return sum(read for read, _ in devices.values()), sum(written for _, written in devices.values())


@functools.lru_cache(maxsize=1024)  # as parse_flat
def _parse_blkio(text: bytes) -> Mapping[str, tuple[int, int]]:
    """Device → read and written, of ``8:0 Read 4096`` and ``8:0 Write 0``; the line ``Total 4096`` has two words."""
    devices: dict[str, tuple[int, int]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in (b"Read", b"Write"):
            device = words[0].decode("utf-8", "surrogateescape")
            read, written = devices.get(device, (0, 0))
            number = parse_number(words[2])
            devices[device] = (number, written) if words[1] == b"Read" else (read, number)
    return devices


def _parse_by_device(text: bytes) -> Mapping[str, int]:
    """Device → limit, of ``8:0 1048576``."""
    return parse_flat(text)
