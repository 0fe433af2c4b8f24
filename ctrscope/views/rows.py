"""From a sample to the lines of the container table: filtered, sorted, grouped and worded. Pure."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from ctrscope.model.cgroup import CgroupStats
from ctrscope.model.container import Container, ContainerStatus
from ctrscope.model.finding import Severity
from ctrscope.model.sample import Sample
from ctrscope.render.fields import Field, Row, bound_above, engine_text, short_id, status_sign
from ctrscope.render.safe import inert
from ctrscope.render.units import NOT_APPLICABLE, NOT_PERMITTED, format_bytes
from ctrscope.views.columns import FIELDS, LAST_MINUTE
from ctrscope.views.filtering import Fields, matches, parse_filter
from ctrscope.views.grouping import Group, Grouping, group_rows, roll_up, traffic
from ctrscope.views.history import MINUTE_NS, History, Metric, sparkline
from ctrscope.views.links import port_links
from ctrscope.views.ordering import Order, ordered
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

#: Texts of a cell that are no value: such rows come last, whichever way the column is sorted.
BLANK = frozenset({"", NOT_APPLICABLE, NOT_PERMITTED})
INDENT = 2  # of a row below its group

_WATCH_MEMORY, _ACT_MEMORY = 80.0, 95.0  # percent of the limit
_WATCH_THROTTLED = 5.0  # percent of periods
_IDLE_CPU = 0.5  # percent of one CPU


class Look(NamedTuple):
    """How a user wants to see the table."""

    order: Order = Order("cpu", descending=True)
    grouping: Grouping = Grouping.NONE
    folded: frozenset[str] = frozenset()
    filter: str = ""
    here: str | None = None  # address by which the terminal reaches this host
    only_running: bool = False


def rows_of(sample: Sample) -> tuple[Row, ...]:
    """Every container of a sample with its figures."""
    stats, rates, effective = sample.snapshot.stats, sample.rates, sample.snapshot.effective
    worst: dict[str, Severity] = {}
    for finding in sample.findings or ():  # worst first
        worst.setdefault(finding.subject.id, finding.severity)
    return tuple(
        Row(
            one,
            stats.get(one.key),
            rates.get(one.key),
            effective.get(one.key),
            worst.get(one.key),
            sample.layer_sizes.get(one.key),
        )
        for one in sample.snapshot.containers
    )


# Filter


def container_fields(row: Row, now: float) -> Fields:
    """What a filter may ask of a container: every column, shown or not."""
    fields: dict[str, str | float | tuple[str, ...] | None] = {}
    for field in FIELDS.values():
        if field is LAST_MINUTE:
            continue
        if field.align == "left":
            fields[field.key] = field.get(row, now)
        else:
            value = float(field.sort(row, now))
            fields[field.key] = None if value < 0 else value  # what is not known sorts first
    container = row.container
    return fields | {
        "id": container.id,
        "cgroup": container.cgroup.path if container.cgroup is not None else "",
        "label": tuple(f"{name}={value}" for name, value in container.labels.items()),
    }


# Order


def sort_rows(rows: Iterable[Row], order: Order, now: float) -> list[Row]:
    """Rows in the order of a column; equal ones by name, those without a value last."""
    field = FIELDS[order.column]
    named = sorted(rows, key=lambda row: (row.container.name.casefold(), row.container.key))
    return ordered(
        named, lambda row: None if field.get(row, now) in BLANK else field.sort(row, now), descending=order.descending
    )


# Lines


def table_rows(
    groups: Sequence[Group], look: Look, columns: Sequence[Column], history: History, now: float, sample: Sample
) -> tuple[TableRow, ...]:
    """The lines of the table."""
    spark = _spark(history, sample.snapshot.monotonic_ns)
    lines: list[TableRow] = []
    for group in groups:
        grouped = bool(group.title)
        folded = grouped and group.key in look.folded
        if grouped:
            lines.append(TableRow(group.key, partial(_heading, group, folded, columns, now, sample), heading=True))
        if not folded:
            lines.extend(
                TableRow(row.container.key, partial(_line, row, grouped, columns, spark, now, look.here)) for row in group.rows
            )
    return tuple(lines)


def shown_groups(rows: Sequence[Row], look: Look, now: float) -> tuple[Group, ...]:
    """What is left after filtering, sorted and put together."""
    conditions = parse_filter(look.filter)
    wanted = [row for row in rows if row.container.is_running] if look.only_running else rows
    if conditions:
        wanted = [row for row in wanted if matches(conditions, container_fields(row, now))]
    return group_rows(sort_rows(wanted, look.order, now), look.grouping, rows)


def _heading(group: Group, folded: bool, columns: Sequence[Column], now: float, sample: Sample) -> tuple[Cell, ...]:
    total = roll_up(group, sample.levels, sample.level_rates)
    moved = traffic(group)
    texts: dict[str, str] = {
        "sign": "▸" if folded else "▾",
        "name": f"{group.title}  {len(group.rows)}",
        "cpu": FIELDS["cpu"].get(total, now),
        "memory": FIELDS["memory"].get(total, now),
        "pids": str(sum(len(row.container.pids) for row in group.rows)),
        "net": "" if moved is None else f"{format_bytes(moved[0])}/{format_bytes(moved[1])}",
        "note": roll_up_text(group, sample),
    }
    if group.cgroup in sample.levels:
        texts |= {key: FIELDS[key].get(total, now) for key in ("throttled", "memory_limit", "memory_percent")}
    return tuple(Cell(texts.get(column.key, ""), "strong" if column.key in ("sign", "name") else "muted") for column in columns)


def roll_up_text(group: Group, sample: Sample) -> str:
    """Where the figures of a group come from."""
    return f"of its cgroup {inert(group.cgroup or '')}" if group.cgroup in sample.levels else "sum"


def _line(
    row: Row, indented: bool, columns: Sequence[Column], spark: Callable[[Row], str], now: float, here: str | None
) -> tuple[Cell, ...]:
    cells = []
    for column in columns:
        if column.key == "last_minute":
            busy = row.rates is not None and (row.rates.cpu_percent or 0) >= _IDLE_CPU
            cells.append(Cell(spark(row), "accent" if busy else "idle"))
            continue
        text = FIELDS[column.key].get(row, now)
        if indented and column.key == "name":
            text = " " * INDENT + text
        cell = _tinted(row, FIELDS[column.key], text)
        cells.append(cell._replace(links=port_links(row.container, here)) if column.key == "ports" else cell)
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
    id_ = "" if container.id == container.name else f", {short_id(container)}"
    return f"{inert(container.name)} ({engine_text(container)}{id_})"
