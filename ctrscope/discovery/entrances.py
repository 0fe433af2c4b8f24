"""Every network namespace of the host, and how it can be entered: through a process in it, or a bind mount of it."""

from collections.abc import Iterable
from contextlib import suppress

import msgspec

from ctrscope.discovery.namespace_census import answers
from ctrscope.model.gap import ParseError
from ctrscope.model.namespace import HolderKind, Namespace, NamespaceType
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.netns import Door
from ctrscope.probes.proc_pid_mountinfo import parse_mountinfo
from ctrscope.probes.proc_pid_ns import parse_namespace
from ctrscope.probes.process_table import ProcessTable

#: Processes of one namespace that are worth trying, one after the other.
_MOST_PIDS = 4


class Entrance(msgspec.Struct, kw_only=True):
    """One network namespace and its ways in."""

    ino: int
    pids: list[int]  # of containers first
    comm: str | None = None  # of the first
    paths: list[str]  # bind mounts

    @property
    def door(self) -> Door:
        """Its paths, in the order in which they are tried."""
        return Door((*(f"/proc/{pid}/ns/net" for pid in self.pids[:_MOST_PIDS]), *self.paths[:_MOST_PIDS]), self.ino)


def find_entrances(hostfs: HostFs, snapshot: Snapshot) -> dict[int, Entrance]:
    """Inode → entrance, of every network namespace with a process or a bind mount in our own mount namespace.

    *Cost:* one readlink(2) for every process of the host.
    """
    found: dict[int, Entrance] = {}
    add_containers(found, snapshot)
    inits = {pid for entrance in found.values() for pid in entrance.pids}
    table = ProcessTable(hostfs)
    for pid in sorted(table.pids()):
        if pid not in inits and (ino := table.namespace(pid, NamespaceType.NET)) is not None:
            entrance = found.setdefault(ino, Entrance(ino=ino, pids=[], paths=[]))
            if len(entrance.pids) < _MOST_PIDS:
                entrance.pids.append(pid)
    for ino, path in _bind_mounts(hostfs):
        found.setdefault(ino, Entrance(ino=ino, pids=[], paths=[])).paths.append(path)
    for entrance in found.values():
        stat = table.stat(entrance.pids[0]) if entrance.pids else None
        entrance.comm = stat.comm if stat is not None else None
    return found


def add_containers(found: dict[int, Entrance], snapshot: Snapshot) -> None:
    """Add the namespaces of containers that were not known yet."""
    for container in snapshot.containers:
        if container.pid is not None and (ino := container.namespaces.net) is not None:
            entrance = found.setdefault(ino, Entrance(ino=ino, pids=[], paths=[]))
            if container.pid not in entrance.pids:
                entrance.pids.insert(0, container.pid)


def add_held(hostfs: HostFs, found: dict[int, Entrance], namespaces: Iterable[Namespace]) -> None:
    """Add what keeps those that no process is in: threads, descriptors, bind mounts in other mount namespaces.

    A path below another process's root may lead anywhere: what is opened there is compared with the inode. One that passes
    a file system which may never answer is left out.
    """
    for namespace in namespaces:
        if namespace.type is not NamespaceType.NET or namespace.ino in found:
            continue
        entrance = found.setdefault(namespace.ino, Entrance(ino=namespace.ino, pids=[], paths=[]))
        for holder in namespace.held_by:
            if holder.kind in (HolderKind.THREAD, HolderKind.FD) and holder.path is not None:
                entrance.paths.append(holder.path)
            elif holder.kind is not HolderKind.BIND_MOUNT or holder.path is None or holder.pid is None:
                continue
            elif answers(hostfs, holder.pid, holder.path):
                entrance.paths.append(f"/proc/{holder.pid}/root{holder.path}")


def _bind_mounts(hostfs: HostFs) -> Iterable[tuple[int, str]]:
    """Inode and mount point of each bind mount of a network namespace in our own mount namespace, each path once."""
    try:
        mounts = parse_mountinfo(hostfs.read("/proc/self/mountinfo"))
    except (OSError, ParseError):
        return ()
    found: dict[str, int] = {}
    for mount in mounts:
        if mount.fs_type == "nsfs" and mount.root.startswith("net:["):
            with suppress(ParseError):
                found[mount.mount_point] = parse_namespace(mount.root)
    return [(ino, path) for path, ino in found.items()]
