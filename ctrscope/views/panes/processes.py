"""Processes: the supervisor, init and what is below it as a tree, with the numbers they have here and inside."""

from collections.abc import Mapping, Sequence

from textual.content import Content

from ctrscope.model.process import Process, Role
from ctrscope.model.timestamp import unix_time
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column
from ctrscope.render.trees import command_text, remarks
from ctrscope.render.units import format_duration
from ctrscope.views.panes.opened import Opened, missing, table

_COLUMNS = (
    Column("PID", "right"),
    Column("INSIDE", "right"),
    Column("UID", "right", rank=2),
    Column("S"),
    Column("AGE", "right", rank=1),
    Column("COMMAND", least=20),
    Column("REMARK", rank=3),
)
_DEEPEST = 20  # levels that are drawn as such


def draw(opened: Opened) -> list[Content]:
    """Draw the tab."""
    processes = opened.detail.processes if opened.detail else ()
    if not processes:
        return missing(opened, "processes")
    names = {opened.container.key: inert(opened.container.name)}
    rows, tones = [], []
    for process, depth in in_tree_order(processes):
        started = unix_time(process.started_at)
        indent = f"{'  ' * (min(depth, _DEEPEST) - 1)}└ " if depth else ""
        rows.append(
            (
                str(process.pid),
                str(process.nspid[-1]) if len(process.nspid) > 1 else "",
                "·" if process.uid is None else str(process.uid),
                process.state,
                "" if started is None else format_duration(opened.now - started),
                indent + command_text(process),
                ", ".join(remarks(process, names)),
            )
        )
        tones.append(_tone(process))
    return table(_COLUMNS, rows, opened.width, tones)


def in_tree_order(processes: Sequence[Process]) -> list[tuple[Process, int]]:
    """Each process after its parent, with its depth. One whose parent is not among them starts at 0."""
    here = {process.pid for process in processes}
    children: dict[int, list[Process]] = {}
    for process in processes:
        children.setdefault(process.ppid if process.ppid in here and process.ppid != process.pid else 0, []).append(process)
    order: list[tuple[Process, int]] = []
    waiting = [(process, 0) for process in reversed(children.get(0, []))]
    while waiting:
        process, depth = waiting.pop()
        order.append((process, depth))
        waiting += [(child, depth + 1) for child in reversed(children.get(process.pid, []))]
    return order


_ROLE_TONES: Mapping[Role, str] = {Role.MONITOR: "muted", Role.JOINED: "watch"}


def _tone(process: Process) -> str:
    return "watch" if process.state in ("Z", "D", "T") else _ROLE_TONES.get(process.role, "plain")
