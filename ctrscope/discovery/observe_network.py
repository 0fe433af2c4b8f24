"""What the rules about networks look at: the topology with its published ports, and the name servers that containers ask.

*Source:* resolv.conf(5), below the root directory of the container's init.
"""

import errno
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from ctrscope.discovery.published import find_publications
from ctrscope.discovery.topology import TopologyReader
from ctrscope.model.container import Container
from ctrscope.model.gap import VANISHED, Gap, ParseError, Reason, gap_of
from ctrscope.model.network import NetworkTopology
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import find_unanswering, read_mountinfo

_RESOLV_CONF = "/etc/resolv.conf"
_LIMIT = 64 * 1024
_MOST_SERVERS = 3  # MAXNS of resolv.h: what comes after is not asked


class ObservedNetwork(NamedTuple):
    """Parts of Observed."""

    topology: NetworkTopology | None
    nameservers: Mapping[str, tuple[str, ...]]  # by container key
    gaps: tuple[Gap, ...]


def observe_network(hostfs: HostFs, snapshot: Snapshot) -> ObservedNetwork:
    """Read them. *Cost:* the topology once, and one file of each container."""
    topology, gaps = TopologyReader(hostfs).read(snapshot, sockets=True)
    if topology is None:
        return ObservedNetwork(None, {}, gaps)
    publications, more = find_publications(hostfs, snapshot, topology)
    topology = msgspec.structs.replace(topology, publications=publications)
    servers: dict[str, tuple[str, ...]] = {}
    unread: list[Gap] = []
    for container in snapshot.containers:
        if container.pid is None:
            continue
        try:
            with hostfs.inside(container.pid) as inside:
                if (served := find_unanswering(hostfs, read_mountinfo(hostfs, container.pid), _RESOLV_CONF)) is not None:
                    unread.append(_not_asked(container, served))
                    continue
                servers[container.key] = parse_nameservers(inside.read(_RESOLV_CONF, limit=_LIMIT))
        except ParseError as error:
            unread.append(gap_of(error, f"container {container.key}", ("nameservers",), f"/proc/{container.pid}/mountinfo"))
        except OSError as error:
            if error.errno == errno.ENOTSUP:  # a copy of /proc: of no container there is a root to look into
                unread.append(gap_of(error, "host", ("nameservers",), "/proc/PID/root", "a running host"))
                break
            if error.errno not in VANISHED:
                subject, source = f"container {container.key}", f"/proc/{container.pid}/root{_RESOLV_CONF}"
                unread.append(gap_of(error, subject, ("nameservers",), source, "CAP_SYS_PTRACE"))
    return ObservedNetwork(topology, servers, (*gaps, *more, *unread))


def _not_asked(container: Container, served: str) -> Gap:
    return Gap(
        subject=f"container {container.key}",
        fields=("nameservers",),
        source=f"/proc/{container.pid}/root{_RESOLV_CONF}",
        reason=Reason.NOT_COLLECTED,
        detail=f"not read: it has a FUSE file system at {served}, which may never answer",
    )


def parse_nameservers(text: bytes) -> tuple[str, ...]:
    """Addresses of the first three ``nameserver`` lines; what is no such line is ignored."""
    found = []
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            found.append(words[1])
    return tuple(found[:_MOST_SERVERS])
