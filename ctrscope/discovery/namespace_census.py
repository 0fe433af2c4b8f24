"""The namespaces found so far, what holds each, and what its file tells about others.

Namespaces are called by the text of their links (``net:[4026532281]``) until the end: two thousand processes have sixteen
thousand links, and none of them needs to be taken apart to be counted.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec

from ctrscope.model.gap import VANISHED, Gap, ParseError, Reason, gap_of
from ctrscope.model.namespace import Holder, HolderKind, NamespaceId, NamespaceType
from ctrscope.model.value import Value
from ctrscope.probes import nsfs
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import read_mountinfo
from ctrscope.probes.proc_pid_ns import parse_namespace

_LAST_INO = 2**32 - 1  # unsigned int inum of include/linux/ns_common.h
_TYPES = {str(type_): type_ for type_ in NamespaceType}
#: File systems that a process or another host answers for.
_SERVED = frozenset({"fuse", "fuseblk", "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "autofs", "virtiofs", "glusterfs"})
_RELATIVES = ("owner", "parent", "owner_uid")
_PARENTED = ("pid", "user")
#: Processes that are tried when the first of a namespace has just ended.
_TRIES = 5


class Relatives(Value, frozen=True):
    """What the file of a namespace tells about others, by inode number."""

    owner: int | None = None
    parent: int | None = None  # of a PID or user namespace
    owner_uid: int | None = None  # of a user namespace


class Taken(Value, frozen=True):
    """A census as one process hands it to another."""

    processes: dict[str, list[int]]
    holders: dict[str, list[Holder]]
    relatives: dict[str, Relatives]
    is_whole: bool
    refusals: tuple[tuple[Gap, int], ...]


class Census:
    """Every namespace found so far."""

    def __init__(self, hostfs: HostFs, pids: list[int]) -> None:
        self.hostfs = hostfs
        self.pids = sorted(pids)
        self.own_pid = os.getpid()
        self.processes: dict[str, list[int]] = {}  # those in it, by PID
        self.holders: dict[str, list[Holder]] = {}  # whatever else holds it
        self.relatives: dict[str, Relatives] = {}
        self.is_whole = True  # every process could be looked at
        self._refusals: dict[tuple[str, Reason], tuple[Gap, int]] = {}
        self._is_copy = False  # /proc is a copy of one: no namespace can be opened

    def hand_over(self) -> Taken:
        """What was found, for ``take_over``."""
        return Taken(self.processes, self.holders, self.relatives, self.is_whole, tuple(self._refusals.values()))

    def take_over(self, taken: Taken) -> None:
        """Have found what another process did."""
        self.processes, self.holders, self.relatives, self.is_whole = (
            taken.processes, taken.holders, taken.relatives, taken.is_whole,
        )  # fmt: skip
        self._refusals = {(gap.source, gap.reason): (gap, count) for gap, count in taken.refusals}

    def found(self) -> set[str]:
        """Every namespace."""
        return {*self.processes, *self.holders, *self.relatives}

    def forget_strange_names(self) -> None:
        """Those that the kernel gives to no namespace: a copy of /proc may hold anything."""
        for found in (self.processes, self.holders):
            for namespace in tuple(found):
                try:
                    id_of(namespace)
                except ParseError as error:
                    self.refuse(error, ("namespaces",), "/proc/PID/ns")
                    del found[namespace]

    def hold(self, namespace: str, kind: HolderKind, pid: int | None, path: str, mnt: int | None = None) -> None:
        """Note one holder."""
        self.holders.setdefault(namespace, []).append(Holder(kind=kind, pid=pid, path=path, mnt=mnt))

    def refuse(self, error: OSError | ParseError, fields: tuple[str, ...], source: str, needs: str | None = None) -> None:
        """Note what could not be read; what went away meanwhile is nothing to note."""
        if isinstance(error, OSError) and error.errno in VANISHED:
            return
        gap = gap_of(error, "host", fields, source, needs)
        first, count = self._refusals.get((source, gap.reason), (gap, 0))
        self._refusals[source, gap.reason] = first, count + 1

    def gaps(self) -> tuple[Gap, ...]:
        """What could not be read, one gap for each source and reason."""
        return tuple(
            gap if count == 1 else msgspec.structs.replace(gap, detail=f"{count} times: {gap.detail}")
            for gap, count in self._refusals.values()
        )

    @contextmanager
    def opened(self, namespace: str) -> Iterator[int | None]:
        """Hold a namespace open through whatever holds it; None when all of that is gone or cannot be reached."""
        with ExitStack() as stack:
            yield None if self._is_copy else self._open(namespace, stack)

    def _open(self, namespace: str, stack: ExitStack) -> int | None:
        wanted = id_of(namespace)
        for viewer, path in self._paths(namespace, wanted.type):
            try:
                if viewer is not None and not answers(self.hostfs, viewer, path):
                    raise OSError(errno.EIO, "below a file system that may never answer", path)
                inside = self.hostfs if viewer is None else stack.enter_context(self.hostfs.inside(viewer))
                handle = stack.enter_context(inside.namespace(path))
            except OSError as error:
                if error.errno == errno.ENOTSUP:
                    self._is_copy = True
                    self.refuse(error, _RELATIVES, "/proc/PID/ns")
                    return None
                self.refuse(error, _RELATIVES, "ioctl_nsfs(2)", "CAP_SYS_PTRACE")
                continue
            # A process may be elsewhere by now, a descriptor another one, and a path in somebody's root lead anywhere.
            if os.fstat(handle).st_ino == wanted.ino:
                return handle
        return None

    def _paths(self, namespace: str, type_: NamespaceType) -> Iterator[tuple[int | None, str]]:
        """Where a namespace can be opened: as which process sees it (None: as we do), and the path."""
        for pid in self.processes.get(namespace, ())[:_TRIES]:
            yield None, f"/proc/{pid}/ns/{type_}"
        for holder in self.holders.get(namespace, ())[:_TRIES]:
            if holder.path is None or holder.kind in (HolderKind.SOCKET, HolderKind.HIERARCHY):
                continue
            if holder.kind is not HolderKind.BIND_MOUNT:
                yield None, holder.path
            elif holder.pid is not None:
                yield holder.pid, holder.path

    def read_relatives(self) -> None:
        """Ask each namespace for its owner and parent, and those for theirs: some are found no other way."""
        # In the order in which they were found: those of one process stand together, and so does what the kernel has of it.
        for namespace in (*self.processes, *self.holders):
            if namespace not in self.relatives and not self._climb_from_process(namespace):
                with self.opened(namespace) as handle:
                    if handle is not None:
                        self.climb(namespace, handle)

    def _climb_from_process(self, namespace: str) -> bool:
        """The usual case, at a third of the cost: the first process of a namespace is there and lets us."""
        pids = self.processes.get(namespace)
        if not pids or self._is_copy:
            return False
        type_, ino = namespace[:-1].split(":[")
        try:
            handle = self.hostfs.open_namespace(f"/proc/{pids[0]}/ns/{type_}")
        except OSError:
            return False  # the other way says why
        try:
            if os.fstat(handle).st_ino != int(ino):
                return False
            self.climb(namespace, handle)
            return True
        finally:
            os.close(handle)

    def climb(self, namespace: str, handle: int) -> None:
        """Note the relatives of a namespace that is open, and theirs."""
        type_ = namespace.partition(":")[0]
        parent = uid = None
        try:
            if type_ in _PARENTED:
                parent = self._above(type_, nsfs.open_parent(handle))
            if type_ == "user":
                owner, uid = parent, nsfs.read_owner_uid(handle)  # the owner of a user namespace is its parent
            else:
                owner = self._above("user", nsfs.open_owner(handle))
        except OSError as error:
            self.refuse(error, _RELATIVES, "ioctl_nsfs(2)")
            return
        self.relatives[namespace] = Relatives(owner, parent, uid)

    def _above(self, type_: str, handle: int | None) -> int | None:
        """Inode number of a namespace that was reached from below; closes it."""
        if handle is None:
            return None
        try:
            ino = os.fstat(handle).st_ino
            if (namespace := f"{type_}:[{ino}]") not in self.relatives:
                self.climb(namespace, handle)
            return ino
        finally:
            os.close(handle)


def answers(hostfs: HostFs, viewer: int, path: str) -> bool:
    """Whether all file systems on the way to a mount point are the kernel's own.

    Somebody's FUSE server, or a file server that is gone, could let us wait for ever.
    """
    try:
        mounts = {mount.mount_id: mount for mount in read_mountinfo(hostfs, viewer)}
        device = hostfs.stat("/").st_dev  # what the host itself runs from does answer
    except (OSError, ParseError):
        return False
    mount = next((one for one in mounts.values() if one.mount_point == path), None)
    passed: set[int] = set()
    while mount is not None and mount.mount_id not in passed:
        if mount.fs_type.partition(".")[0] in _SERVED and mount.device != f"{os.major(device)}:{os.minor(device)}":
            return False
        passed.add(mount.mount_id)
        mount = mounts.get(mount.parent_id)
    return bool(passed)


def id_of(namespace: str) -> NamespaceId:
    """Type and inode number of ``net:[4026532281]``. Errors: ParseError."""
    type_, ino = _TYPES.get(namespace[: namespace.find(":")]), parse_namespace(namespace)
    if type_ is None or ino > _LAST_INO:
        raise ParseError(f"not a namespace: {namespace!r}")
    return NamespaceId(type_, ino)
