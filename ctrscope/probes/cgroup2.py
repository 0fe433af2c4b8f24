"""Interface files of a cgroup of the v2 hierarchy.

*Source:* kernel document cgroup-v2.
*Versions:* memory.peak since Linux 5.19, pids.peak 6.1, memory.swap.peak 6.5, cpu.max.burst 5.14, memory.oom.group 4.19.
*Cost:* 16 small reads, some 40 for a full reading.
"""

from collections.abc import Mapping

from ctrscope.model.cgroup import CgroupStats, CpusetStats, CpuStats, IoStats, Limit, MemoryStats, PidsStats
from ctrscope.probes.cgroup_files import CPU_CONTROLLER, InterfaceFiles
from ctrscope.probes.keyed import (
    parse_flat,
    parse_limit,
    parse_nested,
    parse_nested_sums,
    parse_number,
    parse_text,
)

#: Keys of io.stat and of io.max → fields of DeviceIo.
_IO_STAT = {"rbytes": "read_bytes", "wbytes": "write_bytes", "rios": "read_operations", "wios": "write_operations"}
_IO_MAX = {
    "rbps": "read_bytes_limit",
    "wbps": "write_bytes_limit",
    "riops": "read_operations_limit",
    "wiops": "write_operations_limit",
}


def read_v2(files: InterfaceFiles, here: str) -> CgroupStats:
    """Read the cgroup at the directory *here*."""
    # crun with the systemd driver puts init into a sub-cgroup and sets the limits there, not on the scope.
    inner = f"{here}/container" if here.endswith(".scope") and files.host.exists(f"{here}/container") else None
    more = CgroupStats()
    if files.full:
        stat = files.flat(here, "cgroup.stat", "nr_descendants", "nr_dying_descendants")
        hugetlb = files.hugetlb(here, ("current", "max", "events"), parse_limit, lambda text: parse_flat(text).get("max", 0))
        files.unsupported(here, "on v2 a BPF program decides about devices: the kernel does not say what it allows", "devices")
        more = CgroupStats(
            hugetlb=hugetlb,
            nr_descendants=stat.get("nr_descendants"),
            nr_dying_descendants=stat.get("nr_dying_descendants"),
        )
    return CgroupStats(
        cpu=_cpu(files, here, inner),
        cpuset=_cpuset(files, here, inner),
        memory=_memory(files, here, inner),
        pids=_pids(files, here, inner),
        io=_io(files, here),
        pressure=files.pressure(here),
        hugetlb=more.hugetlb,
        nr_descendants=more.nr_descendants,
        nr_dying_descendants=more.nr_dying_descendants,
    )


def parse_cpu_max(text: bytes) -> tuple[Limit, int]:
    """Quota and period of cpu.max: ``50000 100000``, ``max 100000``."""
    quota, _, period = text.partition(b" ")
    return parse_limit(quota), parse_number(period)


def _cpu(files: InterfaceFiles, here: str, inner: str | None) -> CpuStats:
    stat = files.flat(here, "cpu.stat", "cpu.usage_usec", "cpu.user_usec", "cpu.system_usec")
    throttling = stat
    if files.known.cpu is not None and inner is None:
        quota, period = files.known.cpu.quota_usec, files.known.cpu.period_usec
    else:
        quota, period = files.read(here, "cpu.max", parse_cpu_max, *CPU_CONTROLLER) or (None, None)
    if quota == "max" and inner:
        quota, period = files.read(inner, "cpu.max", parse_cpu_max, *CPU_CONTROLLER) or (None, None)
        throttling = files.flat(inner, "cpu.stat", "cpu.nr_periods", "cpu.nr_throttled", "cpu.throttled_usec")
    weight = burst = None
    if files.full and quota is not None:
        weight = files.read(inner or here, "cpu.weight", parse_number, "cpu.weight")
        burst = files.read(inner or here, "cpu.max.burst", parse_number, "cpu.max_burst_usec")
    return CpuStats(
        usage_usec=stat.get("usage_usec"),
        user_usec=stat.get("user_usec"),
        system_usec=stat.get("system_usec"),
        nr_periods=throttling.get("nr_periods"),
        nr_throttled=throttling.get("nr_throttled"),
        throttled_usec=throttling.get("throttled_usec"),
        quota_usec=quota,
        period_usec=period,
        weight=weight,
        max_burst_usec=burst,
        nr_bursts=throttling.get("nr_bursts"),
        burst_usec=throttling.get("burst_usec"),
    )


