"""What hangs on what: the edges of a topology by link, for whatever draws it."""

from ctrscope.model.network import EdgeEnd, Link, NetworkNamespace, NetworkTopology
from ctrscope.render.network_words import is_loopback

#: A link: inode of its network namespace, ifindex. Negative where the ifindex is not known, as without netlink.
LinkKey = tuple[int, int]

_PORTS = ("bridge_port", "bond_port", "team_port", "vrf_port")


class Wiring:
    """Edges by both of their ends."""

    def __init__(self, topology: NetworkTopology) -> None:
        self.namespaces = {one.ino: one for one in topology.network_namespaces}
        self.links: dict[LinkKey, Link] = {}
        self.ports: dict[LinkKey, list[LinkKey]] = {}  # of a bridge, bond, …
        self.above: dict[LinkKey, list[LinkKey]] = {}  # macvlan, vlan, … on top of a link
        self.below: dict[LinkKey, LinkKey] = {}
        self.veth: dict[LinkKey, LinkKey] = {}  # the other end, both ways
        self._keys: dict[int, list[LinkKey]] = {}
        for namespace in topology.network_namespaces:
            for place, link in enumerate(namespace.links, 1):
                key = (namespace.ino, -place if link.ifindex is None else link.ifindex)
                self.links[key] = link
                self._keys.setdefault(namespace.ino, []).append(key)
        for edge in topology.edges:
            a, b = _key(edge.a), _key(edge.b)
            if a not in self.links or b not in self.links:
                continue
            if edge.kind == "veth":
                self.veth[a], self.veth[b] = b, a
            elif edge.kind in _PORTS:
                self.ports.setdefault(b, []).append(a)
            else:
                self.above.setdefault(b, []).append(a)
                self.below[a] = b

    @property
    def is_whole(self) -> bool:
        """Whether every namespace was entered: each has at least lo, and /proc does not tell whether a link is up."""
        is_entered = all(namespace.links for namespace in self.namespaces.values())
        return is_entered and all(link.is_up is not None for link in self.links.values())

    def keys_of(self, namespace: NetworkNamespace) -> list[LinkKey]:
        """Its links."""
        return self._keys.get(namespace.ino, [])

    def hanging_on(self, key: LinkKey) -> list[LinkKey]:
        """Ports of a bridge, and what lies on top of a link."""
        return [*self.ports.get(key, ()), *self.above.get(key, ())]

    def is_idle(self, key: LinkKey) -> bool:
        """Whether a link is lo, or down with nothing that would use it, as the tunnels that the kernel makes everywhere."""
        link = self.links[key]
        is_used = link.addresses or link.master or link.kind == "veth" or self.hanging_on(key)
        return is_loopback(link) or (link.is_up is False and not is_used)

    def is_empty(self, namespace: NetworkNamespace) -> bool:
        """Whether there is nothing to see in a namespace."""
        return all(self.is_idle(key) for key in self.keys_of(namespace))

    def roots_of(self, namespace: NetworkNamespace) -> list[LinkKey]:
        """Links of a namespace that hang on nothing: the wire first, then bridges and what else there is."""
        found = []
        for key in self.keys_of(namespace):
            link = self.links[key]
            if self.is_idle(key) or key in self.below or (namespace.ino, link.master) in self.links:
                continue
            other = self.veth.get(key)
            # Both ends here, and the other one on a bridge: it is drawn there.
            if other is not None and other[0] == namespace.ino and self.links[other].master is not None:
                continue
            found.append(key)
        return sorted(found, key=lambda key: (not is_wire(self.links[key]), key[1]))


def is_wire(link: Link) -> bool:
    """Whether it is a device of hardware, or of a virtual machine: the kernel names no kind."""
    return link.kind is None and not is_loopback(link)


def _key(end: EdgeEnd) -> LinkKey:
    return (end.netns, end.ifindex)
