"""Process trees as text: from the supervisor down, each with its PID here and its PID inside."""

from collections.abc import Iterable, Mapping, Sequence

from ctrscope.model.process import Process, Role
from ctrscope.render.safe import inert, inert_command

#: States of proc_pid_stat(5) worth a word; sleeping and running are what one expects.
_STATES: Mapping[str, str] = {
    "Z": "zombie",
    "T": "stopped by a signal",
    "t": "stopped by a tracer",
    "D": "uninterruptible: waits for I/O, or frozen",
    "X": "dead",
}

_DEEPEST = 180  # cells of indentation


def format_forest(processes: Sequence[Process], names: Mapping[str, str]) -> list[str]:
    """Lines of the trees that *processes* make.

    *names*: container key → what to call it; said at each init, so that one shim with several of them stays readable.
    A process whose parent is not among them starts a tree.
    """
    children: dict[int, list[Process]] = {}
    here = {process.pid for process in processes}
    roots: list[Process] = []
    for process in processes:
        if process.ppid in here and process.ppid != process.pid:
            children.setdefault(process.ppid, []).append(process)
        else:
            roots.append(process)
    lines: list[str] = []
    for root in roots:
        lines.append(_describe(root, names, is_root=True))
        lines += _branches(root, children, names)
    return lines


def supervisor_trees(processes: Iterable[Process]) -> tuple[tuple[Process, ...], ...]:
    """The processes of several containers, each once, one tree for each supervisor.

    A containerd shim keeps every container of its pod: those end up in one tree. What joined a container from outside
    comes right after the tree it joined. A container inside a container is a part of the outer one's tree.
    """
    found: dict[int, Process] = {}
    inside: dict[int, str | None] = {}  # supervisors that are processes of an outer container themselves
    for process in processes:
        known = found.setdefault(process.pid, process)
        if known is not process and Role.MONITOR in (known.role, process.role) and known.role is not process.role:
            monitor, member = (known, process) if known.role is Role.MONITOR else (process, known)
            found[process.pid], inside[process.pid] = monitor, member.container
    owner: dict[str, int] = {}  # container key → the PID that its tree is known by
    above: dict[str, str | None] = {}  # container key → key of the container that it is in
    for process in found.values():
        if process.role is Role.INIT and process.container is not None:
            parent = found.get(process.ppid)
            is_kept = parent is not None and parent.role is Role.MONITOR
            owner[process.container] = parent.pid if parent is not None and is_kept else process.pid
            if parent is not None:
                above[process.container] = inside.get(parent.pid) if is_kept else parent.container
    trees: dict[int, list[Process]] = {}
    for process in found.values():
        key = inside.get(process.pid) or process.container
        seen = {key}
        while key is not None and (around := above.get(key)) is not None and around not in seen:
            key = around
            seen.add(key)
        top = process.pid if process.role is Role.MONITOR and process.pid not in inside else owner.get(key or "", process.pid)
        trees.setdefault(top, []).append(process)
    return tuple(tuple(tree) for tree in trees.values())


def pid_text(process: Process) -> str:
    """The PID here and, where it has another, the PID inside: ``4711 (1)``."""
    inside = process.nspid[-1] if len(process.nspid) > 1 else None
    return str(process.pid) if inside is None else f"{process.pid} ({inside})"


def command_text(process: Process) -> str:
    """Arguments, or ``[comm]`` as ps(1) has it where there are none to read."""
    if not process.cmdline:
        return f"[{inert(process.comm)}]"
    # One argument alone is most likely a title that the process gave itself: no quotes.
    return inert(process.cmdline[0]) if len(process.cmdline) == 1 else inert_command(process.cmdline)


def remarks(process: Process, names: Mapping[str, str], *, is_root: bool = False) -> list[str]:
    """What sets the process apart, in words."""
    words = []
    name = names.get(process.container or "", "?")
    if process.role is Role.MONITOR:
        words.append("supervisor")
    elif process.role is Role.INIT:
        words.append(f"init of {name}")
    elif process.role is Role.JOINED:
        words.append(f"joined {name} from outside" + (f", child of {process.ppid}" if is_root else ""))
    if process.outside:
        types = " ".join(process.outside)
        of_whom = "not in its" if process.role is Role.JOINED else "escaped from its"
        words.append(f"{of_whom} {types} namespace{'s' if len(process.outside) > 1 else ''}")
    if process.has_escaped_limits:
        words.append("outside its cgroup: no limit holds it")
    elif process.is_visitor and process.role is Role.JOINED:
        words.append("a visitor in its cgroup")
    if process.state in _STATES:
        words.append(_STATES[process.state])
    return words


def _describe(process: Process, names: Mapping[str, str], *, is_root: bool = False) -> str:
    words = remarks(process, names, is_root=is_root)
    # Words before the command: a narrow screen cuts the end of the line.
    return f"{pid_text(process)} " + (f"{', '.join(words)}: " if words else "") + command_text(process)


def _branches(root: Process, children: Mapping[int, Sequence[Process]], names: Mapping[str, str]) -> list[str]:
    # A loop rather than recursion: a container may nest processes deeper than Python's stack.
    lines = []
    below = children.get(root.pid, ())
    waiting = [(child, "", child is below[-1]) for child in reversed(below)]
    seen = {root.pid}
    while waiting:
        process, prefix, is_last = waiting.pop()
        if process.pid in seen:
            continue
        seen.add(process.pid)
        lines.append(f"{prefix}{'└─' if is_last else '├─'} {_describe(process, names)}")
        below = children.get(process.pid, ())
        # Ten thousand processes nested into each other must not become a line of thirty thousand cells each.
        deeper = prefix + ("   " if is_last else "│  ") if len(prefix) < _DEEPEST else prefix
        waiting += [(child, deeper, child is below[-1]) for child in reversed(below)]
    return lines
