"""Every column of a container, declared once: the dashboard, ``ps``, and the help of both use these.

``get`` gives the text of a cell, already inert; ``sort`` a value to order by, the same type in every row, in which what
is unknown comes first. ``width`` is a good width on a screen of 120 columns; a table may give it more or less.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from ctrscope.model.container import Container, ContainerStatus, EngineName, Port
from ctrscope.model.timestamp import unix_time
from ctrscope.model.value import Value
from ctrscope.render.safe import inert, inert_command
from ctrscope.render.units import (
    NOT_APPLICABLE,
    NOT_PERMITTED,
    format_bytes,
    format_duration,
    format_limit,
    format_percent,
)

if TYPE_CHECKING:  # ``ps`` has no figures
    from ctrscope.model.cgroup import CgroupStats, EffectiveLimits, MemoryStats
    from ctrscope.model.finding import Severity
    from ctrscope.model.gap import Reading
    from ctrscope.model.rates import Rates
    from ctrscope.model.storage import Measured

#: State by sign, so that it can be told without colour.
STATUS_SIGNS: Mapping[ContainerStatus, str] = {
    ContainerStatus.CREATING: "◌",
    ContainerStatus.CREATED: "◌",
    ContainerStatus.RUNNING: "●",
    ContainerStatus.PAUSED: "◐",
    ContainerStatus.STOPPED: "○",
    ContainerStatus.STALE: "!",
}
_ORPHANED = "!"
_UNCLAIMED = "?"


class Row(Value, frozen=True):
    """One container, with its figures where they were read."""

    container: Container
    stats: "CgroupStats | None" = None
    rates: "Rates | None" = None
    effective: "EffectiveLimits | None" = None
    severity: "Severity | None" = None  # of the worst finding about it
    layer: "Reading[Measured] | None" = None  # what is in its writable layer; None: nobody asked, or it is not counted yet


class Field(Value, frozen=True):
    """One column."""

    key: str
    title: str
    align: Literal["left", "right"]
    width: int
    get: Callable[[Row, float], str]  # the float is now, in seconds since 1970
    sort: Callable[[Row, float], Any]
    help: str


def status_sign(container: Container) -> str:
    """Sign of a container: that of its status, ``!`` also when its supervisor is gone, ``?`` when no engine claims it."""
    if container.is_running and container.monitor is not None and not container.monitor.alive:
        return _ORPHANED
    if container.engine is EngineName.UNCLAIMED and container.status is ContainerStatus.RUNNING:
        return _UNCLAIMED
    return STATUS_SIGNS[container.status]


def engine_text(container: Container) -> str:
    """Engine, whose it is when not root's, and the engine's own namespace: ``podman@1000``, ``containerd/k8s.io``."""
    owner = f"@{container.owner_uid}" if container.owner_uid else ""
    namespace = f"/{inert(container.engine_namespace)}" if container.engine_namespace else ""
    return f"{container.engine}{owner}{namespace}"


def short_id(container: Container) -> str:
    """The id as people quote it: 12 characters of a hash, any other in full."""
    return inert(container.id[:12] if len(container.id) in (32, 64) else container.id)


def group_text(container: Container) -> str:
    """The pod as ``namespace/name``, else the compose project, else nothing."""
    pod = container.pod
    if pod is not None:
        name = pod.name or pod.uid or (pod.sandbox_id or "")[:12]
        return inert(f"{pod.namespace}/{name}" if pod.namespace else name)
    return inert(container.group or "")


def ports_text(ports: tuple[Port, ...]) -> str:
    """Published ports: ``8080->80/tcp, 127.0.0.1:53->53/udp``. An address is named unless it is every address."""
    return ", ".join(dict.fromkeys(map(port_text, ports)))


def port_text(port: Port) -> str:
    """One of them."""
    inside = "?" if port.container_port is None else str(port.container_port)
    address = "" if is_every_address(port) else port.host_ip or ""
    where = f"[{address}]:" if ":" in address else f"{address}:" if address else ""
    outside = "" if port.host_port is None else f"{where}{port.host_port}->"
    return inert(f"{outside}{inside}/{port.proto}")


def is_every_address(port: Port) -> bool:
    """Whether it is published on every address of the host, as far as is known."""
    return port.host_ip in (None, "", "0.0.0.0", "::")  # noqa: S104 - shown, not bound


def since(container: Container) -> float | None:
    """When the container came into its present state, in seconds since 1970: started, finished or created."""
    if container.is_running:
        return unix_time(container.started_at) or unix_time(container.created_at)
    return unix_time(container.finished_at) or unix_time(container.created_at)


def _elapsed(start: float | None, now: float) -> float | None:
    return None if start is None else now - start


def _ago(start: float | None, now: float) -> str:
    return "" if start is None else format_duration(now - start)


def _figure(row: Row, value: float | None, part: object, write: Callable[[float], str]) -> str:
    """A figure of the cgroup; *part* is the controller it comes from."""
    cgroup = row.container.cgroup
    if not row.container.is_running or cgroup is None or (row.stats is None and not row.container.has_own_cgroup):
        return NOT_APPLICABLE  # without a cgroup of its own it has no figures of its own
    if row.stats is None:
        return NOT_PERMITTED
    if part is None:
        return NOT_APPLICABLE
    return NOT_PERMITTED if value is None else write(value)


def _rate(row: Row, value: float | None) -> str:
    if not row.container.is_running:
        return NOT_APPLICABLE
    return "" if value is None else format_percent(value)  # a rate takes two readings


def _cpu_percent(row: Row) -> float | None:
    return None if row.rates is None else row.rates.cpu_percent


def _throttled_percent(row: Row) -> float | None:
    return None if row.rates is None else row.rates.throttled_percent


def _memory_used(row: Row) -> int | None:
    return None if row.stats is None or row.stats.memory is None else row.stats.memory.current


def _memory(row: Row) -> "MemoryStats | None":
    return None if row.stats is None else row.stats.memory


def _memory_current(row: Row, now: float) -> str:
    memory = _memory(row)
    return _figure(row, _memory_used(row), memory, format_bytes)


def bound_above(row: Row) -> int | None:
    """The memory limit that a cgroup above imposes, in bytes; None where its own or the host's size is the tightest."""
    limit, cgroup = row.effective.memory if row.effective is not None else None, row.container.cgroup
    if limit is None or cgroup is None or not isinstance(limit.value, (int, float)):
        return None
    own = {cgroup.path, cgroup.paths.get("memory", cgroup.path)}
    return None if limit.limited_by in (None, "host", *own) else int(limit.value)


