"""The cgroup tree as rows: which are unfolded, in which order, and the words and tones of each cell. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ctrscope.model.cgroup import CgroupNode, EffectiveLimit
from ctrscope.model.container import Container
from ctrscope.model.rates import Rates
from ctrscope.render.fields import status_sign
from ctrscope.render.safe import inert
from ctrscope.render.units import NOT_APPLICABLE, NOT_PERMITTED, format_bytes, format_percent
from ctrscope.views.figures import Figure, shown_figures
from ctrscope.views.filtering import Condition, matches
from ctrscope.views.ordering import Order, ordered
from ctrscope.views.rows import status_tone
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

_WATCH_MEMORY, _ACT_MEMORY = 80.0, 95.0  # percent of the effective limit
_WATCH_THROTTLED = 5.0  # percent of periods
_WATCH_PRESSURE = 10.0  # percent of the last ten seconds
_IDLE_CPU = 0.5  # percent of one CPU
_NAME_LEAST = 24


class Branch(NamedTuple):
    """One cgroup where it stands in the tree."""

    node: CgroupNode
    depth: int
    rates: Rates | None
    container: Container | None
    is_folded: bool | None  # None: there is nothing below it

    @property
    def path(self) -> str:
        """Path of the cgroup, which tells it apart."""
        return self.node.path


def branches(
    root: CgroupNode,
    rates: Mapping[str, Rates],
    containers: Mapping[str, Container],
    toggled: Mapping[str, bool],
    order: Order,
    *,
    unfolded: bool = False,
) -> Iterator[Branch]:
    """The rows of the tree from the top.

    *containers* by the path of their cgroup; *toggled*: paths that somebody folded (True) or unfolded. *unfolded*: all of it.

    At first everything that leads to a container is unfolded, and nothing else.
    """
    leading = frozenset(_leading(root))
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        is_folded = toggled.get(node.path, node.path not in leading and depth > 0) and not unfolded if node.children else None
        yield Branch(node, depth, rates.get(node.path), containers.get(node.path), is_folded)
        if node.children and not is_folded:
            ordered = _sorted(node.children, rates, order)
            waiting += [(child, depth + 1) for child in reversed(ordered)]


def filtered(found: Sequence[Branch], conditions: Sequence[Condition]) -> list[Branch]:
    """The branches that meet every condition, and those above them."""
    wanted: set[str] = set()
    for branch in found:
        path = branch.path
        if matches(conditions, branch_fields(branch)):
            while path not in wanted:
                wanted.add(path)
                path = path.rpartition("/")[0] or "/"
    return [branch for branch in found if branch.path in wanted]


def branch_fields(branch: Branch) -> dict[str, str | float | None]:
    """What a filter may ask of a cgroup."""
    stats, rates, container, effective = branch.node.stats, branch.rates, branch.container, branch.node.effective
    memory = stats.memory.current if stats is not None and stats.memory is not None else None
    bound = effective.memory.value if effective is not None and effective.memory is not None else None
    share = 100 * memory / bound if memory is not None and isinstance(bound, int | float) and bound else None
    return {
        "path": branch.path,
        "container": container.name if container is not None else "",
        "engine": container.engine if container is not None else "",
        "cpu": rates.cpu_percent if rates is not None else None,
        "throttled": rates.throttled_percent if rates is not None else None,
        "memory": None if memory is None else float(memory),
        "memory_percent": share,
        "memory_limit": _figure_of(stats.memory.limit if stats is not None and stats.memory is not None else None),
        "bound": _figure_of(effective.memory.value if effective is not None and effective.memory is not None else None),
        "cpus": _figure_of(effective.cpus.value if effective is not None and effective.cpus is not None else None),
        "pids": stats.pids.current if stats is not None and stats.pids is not None else None,
        **{
            f"psi_{name}": pressure.some.avg10
            for name, pressure in ((stats.pressure if stats is not None else None) or {}).items()
        },
        "imposed": ", ".join(f"{what} by {where}" for what, where in imposed(branch)),
    }


def _figure_of(limit: object) -> float | None:
    """A limit that is one; none is no figure."""
    return float(limit) if isinstance(limit, int | float) else None


#: Column → what a filter calls it.
_FIELDS = {"share": "memory_percent", "limit": "memory_limit", "effective": "bound", "by": "imposed"}


def _leading(root: CgroupNode) -> Iterator[str]:
    """Paths of every cgroup above one of a container."""
    waiting: list[tuple[CgroupNode, tuple[str, ...]]] = [(root, ())]
    while waiting:
        node, above = waiting.pop()
        if node.container is not None:
            yield from above
        waiting += [(child, (*above, node.path)) for child in node.children]


def _sorted(nodes: Sequence[CgroupNode], rates: Mapping[str, Rates], order: Order) -> list[CgroupNode]:
    """By a column; equal ones are in the order of their names."""
    named = sorted(nodes, key=lambda node: node.path)
    return ordered(named, lambda node: _value(node, rates.get(node.path), order.column), descending=order.descending)


def _value(node: CgroupNode, rates: Rates | None, column: str) -> str | float | None:
    if column == "cgroup":  # the usual case, in which nothing has to be worked out
        return node.path
    value = branch_fields(Branch(node, 0, rates, None, None)).get(_FIELDS.get(column, column))
    return None if value == "" else value


def tree_figures(width: int, chosen: Sequence[str] = ()) -> list[Figure]:
    """The columns beside the tree on a screen of *width* cells."""
    return shown_figures(FIGURES, width, width - 2 - _NAME_LEAST, chosen)


def tree_columns(figures: Sequence[Figure], width: int) -> tuple[Column, ...]:
    """The tree, which gets what is left, and its figures."""
    rest = width - 2 - sum(figure.column.width + figure.column.gap for figure in figures)
    return (_TREE._replace(width=max(_NAME_LEAST, rest)), *(figure.column for figure in figures))


def tree_rows(shown: Sequence[Branch], figures: Sequence[Figure]) -> list[TableRow]:
    """A line for each cgroup that is not folded away."""
    return [TableRow(branch.path, partial(_line, branch, figures)) for branch in shown]


def _line(branch: Branch, figures: Sequence[Figure]) -> tuple[Cell, ...]:
    return (_name(branch), *(figure.cell(branch) for figure in figures))


def _name(branch: Branch) -> Cell:
    sign = {None: " ", True: "▸", False: "▾"}[branch.is_folded]
    own = inert(branch.path.rpartition("/")[2]) or "/"
    parts: list[tuple[str, str]] = [(f" {'  ' * branch.depth}{sign} ", "muted")]
    container = branch.container
    if container is not None:
        # The name of a container tells more than the number in the name of its cgroup, so it comes first.
        parts += [
            (f"{status_sign(container)} ", status_tone(container)),
            (f"{inert(container.name)} ", "strong"),
            ("" if own == inert(container.name) else own, "idle"),
        ]
    else:
        parts.append((own, "plain" if branch.is_folded is False else "muted"))
    return Cell("".join(text for text, _ in parts), parts=tuple(parts))


# Figures


def _number(value: float | None, write: Callable[[float], str]) -> Cell:
    return Cell("", "idle") if value is None else Cell(write(value), "plain")


def _cpu(branch: Branch) -> Cell:
    value = branch.rates.cpu_percent if branch.rates else None
    cell = _number(value, format_percent)
    return cell._replace(tone="idle") if value is not None and value < _IDLE_CPU else cell


def _throttled(branch: Branch) -> Cell:
    value = branch.rates.throttled_percent if branch.rates else None
    cell = _number(value, format_percent)
    return cell._replace(tone="watch", mark="▲") if value is not None and value >= _WATCH_THROTTLED else cell


def _memory(branch: Branch) -> Cell:
    memory = branch.node.stats.memory if branch.node.stats else None
    return Cell(NOT_APPLICABLE, "idle") if memory is None else _number(memory.current, format_bytes)


def _memory_limit(branch: Branch) -> Cell:
    memory = branch.node.stats.memory if branch.node.stats else None
    if memory is None or memory.limit is None:
        # The root cgroup has no limit file at all.
        return Cell(NOT_APPLICABLE if memory is None or branch.path == "/" else NOT_PERMITTED, "idle")
    return Cell("max", "idle") if memory.limit == "max" else Cell(format_bytes(memory.limit), "muted")


def _memory_effective(branch: Branch) -> Cell:
    return _effective(branch, branch.node.effective.memory if branch.node.effective else None, format_bytes)


def _cpus_effective(branch: Branch) -> Cell:
    return _effective(branch, branch.node.effective.cpus if branch.node.effective else None, lambda value: f"{value:g}")


def _effective(branch: Branch, limit: EffectiveLimit | None, write: Callable[[float], str]) -> Cell:
    if limit is None or limit.value is None:
        return Cell("", "idle")
    if limit.value == "max" or limit.limited_by == "host":
        return Cell(NOT_APPLICABLE, "idle")
    is_from_above = limit.limited_by != branch.path
    return Cell(write(limit.value), "watch" if is_from_above else "muted", "↑" if is_from_above else " ")


def _share(branch: Branch) -> Cell:
    memory = branch.node.stats.memory if branch.node.stats else None
    limit = branch.node.effective.memory if branch.node.effective else None
    if memory is None or memory.current is None or limit is None or not isinstance(limit.value, int | float) or not limit.value:
        return Cell("", "idle")
    share = 100 * memory.current / limit.value
    if limit.limited_by == "host":
        return Cell(f"{share:.0f}", "idle")
    if share >= _WATCH_MEMORY:
        return Cell(f"{share:.0f}", "act" if share >= _ACT_MEMORY else "watch", "▲")
    return Cell(f"{share:.0f}")


def _pids(branch: Branch) -> Cell:
    pids = branch.node.stats.pids if branch.node.stats else None
    return Cell(NOT_APPLICABLE, "idle") if pids is None else _number(pids.current, lambda value: f"{value:.0f}")


def _pressure(name: str) -> Callable[[Branch], Cell]:
    def cell(branch: Branch) -> Cell:
        pressure = branch.node.stats.pressure if branch.node.stats else None
        if not pressure or name not in pressure:
            return Cell(NOT_APPLICABLE, "idle")
        value = pressure[name].some.avg10
        if value >= _WATCH_PRESSURE:
            return Cell(f"{value:.0f}", "watch", "▲")
        return Cell(f"{value:.0f}", "plain" if value >= 1 else "idle")

    return cell


def _imposed_by(branch: Branch) -> Cell:
    return Cell(inert(", ".join(f"{what} by {where}" for what, where in imposed(branch))), "watch")


def imposed(branch: Branch) -> list[tuple[str, str]]:
    """(resource, name of the cgroup above) of every limit that the cgroup did not set itself."""
    effective = branch.node.effective
    if effective is None:
        return []
    limits = (("cpu", effective.cpus), ("memory", effective.memory), ("pids", effective.pids))
    return [
        (what, limit.limited_by.rpartition("/")[2] or "/")
        for what, limit in limits
        if limit is not None and limit.limited_by not in (None, "host", branch.path) and limit.limited_by is not None
    ]


def _figure(key: str, title: str, width: int, from_width: int, cell: Callable[[Branch], Cell], help_: str) -> Figure:
    return Figure(Column(key, title, "left" if key == "by" else "right", width, help_, 2), from_width, cell)


FIGURES = (
    _figure("cpu", "CPU %", 6, 0, _cpu, "CPU time since the last sample, in percent of one CPU."),
    _figure("throttled", "THR %", 5, 90, _throttled, "Periods since the last sample that ended throttled, in percent."),
    _figure("cpus", "CPUS", 5, 110, _cpus_effective, "CPUs it may use at most; ↑ where a cgroup above imposes it."),
    _figure("memory", "MEM", 5, 0, _memory, "Memory it is charged with, with everything below it."),
    _figure("limit", "LIMIT", 5, 120, _memory_limit, "The memory limit that is set on it; max is none."),
    _figure("effective", "BOUND", 5, 0, _memory_effective, "Memory it may use at most; ↑ where a cgroup above imposes it."),
    _figure("share", "MEM %", 5, 60, _share, "Memory in percent of that bound; of the host's where nothing else bounds it."),
    _figure("pids", "TASKS", 5, 70, _pids, "Tasks in it and below it; threads count too."),
    _figure(
        "psi_cpu", "P.CPU", 5, 100, _pressure("cpu"), "Pressure: percent of the last ten seconds in which tasks waited for CPU."
    ),
    _figure("psi_memory", "P.MEM", 5, 140, _pressure("memory"), "The same for memory."),
    _figure("psi_io", "P.IO", 5, 140, _pressure("io"), "The same for input and output."),
    _figure("by", "IMPOSED", 34, 170, _imposed_by, "Which limits come from above, and from which cgroup."),
)
_TREE = Column("cgroup", " CGROUP", "left", _NAME_LEAST, "The container whose cgroup it is, and its name.")
CGROUP_COLUMNS = {column.key: column for column in (_TREE, *(figure.column for figure in FIGURES))}
