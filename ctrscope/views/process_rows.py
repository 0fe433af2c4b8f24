"""Processes as lines: a heading for each container, below it the tree from the supervisor down. Pure."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from ctrscope.model.container import Container
from ctrscope.model.process import Process, ProcessForest, Role
from ctrscope.model.timestamp import unix_time
from ctrscope.render.fields import engine_text, status_sign
from ctrscope.render.safe import inert
from ctrscope.render.trees import command_text, remarks
from ctrscope.render.units import NOT_PERMITTED, format_duration, format_percent
from ctrscope.views.figures import WHEN_CHOSEN, Figure
from ctrscope.views.filtering import Condition, matches
from ctrscope.views.grouping import GROUP
from ctrscope.views.ordering import Order, ordered
from ctrscope.views.panes.processes import in_tree_order
from ctrscope.views.rows import note_tone, status_tone
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

_DEEPEST = 24  # levels that are drawn as such
_IDLE_CPU = 0.5  # percent of one CPU
_USER = 10  # cells of a name
_ROLES = {Role.MONITOR: "supervisor", Role.INIT: "init", Role.JOINED: "joined from outside"}


class Member(NamedTuple):
    """One process where it stands in the tree of its container."""

    container: Container
    process: Process
    depth: int

    @property
    def key(self) -> str:
        """Tells it apart: a shim stands above every container of its pod."""
        return f"{self.process.pid} {self.process.starttime_ticks} {self.container.key}"


class Tree(NamedTuple):
    """The processes of one container that are to be shown."""

    container: Container
    members: tuple[Member, ...]
    cpu_percent: float | None  # of what is inside, without the supervisor
    inside: int  # processes
    is_folded: bool

    @property
    def key(self) -> str:
        """Key of the heading."""
        return GROUP + self.container.key


class Context(NamedTuple):
    """What every line needs to know."""

    forest: ProcessForest
    now: float  # Unix time


def trees(
    containers: Sequence[Container], context: Context, folded: frozenset[str], conditions: Sequence[Condition], order: Order
) -> list[Tree]:
    """What is left of each container after filtering.

    Containers are in the order of a column by their init, by CPU use all that is inside and by command their names; what
    stands side by side in a tree by its own. Without a column: by name, and as they were started.
    """
    found, forest, column = [], context.forest, order.column
    tops: dict[str, str | float | None] = {}
    for container in sorted(containers, key=lambda container: container.name.casefold()):
        processes: Sequence[Process] = forest.processes.get(container.key, ())
        if not processes:
            continue
        if column:
            top = next((one for one in processes if one.role is Role.INIT), processes[-1])
            tops[container.key] = process_fields(Member(container, top, 0), context).get(column)

            def value(one: Process, of: Container = container) -> str | float | None:
                return process_fields(Member(of, one, 0), context).get(column)

            processes = ordered(processes, value, descending=order.descending)
        inside = [one for one in processes if one.role is not Role.MONITOR]
        used = [forest.cpu_percent[one.pid] for one in inside if one.pid in forest.cpu_percent]
        tree = Tree(container, (), sum(used) if used else None, len(inside), container.key in folded and not conditions)
        if not tree.is_folded:
            members = [Member(container, process, depth) for process, depth in in_tree_order(processes)]
            if conditions:
                members = [one for one in members if matches(conditions, process_fields(one, context))]
                if not members:
                    continue
            tree = tree._replace(members=tuple(members))
        found.append(tree)
    if column == "cpu":
        tops = {tree.container.key: tree.cpu_percent for tree in found}
    elif column == "command":
        tops = {tree.container.key: tree.container.name for tree in found}
    return ordered(found, lambda tree: tops[tree.container.key], descending=order.descending) if column else found


def process_fields(member: Member, context: Context) -> dict[str, str | float | None]:
    """What a filter may ask of a process."""
    process, container, forest = member.process, member.container, context.forest
    started = unix_time(process.started_at)
    return {
        "pid": float(process.pid),
        "ppid": float(process.ppid),
        "inside": float(process.nspid[-1]) if len(process.nspid) > 1 else None,
        "user": forest.users.get(process.uid, str(process.uid)) if process.uid is not None else "",
        "state": process.state,
        "container": container.name,
        "engine": engine_text(container),
        "command": " ".join((process.comm, *(process.cmdline or ()))),
        "role": process.role.value,
        "cpu": forest.cpu_percent.get(process.pid),
        "age": None if started is None else context.now - started,
    }


def process_columns(figures: Sequence[Figure], width: int) -> tuple[Column, ...]:
    """A sign, some figures, and the tree, which gets what is left."""
    rest = width - 2 - 2 - sum(figure.column.width + figure.column.gap for figure in figures)
    return (_SIGN, *(figure.column for figure in figures), _COMMAND._replace(width=max(COMMAND_LEAST, rest)))


def process_rows(found: Sequence[Tree], context: Context, figures: Sequence[Figure]) -> Iterator[TableRow]:
    """A line for each container, and for each of its processes."""
    for tree in found:
        yield TableRow(tree.key, partial(_heading, tree, figures), heading=True)
        for member in tree.members:
            yield TableRow(member.key, partial(_line, member, figures, context))


def flat_rows(found: Sequence[Tree], context: Context, figures: Sequence[Figure], order: Order) -> Iterator[TableRow]:
    """A line for each process, in the order of a column, whatever the trees."""
    members = [member for tree in found for member in tree.members]
    for member in ordered(
        members, lambda member: process_fields(member, context).get(order.column), descending=order.descending
    ):
        yield TableRow(member.key, partial(_line, member, figures, context, is_flat=True))


def _heading(tree: Tree, figures: Sequence[Figure]) -> tuple[Cell, ...]:
    container = tree.container
    cpu = "" if tree.cpu_percent is None else format_percent(tree.cpu_percent)
    cells = [Cell(cpu, "muted") if figure.column.key == "cpu" else Cell("") for figure in figures]
    # The name runs over the columns that say nothing about a container.
    name = (
        (f" {status_sign(container)} ", status_tone(container)),
        ("▸ " if tree.is_folded else "▾ ", "muted"),
        (inert(container.name), "strong"),
        (f"  {tree.inside}", "muted"),
    )
    note = inert(container.note or "")
    about = ((engine_text(container), "muted"), (f"  {note}" if note else "", note_tone(container)))
    return (_pieces(name), *cells, _pieces(about))


def _line(member: Member, figures: Sequence[Figure], context: Context, *, is_flat: bool = False) -> tuple[Cell, ...]:
    process = member.process
    indent = f"{'  ' * min(member.depth - 1, _DEEPEST)}└ " if member.depth and not is_flat else ""
    words = remark_text(process)
    telling = process.role is Role.JOINED or bool(process.outside) or process.has_escaped_limits or process.state in "ZDT"
    # Words before the command: a narrow screen cuts the end of the line.
    command = _pieces(
        (
            (f"{inert(member.container.name)}  " if is_flat else indent, "strong" if is_flat else "idle"),
            (f"{words}: " if words else "", "watch" if telling else "accent" if process.role is Role.INIT else "muted"),
            (command_text(process), "muted" if process.role is Role.MONITOR else "plain"),
        )
    )
    sign = " →" if process.role is Role.JOINED else ""
    return (Cell(sign, "watch"), *(figure.cell(member, context) for figure in figures), command)


def remark_text(process: Process) -> str:
    """What sets a process apart, below the name of its container."""
    words = remarks(process, {})
    if process.role in _ROLES:
        words[0] = _ROLES[process.role]
    return ", ".join(words)


def _pieces(parts: tuple[tuple[str, str], ...]) -> Cell:
    return Cell("".join(text for text, _ in parts), parts=parts)


def _pid(member: Member, context: Context) -> Cell:
    return Cell(str(member.process.pid), "plain")


def _inside(member: Member, context: Context) -> Cell:
    nspid = member.process.nspid
    return Cell(str(nspid[-1]) if len(nspid) > 1 else "", "muted")


def _user(member: Member, context: Context) -> Cell:
    uid = member.process.uid
    name = NOT_PERMITTED if uid is None else inert(context.forest.users.get(uid, str(uid)))
    # Like ps(1): a name that does not fit is not cut, the number is shown.
    return Cell(name if len(name) <= _USER else str(uid), "muted")


def _state(member: Member, context: Context) -> Cell:
    state = member.process.state
    return Cell(state, "watch" if state in "ZDTt" else "accent" if state == "R" else "idle")


def _cpu(member: Member, context: Context) -> Cell:
    value = context.forest.cpu_percent.get(member.process.pid)
    return Cell("", "idle") if value is None else Cell(format_percent(value), "idle" if value < _IDLE_CPU else "plain")


def _age(member: Member, context: Context) -> Cell:
    started = unix_time(member.process.started_at)
    return Cell("" if started is None else format_duration(context.now - started), "muted")


def _ppid(member: Member, context: Context) -> Cell:
    return Cell(str(member.process.ppid), "muted")


def _role(member: Member, context: Context) -> Cell:
    return Cell(member.process.role.value, "muted")


def _engine(member: Member, context: Context) -> Cell:
    return Cell(engine_text(member.container), "muted")


COMMAND_LEAST = 20
_SIGN = Column("sign", "", "left", 2)
_COMMAND = Column("command", "COMMAND", "left", COMMAND_LEAST, "command line; in the list after the name of the container")
FIGURES = (
    Figure(Column("pid", "PID", "right", 7, "PID on the host"), 0, _pid),
    Figure(Column("inside", "INSIDE", "right", 6, "PID in the container's own PID namespace"), 0, _inside),
    Figure(Column("user", "USER", "left", _USER, "effective user, as the host knows it"), 70, _user),
    Figure(Column("state", "S", "left", 1, "state: R runs, S sleeps, D waits for I/O, T stopped, Z zombie"), 0, _state),
    Figure(Column("cpu", "CPU %", "right", 6, "percent of one CPU since the reading before", 2), 0, _cpu),
    Figure(Column("age", "AGE", "right", 4, "since it was started", 2), 90, _age),
    Figure(Column("ppid", "PARENT", "right", 7, "PID of its parent on the host"), WHEN_CHOSEN, _ppid),
    Figure(Column("role", "ROLE", "left", 10, "init, monitor (the supervisor), descendant or joined"), WHEN_CHOSEN, _role),
    Figure(Column("engine", "ENGINE", "left", 14, "engine of its container"), WHEN_CHOSEN, _engine),
)
PROCESS_COLUMNS = {column.key: column for column in (*(figure.column for figure in FIGURES), _COMMAND)}