def _memory_limit(row: Row, now: float) -> str:
    memory = _memory(row)
    if (bound := bound_above(row)) is not None and row.container.is_running:
        return format_bytes(bound)
    if memory is not None and memory.limit == "max" and row.container.is_running:
        return "max"
    return _figure(row, _limit_number(memory), memory, lambda value: format_limit(int(value)))


def _memory_percent(row: Row, now: float) -> str:
    memory = _memory(row)
    if bound_above(row) is None and memory is not None and memory.limit == "max":
        return NOT_APPLICABLE
    return _figure(row, _memory_share(row), memory, lambda value: f"{value:.0f}")


def _memory_share(row: Row) -> float | None:
    memory = _memory(row)
    limit = bound_above(row) or _limit_number(memory)
    return None if memory is None or memory.current is None or not limit else 100 * memory.current / limit


def _limit_number(memory: "MemoryStats | None") -> int | None:
    return memory.limit if memory is not None and memory.limit != "max" else None


def _limit_order(row: Row) -> float:
    memory = _memory(row)
    if (bound := bound_above(row)) is not None:
        return float(bound)
    return float("inf") if memory is not None and memory.limit == "max" else _order(_limit_number(memory))


def _pids(row: Row, now: float) -> str:
    if not row.container.is_running:
        return NOT_APPLICABLE
    return str(len(row.container.pids)) if row.container.pids else ""


def _order(value: float | None) -> float:
    return -1.0 if value is None else float(value)


def _text(get: Callable[[Row], str]) -> tuple[Callable[[Row, float], str], Callable[[Row, float], Any]]:
    """A column of text, in the order of the alphabet whatever the case."""
    return lambda row, now: get(row), lambda row, now: get(row).casefold()


