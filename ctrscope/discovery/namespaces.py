"""Every namespace of the host: who is in it, who owns it, what keeps it alive.

A namespace is found through whatever holds it: a process, a single thread, an open descriptor, a bind mount in any mount
namespace, a socket, a namespace below it. Where the kernel lists them itself (listns(2), Linux 6.19) it has the last word.
"""

import errno
import os
from collections.abc import Mapping, Sequence
from typing import Literal

from ctrscope.discovery.namespace_census import Census, Relatives, id_of
from ctrscope.discovery.namespace_holders import walk_descriptors, walk_mounts, walk_processes, walk_threads
from ctrscope.model.container import Container
from ctrscope.model.gap import VANISHED, Gap, ParseError, Reading, Reason
from ctrscope.model.namespace import (
    Holder,
    HolderKind,
    IdMapLine,
    Leader,
    Namespace,
    NamespaceId,
    NamespaceSet,
    NamespaceType,
    TimeOffsets,
)
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes import nsfs
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_timens_offsets import read_time_offsets
from ctrscope.probes.proc_pid_uid_map import read_id_map
from ctrscope.probes.process_table import ProcessTable

#: Processes of one namespace that are listed as its holders; ``nprocs`` counts all of them.
MOST_PROCESSES = 100
_ORDER = {type_: number for number, type_ in enumerate(NamespaceType)}


def read_namespaces(
    hostfs: HostFs,
    snapshot: Snapshot,
    *,
    deep: bool = True,
    processes: ProcessTable | None = None,
    census: Census | None = None,
    most_processes: int = MOST_PROCESSES,
) -> Reading[tuple[Namespace, ...]]:
    """All of them, in the order of the types and of their inode numbers.

    *deep*: as of ``take_census``; a gap says what was not looked at.
    *processes*: of the same pass as the snapshot, whose facts need not be read again. *census*: one that was taken already.
    *most_processes* are listed as holders.
    """
    processes = processes or ProcessTable(hostfs)
    if census is None:
        census = Census(hostfs, processes.pids())
        take_census(census, deep=deep)
    below = _holders_below(census.relatives, snapshot.host.namespaces)
    join = _Join(census, processes, snapshot, most_processes)
    namespaces = [join.namespace(name, below) for name in census.found()]
    gaps = census.gaps()
    if not deep:
        gaps += (_NOT_DEEP,)
    return Reading(tuple(sorted(namespaces, key=lambda one: (_ORDER[one.type], one.ino))), gaps)


def take_census(census: Census, *, deep: bool) -> None:
    """Find every namespace, who holds it, and its relatives.

    *deep*: threads, descriptors and sockets are looked at too; without it, what only these hold is missing. What is held by
    a process, by a bind mount or by a namespace below it is found either way.
    *Cost:* eight links a process; one mountinfo a mount namespace; a few calls a namespace. Deep: every thread and descriptor.
    """
    walk_processes(census, for_children=deep)
    seen: set[str] = set()
    if deep:
        walk_threads(census)
    walk_mounts(census, seen)
    if deep:
        walk_descriptors(census)
        walk_mounts(census, seen)
    census.forget_strange_names()
    census.read_relatives()
    _read_list(census)


_NOT_DEEP = Gap(
    subject="host",
    fields=("held_by",),
    source="/proc/PID/task, /proc/PID/fd",
    reason=Reason.NOT_COLLECTED,
    needs="--deep",
    detail="threads, descriptors and sockets were not looked at",
)


def _read_list(census: Census) -> None:
    """Ask the kernel for those that nothing led to."""
    if census.hostfs.root != "/" or _is_before_listns(os.uname().release):
        return
    from ctrscope.probes import listns  # ctypes, which costs as much as a hundred namespaces

    try:
        listed = listns.list_namespaces()
    except OSError as error:
        if error.errno != errno.ENOSYS:
            census.refuse(error, ("namespaces",), "listns(2)")
        return
    known = census.found()
    for number in listed:
        try:
            with listns.opened(number) as handle:
                name = str(nsfs.identify(handle))
                if name not in known:
                    census.holders.setdefault(name, [])
                    census.climb(name, handle)
        except OSError as error:
            if error.errno != errno.ESTALE:  # gone meanwhile
                census.refuse(error, ("namespaces",), "open_by_handle_at(2)")


def _is_before_listns(release: str) -> bool:
    """Whether a kernel is older than Linux 6.19; one whose release is not a number is asked."""
    major, _, rest = release.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    return major.isdecimal() and minor.isdecimal() and (int(major), int(minor)) < (6, 19)


def _holders_below(relatives: Mapping[str, Relatives], host: NamespaceSet) -> dict[str, list[Holder]]:
    """For each namespace but the host's own those that keep it by being below it, or by being owned by it."""
    below: dict[str, list[Holder]] = {}
    for name in sorted(relatives):
        found = relatives[name]
        above = {f"user:[{found.owner}]"} if found.owner not in (None, host.user) else set()
        if found.parent is not None:
            above.add(f"{name.partition(':')[0]}:[{found.parent}]")
        for one in above:
            below.setdefault(one, []).append(Holder(kind=HolderKind.HIERARCHY, pid=None, path=name))
    return below


