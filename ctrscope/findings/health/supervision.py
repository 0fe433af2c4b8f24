"""Supervision: who waits for the container's end, whether its engine's record is true, whether it keeps restarting.

*Source:* the engines' state on disk, held against /proc.
"""

from collections.abc import Iterator

from ctrscope.findings.subjects import container_subject, running
from ctrscope.model.container import ContainerStatus, Evidence
from ctrscope.model.finding import Finding, Severity
from ctrscope.model.observed import Observed
from ctrscope.model.thresholds import Thresholds
from ctrscope.model.timestamp import unix_time


def monitor_gone(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """The container lives and its supervisor does not: nobody will learn how it ends."""
    for container in running(observed):
        monitor = container.monitor
        if monitor is None or monitor.alive:
            continue
        who = " ".join(str(part) for part in (monitor.comm or "its supervisor", monitor.pid) if part)
        yield Finding(
            rule="health/monitor-gone",
            severity=Severity.HIGH,
            subject=container_subject(container),
            title=f"{who} is gone: exit status will not be recorded",
            evidence=(
                Evidence(source=f"/proc/{monitor.pid or '*'}/stat", value="no such process"),
                Evidence(source=f"/proc/{container.pid}/stat", value="init lives"),
            ),
            remedy=f"it runs on, but logs, exec and exit status of {container.engine} are lost: restart it when that suits",
        )


def stale(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """State on disk says running, the kernel has no such process."""
    for container in observed.snapshot.containers:
        if container.status is not ContainerStatus.STALE:
            continue
        yield Finding(
            rule="health/stale-state",
            severity=Severity.MEDIUM,
            subject=container_subject(container),
            title=container.note or "its state says that it runs, and there is no such process",
            evidence=container.evidence,
            remedy=f"{container.engine} believes that it runs: restart or remove it there",
        )


def restart_loop(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """Restarted often, the last time not long ago."""
    now = unix_time(observed.snapshot.taken_at)
    for container in observed.snapshot.containers:
        count = container.restart_count
        last = unix_time(container.started_at if container.is_running else container.finished_at)
        if count is None or count < thresholds.restarts or last is None or now is None:
            continue
        ago = now - last
        if not 0 <= ago <= thresholds.restart_window_seconds:
            continue
        ended = "" if container.exit_code is None else f", last exit status {container.exit_code}"
        what = "started" if container.is_running else "ended"
        yield Finding(
            rule="health/restart-loop",
            severity=Severity.HIGH,
            subject=container_subject(container),
            title=f"restarted {count} times, last {what} {ago:.0f} s ago{ended}",
            evidence=(
                *container.evidence[:1],
                Evidence(source=f"state of {container.engine}", value=f"restart count {count}, {what} {container.started_at}"),
            ),
            remedy=f"read the end of its log ({container.log_path})" if container.log_path else "read the end of its log",
        )