def _cpuset(files: InterfaceFiles, here: str, inner: str | None) -> CpusetStats | None:
    if files.known.cpuset is not None:
        return files.known.cpuset
    effective = files.find(inner or here, "cpuset.cpus.effective", parse_text, "cpuset")
    if effective is None:
        return None
    if not files.full:
        return CpusetStats(cpus_effective=effective)
    return CpusetStats(
        cpus=files.read(inner or here, "cpuset.cpus", parse_text, "cpuset.cpus"),
        cpus_effective=effective,
        mems=files.read(inner or here, "cpuset.mems", parse_text, "cpuset.mems"),
        mems_effective=files.read(inner or here, "cpuset.mems.effective", parse_text, "cpuset.mems_effective"),
    )


def _memory(files: InterfaceFiles, here: str, inner: str | None) -> MemoryStats | None:
    current = files.read(here, "memory.current", parse_number, "memory")
    if current is None:
        return None
    events = files.flat(here, "memory.events", "memory.oom_kills", "memory.events")
    if files.known.memory is not None:
        limit, swap_limit = files.known.memory.limit, files.known.memory.swap_limit
    else:
        limit = _limit(files, here, inner, "memory.max", "memory.limit")
        swap_limit = _limit(files, here, inner, "memory.swap.max", "memory.swap_limit")
    lean = MemoryStats(
        current=current,
        inactive_file=files.number_of(here, "memory.stat", b"inactive_file", "memory.inactive_file"),
        peak=files.read(here, "memory.peak", parse_number, "memory.peak"),
        limit=limit,
        swap_current=files.read(here, "memory.swap.current", parse_number, "memory.swap_current"),
        swap_limit=swap_limit,
        oom_kills=events.get("oom_kill"),
        events=events,
    )
    if not files.full:
        return lean
    import msgspec

    group = files.read(inner or here, "memory.oom.group", parse_number, "memory.oom_group")
    return msgspec.structs.replace(
        lean,
        high=_limit(files, here, inner, "memory.high", "memory.high"),
        low=files.read(inner or here, "memory.low", parse_limit, "memory.low"),
        min=files.read(inner or here, "memory.min", parse_limit, "memory.min"),
        oom_group=None if group is None else group == 1,
        swap_peak=files.find(here, "memory.swap.peak", parse_number, "memory.swap_peak"),
        events_local=files.flat(inner or here, "memory.events.local", "memory.events_local"),
    )


def _pids(files: InterfaceFiles, here: str, inner: str | None) -> PidsStats | None:
    tasks = files.read(here, "pids.current", parse_number, "pids")
    if tasks is None:
        return None
    known = files.known.pids
    limit = known.limit if known is not None else _limit(files, here, inner, "pids.max", "pids.limit")
    if not files.full:
        return PidsStats(current=tasks, limit=limit)
    return PidsStats(
        current=tasks,
        limit=limit,
        peak=files.find(here, "pids.peak", parse_number, "pids.peak"),
        max_events=files.flat(inner or here, "pids.events", "pids.max_events").get("max"),
    )


def _io(files: InterfaceFiles, here: str) -> IoStats | None:
    if not files.full:
        sums = files.read(here, "io.stat", parse_nested_sums, "io")
        return None if sums is None else _io_sums(sums)
    stat = files.read(here, "io.stat", parse_nested, "io")
    if stat is None:
        return None
    devices: dict[str, dict[str, Limit]] = {}
    limits = files.read(here, "io.max", parse_nested, "io.devices") or {}
    for known, names in ((stat, _IO_STAT), (limits, _IO_MAX)):
        for device, values in known.items():
            found = {names[key]: value for key, value in values.items() if key in names}
            if found:
                devices.setdefault(device, {}).update(found)
    sums = {key: sum(value for values in stat.values() if isinstance(value := values.get(key, 0), int)) for key in _IO_STAT}
    import msgspec

    weight = files.find(here, "io.weight", lambda text: parse_flat(text.splitlines()[0]).get("default"), "io.weight")
    return msgspec.structs.replace(_io_sums(sums), weight=weight, devices=files.named_devices(devices))


def _io_sums(sums: Mapping[str, int]) -> IoStats:
    return IoStats(
        read_bytes=sums.get("rbytes", 0),
        write_bytes=sums.get("wbytes", 0),
        read_operations=sums.get("rios", 0),
        write_operations=sums.get("wios", 0),
    )


def _limit(files: InterfaceFiles, here: str, inner: str | None, name: str, field: str) -> Limit | None:
    found = files.read(here, name, parse_limit, field)
    return found if inner is None else _lower(found, files.read(inner, name, parse_limit, field))


def _lower(one: Limit | None, other: Limit | None) -> Limit | None:
    numbers = [limit for limit in (one, other) if isinstance(limit, int)]
    return min(numbers) if numbers else one or other