class _Join:
    """What is known of each namespace, put together."""

    def __init__(self, census: Census, processes: ProcessTable, snapshot: Snapshot, most_processes: int) -> None:
        self._census = census
        self._most_processes = most_processes
        self._processes = processes
        self._host: NamespaceSet = snapshot.host.namespaces
        self._containers: Sequence[Container] = snapshot.containers
        self._ids_of: dict[int, tuple[str, ...]] = {}  # by PID; a container inside another has its processes too
        for container in snapshot.containers:
            alone = (container.id,)
            for pid in container.pids:
                others = self._ids_of.get(pid, ())
                if container.id not in others:
                    self._ids_of[pid] = (*others, container.id) if others else alone
        self._leaders: dict[int, Leader | None] = {}

    def namespace(self, name: str, below: Mapping[str, Sequence[Holder]]) -> Namespace:
        """The record of one namespace."""
        id_ = id_of(name)
        pids = self._census.processes.get(name, [])
        is_initial = self._host.ino(id_.type) == id_.ino
        relatives = self._census.relatives.get(name, _UNKNOWN)
        held = [
            Holder(kind=HolderKind.PROCESS, pid=pid, path=f"/proc/{pid}/ns/{id_.type}")
            for pid in pids[: 1 if is_initial else self._most_processes]
        ]
        held += self._census.holders.get(name, ())
        if not is_initial:
            held += below.get(name, ())
        return Namespace(
            type=id_.type,
            ino=id_.ino,
            is_initial=is_initial,
            nprocs=len(pids) if pids or self._census.is_whole else None,
            leader=self._leader(pids),
            owner=relatives.owner,
            parent=relatives.parent,
            owner_uid=self._owner_uid(id_, relatives),
            containers=self._ids(pids),
            held_by=tuple(held),
            uid_map=self._map(pids, "uid_map") if id_.type is NamespaceType.USER else None,
            gid_map=self._map(pids, "gid_map") if id_.type is NamespaceType.USER else None,
            offsets=self._offsets(name, pids) if id_.type is NamespaceType.TIME else None,
        )

    def _leader(self, pids: Sequence[int]) -> Leader | None:
        for pid in pids:
            if pid not in self._leaders:
                stat = self._processes.stat(pid)
                self._leaders[pid] = None if stat is None else Leader(pid=pid, comm=stat.comm)
            if (leader := self._leaders[pid]) is not None:
                return leader
        return None

    def _owner_uid(self, id_: NamespaceId, relatives: Relatives) -> int | None:
        if id_.type is NamespaceType.USER:
            return relatives.owner_uid
        owner = self._census.relatives.get(f"user:[{relatives.owner}]")
        return None if owner is None else owner.owner_uid

    def _ids(self, pids: Sequence[int]) -> tuple[str, ...]:
        # Processes of one container share one tuple: of thousands a handful is left, and of most namespaces one.
        found = {ids for ids in set(map(self._ids_of.get, pids)) if ids}
        if len(found) < 2:
            return found.pop() if found else ()
        every = {id_ for ids in found for id_ in ids}
        return tuple(dict.fromkeys([container.id for container in self._containers if container.id in every]))

    def _map(self, pids: Sequence[int], file: Literal["uid_map", "gid_map"]) -> tuple[IdMapLine, ...] | None:
        for pid in pids:
            try:
                return read_id_map(self._census.hostfs, pid, file)
            except (OSError, ParseError) as error:
                self._census.refuse(error, (file,), f"/proc/PID/{file}")
                if not isinstance(error, OSError) or error.errno not in VANISHED:
                    return None
        self._census.refuse(_NOBODY, (file,), f"/proc/PID/{file}")
        return None

    def _offsets(self, name: str, pids: Sequence[int]) -> TimeOffsets | None:
        # The file is about the namespace of its children, which may be another one than its own.
        parents = [held.pid for held in self._census.holders.get(name, ()) if (held.path or "").endswith("/time_for_children")]
        for pid in (*pids, *parents):
            try:
                if pid is not None and self._census.hostfs.readlink(f"/proc/{pid}/ns/time_for_children") == name:
                    return read_time_offsets(self._census.hostfs, pid)
            except (OSError, ParseError) as error:
                self._census.refuse(error, ("offsets",), "/proc/PID/timens_offsets")
                if not isinstance(error, OSError) or error.errno not in VANISHED:
                    return None
        self._census.refuse(_NOBODY, ("offsets",), "/proc/PID/timens_offsets")
        return None


_UNKNOWN = Relatives()
_NOBODY = OSError(errno.ENODATA, "no process is in it that would tell")
