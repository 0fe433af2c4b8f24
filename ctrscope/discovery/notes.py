"""The one fact about a container that matters most right now, in words."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ctrscope.model.container import Container, ContainerStatus, EngineName

if TYPE_CHECKING:
    from ctrscope.model.finding import Finding

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
    if container.health == "unhealthy":
        return "unhealthy: its engine's check fails"
    if container.status is ContainerStatus.STOPPED:
        if container.oom_killed:
            return "OOM-killed" if container.exit_code is None else f"OOM-killed, exit {container.exit_code}"
        if container.exit_code:
            return f"exit {container.exit_code}" + (" (SIGKILL)" if container.exit_code == 137 else "")
    return None


def notes_of(findings: "Iterable[Finding]") -> dict[str, str]:
    """Container key → the title of its worst finding, when it is worth a word in a list. *findings* come worst first."""
    from ctrscope.model.finding import Severity  # of ``ps`` nobody judges

    notes: dict[str, str] = {}
    for finding in findings:
        if finding.subject.kind == "container" and finding.severity.rank <= Severity.MEDIUM.rank:
            notes.setdefault(finding.subject.id, finding.title)
    return notes
