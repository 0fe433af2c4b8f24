"""The sockets of network namespaces, and which process of a container has them open."""

import errno
import os
from collections.abc import Iterable, Mapping

import msgspec

from ctrscope.model.container import Container
from ctrscope.model.gap import VANISHED, Gap, ParseError, Reason, gap_of
from ctrscope.model.network import NetworkNamespace, Socket
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.netns import Door, visit_network_namespaces
from ctrscope.probes.proc_pid_net_sockets import MOST_SOCKETS, find_holders, read_sockets
from ctrscope.probes.proc_pid_ns import parse_namespace
from ctrscope.probes.proc_pid_stat import read_stat

#: Processes of one container whose descriptors are looked at.
_MOST_PIDS = 500


def with_sockets(
    hostfs: HostFs, namespaces: Iterable[NetworkNamespace], containers: Iterable[Container]
) -> tuple[tuple[NetworkNamespace, ...], tuple[Gap, ...]]:
    """The same namespaces with their sockets. A socket has a process where a container's process has it open.

    *Gaps:* namespaces whose sockets could not be read; they keep None. *Cost:* five files a namespace, and the descriptors of
    the containers' processes; those of the host are not searched.
    """
    by_netns: dict[int, list[Container]] = {}
    for container in containers:
        if container.namespaces.net is not None:
            by_netns.setdefault(container.namespaces.net, []).append(container)
    gaps: list[Gap] = []
    found = []
    for namespace in namespaces:
        sockets = _read(hostfs, namespace, gaps)
        if sockets is not None:
            pids = [pid for container in by_netns.get(namespace.ino, ()) for pid in container.pids[:_MOST_PIDS]]
            sockets = _with_processes(hostfs, sockets, pids)
        found.append(msgspec.structs.replace(namespace, sockets=sockets))
    return tuple(found), tuple(gaps)


def _read(hostfs: HostFs, namespace: NetworkNamespace, gaps: list[Gap]) -> tuple[Socket, ...] | None:
    subject = f"namespace net:[{namespace.ino}]"
    directory = f"/proc/{namespace.pid}/net"

    def read(_: Door) -> tuple[Socket, ...]:
        return read_sockets(lambda name: hostfs.read(f"/proc/thread-self/net/{name}"))

    try:
        if namespace.pid is not None:
            sockets = _of_process(hostfs, namespace.pid, namespace.ino)
        elif namespace.path is not None:
            directory = namespace.path
            answer = visit_network_namespaces(hostfs, (Door((namespace.path,), namespace.ino),), read)[0]
            if isinstance(answer, Exception):
                raise answer
            sockets = answer
        else:
            return None
    except (OSError, ParseError) as error:
        if not isinstance(error, OSError) or error.errno not in VANISHED:
            gaps.append(gap_of(error, subject, ("sockets",), directory, needs="CAP_SYS_PTRACE"))
        return None
    if len(sockets) > MOST_SOCKETS:
        detail = f"only the first {MOST_SOCKETS}"
        gaps.append(Gap(subject=subject, fields=("sockets",), source=directory, reason=Reason.TRUNCATED, detail=detail))
    return sockets[:MOST_SOCKETS]


def _of_process(hostfs: HostFs, pid: int, netns: int) -> tuple[Socket, ...]:
    """Errors: ESRCH when the process has ended, or is in another network namespace by now: its files may be missing then."""
    with hostfs.process(pid) as process:
        sockets = read_sockets(lambda name: process.read(f"net/{name}"))
        if parse_namespace(process.readlink("ns/net")) != netns:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        return sockets


def _with_processes(hostfs: HostFs, sockets: tuple[Socket, ...], pids: Iterable[int]) -> tuple[Socket, ...]:
    holders = find_holders(hostfs, pids)
    comms = _comms(hostfs, set(holders.values()))
    return tuple(
        msgspec.structs.replace(socket, pid=pid, comm=comms.get(pid))
        if (pid := holders.get(socket.ino)) is not None
        else socket
        for socket in sockets
    )


def _comms(hostfs: HostFs, pids: Iterable[int]) -> Mapping[int, str]:
    found = {}
    for pid in pids:
        try:
            found[pid] = read_stat(hostfs, pid).comm
        except (OSError, ParseError):
            continue
    return found
