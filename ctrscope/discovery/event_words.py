"""How a container ended and what changed of its limits, in words.

*Source:* wait(2), signal(7); exit statuses of shells, runtimes and engines: 126, 127, and 128 plus the number of a signal.
"""

import signal
from collections.abc import Callable, Iterator

from ctrscope.model.cgroup import CgroupStats
from ctrscope.model.container import Container
from ctrscope.model.event import EventKind, Exit
from ctrscope.model.observed import OomKill
from ctrscope.model.quantity import format_bytes

#: Statuses that say why nothing ran.
_MEANINGS = {
    126: "its command could not be executed",
    127: "its command was not found",
}


def exit_words(exit_: Exit | None, code: int | None) -> tuple[str, EventKind]:
    """What it is called, and its kind. *code*: what the engine recorded, if the kernel told nothing."""
    if exit_ is not None and exit_.signal:
        return f"died, exit {128 + exit_.signal}", EventKind.DIED
    status = exit_.code if exit_ is not None else code
    if status is None:
        return "stopped", EventKind.STOPPED
    if status == 0:
        return "stopped, exit 0", EventKind.STOPPED
    return f"died, exit {status}", EventKind.DIED


def exit_cause(exit_: Exit | None, code: int | None, container: Container) -> str:
    """What is known of why, short of an OOM kill."""
    if exit_ is None and code is None:
        return "nobody saw its exit status"
    if exit_ is not None and exit_.signal:
        return f"killed by {signal_name(exit_.signal)}"
    status = exit_.code if exit_ is not None else code
    # Of 0 it is no cause: engines mark a container when any process of it was killed for memory, some time.
    if status and container.oom_killed and not container.is_running:
        return f"{container.engine} says: OOM-killed"
    if status is not None and 128 < status < 160:
        return f"128 + {status - 128}: {signal_name(status - 128)} ended its program"
    return _MEANINGS.get(status or 0, "")


def kill_words(kill: OomKill, limit: str | None, container: Container | None, *, victim: bool = True) -> str:
    """``OOM-killed by its own limit 512M, victim node 25112``."""
    if kill.oom_memcg is None:
        whose = "the host ran out of memory"
    elif container is not None and _is_own(kill, container):
        whose = f"by its own limit{f' {limit}' if limit else ''}"
    else:
        whose = f"by the limit of {kill.oom_memcg}"
    if not victim:
        return whose.removeprefix("by ")
    said = f"OOM-killed {whose}" if whose.startswith("by ") else f"OOM-killed: {whose}"
    return f"{said}, victim {kill.comm} {kill.pid}"


def limit_words(old: CgroupStats, new: CgroupStats) -> Iterator[str]:
    """Each limit of a container's own cgroup that is not what it was."""
    pairs: tuple[tuple[str, Callable[[CgroupStats], object], Callable[[float], str]], ...] = (
        ("memory limit", lambda one: one.memory.limit if one.memory else None, lambda value: format_bytes(int(value))),
        ("swap limit", lambda one: one.memory.swap_limit if one.memory else None, lambda value: format_bytes(int(value))),
        ("CPU limit", lambda one: one.cpu.limit_cpus if one.cpu else None, lambda value: f"{value:g}"),
        ("task limit", lambda one: one.pids.limit if one.pids else None, lambda value: f"{value:g}"),
    )
    for what, get, write in pairs:
        before, now = get(old), get(new)
        if before is not None and now is not None and before != now:
            texts = [str(value) if not isinstance(value, int | float) else write(value) for value in (before, now)]
            yield f"{what} {texts[0]} → {texts[1]}"


def signal_name(number: int) -> str:
    """``SIGKILL``; ``signal 35`` for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _is_own(kill: OomKill, container: Container) -> bool:
    if kill.oom_memcg == kill.memcg:
        return True
    path = container.cgroup.paths.get("memory", container.cgroup.path) if container.cgroup is not None else "/"
    return path != "/" and kill.oom_memcg is not None and f"{kill.oom_memcg}/".startswith(f"{path}/")
