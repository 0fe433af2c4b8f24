"""``find`` by what a network names: links, MAC addresses, IP addresses, listening and published ports."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ctrscope.discovery.whose import Whose, names_of
from ctrscope.model.container import Container, Port
from ctrscope.model.gap import ParseError, gap_of
from ctrscope.model.match import Match, MatchKind, Query
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.network import Link, NetworkNamespace, NetworkTopology, Socket
from ctrscope.probes.proc_pid_net import parse_dev, read_network
from ctrscope.probes.proc_pid_net_sockets import find_holder, read_listeners

_EVERY_ADDRESS = frozenset({None, "", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


class _Network(NamedTuple):
    """One network namespace that processes are in."""

    ino: int | None  # None: the host's, where even that may not be read
    is_hosts: bool
    pid: int  # a process inside
    members: tuple[Container, ...]


def find_port(whose: Whose, query: Query) -> Iterator[Match]:
    """Who listens on a port, in whichever network namespace, and which containers it is published for."""
    published = [(one, port) for one in whose.snapshot.containers for port in one.ports if _is_published(port, query)]
    listeners: dict[tuple[str, bool], str] = {}
    matches: list[Match] = []
    for network in _networks(whose):
        addresses = _addresses(whose, network) if query.address is not None else frozenset()
        for socket in _listeners(whose, network):
            if not _is_asked(socket, query, addresses):
                continue
            holder, containers = _holder(whose, network, socket)
            what = f"{socket.proto} {_bracketed(socket.local or '')}:{socket.local_port}"
            who = f"process {holder} ({_comm(whose, holder)}) listens" if holder is not None else "listens"
            if network.is_hosts and not containers:
                listeners[socket.proto.rstrip("6"), True] = who
                if not any(port.proto == socket.proto.rstrip("6") for _, port in published):
                    matches.append(_match(MatchKind.PORT, what, None, f"the host's own: {who}, in no container{whose.caveat}"))
            for container in containers:
                where = (
                    "in the host's network namespace" if network.is_hosts else f"in its network namespace, net:[{network.ino}]"
                )
                matches.append(_match(MatchKind.PORT, what, container.key, f"{who} {where}"))
    for container, port in published:
        proxy = listeners.get((port.proto, True))
        state = "" if container.is_running else f"; declared only: it is {container.status}"
        at = f"{_bracketed(port.host_ip or '') or '*'}:{port.host_port}"
        inside = f"port {port.container_port} inside" if port.container_port is not None else "an unknown port inside"
        detail = f"published for {inside}{f', {proxy} on the host' if proxy and container.is_running else ''}{state}"
        yield _match(MatchKind.PORT, f"{port.proto} {at}", container.key, detail)
    yield from matches


def find_address(whose: Whose, query: Query) -> Iterator[Match]:
    """Who has an IP address: the kernel's word for what runs, the state's for what does not."""
    address = query.address or ""
    if address.startswith("127.") or address == "::1":
        detail = "loopback: every network namespace has it, the host's and each container's own"
        yield _match(MatchKind.ADDRESS, address, None, detail)
        return
    found = False
    for network in _networks(whose):
        for link in _links(whose, network):
            for cidr in (one for one in link.addresses if one.partition("/")[0] == address):
                found = True
                yield from _of_network(whose, network, MatchKind.ADDRESS, cidr, f"on {link.name}")
    if found:
        return
    for container in whose.snapshot.containers:
        for cidr in (one for one in container.addresses if one.partition("/")[0] == address):
            found = True
            state = "its engine says so, the kernel does not" if container.is_running else f"declared: it is {container.status}"
            yield _match(MatchKind.ADDRESS, cidr, container.key, state)
    if not found:
        for namespace in _topology(whose).network_namespaces:
            for link in namespace.links:
                for cidr in (one for one in link.addresses if one.partition("/")[0] == address):
                    yield from _of_namespace(whose, namespace, MatchKind.ADDRESS, cidr, f"on {link.name}")


def may_be_link(whose: Whose, name: str) -> bool:
    """Whether a network namespace that processes are in has a link of that name. *Cost:* one read for each of them."""
    name = name.partition("@")[0]
    for network in _networks(whose):
        try:
            if name in parse_dev(whose.hostfs.read(f"/proc/{network.pid}/net/dev")):
                return True
        except (OSError, ParseError):
            continue
    return False


def find_link(whose: Whose, query: Query) -> Iterator[Match]:
    """A link by its name or its MAC, on the host or inside; the host's end of a veth is that container's."""
    topology = _topology(whose)
    name = query.text.partition("@")[0]  # "veth9c41@if2", as ip(8) writes it
    for namespace in topology.network_namespaces:
        for link in namespace.links:
            if link.mac == query.mac if query.mac is not None else link.name == name:
                kind = MatchKind.LINK if query.mac is None else MatchKind.MAC
                what = link.name if query.mac is None else f"{link.mac} {link.name}"
                yield from _link_matches(whose, topology, namespace, link, kind, what)


def _link_matches(
    whose: Whose, topology: NetworkTopology, namespace: NetworkNamespace, link: Link, kind: MatchKind, what: str
) -> Iterator[Match]:
    peer = link.peer
    beyond = whose.members(NamespaceType.NET, peer.netns) if peer is not None and peer.netns is not None else ()
    words = " ".join(word for word in (link.kind or "", *link.addresses) if word)
    is_upper = link.kind in ("macvlan", "macvtap", "ipvlan", "ipvtap", "vlan", "vxlan")
    if namespace.is_initial and link.kind == "veth" and beyond and peer is not None:
        for container in beyond:
            inside = f" {peer.name}" if peer.name else ""
            yield _match(kind, what, container.key, f"{words}: the host's end of its{inside}, net:[{peer.netns}]")
        return
    other = ""
    if peer is not None and peer.name:
        where = "the host" if peer.netns == whose.snapshot.host.namespaces.net else f"net:[{peer.netns}]"
        other = f", on top of {peer.name} of {where}" if is_upper else f", its other end is {peer.name} of {where}"
    ports = [one for one in namespace.links if link.ifindex is not None and one.master == link.ifindex and one.peer is not None]
    guests = {one.key: one for port in ports if port.peer for one in whose.members(NamespaceType.NET, port.peer.netns or 0)}
    if guests:
        other += f"; leads to {names_of(guests.values())}"
    yield from _of_namespace(whose, namespace, kind, what, words + other)


def _of_namespace(whose: Whose, namespace: NetworkNamespace, kind: MatchKind, what: str, detail: str) -> Iterator[Match]:
    members = whose.members(NamespaceType.NET, namespace.ino)
    if not namespace.is_initial and not members and namespace.pid is None:
        held = f", held by {namespace.path}" if namespace.path else ""
        yield _match(kind, what, None, f"nobody's: {detail}; in net:[{namespace.ino}], which no process is in{held}")
        return
    network = _Network(namespace.ino, namespace.is_initial, namespace.pid or 0, members)
    yield from _of_network(whose, network, kind, what, detail)


def _of_network(whose: Whose, network: _Network, kind: MatchKind, what: str, detail: str) -> Iterator[Match]:
    """The containers in a network namespace; of the host's, the host."""
    if network.is_hosts:
        yield _match(kind, what, None, f"the host's own, no container's: {detail}")
        return
    home = whose.process(network.pid)
    for container in network.members:
        others = names_of(one for one in network.members if one is not container)
        yield _match(
            kind, what, container.key, f"{detail}; in net:[{network.ino}]" + (f", shared with {others}" if others else "")
        )
    if not network.members and home is not None:
        what_for = f"not the network namespace of its init: process {network.pid} is in it"
        yield _match(kind, what, home.key, f"{detail}; in net:[{network.ino}], {what_for}")
    elif not network.members:
        kept = f"process {network.pid} ({_comm(whose, network.pid)}) is in it"
        nobody = whose.unknown_host(NamespaceType.NET) or f"no container's{whose.caveat}"
        yield _match(kind, what, None, f"{detail}; in net:[{network.ino}], {nobody}: {kept}")


