"""The cgroup tree as text: limits as set, limits as they bite and who imposes them, usage and pressure."""

import re
from collections.abc import Callable, Collection, Mapping

from ctrscope.model.cgroup import CgroupNode, CgroupStats, EffectiveLimit, EffectiveLimits
from ctrscope.render.safe import inert
from ctrscope.render.stats import HOST, limit_text, waiting_text
from ctrscope.render.tables import Column, format_table
from ctrscope.render.units import NOT_APPLICABLE, format_bytes, format_duration, format_limit

COLUMNS = (
    Column("CGROUP", rank=0, least=24, good=60),
    Column("PROCS", "right", rank=4),
    Column("CPU", "right", rank=6),
    Column("CPU SET", "right", rank=5),
    Column("CPU EFF", "right", rank=2),
    Column("MEM", "right", rank=1),
    Column("MEM SET", "right", rank=5),
    Column("MEM EFF", "right", rank=1),
    Column("PIDS", "right", rank=5),
    Column("PIDS EFF", "right", rank=5),
    Column("WAIT % C/M/I", "right", rank=7),
    Column("LIMITED FROM ABOVE", rank=3, least=16, good=30),
)
_HASH = re.compile(r"[0-9a-f]{64}")
_DEEPEST = 120  # cells of indentation


def format_cgroups(root: CgroupNode, names: Mapping[str, str], width: int | None) -> list[str]:
    """Lines of the table. *names*: path of a container's cgroup → what to call it, inert."""
    rows: list[list[str]] = []
    waiting: list[tuple[CgroupNode, str, str]] = [(root, "", "")]
    while waiting:
        node, own, deeper = waiting.pop()
        rows.append(_cells(node, own + _name(node, names)))
        below = [*node.children]
        if node.nr_empty:
            word = "cgroup" if node.nr_empty == 1 else "cgroups"
            branch = f"{deeper}{'├─' if below else '└─'} "
            rows.append([f"{branch}({node.nr_empty} empty {word})", *([""] * (len(COLUMNS) - 1))])
        for child in reversed(below):
            is_last = child is below[-1]
            next_level = deeper + ("   " if is_last else "│  ") if len(deeper) < _DEEPEST else deeper
            waiting.append((child, f"{deeper}{'└─' if is_last else '├─'} ", next_level))
    return format_table(COLUMNS, rows, width)


def short_path(path: str) -> str:
    """A cgroup's path, inert, with the first 12 characters of every hash."""
    return inert(_HASH.sub(lambda match: match.group()[:12], path))


def _name(node: CgroupNode, names: Mapping[str, str]) -> str:
    name = short_path(node.path.rpartition("/")[2] or "/")
    words = [name]
    if node.container is not None:
        words.append(f"= {names.get(node.path, inert(node.container[:12]))}")
    if node.kind not in (None, "domain"):
        words.append(f"[{inert(node.kind or '')}]")
    if node.owner_uid:
        words.append(f"[uid {node.owner_uid}]")
    return " ".join(words)


def _cells(node: CgroupNode, name: str) -> list[str]:
    stats, effective = node.stats or CgroupStats(), node.effective or EffectiveLimits()
    cpu, memory, pids = stats.cpu, stats.memory, stats.pids
    cpus = None if cpu is None else cpu.limit_cpus
    return [
        name,
        "" if node.nprocs is None else str(node.nprocs),
        "" if cpu is None or cpu.usage_usec is None else format_duration(cpu.usage_usec / 1e6),
        "" if cpu is None or cpus is None else cpus if cpus == "max" else f"{cpus:g}",
        "" if cpu is None else _limit(node, effective.cpus, lambda value: f"{value:g}"),
        "" if memory is None or memory.current is None else format_bytes(memory.current),
        "" if memory is None else format_limit(memory.limit),
        "" if memory is None else _limit(node, effective.memory, format_bytes),
        "" if pids is None or pids.current is None else str(pids.current),
        "" if pids is None else _limit(node, effective.pids, lambda value: f"{value:.0f}"),
        waiting_text(stats.pressure) if stats.pressure else NOT_APPLICABLE,
        imposed_text({node.path}, effective),
    ]


def _limit(node: CgroupNode, limit: EffectiveLimit | None, write: Callable[[float], str]) -> str:
    value = limit.value if limit is not None and isinstance(limit.value, (int, float)) else None
    return limit_text(limit, node.path, "" if value is None else write(value))


def imposed_text(own: Collection[str], effective: EffectiveLimits) -> str:
    """Which limits come from above a cgroup: ``memory: /shop.slice``. *own*: its path, on v1 its paths."""
    found = (("cpu", effective.cpus), ("memory", effective.memory), ("pids", effective.pids))
    from_above: dict[str, list[str]] = {}
    for what, limit in found:
        if limit is not None and limit.limited_by not in (None, HOST, *own):
            from_above.setdefault(short_path(str(limit.limited_by)), []).append(what)
    return ", ".join(f"{' and '.join(what)}: {where}" for where, what in from_above.items())
