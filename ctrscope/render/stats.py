"""The table of ``stats``: usage against limits, in the columns of ``docker stats`` and ``podman stats`` and some more."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ctrscope.model.cgroup import CgroupStats, EffectiveLimit, EffectiveLimits, Pressure
from ctrscope.model.container import Container
from ctrscope.model.network import Traffic
from ctrscope.model.rates import Rates
from ctrscope.render.fields import engine_text, short_id
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column, format_table
from ctrscope.render.units import NOT_APPLICABLE, NOT_PERMITTED, format_bytes, format_percent

#: Before a limit: a cgroup above the container's imposes it.
FROM_ABOVE = "↑"
HOST = "host"  # EffectiveLimit.limited_by

COLUMNS = (
    Column("NAME", rank=0, least=12, good=24),
    Column("ENGINE", rank=9, least=6),
    Column("ID", rank=8, least=12),
    Column("CPU %", "right", rank=1),
    Column("OF LIMIT", "right", rank=4),
    Column("THR %", "right", rank=3),
    Column("MEM / LIMIT", "right", rank=1),
    Column("MEM %", "right", rank=3),
    Column("OOM", "right", rank=5),
    Column("PIDS", "right", rank=2),
    Column("NET IN/OUT", "right", rank=5),
    Column("BLOCK R/W", "right", rank=6),
    Column("WAIT % C/M/I", "right", rank=7),
)


class StatsRow(NamedTuple):
    """One running container and what was read of it."""

    container: Container
    stats: CgroupStats | None
    effective: EffectiveLimits | None
    rates: Rates | None
    traffic: Traffic | None


def format_stats(rows: Sequence[StatsRow], width: int | None) -> list[str]:
    """Lines of the table, its header first."""
    return format_table(COLUMNS, [_cells(row) for row in rows], width)


def limit_text(limit: EffectiveLimit | None, own: str | None, write: str) -> str:
    """*write* with who imposes it: ``↑128M`` from above, ``(7.8G)`` the host's size, ``64M`` its own."""
    if limit is None or limit.value is None:
        return NOT_PERMITTED
    if limit.value == "max":
        return "max"
    if limit.limited_by == HOST:
        return f"({write})"
    return write if limit.limited_by == own else f"{FROM_ABOVE}{write}"


def _cells(row: StatsRow) -> list[str]:
    container, stats, effective, rates = row.container, row.stats or CgroupStats(), row.effective, row.rates or Rates()
    memory, pids, io = stats.memory, stats.pids, stats.io
    allowed = _value(effective.memory if effective else None)
    cpus = _value(effective.cpus if effective else None)
    used = None if memory is None else memory.current if memory.working_set is None else memory.working_set
    return [
        inert(container.name),
        engine_text(container),
        short_id(container),
        _percent(rates.cpu_percent),
        _percent(None if rates.cpu_percent is None or not cpus else rates.cpu_percent / cpus),
        _percent(rates.throttled_percent),
        NOT_APPLICABLE if memory is None or used is None else f"{format_bytes(used)} / {_memory_limit(row)}",
        _percent(None if used is None or not allowed else 100 * used / allowed),
        NOT_APPLICABLE if memory is None or memory.oom_kills is None else str(memory.oom_kills),
        NOT_APPLICABLE if pids is None or pids.current is None else str(pids.current),
        _pair(row.traffic.rx_bytes, row.traffic.tx_bytes) if row.traffic is not None else NOT_APPLICABLE,
        _pair(io.read_bytes, io.write_bytes) if io is not None else NOT_APPLICABLE,
        waiting_text(stats.pressure),
    ]


def _memory_limit(row: StatsRow) -> str:
    limit = row.effective.memory if row.effective is not None else None
    cgroup = row.container.cgroup
    own = None if cgroup is None else cgroup.paths.get("memory", cgroup.path)
    value = _value(limit)
    return limit_text(limit, own, "" if value is None else format_bytes(value))


def _value(limit: EffectiveLimit | None) -> float | None:
    return limit.value if limit is not None and isinstance(limit.value, (int, float)) else None


def _percent(value: float | None) -> str:
    return NOT_APPLICABLE if value is None else format_percent(value)


def _pair(one: int | None, other: int | None) -> str:
    return "/".join(NOT_PERMITTED if value is None else format_bytes(value) for value in (one, other))


def waiting_text(pressure: Mapping[str, Pressure] | None) -> str:
    """The last ten seconds' pressure ``some`` of cpu, memory and io."""
    if not pressure:
        return NOT_APPLICABLE
    found = (pressure.get(resource) for resource in ("cpu", "memory", "io"))
    return "/".join(NOT_PERMITTED if one is None else f"{one.some.avg10:.0f}" for one in found)
