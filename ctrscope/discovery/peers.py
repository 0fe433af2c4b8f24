"""Which links of which network namespaces belong together: both ends of a veth, ports of a bridge, what lies on top of what.

*Source:* rtnetlink(7): IFLA_LINK is an ifindex in the namespace that IFLA_LINK_NETNSID numbers, or in the same one without
it; IFLA_MASTER is one in the same namespace. On a host with many containers dozens of veths have a peer with ifindex 2:
only the number of the namespace tells them apart, and each namespace numbers the others in its own way.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, get_args

import msgspec

from ctrscope.model.network import Edge, EdgeEnd, Link, NetworkNamespace, Peer

#: (inode of a namespace, nsid there) → inode of the namespace that has it; None: it was looked for in vain.
Nsids = Mapping[tuple[int, int], int | None]

_PAIRED = frozenset({"veth", "netkit"})
_UPPER: Mapping[str, Literal["macvlan", "macvtap", "ipvlan", "vlan", "vxlan", "tunnel"]] = {
    "macvlan": "macvlan",
    "macvtap": "macvtap",
    "ipvlan": "ipvlan",
    "ipvtap": "ipvlan",
    "vlan": "vlan",
    "vxlan": "vxlan",
    **dict.fromkeys(
        ("ipip", "sit", "ip6tnl", "gre", "gretap", "ip6gre", "ip6gretap", "erspan", "vti", "vti6", "geneve"), "tunnel"
    ),
}
#: Kinds for which IFLA_LINK is their own ifindex once they are moved: the kernel sends it with any IFLA_LINK_NETNSID.
_WITHOUT_LOWER = frozenset({"wireguard", "geneve", "bareudp", "gtp", "ovpn"})
_EDGE_KINDS = frozenset(get_args(Edge.__annotations__["kind"]))


class LinkIndex:
    """The links of all namespaces by where they are, and the veths by the pair of numbers that both of their ends have."""

    def __init__(self, namespaces: Iterable[NetworkNamespace]) -> None:
        self.links: dict[tuple[int, int], Link] = {}
        self.initial: int | None = None
        self._pairs: dict[tuple[int, int], list[int]] = {}
        self._having: dict[int, list[int]] = {}  # ifindex → namespaces that have a link of that number
        for namespace in namespaces:
            if namespace.is_initial:
                self.initial = namespace.ino
            for link in namespace.links:
                if link.ifindex is None:
                    continue
                self.links[namespace.ino, link.ifindex] = link
                self._having.setdefault(link.ifindex, []).append(namespace.ino)
                if link.kind in _PAIRED and link.peer_ifindex is not None and link.peer_netnsid is not None:
                    self._pairs.setdefault((link.ifindex, link.peer_ifindex), []).append(namespace.ino)

    def candidates(self, netns: int, link: Link) -> Iterator[int]:
        """Namespaces in which the link that *link* of *netns* names may be, the likeliest first."""
        ifindex = other_ifindex(link)
        if link.ifindex is None or ifindex is None:
            return
        if link.kind in _PAIRED:
            # Its other end names this one by its ifindex.
            yield from (ino for ino in self._pairs.get((ifindex, link.ifindex), ()) if ino != netns)
            return
        # What engines put on top of something, they put on top of a link of the host.
        if self.initial is not None and self.initial != netns:
            yield self.initial
        yield from (ino for ino in self._having.get(ifindex, ()) if ino not in (netns, self.initial))


def other_ifindex(link: Link) -> int | None:
    """Which link it is plugged into or lies on, by its number in the namespace of ``peer_netnsid``; None: none."""
    if link.kind in _WITHOUT_LOWER:
        return None
    if link.kind == "vxlan":
        return int(link.details.get("link", "0")) or None
    return link.peer_ifindex or None  # 0 is a tunnel over whatever the route says


def implied_nsids(index: LinkIndex, nsids: Nsids) -> dict[tuple[int, int], int]:
    """What is known the other way round: the end that a namespace's veth leads to is in that namespace's numbering, too."""
    found = {}
    for (netns, ifindex), link in index.links.items():
        if link.kind not in _PAIRED or link.peer_netnsid is None or link.peer_ifindex is None:
            continue
        other = nsids.get((netns, link.peer_netnsid))
        back = None if other is None else index.links.get((other, link.peer_ifindex))
        if other is not None and back is not None and back.peer_ifindex == ifindex and back.peer_netnsid is not None:
            found[other, back.peer_netnsid] = netns
    return found


def with_peers(namespaces: Iterable[NetworkNamespace], nsids: Nsids) -> tuple[NetworkNamespace, ...]:
    """The same namespaces, each link with its peer."""
    found = tuple(namespaces)
    links = LinkIndex(found).links
    return tuple(
        msgspec.structs.replace(
            namespace, links=tuple(_with_peer(namespace.ino, link, links, nsids) for link in namespace.links)
        )
        for namespace in found
    )


def find_edges(namespaces: Iterable[NetworkNamespace]) -> tuple[Edge, ...]:
    """What connects the links, whose peers are known. Shape: a veth is there once, its end nearer to the wire is ``b``."""
    found = tuple(namespaces)
    index = LinkIndex(found)
    edges: dict[tuple[str, int, int, int, int], Edge] = {}
    for (netns, ifindex), link in index.links.items():
        here = EdgeEnd(netns=netns, ifindex=ifindex)
        master = None if link.master is None else index.links.get((netns, link.master))
        if master is not None and master.ifindex is not None and f"{master.kind}_port" in _EDGE_KINDS:
            _add(edges, f"{master.kind}_port", here, EdgeEnd(netns=netns, ifindex=master.ifindex))
        peer = link.peer
        if peer is None or peer.netns is None or (other := index.links.get((peer.netns, peer.ifindex))) is None:
            continue
        there = EdgeEnd(netns=peer.netns, ifindex=peer.ifindex)
        if link.kind not in _PAIRED:
            _add(edges, _UPPER.get(link.kind or "", "lower"), here, there)
        elif other.kind in _PAIRED and other.peer_ifindex == ifindex:
            a, b = sorted((here, there), key=lambda end: _nearness(end, index))
            _add(edges, "veth", a, b)
    return tuple(edges.values())


def _with_peer(netns: int, link: Link, links: Mapping[tuple[int, int], Link], nsids: Nsids) -> Link:
    ifindex = other_ifindex(link)
    if ifindex is None:
        return link
    where = netns if link.peer_netnsid is None else nsids.get((netns, link.peer_netnsid))
    other = None if where is None else links.get((where, ifindex))
    return msgspec.structs.replace(
        link, peer=Peer(netns=where, ifindex=ifindex, name=other.name if other is not None else None)
    )


def _nearness(end: EdgeEnd, index: LinkIndex) -> tuple[bool, bool, int, int]:
    link = index.links[end.netns, end.ifindex]
    return end.netns == index.initial, link.master is not None, -end.netns, -end.ifindex


def _add(edges: dict[tuple[str, int, int, int, int], Edge], kind: str, a: EdgeEnd, b: EdgeEnd) -> None:
    key = (kind, a.netns, a.ifindex, b.netns, b.ifindex)
    if key not in edges:
        edges[key] = msgspec.convert({"kind": kind, "a": a, "b": b}, Edge)
