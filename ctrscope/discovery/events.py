"""Events: the differences between two snapshots, and what was noticed in between. Pure, but for ``EventWatcher``."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from ctrscope.discovery.event_words import exit_cause, exit_words, kill_words, limit_words
from ctrscope.discovery.noticed import Entered, Noticed, Seen
from ctrscope.model.cgroup import CgroupStats, EffectiveLimit, EffectiveLimits
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.event import Event, EventKind, Exit
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.observed import OomKill
from ctrscope.model.quantity import format_bytes
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.timestamp import rfc3339, unix_time

#: Seconds by which the clocks of engine, kernel log and connector may differ.
_SLACK = 2.0
_NOTHING = Noticed()
_UNSTARTED = (ContainerStatus.CREATED, ContainerStatus.CREATING)


def events_between(
    before: Snapshot, after: Snapshot, noticed: Noticed = _NOTHING, kills: Sequence[OomKill] = ()
) -> tuple[Event, ...]:
    """What happened, in order of time. *kills*: those that no earlier call was told of."""
    return tuple(sorted(_Differences(before, after, noticed, kills).find(), key=lambda event: unix_time(event.time) or 0.0))


class _Differences:
    """Everything that the rules need."""

    def __init__(self, before: Snapshot, after: Snapshot, noticed: Noticed, kills: Sequence[OomKill]) -> None:
        self._before, self._after, self._noticed, self._kills = before, after, noticed, kills
        self._since, self._until = unix_time(before.taken_at) or 0.0, unix_time(after.taken_at) or 0.0
        self._earlier = {one.key: one for one in before.containers}
        self._later = {one.key: one for one in after.containers}
        self._seen = {one.id: one for one in noticed.seen}
        self._ids = {one.id for one in (*before.containers, *after.containers)}

    def find(self) -> Iterator[Event]:
        """Every event, in no order."""
        for key, later in self._later.items():
            earlier = self._earlier.get(key)
            yield from self._came(later) if earlier is None else self._changed(earlier, later)
        for key, earlier in self._earlier.items():
            if key not in self._later:
                yield from self._went(earlier)
        for seen in self._noticed.seen:
            if seen.id not in self._ids:
                yield from self._passed(seen)
        yield from self._paused()
        yield from self._entered()
        yield from self._named()
        yield from self._killed()

    # Life

    def _came(self, container: Container) -> Iterator[Event]:
        seen = self._seen.get(container.id)
        if container.engine is EngineName.UNCLAIMED:
            what, own = f"isolated by hand, init {container.pid}", own_types(container)
            yield self._event(self._start(container), EventKind.NAMESPACE, container, what, own, pid=container.pid)
        elif container.status in _UNSTARTED:
            is_new = container.created_at is None or self._is_recent(container.created_at)
            what = "created" if is_new else f"appeared, {container.status}"
            yield self._event(self._recent(container.created_at), EventKind.CREATED, container, what)
        elif container.is_running:
            yield self._started(container, self._start(container))
        elif self._is_recent(container.finished_at) or seen is not None:
            at = self._start(container) or (seen.at if seen is not None else None)
            if at is not None:
                yield self._started(container, at, seen)
            yield self._ended(container, container, seen.pid if seen is not None else None, at)
        else:
            what = f"appeared, {container.status}"
            yield self._event(self._recent(container.created_at), EventKind.CREATED, container, what)

    def _changed(self, earlier: Container, later: Container) -> Iterator[Event]:
        if earlier.is_running and later.is_running:
            if (earlier.pid, earlier.starttime_ticks) != (later.pid, later.starttime_ticks):
                yield self._ended(earlier, earlier, earlier.pid)
                yield self._started(later, self._start(later))
                return
            if earlier.status in _UNSTARTED and later.status not in _UNSTARTED:
                yield self._started(later, self._start(later))
            yield from self._lost_monitor(earlier, later)
            yield from self._limits(later)
        elif earlier.is_running:
            if earlier.status in _UNSTARTED and self._is_recent(later.started_at):
                yield self._started(earlier, self._start(later))
            yield self._ended(earlier, later, earlier.pid)
        elif later.is_running:
            yield self._started(later, self._start(later))
        elif later.started_at != earlier.started_at and self._is_recent(later.started_at):
            seen = self._seen.get(later.id)
            yield self._started(later, unix_time(later.started_at), seen)
            yield self._ended(later, later, seen.pid if seen is not None else None)

    def _went(self, container: Container) -> Iterator[Event]:
        if container.engine is EngineName.UNCLAIMED and self._is_claimed(container):
            return
        if container.is_running:
            yield self._ended(container, container, container.pid)
        elif container.engine is not EngineName.UNCLAIMED:
            yield self._event(None, EventKind.REMOVED, container, "removed")

    def _is_claimed(self, container: Container) -> bool:
        """Whether an engine says now that these processes are a container of its own: it was still making it."""
        init = (container.pid, container.starttime_ticks)
        return any(init == (one.pid, one.starttime_ticks) for one in self._later.values())

    def _passed(self, seen: Seen) -> Iterator[Event]:
        """A container that came and went."""
        container = seen.container(self._noticed.names.get(seen.id))
        yield self._started(container, seen.at, seen)
        yield self._ended(container, container, seen.pid, seen.at)

    def _started(self, container: Container, at: float | None, seen: Seen | None = None) -> Event:
        seen = seen or self._seen.get(container.id)
        pid = container.pid if container.pid is not None else seen.pid if seen is not None else None
        what = "started" + (f", init {pid}" if pid is not None else "")
        command = container.command or (seen.command if seen is not None else None)
        return self._event(at, EventKind.STARTED, container, what, " ".join(command) if command else "", pid=pid)

    def _ended(self, earlier: Container, later: Container, pid: int | None, since: float | None = None) -> Event:
        """*since*: when it was seen alive last, else at the snapshot before."""
        exit_ = self._exit_of(pid, self._since if since is None else since)
        is_told = later.exit_code is not None and not later.is_running and self._is_recent(later.finished_at)
        code = later.exit_code if is_told else None
        kill = self._kill_of(earlier)
        what, kind = exit_words(exit_, code)
        cause = kill_words(kill, self._limit_of(earlier), earlier) if kill is not None else exit_cause(exit_, code, later)
        if exit_ is not None and exit_.signal:
            cause += self._after_its_monitor(earlier, exit_)
        at = exit_.at if exit_ is not None else self._recent(later.finished_at)
        return self._event(at, kind, earlier, what, cause, pid=pid)

    def _after_its_monitor(self, container: Container, exit_: Exit) -> str:
        """An engine kills what has no supervisor any more: then that is why."""
        monitor = container.monitor
        gone = self._exit_of(monitor.pid, self._alive_since(container)) if monitor is not None and monitor.alive else None
        if monitor is None or gone is None or gone.at > exit_.at or not (gone.signal or gone.code):
            return ""
        return f", after {monitor.comm or 'its supervisor'} {monitor.pid} had {exit_words(gone, None)[0]}"

    def _alive_since(self, container: Container) -> float:
        """Since when its supervisor has been there: whether it still is, not every snapshot looks."""
        return min(self._since, unix_time(container.started_at) or self._since)

    def _exit_of(self, pid: int | None, since: float) -> Exit | None:
        found = self._noticed.exits.get(pid) if pid is not None else None
        return found if found is not None and found.at >= since - _SLACK else None

    def _lost_monitor(self, earlier: Container, later: Container) -> Iterator[Event]:
        monitor = earlier.monitor
        if monitor is None or not monitor.alive or (later.monitor is not None and later.monitor.alive):
            return
        exit_ = self._exit_of(monitor.pid, self._alive_since(earlier))
        how = f" ({exit_words(exit_, None)[0]})" if exit_ is not None else ""
        what = f"{monitor.comm or 'its supervisor'} {monitor.pid} is gone{how}"
        at = exit_.at if exit_ is not None else None
        cause = "nobody will record how the container ends"
        yield self._event(at, EventKind.MONITOR_LOST, later, what, cause, pid=monitor.pid)

    # Limits

    def _limits(self, container: Container) -> Iterator[Event]:
        key = container.key
        old, new = self._before.stats.get(key), self._after.stats.get(key)
        if old is None or new is None or old.ino != new.ino:
            return
        words = list(limit_words(old, new))
        for text in words:
            yield self._event(None, EventKind.LIMIT_CHANGED, container, text)
        if not words:
            yield from self._limits_above(container)

    def _limits_above(self, container: Container) -> Iterator[Event]:
        """The container's own limits are as they were; one of a cgroup above is not."""
        old = self._before.effective.get(container.key, EffectiveLimits())
        new = self._after.effective.get(container.key, EffectiveLimits())
        writers: tuple[tuple[str, EffectiveLimit | None, EffectiveLimit | None, Callable[[float], str]], ...] = (
            ("memory", old.memory, new.memory, format_bytes),
            ("CPU", old.cpus, new.cpus, "{:g}".format),
            ("tasks", old.pids, new.pids, "{:g}".format),
        )
        for what, earlier, later, write in writers:
            values = [None if one is None else one.value for one in (earlier, later)]
            if earlier is None or later is None or None in values or values[0] == values[1] or later.limited_by == "host":
                continue
            before, now = (value if isinstance(value, str) else write(value) for value in values if value is not None)
            text = f"{what} it may really use {before} → {now}"
            yield self._event(None, EventKind.LIMIT_CHANGED, container, text, f"set by {later.limited_by}")

    # What was noticed in between

    def _paused(self) -> Iterator[Event]:
        """The flips that were noticed, and those between the last of them and the snapshot."""
        for key, later in self._later.items():
            earlier = self._earlier.get(key)
            if earlier is None or not (earlier.is_running and later.is_running) or earlier.pid != later.pid:
                continue
            frozen = earlier.status is ContainerStatus.PAUSED
            flips = [(flip.at, flip.frozen) for flip in self._noticed.flips if flip.container == key]
            if earlier.status not in _UNSTARTED and later.status not in _UNSTARTED:
                flips.append((self._until, later.status is ContainerStatus.PAUSED))
            for at, now in flips:
                if now is not frozen:
                    kind = EventKind.PAUSED if now else EventKind.UNPAUSED
                    yield self._event(at, kind, later, kind.value, pid=later.pid)
                frozen = now

    def _entered(self) -> Iterator[Event]:
        inits = {one.pid for one in (*self._earlier.values(), *self._later.values())} | {
            seen.pid for seen in self._noticed.seen
        }
        gone = {seen.key: seen.container(self._noticed.names.get(seen.id)) for seen in self._noticed.seen}
        for entered in self._noticed.entered:
            key = entered.container
            container = self._later.get(key) or self._earlier.get(key) or gone.get(key)
            if container is not None and entered.pid not in inits:
                yield self._event(
                    entered.at,
                    EventKind.JOINED,
                    container,
                    _entered_words(entered),
                    self._entered_end(entered),
                    pid=entered.pid,
                )

    def _entered_end(self, entered: Entered) -> str:
        exit_ = self._exit_of(entered.pid, entered.at)
        if exit_ is None:
            return ""
        status = f"exit {128 + exit_.signal if exit_.signal else exit_.code}"
        return f"{status} after {max(0.0, exit_.at - entered.at):.1f} s"

    def _named(self) -> Iterator[Event]:
        for named in self._noticed.named:
            what = "a network namespace got this name" if named.is_new else "the network namespace lost this name"
            yield Event(time=rfc3339(named.at), kind=EventKind.NAMESPACE, container=None, name=named.path, what=what)

    # Out of memory

    def _killed(self) -> Iterator[Event]:
        told = set()
        for kill in self._kills:
            container = self._victim(kill)
            name = container.name if container is not None else kill.memcg or "host"
            if container is not None:
                told.add(container.key)
            yield Event(
                time=kill.at or self._after.taken_at,
                kind=EventKind.OOM_KILLED,
                container=container.key if container is not None else None,
                name=name,
                what=f"OOM-killed: {kill.comm} {kill.pid}",
                cause=kill_words(kill, self._limit_of(container) if container is not None else None, container, victim=False),
                pid=kill.pid,
            )
        for key, later in self._later.items():
            counted = _kills_counted(self._after.stats.get(key)) - _kills_counted(self._before.stats.get(key))
            earlier = self._earlier.get(key)
            if counted > 0 and key not in told and earlier is not None and earlier.pid == later.pid:
                what = f"OOM-killed: {counted} process{'es' if counted > 1 else ''}"
                yield self._event(
                    None, EventKind.OOM_KILLED, later, what, "its cgroup counted it, the kernel log tells no more"
                )

    def _victim(self, kill: OomKill) -> Container | None:
        return next((one for one in (*self._later.values(), *self._earlier.values()) if is_in(kill.memcg, one)), None) or next(
            (
                seen.container(self._noticed.names.get(seen.id))
                for seen in self._noticed.seen
                if kill.memcg is not None and any(seen.id in part for part in kill.memcg.split("/"))
            ),
            None,
        )

    def _kill_of(self, container: Container) -> OomKill | None:
        """The last kill in this container."""
        found = [kill for kill in self._kills if (victim := self._victim(kill)) is not None and victim.key == container.key]
        return found[-1] if found else None

    def _limit_of(self, container: Container) -> str | None:
        stats = self._before.stats.get(container.key) or self._after.stats.get(container.key)
        limit = stats.memory.limit if stats is not None and stats.memory is not None else None
        return None if limit is None or limit == "max" else format_bytes(limit)

    # Words and moments

    def _start(self, container: Container) -> float | None:
        return self._recent(container.started_at)

    def _recent(self, moment: str | None) -> float | None:
        return unix_time(moment) if self._is_recent(moment) else None

    def _is_recent(self, moment: str | None) -> bool:
        at = unix_time(moment)
        return at is not None and at >= self._since - _SLACK

    def _event(
        self, at: float | None, kind: EventKind, container: Container, what: str, cause: str = "", *, pid: int | None = None
    ) -> Event:
        """*at*: Unix time; None is that of the later snapshot."""
        time = rfc3339(self._until if at is None else at)
        return Event(time=time, kind=kind, container=container.key, name=container.name, what=what, cause=cause, pid=pid)


