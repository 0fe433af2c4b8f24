"""Where namespaces hide: processes, single threads, bind mounts in any mount namespace, descriptors, sockets.

*Source:* namespaces(7), proc_pid_ns(5), proc_pid_task(5), proc_pid_mountinfo(5), proc_pid_fd(5).
"""

import errno
from collections.abc import Iterator, Sequence

from ctrscope.discovery.namespace_census import Census, id_of
from ctrscope.model.gap import VANISHED, ParseError
from ctrscope.model.namespace import HolderKind, NamespaceType
from ctrscope.probes import nsfs
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import parse_mountinfo

_NAMES = tuple(str(type_) for type_ in NamespaceType)
#: Links of /proc/PID/ns, and which of _NAMES says where the process itself is.
_FOR_CHILDREN = (("pid_for_children", _NAMES.index("pid")), ("time_for_children", _NAMES.index("time")))
_ALL_NAMES = (*_NAMES, *(name for name, _ in _FOR_CHILDREN))
_ONE_THREAD = 3
_PREFIXES = tuple(f"{name}:[" for name in _NAMES)
_SOCKET = "socket:["
_NSFS, _OF_NSFS = b" - nsfs ", b" nsfs "  # in mountinfo and in mounts
_PTRACE = "CAP_SYS_PTRACE"


def walk_processes(census: Census, *, for_children: bool) -> None:
    """Count the processes in each namespace; *for_children* also notes those that only children of a process will be in."""
    processes, readlinks = census.processes, census.hostfs.readlinks
    names = _ALL_NAMES if for_children else _NAMES
    together: dict[tuple[str | None, ...], list[int]] = {}  # most are where others are, in all eight
    for pid in census.pids:
        try:
            links = readlinks(f"/proc/{pid}/ns", names=names)
        except OSError as error:
            census.refuse(error, ("namespaces",), "/proc/PID/ns", _PTRACE)
            # The namespaces of PID 1 are the host's own, whether or not it may be asked.
            census.is_whole = census.is_whole and (pid == 1 or error.errno in VANISHED)
            continue
        if for_children:
            _hold_for_children(census, pid, f"/proc/{pid}/ns", links, HolderKind.PROCESS)
            del links[len(_NAMES) :]
        together.setdefault(tuple(links), []).append(pid)
    for namespaces, pids in together.items():
        for namespace in namespaces:
            if namespace is not None:
                processes.setdefault(namespace, []).extend(pids)
    for pids in processes.values():
        pids.sort()


def walk_threads(census: Census) -> None:
    """Look for threads that are elsewhere than the main one of their process."""
    for pid in census.pids:
        directory = f"/proc/{pid}/task"
        try:
            # A link for each thread, besides the two of every directory: listing costs three times as much.
            if census.hostfs.stat(directory).st_nlink == _ONE_THREAD:
                continue
            main = census.hostfs.readlinks(f"/proc/{pid}/ns", names=_NAMES)
            for tid in census.hostfs.names(directory):
                if tid == str(pid) or not tid.isdecimal():
                    continue
                own = f"{directory}/{tid}/ns"
                links = census.hostfs.readlinks(own, names=_ALL_NAMES)
                for name, link, mains in zip(_NAMES, links[: len(_NAMES)], main, strict=True):
                    if link is not None and link != mains:
                        census.hold(link, HolderKind.THREAD, pid, f"{own}/{name}")
                _hold_for_children(census, pid, own, links, HolderKind.THREAD)
        except OSError as error:
            census.refuse(error, ("held_by",), "/proc/PID/task", _PTRACE)


def _hold_for_children(census: Census, pid: int, directory: str, links: Sequence[str | None], kind: HolderKind) -> None:
    for (name, own), link in zip(_FOR_CHILDREN, links[len(_NAMES) :], strict=True):
        if link is not None and link != links[own]:
            census.hold(link, kind, pid, f"{directory}/{name}")


def walk_mounts(census: Census, seen: set[str]) -> None:
    """Look for bind mounts in every mount namespace not in *seen*, also in those that are found that way; adds to *seen*.

    The paths are as those see them who are in that mount namespace.
    """
    while waiting := [found for found in census.found() if found.startswith("mnt:[") and found not in seen]:
        seen.update(waiting)
        for namespace in waiting:
            _walk_mounts_of(census, namespace)


def _walk_mounts_of(census: Census, namespace: str) -> None:
    try:
        mnt = id_of(namespace).ino
    except ParseError:
        return  # Census.identify says so
    for viewer in _viewers(census, namespace):
        if not _may_have_some(census.hostfs, viewer):
            return
        try:
            text = census.hostfs.read(f"/proc/{viewer}/mountinfo")
            for mount in parse_mountinfo(b"\n".join(line for line in text.split(b"\n") if _NSFS in line)):
                if mount.root.startswith(_PREFIXES):
                    census.hold(mount.root, HolderKind.BIND_MOUNT, viewer, mount.mount_point, mnt)
            return
        except (OSError, ParseError) as error:
            # EINVAL: it has become a zombie.
            if not isinstance(error, OSError) or error.errno not in (*VANISHED, errno.EINVAL):
                census.refuse(error, ("held_by",), "/proc/PID/mountinfo", _PTRACE)
    _list_mounts_of(census, namespace, mnt)