_SIGN_ORDER = {sign: order for order, sign in enumerate("○◌?●◐!")}

#: In the order in which a wide screen shows them.
CONTAINER_FIELDS: tuple[Field, ...] = (
    Field(
        "sign",
        "",
        "left",
        1,
        lambda row, now: status_sign(row.container),
        lambda row, now: _SIGN_ORDER[status_sign(row.container)],
        "● running, ◐ paused, ◌ created, ○ stopped, ! stale or without its supervisor, ? claimed by no engine.",
    ),
    Field("name", "NAME", "left", 20, *_text(lambda row: inert(row.container.name)), "The name its engine gave it."),
    Field(
        "engine",
        "ENGINE",
        "left",
        12,
        *_text(lambda row: engine_text(row.container)),
        "The engine, @ the uid whose it is when that is not root, / the engine's own namespace.",
    ),
    Field(
        "group",
        "GROUP",
        "left",
        14,
        *_text(lambda row: group_text(row.container)),
        "The pod as namespace/name, or the compose project.",
    ),
    Field(
        "status",
        "STATUS",
        "left",
        8,
        *_text(lambda row: str(row.container.status)),
        "The state in the words of the OCI runtime spec, or paused, or stale: running on disk, gone in the kernel.",
    ),
    Field("id", "ID", "left", 12, *_text(lambda row: short_id(row.container)), "The id; of a hash the first 12 characters."),
    Field(
        "pid",
        "PID",
        "right",
        7,
        lambda row, now: NOT_APPLICABLE if row.container.pid is None else str(row.container.pid),
        lambda row, now: _order(row.container.pid),
        "The host's number of its init.",
    ),
    Field("pids", "PIDS", "right", 5, _pids, lambda row, now: len(row.container.pids), "How many processes are inside."),
    Field(
        "cpu",
        "CPU %",
        "right",
        6,
        lambda row, now: _rate(row, _cpu_percent(row)),
        lambda row, now: _order(_cpu_percent(row)),
        "CPU time since the last sample, in percent of one CPU.",
    ),
    Field(
        "throttled",
        "THR %",
        "right",
        5,
        lambda row, now: _rate(row, _throttled_percent(row)),
        lambda row, now: _order(_throttled_percent(row)),
        "How many of the scheduler's periods since the last sample ended throttled, in percent.",
    ),
    Field(
        "memory",
        "MEM",
        "right",
        5,
        _memory_current,
        lambda row, now: _order(_memory_used(row)),
        "Memory its cgroup is charged with, page cache too.",
    ),
    Field(
        "memory_limit",
        "LIMIT",
        "right",
        5,
        _memory_limit,
        lambda row, now: _limit_order(row),
        "The memory limit set on its own cgroup, max is none; ↑ marks a tighter one that a cgroup above imposes.",
    ),
    Field(
        "memory_percent",
        "MEM %",
        "right",
        5,
        _memory_percent,
        lambda row, now: _order(_memory_share(row)),
        "Memory in percent of that limit.",
    ),
    Field("image", "IMAGE", "left", 24, *_text(lambda row: inert(row.container.image or "")), "The image it was made from."),
    Field(
        "command",
        "COMMAND",
        "left",
        24,
        *_text(lambda row: inert_command(row.container.command or ())),
        "What its init was started with.",
    ),
    Field(
        "ports",
        "PORTS",
        "left",
        20,
        *_text(lambda row: ports_text(row.container.ports)),
        "Published ports: host -> container.",
    ),
    Field(
        "age",
        "AGE",
        "right",
        4,
        lambda row, now: _ago(since(row.container), now),
        lambda row, now: _order(_elapsed(since(row.container), now)),
        "How long it has been in this state: since it started, finished or was created.",
    ),
    Field(
        "created",
        "CREATED",
        "right",
        7,
        lambda row, now: _ago(unix_time(row.container.created_at), now),
        lambda row, now: _order(_elapsed(unix_time(row.container.created_at), now)),
        "How long ago it was created.",
    ),
    Field(
        "note",
        "NOTE",
        "left",
        40,
        *_text(lambda row: inert(row.container.note or "")),
        "The one fact about it that matters most now; empty: nothing wrong.",
    ),
)
