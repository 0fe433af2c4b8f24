"""OOM kills: whose limit it was, which process died; exit status 137 explained.

*Source:* kernel document cgroup-v2 (memory.events), cgroup-v1/memory, the kernel log, signal(7).
"""

from collections.abc import Iterator, Sequence

from ctrscope.findings.subjects import by_version, cgroup_path, container_subject
from ctrscope.model.container import Container, Evidence
from ctrscope.model.finding import Finding, Severity, Subject
from ctrscope.model.observed import Observed, OomKill
from ctrscope.model.quoting import quote
from ctrscope.model.thresholds import Thresholds
from ctrscope.model.timestamp import unix_time

_SIGKILLED = 128 + 9  # exit status of what SIGKILL ended, as engines and shells count
_REFERENCES = ("https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files",)
#: Seconds by which the clocks of the engine and of the kernel log may differ.
_SLACK = 5.0
#: Of one container, the latest kills are quoted.
_QUOTED = 3
#: Of containers that are gone, the latest kills are listed.
_LISTED = 8


def killed(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """Processes of a container that were killed for lack of memory, now or when it ended; exit 137 explained."""
    for container in observed.snapshot.containers:
        kills = [kill for kill in observed.oom_kills or () if _is_of(kill, container)]
        counted = _counted(observed, container)
        if not (kills or counted or container.oom_killed):
            if container.exit_code == _SIGKILLED and not container.is_running:
                yield _killed_by_somebody(observed, container)
            continue
        yield Finding(
            rule="health/oom-killed",
            severity=Severity.HIGH,
            subject=container_subject(container),
            title=_title(container, kills, counted),
            evidence=(*_counter(container, counted), *_recorded(container), *_quoted(kills), *_levels(observed, container)),
            remedy=_remedy(container, kills),
            references=_REFERENCES,
        )


def killed_elsewhere(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """OOM kills that the kernel log has of no container that is still known: the host was full, or it was removed since."""
    containers = observed.snapshot.containers
    others = [kill for kill in observed.oom_kills or () if not any(_is_of(kill, container) for container in containers)]
    full = [kill for kill in others if kill.oom_memcg is None]
    gone = [kill for kill in others if kill.oom_memcg is not None]
    name = observed.snapshot.host.hostname or "host"
    subject = Subject(kind="host", id=name, name=name)
    if full:
        yield Finding(
            rule="health/oom-killed",
            severity=Severity.HIGH,
            subject=subject,
            title=f"{_kills(len(full))} because the host ran out of memory, last {_victim_then(full[-1])}",
            evidence=_quoted(full),
            remedy="give containers memory limits, so that one of them does not cost the others theirs",
            references=_REFERENCES,
        )
    if gone:
        yield Finding(
            rule="health/oom-killed-gone",
            severity=Severity.INFO,
            subject=subject,
            title=f"{_kills(len(gone))} in cgroups of no container that is known, last {_victim_then(gone[-1])}",
            evidence=tuple(
                Evidence(source=f"kernel log {kill.at or ''}".rstrip(), value=f"{_victim(kill)} in {kill.memcg}")
                for kill in gone[-_LISTED:]
            ),
            remedy="if a container vanished, this may be why: give it more memory when it starts again",
            references=_REFERENCES,
        )


def _is_of(kill: OomKill, container: Container) -> bool:
    """Whether a process of this container was killed, in the life that it has or had last."""
    if kill.memcg is None or (container.cgroup is None and container.is_running):
        return False
    if container.cgroup is not None and container.has_own_cgroup:
        path = cgroup_path(container, "memory")
        if path == "/" or not (kill.memcg == path or kill.memcg.startswith(f"{path}/")):
            return False
    elif not _names(kill.memcg, container):
        return False
    at, start, end = (unix_time(text) for text in (kill.at, container.started_at, container.finished_at))
    if at is None:
        return True
    return (start is None or at > start - _SLACK) and (container.is_running or end is None or at < end + _SLACK)


def _quoted(kills: Sequence[OomKill]) -> tuple[Evidence, ...]:
    """The latest kills in the words of the kernel log."""
    return tuple(
        Evidence(source=f"kernel log {kill.at or ''}".rstrip(), value=line) for kill in kills[-_QUOTED:] for line in kill.lines
    )


def _names(path: str, container: Container) -> bool:
    """Whether a cgroup path names a container whose cgroup is gone: a full id anywhere, else as engines write it."""
    parts = path.split("/")
    if len(container.id) == 64:
        return any(container.id in part for part in parts)
    own = (container.id, f"lxc.payload.{container.id}", f"runc-{container.id}.scope", f"crun-{container.id}.scope")
    return any(part in own for part in parts)


def _counted(observed: Observed, container: Container) -> int:
    stats = observed.snapshot.stats.get(container.key)
    memory = stats.memory if stats is not None else None
    return (memory.oom_kills or 0) if memory is not None else 0


def _title(container: Container, kills: Sequence[OomKill], counted: int) -> str:
    text = _kills(max(counted, len(kills), 1))
    if not container.is_running and container.exit_code is not None:
        text = f"exit {container.exit_code}: {text}"
    if not kills:
        return text
    last = kills[-1]
    whose = (
        "the host ran out of memory"
        if last.oom_memcg is None
        else "it hit its own limit"
        if last.oom_memcg == last.memcg or _is_own_cgroup(container, last.oom_memcg)
        else f"the limit of {last.oom_memcg} was hit"
    )
    return f"{text}: {whose}, last killed {_victim(last)}"


def _is_own_cgroup(container: Container, memcg: str) -> bool:
    """Whether that cgroup is the container's own or below it."""
    if container.cgroup is not None and container.has_own_cgroup:
        path = cgroup_path(container, "memory")
        return memcg == path or memcg.startswith(f"{path}/")
    return _names(memcg, container)


def _counter(container: Container, counted: int) -> tuple[Evidence, ...]:
    if not counted:
        return ()
    file = by_version(container, "memory.events", "memory.oom_control")
    return (Evidence(source=f"cgroup {cgroup_path(container, 'memory')} {file}", value=f"oom_kill {counted}"),)


def _levels(observed: Observed, container: Container) -> tuple[Evidence, ...]:
    """Which cgroup called the OOM killer: its own or one above counted it as an event of its own limit."""
    return tuple(
        Evidence(source=f"cgroup {level.path} memory.events.local", value=f"oom {level.memory_oom}")
        for level in observed.limit_events.get(container.key, ())
        if level.memory_oom
    )


def _recorded(container: Container) -> tuple[Evidence, ...]:
    if container.is_running or container.exit_code is None:
        return ()
    source = container.evidence[0].source if container.evidence else f"state of {container.engine}"
    said = {True: ", OOM-killed", False: ", not OOM-killed", None: ""}[container.oom_killed]
    because = " (128 + 9: SIGKILL)" if container.exit_code == _SIGKILLED else ""
    return (Evidence(source=source, value=f"exit status {container.exit_code}{because}{said}"),)


def _remedy(container: Container, kills: Sequence[OomKill]) -> str:
    last = kills[-1] if kills else None
    if last is not None and last.oom_memcg is None:
        return "give the host more memory, or limit the containers that took it"
    if last is not None and last.oom_memcg is not None and not _is_own_cgroup(container, last.oom_memcg):
        return f"raise the limit of {last.oom_memcg}, or find which of the containers below it grows"
    if container.is_running:
        return f"raise the limit (ctrscope limit {quote(container.name)} --memory N), or find what grows"
    return "start it with a higher memory limit, or find what grows"


def _killed_by_somebody(observed: Observed, container: Container) -> Finding:
    searched = "no OOM kill of it" if observed.oom_kills is not None else "could not be read"
    return Finding(
        rule="health/killed",
        severity=Severity.INFO,
        subject=container_subject(container),
        title="exit 137: SIGKILL ended it (128 + 9), and nothing says that memory was the reason",
        evidence=(*_recorded(container), Evidence(source="kernel log", value=searched)),
        remedy="an engine sends SIGKILL after its stop timeout, or on kill: if nobody stopped it, look for who did",
        references=("https://man7.org/linux/man-pages/man7/signal.7.html",),
    )


def _kills(count: int) -> str:
    return f"{count} OOM kill{'s' if count > 1 else ''}"


def _victim(kill: OomKill) -> str:
    return f"{kill.comm} {kill.pid}"


def _victim_then(kill: OomKill) -> str:
    return _victim(kill) + (f" at {kill.at}" if kill.at else "")