def _may_have_some(hostfs: HostFs, viewer: int) -> bool:
    """Whether bind mounts of namespaces are worth looking for: /proc/PID/mounts is half the work of mountinfo.

    What cannot be read may, so that mountinfo says why; a copy of /proc may lack it.
    """
    try:
        return _OF_NSFS in hostfs.read(f"/proc/{viewer}/mounts")
    except OSError:
        return True


def _viewers(census: Census, namespace: str) -> Iterator[int]:
    """Processes in a mount namespace, and threads by their own number: /proc/TID is there, although not listed."""
    yield from census.processes.get(namespace, ())
    for holder in census.holders.get(namespace, ()):
        if holder.kind is HolderKind.THREAD and holder.path is not None:
            yield int(holder.path.split("/")[4])


def _list_mounts_of(census: Census, namespace: str, mnt: int) -> None:
    """Of a mount namespace that nobody is in, so that nobody has a mountinfo of it."""
    from ctrscope.probes.listmount import list_nsfs_mounts  # ctypes

    try:
        with census.opened(namespace) as handle:
            for mount in list_nsfs_mounts(handle) if handle is not None else ():
                census.hold(mount.root, HolderKind.BIND_MOUNT, None, mount.mount_point, mnt)
    except OSError as error:
        census.refuse(error, ("held_by",), "listmount(2)", "CAP_SYS_ADMIN, Linux 6.11")


def walk_descriptors(census: Census) -> None:
    """Look for namespaces among the open descriptors of every process, and for sockets of other network namespaces."""
    points = {one.path for held in census.holders.values() for one in held if one.kind is HolderKind.BIND_MOUNT}
    network = {pid: link for link, pids in census.processes.items() if link.startswith("net:[") for pid in pids}
    listed: dict[str, frozenset[int]] = {}
    for pid in census.pids:
        directory = f"/proc/{pid}/fd"
        if pid == census.own_pid:
            continue
        try:
            numbers = census.hostfs.names(directory)
            targets = census.hostfs.readlinks(directory, names=numbers)
        except OSError as error:
            census.refuse(error, ("held_by",), "/proc/PID/fd", _PTRACE)
            continue
        sockets = []
        for number, target in zip(numbers, targets, strict=True):
            if target is None or not number.isdecimal():
                continue
            if target.startswith(_SOCKET) and target[len(_SOCKET) : -1].isdecimal():
                sockets.append((int(number), int(target[len(_SOCKET) : -1])))
            elif target.startswith(_PREFIXES):
                census.hold(target, HolderKind.FD, pid, f"{directory}/{number}")
            elif target in points or target == "/":
                # Opened by the path of a bind mount, it is called by that path; once that is unmounted, "/".
                _hold_opened(census, pid, f"{directory}/{number}")
        if sockets:
            _hold_sockets(census, pid, sockets, network.get(pid, ""), listed)


def _hold_opened(census: Census, pid: int, path: str) -> None:
    try:
        with census.hostfs.namespace(path) as handle:
            census.hold(str(nsfs.identify(handle)), HolderKind.FD, pid, path)
    except OSError as error:
        # EINVAL: it is an ordinary file. ENOTSUP: /proc is a copy, which tells no more than the text.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            census.refuse(error, ("held_by",), "/proc/PID/fd", _PTRACE)


def _hold_sockets(
    census: Census, pid: int, sockets: Sequence[tuple[int, int]], network: str, listed: dict[str, frozenset[int]]
) -> None:
    """Ask the sockets that the network namespace of the process does not list whose they are."""
    if census.hostfs.root != "/":
        return  # its PIDs are not ours to ask
    from ctrscope.probes.netns_of_socket import read_listed, sockets_of  # ctypes

    if network not in listed:
        listed[network] = read_listed(census.hostfs, pid)
    unlisted = [(number, ino) for number, ino in sockets if ino not in listed[network]]
    if not unlisted:
        return
    try:
        with sockets_of(pid) as held:
            for number, ino in unlisted:
                try:
                    with held.network_namespace(number, ino) as handle:
                        if handle is None or (found := str(nsfs.identify(handle))) == network:
                            continue
                        census.hold(found, HolderKind.SOCKET, pid, f"/proc/{pid}/fd/{number}")
                        census.climb(found, handle)
                except OSError as error:
                    if error.errno != errno.EBADF:  # closed meanwhile
                        raise
    except OSError as error:
        census.refuse(error, ("held_by",), "pidfd_getfd(2)", "CAP_SYS_PTRACE and CAP_NET_ADMIN, Linux 5.6")
