"""The one fact about a container that matters most right now, in words."""

from ctrscope.model.cgroup import CgroupStats
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.rates import Rates

PAUSED_NOTE = "paused (freezer)"


def note_of(container: Container) -> str | None:
    """NOTE column; None when nothing is wrong. What discovery already found (stale, orphaned) comes first."""
    if container.note:
        return container.note
    monitor = container.monitor
    if monitor is not None and not monitor.alive:
        who = f"{monitor.comm} {monitor.pid}" if monitor.pid else str(monitor.comm)
        return f"{who} is gone: exit status will not be recorded"
    if container.engine is EngineName.UNCLAIMED:
        count = f"{len(container.pids)} process{'es' if len(container.pids) != 1 else ''}"
        by_hand = f"isolated by hand ({monitor.comm} {monitor.pid})" if monitor is not None else "isolated"
        return f"{count} {by_hand}, no engine's"
    if container.status is ContainerStatus.PAUSED:
        return PAUSED_NOTE
    if container.status is ContainerStatus.STOPPED:
        if container.oom_killed:
            return "OOM-killed" if container.exit_code is None else f"OOM-killed, exit {container.exit_code}"
        if container.exit_code:
            return f"exit {container.exit_code}" + (" (SIGKILL)" if container.exit_code == 137 else "")
    return None


#: Percent from which throttling, and memory against its limit, are worth a word.
_THROTTLED, _FULL = 5, 95


def note_of_figures(stats: CgroupStats | None, rates: Rates | None) -> str | None:
    """What the figures say, when it is worth a word."""
    throttled = rates.throttled_percent if rates is not None else None
    if throttled is not None and throttled >= _THROTTLED:
        cpus = stats.cpu.limit_cpus if stats is not None and stats.cpu is not None else None
        return f"throttled in {throttled:.0f} % of periods" + (f": quota {cpus:g} CPU" if isinstance(cpus, float) else "")
    memory = stats.memory if stats is not None else None
    if memory is not None and memory.current is not None and isinstance(memory.limit, int) and memory.limit:
        percent = 100 * memory.current / memory.limit
        if percent >= _FULL:
            return f"memory at {percent:.0f} % of its limit"
    return None
