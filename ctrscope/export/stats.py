"""The ``stats`` object of the JSON contract: one running container's usage against its limits."""

from collections.abc import Mapping
from typing import Literal

from ctrscope.model.cgroup import (
    CgroupStats,
    CpuStats,
    EffectiveLimit,
    EffectiveLimits,
    IoStats,
    Limit,
    MemoryStats,
    PidsStats,
    Pressure,
)
from ctrscope.model.container import Container
from ctrscope.model.network import Traffic
from ctrscope.model.rates import Rates
from ctrscope.model.value import Value

#: A limit that may be a fraction, as CPUs are.
Bound = float | Literal["max"] | None


class CpuFigures(Value, frozen=True, kw_only=True):
    """CPU time. ``limited_by``: path of the cgroup whose limit is the tightest, or "host"."""

    usage_seconds: float | None
    percent: float | None  # of one CPU
    percent_of_allowed: float | None  # of effective_limit_cpus
    limit_cpus: Bound  # as set on its own cgroup
    effective_limit_cpus: Bound
    limited_by: str | None
    nr_periods: int | None
    nr_throttled: int | None
    throttled_seconds: float | None
    throttled_percent: float | None  # of the periods since the reading before


class MemoryFigures(Value, frozen=True, kw_only=True):
    """Memory in bytes."""

    current: int | None
    working_set: int | None
    percent: float | None  # working_set of effective_limit
    limit: Limit | None
    effective_limit: Bound
    limited_by: str | None
    swap: int | None
    effective_swap_limit: Bound
    peak: int | None
    oom_kills: int | None
    events: Mapping[str, int]


class PidsFigures(Value, frozen=True, kw_only=True):
    """Tasks."""

    current: int | None
    limit: Limit | None
    effective_limit: Bound
    limited_by: str | None


class IoFigures(Value, frozen=True, kw_only=True):
    """Block input and output since the cgroup was made, and a second."""

    read_bytes: int | None
    write_bytes: int | None
    read_operations: int | None
    write_operations: int | None
    read_bytes_per_second: float | None
    write_bytes_per_second: float | None


class NetworkFigures(Value, frozen=True, kw_only=True):
    """Traffic of the container's network namespace without ``lo``; all null for the host's."""

    rx_bytes: int | None
    tx_bytes: int | None
    rx_dropped: int | None
    tx_dropped: int | None
    rx_bytes_per_second: float | None
    tx_bytes_per_second: float | None


class PressureFigures(Value, frozen=True, kw_only=True):
    """Pressure of each resource; null where the kernel or the cgroup has none."""

    cpu: Pressure | None
    memory: Pressure | None
    io: Pressure | None


class ContainerFigures(Value, frozen=True, kw_only=True):
    """One running container, as ``stats`` tells it."""

    id: str
    name: str
    engine: str
    cpu: CpuFigures
    memory: MemoryFigures
    pids: PidsFigures
    io: IoFigures
    network: NetworkFigures
    pressure: PressureFigures


_NO_LIMIT = EffectiveLimit(value=None)
_NO_PRESSURE: Mapping[str, Pressure] = {}


def container_figures(
    container: Container,
    stats: CgroupStats | None,
    effective: EffectiveLimits | None,
    rates: Rates | None,
    traffic: Traffic | None,
) -> ContainerFigures:
    """Join what was read of one container."""
    stats, effective, rates = stats or CgroupStats(), effective or EffectiveLimits(), rates or Rates()
    cpu, memory, pids, io = (
        stats.cpu or CpuStats(),
        stats.memory or MemoryStats(),
        stats.pids or PidsStats(),
        stats.io or IoStats(),
    )
    cpus, bytes_, tasks = effective.cpus or _NO_LIMIT, effective.memory or _NO_LIMIT, effective.pids or _NO_LIMIT
    pressure = stats.pressure or _NO_PRESSURE
    return ContainerFigures(
        id=container.id,
        name=container.name,
        engine=container.engine,
        cpu=CpuFigures(
            usage_seconds=_seconds(cpu.usage_usec),
            percent=_rounded(rates.cpu_percent),
            percent_of_allowed=_rounded(share(rates.cpu_percent, cpus.value, 1)),
            limit_cpus=cpu.limit_cpus,
            effective_limit_cpus=cpus.value,
            limited_by=cpus.limited_by,
            nr_periods=cpu.nr_periods,
            nr_throttled=cpu.nr_throttled,
            throttled_seconds=_seconds(cpu.throttled_usec),
            throttled_percent=_rounded(rates.throttled_percent),
        ),
        memory=MemoryFigures(
            current=memory.current,
            working_set=memory.working_set,
            percent=_rounded(share(memory.working_set, bytes_.value, 100)),
            limit=memory.limit,
            effective_limit=bytes_.value,
            limited_by=bytes_.limited_by,
            swap=memory.swap_current,
            effective_swap_limit=None if effective.swap is None else effective.swap.value,
            peak=memory.peak,
            oom_kills=memory.oom_kills,
            events=memory.events,
        ),
        pids=PidsFigures(current=pids.current, limit=pids.limit, effective_limit=tasks.value, limited_by=tasks.limited_by),
        io=IoFigures(
            read_bytes=io.read_bytes,
            write_bytes=io.write_bytes,
            read_operations=io.read_operations,
            write_operations=io.write_operations,
            read_bytes_per_second=_rounded(rates.read_bytes),
            write_bytes_per_second=_rounded(rates.write_bytes),
        ),
        network=NetworkFigures(
            rx_bytes=None if traffic is None else traffic.rx_bytes,
            tx_bytes=None if traffic is None else traffic.tx_bytes,
            rx_dropped=None if traffic is None else traffic.rx_dropped,
            tx_dropped=None if traffic is None else traffic.tx_dropped,
            rx_bytes_per_second=_rounded(rates.rx_bytes),
            tx_bytes_per_second=_rounded(rates.tx_bytes),
        ),
        pressure=PressureFigures(cpu=pressure.get("cpu"), memory=pressure.get("memory"), io=pressure.get("io")),
    )


def share(used: float | None, allowed: Bound, scale: float) -> float | None:
    """*used* of *allowed*, times *scale*; None when either is unknown or nothing bounds it."""
    return None if used is None or not isinstance(allowed, (int, float)) or not allowed else scale * used / allowed


def _seconds(usec: int | None) -> float | None:
    return None if usec is None else usec / 1e6


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
