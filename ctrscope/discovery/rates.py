"""What changed a second between two snapshots of the same containers."""

from collections.abc import Mapping

from ctrscope.model.cgroup import CgroupStats, CpuStats, IoStats
from ctrscope.model.network import Traffic
from ctrscope.model.rates import Rates
from ctrscope.model.snapshot import Snapshot


def rates_between(earlier: Snapshot, later: Snapshot) -> dict[str, Rates]:
    """Change a second of every container that is in both, by container key.

    Nothing from a container that was started anew or whose cgroup was made anew, and nothing from a counter that went
    backwards: that one is another counter.
    """
    between = (later.monotonic_ns - earlier.monotonic_ns) / 1e9
    if between <= 0:
        return {}
    before = {container.key: container.starttime_ticks for container in earlier.containers}
    rates: dict[str, Rates] = {}
    for container in later.containers:
        key = container.key
        old, new = earlier.stats.get(key), later.stats.get(key)
        if old is None or new is None or before.get(key, -1) != container.starttime_ticks or old.ino != new.ino:
            continue
        seconds = between
        if old.read_at_ns is not None and new.read_at_ns is not None:
            # A pass over hundreds of containers takes a while, and a whole one begins long before it comes to the figures.
            seconds = (new.read_at_ns - old.read_at_ns) / 1e9
        if seconds > 0:
            rates[key] = stats_rates(old, new, earlier.traffic.get(key), later.traffic.get(key), seconds)
    return rates


def stats_rates(
    old: CgroupStats, new: CgroupStats, old_traffic: Traffic | None, new_traffic: Traffic | None, seconds: float
) -> Rates:
    """Change a second between two readings of one cgroup, and of the links of one network namespace."""
    old_cpu, new_cpu = old.cpu or CpuStats(), new.cpu or CpuStats()
    old_io, new_io = old.io or IoStats(), new.io or IoStats()
    usage = _per_second(old_cpu.usage_usec, new_cpu.usage_usec, seconds)
    periods = _per_second(old_cpu.nr_periods, new_cpu.nr_periods, seconds)
    throttled = _per_second(old_cpu.nr_throttled, new_cpu.nr_throttled, seconds)
    rx_bytes = tx_bytes = None
    if old_traffic is not None and new_traffic is not None:
        rx_bytes = _per_second(old_traffic.rx_bytes, new_traffic.rx_bytes, seconds)
        tx_bytes = _per_second(old_traffic.tx_bytes, new_traffic.tx_bytes, seconds)
    return Rates(
        cpu_percent=None if usage is None else usage / 1e4,
        throttled_percent=None if not periods or throttled is None else 100 * throttled / periods,
        read_bytes=_per_second(old_io.read_bytes, new_io.read_bytes, seconds),
        write_bytes=_per_second(old_io.write_bytes, new_io.write_bytes, seconds),
        read_operations=_per_second(old_io.read_operations, new_io.read_operations, seconds),
        write_operations=_per_second(old_io.write_operations, new_io.write_operations, seconds),
        rx_bytes=rx_bytes,
        tx_bytes=tx_bytes,
        stalled_percent=_stalled(old, new, seconds),
    )


def _stalled(old: CgroupStats, new: CgroupStats, seconds: float) -> Mapping[str, float]:
    stalled = {}
    for resource, pressure in (new.pressure or {}).items():
        before = (old.pressure or {}).get(resource)
        waited = None if before is None else _per_second(before.some.total, pressure.some.total, seconds)
        if waited is not None:
            # The kernel accounts a stall when it ends: of a short interval it may be more than there was time.
            stalled[resource] = min(100.0, waited / 1e4)
    return stalled


def _per_second(old: int | None, new: int | None, seconds: float) -> float | None:
    if old is None or new is None or new < old:
        return None
    return (new - old) / seconds
