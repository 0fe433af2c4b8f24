"""Who has an address, as seen from one network namespace: the same address may be in many."""

import ipaddress
from collections.abc import Iterable, Iterator

from ctrscope.model.network import Link, NetworkNamespace, NetworkTopology, Route, Socket

#: Kinds of links behind which there is nothing but what the topology shows.
VIRTUAL = frozenset({"bridge", "veth", "dummy", "ifb", "netkit"})


class Reach:
    """The topology, by what is next to what."""

    def __init__(self, topology: NetworkTopology) -> None:
        self.namespaces = {one.ino: one for one in topology.network_namespaces}
        self.initial = next((one for one in topology.network_namespaces if one.is_initial), None)
        self._order = {one.ino: place for place, one in enumerate(topology.network_namespaces)}
        self._having: dict[str, list[int]] = {}
        for namespace in topology.network_namespaces:
            for address in addresses_of(namespace):
                self._having.setdefault(address, []).append(namespace.ino)
        self._next: dict[int, set[int]] = {}
        for edge in topology.edges:
            if edge.a.netns != edge.b.netns:
                self._next.setdefault(edge.a.netns, set()).add(edge.b.netns)
                self._next.setdefault(edge.b.netns, set()).add(edge.a.netns)

    def order(self, netns: int) -> int:
        """Place of a namespace in the topology; the host's own is first."""
        return self._order.get(netns, len(self._order))

    def owners(self, address: str) -> tuple[int, ...]:
        """Inodes of all namespaces that have an address."""
        return tuple(self._having.get(_plain(address), ()))

    def owner(self, netns: int, address: str) -> int | None:
        """Inode of the namespace with that address that is nearest to *netns*; None: none that links lead to has it."""
        candidates = set(self.owners(address))
        if netns not in self.namespaces and len(candidates) == 1:  # a copy of a host, of whose links nothing is known
            return candidates.pop()
        waiting, seen = [netns], {netns}
        while waiting and candidates:
            if (found := next((one for one in waiting if one in candidates), None)) is not None:
                return found
            waiting = [other for one in waiting for other in sorted(self._next.get(one, ())) if other not in seen]
            seen.update(waiting)
        return None

    def has_address_in(self, netns: int, network: str) -> bool:
        """Whether a namespace has an address in a network."""
        namespace = self.namespaces.get(netns)
        return namespace is not None and any(contains(network, address) for address in addresses_of(namespace))

    def first_address(self, netns: int | None) -> str | None:
        """An address of a namespace that others can reach, IPv4 first."""
        namespace = self.namespaces.get(netns) if netns is not None else None
        found = [] if namespace is None else [one for one in addresses_of(namespace) if not _is_own(one)]
        return min(found, key=lambda address: ":" in address, default=None)


def any_address(ip: str | None) -> str:
    """The address, or nothing for one that stands for all of them."""
    return "" if ip in (None, "", "0.0.0.0", "::", "*") else str(ip)  # noqa: S104 -- compared with, not bound to


def contains(network: str, address: str) -> bool:
    """Whether an address is in a network, both as text."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def addresses_of(namespace: NetworkNamespace) -> Iterator[str]:
    """Addresses without their prefix length."""
    for link in namespace.links:
        for address in link.addresses:
            yield address.partition("/")[0]


def link_with(namespace: NetworkNamespace, address: str) -> Link | None:
    """The link that has an address."""
    plain = _plain(address)
    return next((link for link in namespace.links if any(one.partition("/")[0] == plain for one in link.addresses)), None)


def find_route(namespace: NetworkNamespace, address: str) -> Route | None:
    """The route to an address: the longest prefix; a default route is one of no length."""
    try:
        wanted = ipaddress.ip_address(address)
    except ValueError:
        return None
    best: tuple[int, Route] | None = None
    for route in namespace.routes:
        length = _covers(route.dst, wanted, route.gateway)
        if length is not None and (best is None or length > best[0]):
            best = (length, route)
    return None if best is None else best[1]


def find_uplink(namespace: NetworkNamespace) -> Link | None:
    """The link that the default route leads through."""
    route = next((one for one in namespace.routes if one.dst == "default" and one.dev), None)
    return None if route is None else next((one for one in namespace.links if one.name == route.dev), None)


def find_listener(sockets: Iterable[Socket], proto: str, address: str | None, port: int) -> Socket | None:
    """The socket that takes what comes to an address and port; one on ``::`` takes IPv4 too, unless it asked not to."""
    own = any_address(address)
    found: Socket | None = None
    for socket in sockets:
        if socket.local_port != port or socket.proto.removesuffix("6") != proto or not _waits(socket):
            continue
        bound = any_address(socket.local)
        if bound and own and bound == own:
            return socket
        if not bound and (socket.proto.endswith("6") or ":" not in own):
            found = found or socket
    return found


def waiting_sockets(sockets: Iterable[Socket], proto: str) -> Iterator[Socket]:
    """Sockets that take what comes, of one protocol."""
    return (one for one in sockets if one.proto.removesuffix("6") == proto and _waits(one) and one.local_port)


def _waits(socket: Socket) -> bool:
    return socket.state == "LISTEN" if socket.proto.startswith("tcp") else not socket.remote_port


def _covers(dst: str, wanted: ipaddress.IPv4Address | ipaddress.IPv6Address, gateway: str | None) -> int | None:
    if dst == "default":
        # "default" says nothing of the family; its gateway does.
        return 0 if gateway is None or (":" in gateway) == (wanted.version == 6) else None
    try:
        network = ipaddress.ip_network(dst, strict=False)
    except ValueError:
        return None
    return network.prefixlen if wanted in network else None


def _plain(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address


def _is_own(address: str) -> bool:
    return address.startswith(("127.", "fe80:")) or address == "::1"