def _networks(whose: Whose) -> Iterator[_Network]:
    """The host's network namespace, then each container's once, then those of processes that are in no container."""
    own = whose.snapshot.host.namespaces.net
    yield _Network(own, True, 1, ())
    seen = {own, None}
    for container in whose.running:
        ino = container.namespaces.net
        if ino not in seen and container.pid is not None and ino is not None:
            seen.add(ino)
            yield _Network(ino, False, container.pid, whose.members(NamespaceType.NET, ino))
    for pid in whose.processes.pids():
        ino = whose.processes.namespace(pid, NamespaceType.NET)
        if ino not in seen:
            seen.add(ino)
            yield _Network(ino, False, pid, ())


def _links(whose: Whose, network: _Network) -> tuple[Link, ...]:
    found, gaps = read_network(whose.hostfs, network.pid, f"net:[{network.ino}]")
    whose.gaps += gaps
    return found.links if found is not None else ()


def _addresses(whose: Whose, network: _Network) -> frozenset[str]:
    return frozenset(cidr.partition("/")[0] for link in _links(whose, network) for cidr in link.addresses)


def _listeners(whose: Whose, network: _Network) -> tuple[Socket, ...]:
    try:
        return read_listeners(whose.hostfs, network.pid)
    except (OSError, ParseError) as error:
        whose.gaps.append(gap_of(error, f"net:[{network.ino}]", ("matches",), f"/proc/{network.pid}/net", "CAP_SYS_PTRACE"))
        return ()


def _holder(whose: Whose, network: _Network, socket: Socket) -> tuple[int | None, tuple[Container, ...]]:
    """The process that has a socket open, and whose it is; where that cannot be read, everybody in the namespace."""
    members = [pid for container in network.members for pid in container.pids]
    others = (pid for pid in whose.processes.pids() if _net(whose, pid) == network.ino) if not members else ()
    holder = find_holder(whose.hostfs, members or others, socket.ino)
    container = None if holder is None else whose.process(holder)
    return holder, network.members if container is None else (container,)


def _net(whose: Whose, pid: int) -> int | None:
    return whose.processes.namespace(pid, NamespaceType.NET)


def _is_asked(socket: Socket, query: Query, addresses: Iterable[str]) -> bool:
    if socket.local_port != query.port or (query.proto is not None and socket.proto.rstrip("6") != query.proto):
        return False
    return query.address is None or (query.address in addresses and socket.local in (_EVERY_ADDRESS | {query.address}))


def _is_published(port: Port, query: Query) -> bool:
    if port.host_port != query.port or query.proto not in (None, port.proto):
        return False
    return query.address is None or port.host_ip in (_EVERY_ADDRESS | {query.address})


def _topology(whose: Whose) -> NetworkTopology:
    from ctrscope.discovery.topology import TopologyReader  # netlink

    topology, gaps = TopologyReader(whose.hostfs).read(whose.snapshot)
    whose.gaps += gaps
    return topology or NetworkTopology()


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _comm(whose: Whose, pid: int) -> str:
    stat = whose.processes.stat(pid)
    return stat.comm if stat is not None else "?"


def _match(kind: MatchKind, what: str, container: str | None, detail: str) -> Match:
    return Match(kind=kind, what=what, container=container, detail=detail)
