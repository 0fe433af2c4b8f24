"""Notices what happens between two looks at the host, so that nothing short is missed.

A thread sleeps until the kernel tells of something: inotify of the engines' state directories and of the containers'
cgroups, the process connector of programs executed and processes ended. It looks at once at what may be gone a moment later,
a state file or /proc/PID, and puts it down for the next sample. It reads, and changes nothing.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping

import msgspec

from ctrscope.discovery.noticed import Entered, Flip, Named, Noticed, Seen
from ctrscope.discovery.watch_places import Kind, Place, find_places
from ctrscope.engines.claims import parse_claims
from ctrscope.engines.docker_config import parse_config
from ctrscope.engines.oci_state import OciState, read_oci_state
from ctrscope.model.container import EngineName
from ctrscope.model.event import Exit
from ctrscope.model.gap import VANISHED, Gap, ParseError, Reason, gap_of
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroupfs import read_frozen, read_layout
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.inotify import CLOSE_WRITE, CREATE, DELETE, IGNORED, IS_DIR, MODIFY, MOVED_TO, OVERFLOW, Change, Inotify
from ctrscope.probes.proc_connector import Ended, Executed, ProcConnector
from ctrscope.probes.proc_pid_cgroup import parse_cgroup, read_cgroup
from ctrscope.probes.proc_pid_stat import parse_stat
from ctrscope.probes.proc_pid_status import parse_status
from ctrscope.probes.process_table import parse_cmdline

#: Directories watched at most: what an ordinary user may have is often 8192, for everything.
_MOST_WATCHES = 4096
#: Facts of one kind that wait for the next sample, and exits that are remembered.
_MOST_FACTS, _MOST_EXITS = 2000, 8192
#: Programs a second that are looked at; a host that starts more loses those that came from outside, and says so.
_MOST_LOOKS = 500
_STATE_FILES = ("state.json", "status")
_DOCKER_FILE = "config.v2.json"
_FREEZER_FILES = ("freezer.state", "cgroup.events")
_LIMIT_FILES = frozenset(
    {
        "memory.max",
        "memory.swap.max",
        "cpu.max",
        "pids.max",
        "memory.limit_in_bytes",
        "memory.memsw.limit_in_bytes",
        "cpu.cfs_quota_us",
        "cpu.cfs_period_us",
    }
)
#: Seconds for which a process that was put into a cgroup may take until it executes something.
_KNOCK = 1.0
#: And for which the news of an end may be late.
_EXIT_PATIENCE = 0.1
_INSTANCES = "a larger fs.inotify.max_user_instances"
#: What of a directory is watched.
_MASKS = {
    Kind.STATES: CREATE | MOVED_TO | DELETE,
    Kind.STATE: MOVED_TO | CLOSE_WRITE,
    Kind.DOCKER: CREATE | DELETE,
    Kind.DOCKER_ONE: MOVED_TO | CLOSE_WRITE,
    Kind.CGROUP: MODIFY,
    Kind.CGROUPS: CREATE | DELETE,
    Kind.NETNS: CREATE | DELETE,
    Kind.OTHER: CREATE | DELETE | MOVED_TO,
}


class Noticer(threading.Thread):
    """Started with ``start``, told of each whole look with ``watch``, asked with ``take``, ended with ``close``.

    *gaps*: what cannot be noticed here, and what it would take.
    """

    def __init__(self, hostfs: HostFs) -> None:
        super().__init__(name="noticer", daemon=True)
        self._hostfs = hostfs
        self._layout = read_layout(hostfs)
        self._gaps: dict[str, Gap] = {}
        self._inotify = self._opened_inotify()
        self._connector = self._opened_connector()
        self._closing = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self._places: dict[int, Place] = {}  # by watch
        self._watches: dict[str, int] = {}  # by path
        self._cgroups: dict[str, str] = {}  # path → key of the container whose own it is
        self._keepers: frozenset[int] = frozenset()  # PIDs of inits and supervisors
        self._seen: dict[str, Seen] = {}  # by id
        self._inits: dict[str, int] = {}  # id of what was seen lately → PID of its init
        self._flips: deque[Flip] = deque(maxlen=_MOST_FACTS)
        self._entered: dict[int, Entered] = {}  # by PID
        self._knocks: dict[str, float] = {}  # key → Unix time at which somebody put a process into its cgroup
        self._named: deque[Named] = deque(maxlen=_MOST_FACTS)
        self._names: dict[str, str] = {}
        self._exits: dict[int, Exit] = {}
        self._whole = self._limits = False
        self._second, self._looks = 0, 0

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What is not noticed."""
        return tuple(self._gaps.values())

    def watch(self, snapshot: Snapshot) -> None:
        """Watch what the snapshot shows that there is, and nothing else."""
        containers = [one for one in snapshot.containers if one.is_running]
        self._cgroups = {one.cgroup.path: one.key for one in containers if one.cgroup is not None and one.has_own_cgroup}
        monitors = (one.monitor.pid for one in containers if one.monitor is not None)
        self._keepers = frozenset(pid for pid in (*(one.pid for one in containers), *monitors) if pid is not None)
        if self._inotify is None:
            return
        wanted = {place.path: place for place in find_places(self._hostfs, snapshot, self._layout)}
        with self._lock:
            for path in [path for path in self._watches if path not in wanted]:
                if self._places[self._watches[path]].kind not in (Kind.STATE, Kind.DOCKER_ONE):
                    self._unwatch(path)
            for place in wanted.values():
                self._add(place)

    def take(self) -> Noticed:
        """What was noticed since the last time."""
        with self._lock:
            self._hear_knocks()
            noticed = Noticed(
                seen=tuple(self._seen.values()),
                flips=tuple(self._flips),
                entered=tuple(self._entered.values()),
                named=tuple(self._named),
                names=dict(self._names),
                whole=self._whole,
                limits=self._limits,
            )
            self._seen.clear()
            self._flips.clear()
            self._entered.clear()
            self._named.clear()
            while len(self._names) > _MOST_FACTS:
                del self._names[next(iter(self._names))]
            self._whole = self._limits = False
        return noticed

    def exits(self, pids: Collection[int]) -> dict[int, Exit]:
        """How processes ended. *pids* are gone: the kernel tells of an end after /proc shows it, and is given time."""
        deadline = time.monotonic() + (_EXIT_PATIENCE if self._connector is not None else 0)
        while True:
            with self._lock:
                if all(pid in self._exits for pid in pids) or time.monotonic() >= deadline:
                    return dict(self._exits)
            time.sleep(0.002)

    def close(self) -> None:
        """End the thread and close everything."""
        os.eventfd_write(self._closing, 1)
        if self.ident is not None:
            self.join()
        for source in (self._inotify, self._connector):
            if source is not None:
                source.close()
        os.close(self._closing)

    def run(self) -> None:
        """Sleep until something happens; until closed."""
        poller = select.poll()
        poller.register(self._closing, select.POLLIN)
        for source in (self._connector, self._inotify):
            if source is not None:
                poller.register(source, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poller.poll()}
            if self._closing in ready:
                return
            # States first: an init that ends is then known by its number.
            if self._inotify is not None and self._inotify.fileno() in ready:
                self._handle_changes(self._inotify)
            if self._connector is not None and self._connector.fileno() in ready:
                self._handle_processes(self._connector)

    # Sources

    def _opened_inotify(self) -> Inotify | None:
        try:
            return Inotify()
        except OSError as error:
            # EMFILE: max_user_instances.
            self._gaps["inotify"] = gap_of(error, "host", ("events",), "inotify_init1(2)", _INSTANCES)
            return None

    def _opened_connector(self) -> ProcConnector | None:
        source, fields = "process connector", ("events.exit_status", "events.exec")
        if self._hostfs.root != "/":
            detail = "it tells of the running host, not of another root"
            gap = Gap(subject="host", fields=fields, source=source, reason=Reason.UNSUPPORTED, detail=detail)
            self._gaps["connector"] = gap
            return None
        try:
            return ProcConnector()
        except OSError as error:
            self._gaps["connector"] = gap_of(error, "host", fields, source, "CAP_NET_ADMIN")
            return None

    # Directories

    def _add(self, place: Place) -> bool:
        if place.path in self._watches or self._inotify is None:
            return False
        if len(self._watches) >= _MOST_WATCHES:
            detail = f"more than {_MOST_WATCHES} directories"
            self._gaps["most"] = Gap(
                subject="host", fields=("events",), source="inotify", reason=Reason.TRUNCATED, detail=detail
            )
            return False
        try:
            watch = self._inotify.add(self._hostfs, place.path, _MASKS[place.kind])
        except OSError as error:
            if error.errno not in VANISHED:
                needs = "a larger fs.inotify.max_user_watches" if not isinstance(error, PermissionError) else None
                self._gaps[place.path] = gap_of(error, "host", ("events",), place.path, needs)
            return False
        if (before := self._places.get(watch)) is not None:  # two paths to one directory
            self._watches.pop(before.path, None)
        self._watches[place.path], self._places[watch] = watch, place
        return True

    def _unwatch(self, path: str) -> None:
        watch = self._watches.pop(path)
        self._places.pop(watch, None)
        if self._inotify is not None:
            self._inotify.remove(watch)

    def _handle_changes(self, inotify: Inotify) -> None:
        for change in inotify.read():
            with self._lock:
                if change.mask & OVERFLOW:
                    self._whole = self._limits = True
                place = self._places.get(change.watch)
                if place is not None and change.mask & IGNORED:
                    self._watches.pop(self._places.pop(change.watch).path, None)
                elif place is not None:
                    self._handle_change(place, change)

    def _handle_change(self, place: Place, change: Change) -> None:
        path = f"{place.path}/{change.name}"
        if place.kind is Kind.CGROUP:
            self._handle_cgroup(place, change.name)
            return
        if place.kind is Kind.NETNS:
            self._named.append(Named(at=time.time(), path=path, is_new=bool(change.mask & CREATE)))
        elif place.kind is Kind.STATE and change.name in _STATE_FILES:
            self._read_state(place)
        elif place.kind is Kind.DOCKER_ONE and change.name == _DOCKER_FILE:
            self._read_name(place)
        elif place.kind in (Kind.STATES, Kind.DOCKER) and change.mask & CREATE and change.mask & IS_DIR:
            inner = place.entry(change.name)
            if self._add(inner):
                # It may have been written before it was watched.
                (self._read_state if inner.kind is Kind.STATE else self._read_name)(inner)
        self._whole = True

    def _handle_cgroup(self, place: Place, name: str) -> None:
        if name in _LIMIT_FILES:
            self._limits = True
        elif name == "cgroup.procs" and place.key:
            self._knocks.setdefault(place.key, time.time())
            self._whole = self._whole or self._connector is None  # else it is told who came in
        elif name in _FREEZER_FILES and place.cgroup is not None and self._layout is not None and place.key:
            frozen = read_frozen(self._hostfs, self._layout, place.cgroup)
            if frozen is not None:
                self._flips.append(Flip(at=time.time(), container=place.key, frozen=frozen))

    def _hear_knocks(self) -> None:
        """Who was put into a cgroup and is gone before it could be looked at has come in all the same."""
        for key, at in list(self._knocks.items()):
            if any(one.container == key and abs(one.at - at) < _KNOCK for one in self._entered.values()):
                del self._knocks[key]
            elif time.time() - at > _KNOCK:
                del self._knocks[key]
                self._entered[-len(self._entered) - 1] = Entered(at=at, container=key, pid=0, uid=None, command=())

    def _read_state(self, place: Place) -> None:
        try:
            state = read_oci_state(self._hostfs, place.path, owner=place.owner_uid or None)
        except (OSError, ParseError):
            return  # the next whole look says what is wrong with it
        if state is None or state.pid is None:
            return
        self._see(
            Seen(
                at=time.time(),
                engine=_engine_of(place, state),
                engine_namespace=place.namespace,
                id=state.id,
                pid=state.pid,
                owner_uid=place.owner_uid,
            )
        )
        self._unwatch(place.path)

    def _read_name(self, place: Place) -> None:
        try:
            source = f"{place.path}/{_DOCKER_FILE}"
            config = parse_config(self._hostfs.read(source, owner=place.owner_uid or None), source)
        except (OSError, ParseError):
            return
        if config.name:
            self._names[config.id] = config.name.removeprefix("/")
            self._unwatch(place.path)

    # Processes

    def _handle_processes(self, connector: ProcConnector) -> None:
        offset = time.time() - time.monotonic()
        for event in connector.read():
            if isinstance(event, Ended):
                self._handle_end(event, event.at_ns / 1e9 + offset)
            else:
                self._handle_program(event, event.at_ns / 1e9 + offset)
        if connector.lost:
            self._whole, connector.lost = True, False

    def _handle_end(self, event: Ended, at: float) -> None:
        with self._lock:
            self._exits.pop(event.pid, None)
            self._exits[event.pid] = Exit(at=at, code=event.status >> 8 & 0xFF, signal=event.status & 0x7F)
            if len(self._exits) > _MOST_EXITS:
                del self._exits[next(iter(self._exits))]
            if event.pid in self._keepers:
                self._whole = True

    def _handle_program(self, event: Executed, at: float) -> None:
        second = int(at)
        if second != self._second:
            self._second, self._looks = second, 0
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            detail = f"more than {_MOST_LOOKS} programs a second were started at some time"
            self._gaps["looks"] = Gap(
                subject="host", fields=("events.exec",), source="process connector", reason=Reason.TRUNCATED, detail=detail
            )
            return
        try:
            self._look_at(event.pid, at)
        except (OSError, ParseError):
            return  # gone already

    def _look_at(self, pid: int, at: float) -> None:
        with self._hostfs.process(pid) as process:
            path = self._path_of(parse_cgroup(process.read("cgroup")))
            key = self._container_at(path)
            claim = next(iter(parse_claims(path)), None) if key is None else None
            if pid in self._keepers or (key is None and (claim is None or claim.role != "payload")):
                return
            stat, status = parse_stat(process.read("stat")), parse_status(process.read("status"))
            command = parse_cmdline(process.read("cmdline")) or (stat.comm,)
            if _is_runtime(stat.comm, command):
                return
        if claim is not None:
            seen = Seen(
                at=at,
                engine=claim.engine,
                engine_namespace=claim.engine_namespace,
                id=claim.id,
                pid=pid,
                owner_uid=claim.owner_uid,
                command=command,
            )
            with self._lock:
                self._whole = True
                if self._inits.get(seen.id, pid) == pid or self._inits[seen.id] in self._exits:
                    self._see(seen)
                    return
            key = seen.key  # a container that no look has found yet, and whose init is another process
        assert key is not None
        is_init = len(status.nspid) > 1 and status.nspid[-1] == 1
        if is_init or self._is_beside(stat.ppid, path):
            return
        with self._lock:
            if len(self._entered) < _MOST_FACTS:
                self._entered[pid] = Entered(at=at, container=key, pid=pid, uid=status.uid, command=command)

    def _is_beside(self, pid: int, path: str) -> bool:
        """Whether a process is in the same container as whoever is in the cgroup *path*."""
        other = self._path_of(read_cgroup(self._hostfs, pid))
        key = self._container_at(path)
        return other == path if key is None else self._container_at(other) == key

    def _see(self, seen: Seen) -> None:
        before = self._seen.get(seen.id)
        if before is not None:
            seen = msgspec.structs.replace(seen, at=before.at, command=seen.command or before.command)
        self._seen[seen.id] = seen
        self._inits.pop(seen.id, None)
        self._inits[seen.id] = seen.pid
        if len(self._inits) > _MOST_FACTS:
            del self._inits[next(iter(self._inits))]

    def _path_of(self, paths: Mapping[str, str]) -> str:
        return self._layout.membership(paths).path if self._layout is not None else "/"

    def _container_at(self, path: str) -> str | None:
        return next((self._cgroups[above] for above in _upwards(path) if above in self._cgroups), None)


def _upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def _is_runtime(comm: str, command: tuple[str, ...]) -> bool:
    """Whether it is a runtime on its way into the container, which executes itself once before it executes the program."""
    return command[-1:] == ("init",) and (comm.startswith("runc") or comm in ("exe", "6", "memfd:runc_clon"))


def _engine_of(place: Place, state: OciState) -> EngineName:
    """Podman and CRI-O leave the state of their containers to a runtime: theirs have their bundle in containers' storage."""
    if "-containers/" not in (state.bundle or ""):
        return place.engine or EngineName.RUNC
    is_crio = any(name.startswith("io.kubernetes.cri-o.") for name in state.annotations)
    return EngineName.CRI_O if is_crio else EngineName.PODMAN
