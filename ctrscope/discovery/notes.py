"""The one fact about a container that matters most right now, in words."""

from ctrscope.model.container import Container, ContainerStatus, Monitor

PAUSED_NOTE = "paused (freezer)"


def note_of(container: Container, monitor: Monitor | None) -> str | None:
    """NOTE column; None when nothing is wrong. What discovery already found (stale, orphaned) comes first."""
    if container.note:
        return container.note
    if monitor is not None and not monitor.alive:
        who = f"{monitor.comm} {monitor.pid}" if monitor.pid else str(monitor.comm)
        return f"{who} is gone: exit status will not be recorded"
    if container.status is ContainerStatus.PAUSED:
        return PAUSED_NOTE
    if container.status is ContainerStatus.STOPPED:
        if container.oom_killed:
            return f"OOM-killed, exit {container.exit_code}"
        if container.exit_code:
            return f"exit {container.exit_code}" + (" (SIGKILL)" if container.exit_code == 137 else "")
    return None
