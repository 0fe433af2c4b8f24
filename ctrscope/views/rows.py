"""From a sample to the lines of the container table: filtered, sorted, grouped and worded. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

from ctrscope.model.cgroup import CgroupStats, MemoryStats
from ctrscope.model.container import Container, ContainerStatus
from ctrscope.model.finding import Severity
from ctrscope.model.rates import Rates
from ctrscope.model.sample import Sample
from ctrscope.render.fields import CONTAINER_FIELDS, Field, Row, bound_above, engine_text, group_text, status_sign
from ctrscope.render.safe import inert
from ctrscope.render.units import NOT_APPLICABLE, NOT_PERMITTED
from ctrscope.views.columns import FIELDS
from ctrscope.views.history import MINUTE_NS, History, Metric, sparkline
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

#: Texts of a cell that are no value: such rows come last, whichever way the column is sorted.
BLANK = frozenset({"", NOT_APPLICABLE, NOT_PERMITTED})
GROUP = "group "  # what the keys of headings begin with; no key of a container has a space before its first slash
INDENT = 2  # of a row below its group

_WATCH_MEMORY, _ACT_MEMORY = 80.0, 95.0  # percent of the limit
_WATCH_THROTTLED = 5.0  # percent of periods
_IDLE_CPU = 0.5  # percent of one CPU


class Grouping(Enum):
    """What rows are put together by."""

    NONE = "not grouped"
    ENGINE = "by engine"
    POD = "by pod or project"

    @property
    def column(self) -> str:
        """Key of the column that the headings of this grouping say already; "" for none."""
        return {Grouping.ENGINE: "engine", Grouping.POD: "group"}.get(self, "")

    def next(self) -> "Grouping":
        """The grouping after this one, round and round."""
        order = list(Grouping)
        return order[(order.index(self) + 1) % len(order)]


class Look(NamedTuple):
    """How a user wants to see the table."""

    sort: str = "cpu"
    descending: bool = True
    grouping: Grouping = Grouping.NONE
    folded: frozenset[str] = frozenset()
    filter: str = ""


class Group(NamedTuple):
    """Rows that belong together; without a title: one row that belongs to no group."""

    key: str
    title: str
    rows: tuple[Row, ...]


def rows_of(sample: Sample) -> tuple[Row, ...]:
    """Every container of a sample with its figures."""
    stats, rates, effective = sample.snapshot.stats, sample.rates, sample.snapshot.effective
    worst: dict[str, Severity] = {}
    for finding in sample.findings or ():  # worst first
        worst.setdefault(finding.subject.id, finding.severity)
    return tuple(
        Row(one, stats.get(one.key), rates.get(one.key), effective.get(one.key), worst.get(one.key))
        for one in sample.snapshot.containers
    )


def natural_order(key: str) -> bool:
    """Whether a column is first sorted downwards: figures and states are, texts are not."""
    return key == "sign" or FIELDS[key].align == "right" or key == "last_minute"


# Filter


def matches(row: Row, words: Sequence[str], now: float) -> bool:
    """Whether every word is somewhere in the row; ``column:word`` looks into that column only."""
    texts = _searchable(row, now)
    everything = " ".join(texts.values())
    for word in words:
        key, colon, rest = word.partition(":")
        found = rest in texts[key] if colon and key in texts else word in everything
        if not found:
            return False
    return True


def _searchable(row: Row, now: float) -> dict[str, str]:
    texts = {field.key: field.get(row, now).casefold() for field in CONTAINER_FIELDS if field.align == "left"}
    texts["id"] = row.container.id.casefold()
    texts["pod"] = texts["group"]
    return texts


# Order


def sort_rows(rows: Iterable[Row], key: str, descending: bool, now: float) -> list[Row]:
    """Rows in the order of a column; equal ones by name, those without a value last."""
    field = FIELDS["cpu" if key == "last_minute" else key]
    named = sorted(rows, key=lambda row: (row.container.name.casefold(), row.container.key))
    with_value = [row for row in named if field.get(row, now) not in BLANK]
    without = [row for row in named if field.get(row, now) in BLANK]
    with_value.sort(key=lambda row: field.sort(row, now), reverse=descending)
    return with_value + without


# Groups


def group_rows(rows: Iterable[Row], grouping: Grouping) -> tuple[Group, ...]:
    """Groups in the order of their first row, which keeps the order of the rows inside."""
    groups: dict[str, list[Row]] = {}
    titles: dict[str, str] = {}
    for row in rows:
        title = _group_title(row.container, grouping)
        # A container of no group stands alone, among the groups.
        key = f"{GROUP}{title}" if title else f"alone {row.container.key}"
        groups.setdefault(key, []).append(row)
        titles[key] = title
    return tuple(Group(key, titles[key], tuple(found)) for key, found in groups.items())


def _group_title(container: Container, grouping: Grouping) -> str:
    if grouping is Grouping.ENGINE:
        return engine_text(container)
    text = group_text(container) if grouping is Grouping.POD else ""
    return f"{'pod' if container.pod else 'project'} {text}" if text else ""


def sum_row(group: Group) -> Row:
    """The figures of a group: the sum over its members. Unknown when a running member's is, for a part is not the whole."""
    running = [row for row in group.rows if row.container.is_running]
    # The figures of a container are also those of the containers inside it.
    keys = {row.container.key for row in running}
    rows = [row for row in running if row.container.outer not in keys]
    first = (rows or group.rows)[0].container

    def total(get: Callable[[Row], Any]) -> Any:
        values = [get(row) for row in rows]
        return sum(values) if values and all(value is not None for value in values) else None

    # One without a cgroup of its own has no figure, and then the group has none: nobody was refused anything.
    applies = all(row.stats is not None or row.container.has_own_cgroup for row in rows)
    memory = total(lambda row: row.stats.memory.current if row.stats and row.stats.memory else None)
    return Row(
        first,
        CgroupStats(memory=MemoryStats(current=memory) if applies else None),
        Rates(cpu_percent=total(lambda row: row.rates.cpu_percent if row.rates else None)),
    )


