"""Processes that take connections on the host and pass them on into a container.

*Source:* docker-proxy (moby cmd/docker-proxy), rootlessport (podman cmd/rootlessport), rootlesskit, slirp4netns(1), pasta(1),
Incus and LXD ``forkproxy`` (cmd/incusd/main_forkproxy.go).
*Shape:* what one listens on is what its sockets say. Whither it sends that, docker-proxy, pasta and forkproxy say in their
arguments; rootlessport, rootlesskit and slirp4netns are told over a socket, to which nobody connects here.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, pairwise
from typing import NamedTuple

from ctrscope.model.namespace import NamespaceType
from ctrscope.model.network import NetworkTopology, Socket
from ctrscope.model.reach import any_address
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable

#: comm (15 bytes) → name to show. ``exe``: re-executed through /proc/self/exe, told from others by its arguments.
_COMMS = {
    "docker-proxy": "docker-proxy",
    "rootlessport": "rootlessport",
    "rootlesskit": "rootlesskit",
    "slirp4netns": "slirp4netns",
    "pasta": "pasta",
    "pasta.avx2": "pasta",
    "passt": "pasta",
    "passt.avx2": "pasta",
    "incusd": "forkproxy",
    "lxd": "forkproxy",
    "exe": "rootlessport",
}

#: Of one process. Whatever a process in a container is called, it writes its arguments itself.
_MOST_FORWARDS = 2000


class Forward(NamedTuple):
    """What arguments say: connections to these ports go there."""

    proto: str
    host_ip: str  # "" is every address
    first: int
    last: int
    to_ip: str | None
    to_port: int  # of the first
    to_pid: int | None = None  # a process in whose network namespace that address is


class PortProxy(NamedTuple):
    """A process that passes connections on."""

    name: str
    pid: int
    netns: int | None  # inode of the network namespace it listens in
    forwards: tuple[Forward, ...]
    sockets: tuple[Socket, ...] | None  # what it listens on; None: could not be read


def find_port_proxies(hostfs: HostFs, topology: NetworkTopology) -> tuple[PortProxy, ...]:
    """Every such process. *Cost:* one stat line of each process of the host, descriptors of those few."""
    table = ProcessTable(hostfs)
    listening: dict[int | None, dict[int, Socket]] = {
        one.ino: dict(listening_sockets(one.sockets)) for one in topology.network_namespaces if one.sockets is not None
    }
    found = []
    for stat in table.named(table.pids(), *_COMMS):
        arguments = table.cmdline(stat.pid)
        name = _COMMS[stat.comm]
        if not arguments or not _is_proxy(name, arguments):
            continue
        netns = table.namespace(stat.pid, NamespaceType.NET)
        held = None if netns is None else _held(hostfs, stat.pid)
        if held is not None and held.isdisjoint(listening.get(netns, ())):
            # rootlessport's threads are in two namespaces, and the first, which the link shows, may be in the container's.
            netns = next((ino for ino, sockets in listening.items() if not held.isdisjoint(sockets)), netns)
        sockets = listening.get(netns)
        found.append(
            PortProxy(
                name,
                stat.pid,
                netns,
                tuple(islice(parse_forwards(name, arguments), _MOST_FORWARDS)),
                None if sockets is None or held is None else tuple(sockets[ino] for ino in sockets if ino in held),
            )
        )
    return tuple(found)


def listening_sockets(sockets: tuple[Socket, ...] | None) -> Iterator[tuple[int, Socket]]:
    """Inode and socket of those that take what comes: TCP that listens, UDP without a peer."""
    for socket in sockets or ():
        if socket.local_port and (
            (socket.proto.startswith("tcp") and socket.state == "LISTEN")
            or (socket.proto.startswith("udp") and not socket.remote_port)
        ):
            yield socket.ino, socket


def parse_forwards(name: str, arguments: tuple[str, ...]) -> Iterator[Forward]:
    """What the arguments of a proxy say; those that make no sense are left out."""
    try:
        if name == "docker-proxy":
            yield _parse_docker_proxy(arguments)
        elif name == "pasta":
            yield from _parse_pasta(arguments)
        elif name == "forkproxy":
            yield from _parse_forkproxy(arguments)
    except (ValueError, KeyError, IndexError):
        return


def _is_proxy(name: str, arguments: tuple[str, ...]) -> bool:
    if name == "forkproxy":
        return "forkproxy" in arguments[1:2]
    return name != "rootlessport" or "rootlessport" in arguments[0]


def _held(hostfs: HostFs, pid: int) -> frozenset[int] | None:
    """Inodes of the sockets that a process has open; None when that may not be read."""
    try:
        with hostfs.process(pid) as process:
            found = set()
            for name in process.names("fd"):
                with suppress(FileNotFoundError):  # closed meanwhile: a proxy opens and closes all the time
                    target = process.readlink(f"fd/{name}")
                    if target.startswith("socket:["):
                        found.add(int(target[8:-1]))
            return frozenset(found)
    except (OSError, ValueError):
        return None


def _parse_docker_proxy(arguments: tuple[str, ...]) -> Forward:
    """``-proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80``."""
    said = {name.lstrip("-"): value for name, value in pairwise(arguments) if name.startswith("-")}
    said |= dict(word.lstrip("-").split("=", 1) for word in arguments[1:] if word.startswith("-") and "=" in word)
    port = int(said["host-port"])
    return Forward(
        said.get("proto", "tcp"),
        any_address(said.get("host-ip")),
        port,
        port,
        said["container-ip"],
        int(said["container-port"]),
    )


def _parse_pasta(arguments: tuple[str, ...]) -> Iterator[Forward]:
    """``-t 8080-8090:80-90,127.0.0.1/9000:90 -u none``: from the host into the namespace, to the same address there."""
    words = {"-t": "tcp", "--tcp-ports": "tcp", "-u": "udp", "--udp-ports": "udp"}
    expanded = [part for word in arguments[1:] for part in (word.split("=", 1) if word.startswith("--") else (word,))]
    for word, value in pairwise(expanded):
        if word not in words or value in ("none", "auto", "all"):
            continue
        address, slash, ports = value.rpartition("/")
        host_ip = any_address(address.split("%")[0]) if slash else ""
        for item in ports.split(","):
            if not item or item.startswith("~"):
                continue
            outside, colon, inside = item.partition(":")
            first = outside.partition("-")[0]
            to = inside.partition("-")[0] if colon else first
            listened = _ports(outside)
            yield Forward(words[word], host_ip, listened[0], listened[-1], None, int(to))


def _parse_forkproxy(arguments: tuple[str, ...]) -> Iterator[Forward]:
    """``incusd forkproxy -- PID FD tcp:0.0.0.0:8080 PID FD tcp:127.0.0.1:80 …``: where it listens, then where it connects."""
    ends = [word for word in arguments[2:] if word.startswith(("tcp:", "udp:"))]
    proto, host, ports = _end(ends[0])
    _, to_ip, to_ports = _end(ends[1])
    pids = [word for word in arguments[2:] if word.isdecimal()]  # of the listening side, its pidfd, then the connecting side
    to = list(islice((port for part in to_ports.split(",") for port in _ports(part)), _MOST_FORWARDS))
    listened = islice((port for part in ports.split(",") for port in _ports(part)), _MOST_FORWARDS)
    for index, port in enumerate(listened):
        yield Forward(proto, any_address(host), port, port, to_ip, to[index] if len(to) > 1 else to[0], int(pids[2]))


def _end(word: str) -> tuple[str, str, str]:
    proto, _, rest = word.partition(":")
    host, _, ports = rest.rpartition(":")
    return proto, host.strip("[]"), ports


def _ports(part: str) -> range:
    first, _, last = part.partition("-")
    if not 0 < int(first) <= int(last or first) < 65536:
        raise ValueError(f"not ports: {part}")
    return range(int(first), int(last or first) + 1)
