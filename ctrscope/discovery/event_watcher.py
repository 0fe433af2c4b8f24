"""What happened since the last sample: two snapshots, what was noticed in between, and the kernel log where it explains it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from ctrscope.discovery.events import events_between, may_be_oom
from ctrscope.discovery.noticed import Entered, Noticed, Seen
from ctrscope.model.container import Container, EngineName
from ctrscope.model.event import Event, EventKind
from ctrscope.model.gap import Gap, ParseError
from ctrscope.model.observed import OomKill
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.timestamp import unix_time
from ctrscope.probes.host import read_boot_time
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.kmsg import read_oom_kills
from ctrscope.probes.proc_pid_stat import read_stat
from ctrscope.probes.proc_pid_status import read_status
from ctrscope.probes.process_table import parse_cmdline

if TYPE_CHECKING:
    from ctrscope.discovery.noticing import Noticer

#: Samples for which a process that came into a container waits for that container to be found.
_PATIENCE = 5
#: Processes that came in while nobody listened, looked at in one sample; and those that were told of already.
_MOST_LOOKS, _MOST_TOLD = 100, 4096
#: Seconds for which what is isolated, and nobody's, may still be a container that its engine has not written down yet.
_IN_THE_MAKING = 2.0


class EventWatcher:
    """Asked once a sample, after the look that ``notice`` went before. *noticer*: None where only snapshots tell."""

    def __init__(self, hostfs: HostFs, noticer: "Noticer | None" = None) -> None:
        self._hostfs, self._noticer = hostfs, noticer
        self._noticed = Noticed()
        self._pending: dict[str, Seen] = {}  # by id: they run, and no whole look has found them yet
        self._early: list[tuple[Entered, int]] = []  # into containers that were not found yet, and samples waited for
        self._kills_until = 0.0  # Unix time of the last kill that was told
        self._entered: dict[int, None] = {}  # PIDs that were told
        self._doubtful: list[Event] = []  # isolated by hand, or in the making
        self._boot_time = read_boot_time(hostfs)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What cannot be noticed here."""
        return self._noticer.gaps if self._noticer is not None else ()

    def notice(self) -> Noticed:
        """Take what was noticed so far: what is taken before a look is about nothing later than the snapshot."""
        noticed = self._noticer.take() if self._noticer is not None else Noticed()
        self._noticed = msgspec.structs.replace(noticed, whole=noticed.whole or bool(self._doubtful))
        return self._noticed

    def poll(self, before: Snapshot | None, after: Snapshot) -> tuple[Event, ...]:
        """Everything that happened between two snapshots."""
        is_whole = before is None or before.engines is not after.engines  # the whole host was looked at
        if is_whole:
            self._watch(after)
        if before is None:
            self._kills_until = unix_time(after.taken_at) or 0.0
            return ()
        noticed = self._noticed
        if self._noticer is not None:
            noticed = msgspec.structs.replace(noticed, exits=self._noticer.exits(_ended(before, after)))
        noticed = self._settled(before, after, noticed)
        kills = self._read_kills() if may_be_oom(before, after, noticed.exits) else ()
        return (*self._settle_doubts(after, is_whole), *self._told(events_between(before, after, noticed, kills), after))

    def _told(self, events: Sequence[Event], after: Snapshot) -> Iterator[Event]:
        """What is certain; what is isolated only since a moment ago waits."""
        for event in events:
            is_isolated = event.kind is EventKind.NAMESPACE and event.container is not None
            if is_isolated and _age(event, after) < _IN_THE_MAKING:
                self._doubtful.append(event)
            else:
                yield event

    def _settle_doubts(self, after: Snapshot, is_whole: bool) -> Sequence[Event]:
        """Those that no engine has claimed meanwhile."""
        if not is_whole:
            return ()
        claimed = {one.pid for one in after.containers if one.engine is not EngineName.UNCLAIMED}
        there = {one.key for one in after.containers}
        doubtful = [event for event in self._doubtful if event.pid not in claimed]
        told = [event for event in doubtful if event.container not in there or _age(event, after) >= _IN_THE_MAKING]
        self._doubtful = [event for event in doubtful if event not in told]
        return told

    def _watch(self, snapshot: Snapshot) -> None:
        if self._noticer is not None:
            self._noticer.watch(snapshot)

    def _settled(self, before: Snapshot, after: Snapshot, noticed: Noticed) -> Noticed:
        """Containers that were seen and are in no snapshot wait until it is clear that they are gone."""
        self._pending |= {seen.id: seen for seen in noticed.seen}
        ids = {one.id for one in (*before.containers, *after.containers)}
        settled = []
        for seen in tuple(self._pending.values()):
            has_ended = (found := noticed.exits.get(seen.pid)) is not None and found.at >= seen.at - 1
            if seen.id in ids or has_ended or not self._is_alive(seen.pid):
                settled.append(self._pending.pop(seen.id))
        keys = {one.key for one in (*before.containers, *after.containers)} | {seen.key for seen in settled}
        waiting = [*self._early, *((one, 0) for one in (*noticed.entered, *self._new_members(before, after)))]
        waiting = [(one, waited) for one, waited in waiting if not one.pid or one.pid not in self._entered]
        entered = [one for one, _ in waiting if one.container in keys]
        self._early = [(one, waited + 1) for one, waited in waiting if one.container not in keys and waited < _PATIENCE]
        self._entered |= dict.fromkeys(one.pid for one in entered if one.pid)
        while len(self._entered) > _MOST_TOLD:
            del self._entered[next(iter(self._entered))]
        return msgspec.structs.replace(noticed, seen=tuple(settled), entered=tuple(entered))

    def _is_alive(self, pid: int) -> bool:
        try:
            return not read_stat(self._hostfs, pid).has_ended
        except (OSError, ParseError):
            return False

    def _new_members(self, before: Snapshot, after: Snapshot) -> list[Entered]:
        """Processes of a container that were not there before and whose parent is none of it: the way without the connector."""
        earlier = {one.key: one for one in before.containers}
        found: list[Entered] = []
        looks = 0
        for container in after.containers:
            old = earlier.get(container.key)
            if old is None or old.pid != container.pid or old.pids is container.pids or container.pid is None:
                continue
            for pid in set(container.pids).difference(old.pids):
                looks += 1
                if looks > _MOST_LOOKS:
                    return found
                if (entered := self._entrant(container, pid, after)) is not None:
                    found.append(entered)
        return found

    def _entrant(self, container: Container, pid: int, after: Snapshot) -> Entered | None:
        try:
            stat = read_stat(self._hostfs, pid)
            status = read_status(self._hostfs, pid)
            command = parse_cmdline(self._hostfs.read(f"/proc/{pid}/cmdline"))
        except (OSError, ParseError):
            return None
        members = {*container.pids, container.pid}
        if stat.ppid in members or stat.has_ended or (len(status.nspid) > 1 and status.nspid[-1] == 1):
            return None
        # A parent that is in the container and was forked since the snapshot.
        try:
            if read_stat(self._hostfs, stat.ppid).ppid in members:
                return None
        except (OSError, ParseError):
            return None
        at = None if self._boot_time is None else self._boot_time + stat.starttime_ticks / after.host.clock_ticks
        return Entered(
            at=at or unix_time(after.taken_at) or 0.0, container=container.key, pid=pid, uid=status.uid, command=command
        )

    def _read_kills(self) -> tuple[OomKill, ...]:
        """Kills that were not told yet."""
        kills = [
            kill
            for kill in read_oom_kills(self._hostfs, self._boot_time).value or ()
            if (unix_time(kill.at) or 0.0) > self._kills_until
        ]
        if kills:
            self._kills_until = max(unix_time(kill.at) or 0.0 for kill in kills)
        return tuple(kills)


def _age(event: Event, after: Snapshot) -> float:
    return (unix_time(after.taken_at) or 0.0) - (unix_time(event.time) or 0.0)


def _ended(before: Snapshot, after: Snapshot) -> set[int]:
    """Inits and supervisors that were there before and are no longer."""
    return _keepers(before) - _keepers(after)


def _keepers(snapshot: Snapshot) -> set[int]:
    inits = {one.pid for one in snapshot.containers if one.pid is not None}
    monitors = {one.monitor.pid for one in snapshot.containers if one.monitor is not None and one.monitor.alive}
    return inits | {pid for pid in monitors if pid is not None}