def own_types(container: Container) -> str:
    """Which namespaces it does not share with the host; "" when that was not read."""
    own = [type_ for type_ in NamespaceType if container.namespaces.ino(type_) and container.shares.get(type_) != "host"]
    return f"own {' '.join(own)}" if own and container.shares else ""


def is_in(memcg: str | None, container: Container) -> bool:
    """Whether a cgroup is the container's own, or below it."""
    if memcg is None or container.cgroup is None or not container.has_own_cgroup:
        return False
    path = container.cgroup.paths.get("memory", container.cgroup.path)
    return path != "/" and f"{memcg}/".startswith(f"{path}/")


def _kills_counted(stats: CgroupStats | None) -> int:
    return (stats.memory.oom_kills or 0) if stats is not None and stats.memory is not None else 0


def _entered_words(entered: Entered) -> str:
    if not entered.pid:
        return "exec'd in: gone before it could be looked at"
    by = "" if entered.uid is None else f", by uid {entered.uid}"
    return f"exec'd in: {' '.join(entered.command) or '?'} (pid {entered.pid}{by})"


def may_be_oom(before: Snapshot, after: Snapshot, exits: Mapping[int, Exit]) -> bool:
    """Whether a look into the kernel log may explain something: a counter rose, or SIGKILL ended an init."""
    if any(_kills_counted(after.stats.get(key)) > _kills_counted(stats) for key, stats in before.stats.items()):
        return True
    since = (unix_time(before.taken_at) or 0.0) - _SLACK
    return any(exit_.signal == 9 and exit_.at >= since for exit_ in exits.values()) or any(
        one.exit_code == 137 and (unix_time(one.finished_at) or 0.0) >= since for one in after.containers
    )