# Lines


def table_rows(
    rows: Sequence[Row], look: Look, columns: Sequence[Column], history: History, now: float, monotonic_ns: int
) -> tuple[TableRow, ...]:
    """The lines of the table."""
    words = look.filter.casefold().split()
    wanted = [row for row in rows if matches(row, words, now)] if words else rows
    spark = _spark(history, monotonic_ns)
    lines: list[TableRow] = []
    for group in group_rows(sort_rows(wanted, look.sort, look.descending, now), look.grouping):
        grouped = bool(group.title)
        folded = grouped and group.key in look.folded
        if grouped:
            lines.append(TableRow(group.key, partial(_heading, group, folded, columns, now), heading=True))
        if not folded:
            lines.extend(TableRow(row.container.key, partial(_line, row, grouped, columns, spark, now)) for row in group.rows)
    return tuple(lines)


def _heading(group: Group, folded: bool, columns: Sequence[Column], now: float) -> tuple[Cell, ...]:
    total = sum_row(group)
    texts: Mapping[str, str] = {
        "sign": "▸" if folded else "▾",
        "name": f"{group.title}  {len(group.rows)}",
        "cpu": FIELDS["cpu"].get(total, now),
        "memory": FIELDS["memory"].get(total, now),
        "pids": str(sum(len(row.container.pids) for row in group.rows)),
    }
    return tuple(Cell(texts.get(column.key, ""), "strong" if column.key in ("sign", "name") else "muted") for column in columns)


def _line(row: Row, indented: bool, columns: Sequence[Column], spark: Callable[[Row], str], now: float) -> tuple[Cell, ...]:
    cells = []
    for column in columns:
        if column.key == "last_minute":
            busy = row.rates is not None and (row.rates.cpu_percent or 0) >= _IDLE_CPU
            cells.append(Cell(spark(row), "accent" if busy else "idle"))
            continue
        text = FIELDS[column.key].get(row, now)
        if indented and column.key == "name":
            text = " " * INDENT + text
        cells.append(_tinted(row, FIELDS[column.key], text))
    return tuple(cells)


def _spark(history: History, now_ns: int) -> Callable[[Row], str]:
    parts = history.parts(Metric.CPU, FIELDS["last_minute"].width, MINUTE_NS, now_ns)

    def draw(row: Row) -> str:
        values = history.highest(row.container.key, parts)
        return "" if all(value is None for value in values) else sparkline(values, cpu_top(row.stats))

    return draw


def cpu_top(stats: CgroupStats | None) -> float:
    """What a full bar of CPU means: the limit in percent of one CPU, or one CPU when there is none."""
    limit = stats.cpu.limit_cpus if stats and stats.cpu else None
    return limit * 100 if isinstance(limit, float) and limit > 0 else 100.0


# Colour, which only repeats what signs and words say


def status_tone(container: Container) -> str:
    """Red: somebody has to act. Yellow: worth a look. Dim: nothing runs."""
    if status_sign(container) == "!":
        return "act"
    if container.status is ContainerStatus.STOPPED:
        return "idle"
    if container.status in (ContainerStatus.CREATING, ContainerStatus.CREATED):
        return "muted"
    return "watch" if container.status is ContainerStatus.PAUSED else "accent"


def note_tone(container: Container, severity: Severity | None = None) -> str:
    """Red for what is stale, orphaned or was killed for memory; yellow else; dim when the container is gone anyway."""
    if status_sign(container) == "!" or container.oom_killed or severity in (Severity.CRITICAL, Severity.HIGH):
        return "act"
    return "watch" if container.is_running else "idle"


def _tinted(row: Row, field: Field, text: str) -> Cell:
    container = row.container
    if field.key == "sign":
        return Cell(text, status_tone(container))
    if field.key == "note":
        return Cell(text, note_tone(container, row.severity))
    if not container.is_running or text in BLANK:
        return Cell(text, "idle")
    if field.key == "memory_percent" and (share := float(text)) >= _WATCH_MEMORY:
        return Cell(text, "act" if share >= _ACT_MEMORY else "watch", "▲")
    if field.key == "memory_limit" and bound_above(row) is not None:
        return Cell(text, "plain", "↑")
    if field.key == "throttled" and row.rates and (row.rates.throttled_percent or 0) >= _WATCH_THROTTLED:
        return Cell(text, "watch", "▲")
    if field.key == "cpu" and row.rates and (row.rates.cpu_percent or 0) < _IDLE_CPU:
        return Cell(text, "idle")
    return Cell(text, "plain" if field.key in ("name", "cpu", "throttled", "memory", "memory_percent") else "muted")


def row_words(container: Container) -> str:
    """A container in a few words, for questions and messages: ``web (docker, 3fcac954851d)``."""
    return f"{inert(container.name)} ({engine_text(container)}, {inert(container.id[:12])})"
