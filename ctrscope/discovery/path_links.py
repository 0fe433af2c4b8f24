"""The links between the host's side and a container: route, bridge, both ends of a veth, and what is the smallest MTU."""

from collections.abc import Iterator
from typing import NamedTuple

from ctrscope.model.network import Hop, HopKind, Link, NetworkNamespace, Route
from ctrscope.model.reach import Reach, contains, find_route, link_with

#: Network namespaces between host and container: a rootless one, a router made by hand.
_MOST_NAMESPACES = 4


class _Leg(NamedTuple):
    """The way through one network namespace: by which route, and the links on it in order."""

    namespace: NetworkNamespace
    route: Route | None
    links: tuple[Link, ...]  # the device of the route, then the port of it that leads on
    is_last: bool  # the next link is the container's


def link_hops(reach: Reach, outside: NetworkNamespace, target: NetworkNamespace, address: str) -> Iterator[Hop]:
    """Hops from the host's side to the link inside that has the address, that link included."""
    inside = link_with(target, address)
    if inside is None:
        yield Hop(kind="namespace", what=_place(target), is_ok=False, why=f"no link inside has {address}")
        return
    for leg in _legs(reach, outside, target, inside, address):
        yield from _leg_hops(leg, target, inside, address)
    yield _inside_hop(target, inside, address)


def mtu_hops(reach: Reach, outside: NetworkNamespace, target: NetworkNamespace, address: str) -> Iterator[Hop]:
    """A hop when a link on the way takes less than what is sent from inside."""
    inside = link_with(target, address)
    if inside is None or inside.mtu is None:
        return
    links = [link for leg in _legs(reach, outside, target, inside, address) for link in leg.links if link.mtu is not None]
    # Of several the one nearest to the inside: a bridge takes over the smallest of its ports.
    smallest = min(reversed(links), key=lambda link: link.mtu or 0, default=None)
    if smallest is not None and smallest.mtu is not None and smallest.mtu < inside.mtu:
        yield Hop(
            kind="link",
            what=f"MTU {inside.mtu} of {inside.name} inside",
            is_ok=False,
            why=f"{smallest.name} takes {smallest.mtu} bytes: larger packets from inside are lost, and nobody is told",
            evidence=", ".join(f"{link.name} mtu {link.mtu}" for link in (*links, inside)),
        )


def _legs(reach: Reach, outside: NetworkNamespace, target: NetworkNamespace, inside: Link, address: str) -> Iterator[_Leg]:
    here = outside
    for _ in range(_MOST_NAMESPACES):
        route = find_route(here, address)
        device = _by_name(here, route.dev) if route is not None else None
        near = _near_end(reach, here, inside)
        if near is not None:  # the other end of the container's link is here
            links = (near,) if device is None or device.ifindex == near.ifindex else (device, near)
            yield _Leg(here, route, links, is_last=True)
            return
        yield _Leg(here, route, () if device is None else (device,), is_last=False)
        following = None if device is None or device.peer is None else reach.namespaces.get(device.peer.netns or 0)
        if following is None or following is here or following is target:
            return
        here = following


def _near_end(reach: Reach, here: NetworkNamespace, inside: Link) -> Link | None:
    peer = inside.peer
    if peer is None or peer.netns != here.ino:
        return None
    return next((link for link in here.links if link.ifindex == peer.ifindex), None)


def _leg_hops(leg: _Leg, target: NetworkNamespace, inside: Link, address: str) -> Iterator[Hop]:
    device = leg.links[0] if leg.links else None
    near = leg.links[-1] if leg.links and leg.is_last else None
    first = _route_hop(leg, near, address)
    yield first
    if leg.route is None or device is None:
        if near is None:
            return
        device = near
    bridge = device if device.kind == "bridge" else _by_index(leg.namespace, near.master) if near is not None else None
    if bridge is not None and first.kind != "bridge":
        yield _bridge_hop(bridge, near, inside)
    if near is not None and near is not bridge:
        yield _near_hop(near, inside, bridge)
    elif near is None and device is not bridge:
        yield _plain_hop(device)
    elif near is None and inside.peer is not None and inside.peer.netns is None:
        why = f"the other end of {inside.name} inside is in a network namespace that could not be found"
        yield Hop(kind="veth", what=f"{inside.name}@{inside.peer.ifindex}", is_ok=None, why=why)


def _route_hop(leg: _Leg, near: Link | None, address: str) -> Hop:
    route, place = leg.route, _place(leg.namespace)
    # The kernel takes the routes of a link away while that is down; what is left may lead anywhere.
    down = next((link for link in leg.namespace.links if link.is_up is False and _is_on(link, address)), None)
    if down is not None and (route is None or route.dev != down.name):
        kind: HopKind = "bridge" if down.kind == "bridge" else "link"
        what = f"{down.name} {' '.join(down.addresses)}".strip()
        return Hop(kind=kind, what=what, is_ok=False, why=f"{down.name} is down", evidence=_evidence(down))
    if route is None:
        return Hop(kind="route", what=f"to {address}", is_ok=False, why=f"{place} has no route to {address}")
    words = f"{route.dst}{f' via {route.gateway}' if route.gateway else ''} dev {route.dev}"
    what = f"{words} in {place}"
    if near is not None and route.dev != near.name and near.kind in ("veth", "netkit"):
        device, master = _by_name(leg.namespace, route.dev), _by_index(leg.namespace, near.master)
        # Where the veth has left its bridge, that is the hop that is broken, and not the route.
        has_left = master is None and device is not None and device.kind == "bridge"
        if not has_left and (master is None or route.dev != master.name):
            hangs_on = near.name if master is None else master.name
            why = f"the route to {address} leads to {route.dev}, and the container hangs on {hangs_on}"
            return Hop(kind="route", what=what, is_ok=False, why=why, evidence=words)
    return Hop(kind="route", what=what, is_ok=True, evidence=words)


def _bridge_hop(bridge: Link, near: Link | None, inside: Link) -> Hop:
    what = f"{bridge.name} {' '.join(bridge.addresses)}".strip()
    if bridge.is_up is False:
        return Hop(kind="bridge", what=what, is_ok=False, why=f"{bridge.name} is down", evidence=_evidence(bridge))
    # A bridge has no carrier when none of its ports has: that is the port's trouble, and said there.
    explained = near is None or near.master != bridge.ifindex or near.has_carrier is not True or inside.is_up is False
    if bridge.has_carrier is False and not explained:
        return Hop(kind="bridge", what=what, is_ok=False, why=f"{bridge.name} has no carrier", evidence=_evidence(bridge))
    return Hop(kind="bridge", what=what, is_ok=None if bridge.is_up is None else True, evidence=_evidence(bridge))


def _near_hop(near: Link, inside: Link, bridge: Link | None) -> Hop:
    """The end on this side: of a veth the port of the bridge, of macvlan and ipvlan the link below."""
    kind: HopKind = "veth" if near.kind in ("veth", "netkit") else "link"
    what = f"{near.name} ↔ {inside.name} inside"
    if near.is_up is False:
        return Hop(kind=kind, what=what, is_ok=False, why=f"{near.name} is down", evidence=_evidence(near))
    if bridge is not None and near.master != bridge.ifindex:
        why = f"{near.name} is not a port of {bridge.name}"
        return Hop(kind=kind, what=what, is_ok=False, why=why, evidence=_evidence(near))
    if near.has_carrier is False and inside.is_up is not False:
        return Hop(kind=kind, what=what, is_ok=False, why=f"{near.name} has no carrier", evidence=_evidence(near))
    return Hop(kind=kind, what=what, is_ok=None if near.is_up is None else True, evidence=_evidence(near))


def _plain_hop(link: Link) -> Hop:
    why = f"{link.name} is down" if link.is_up is False else ""
    return Hop(kind="link", what=link.name, is_ok=link.is_up, why=why, evidence=_evidence(link))


def _inside_hop(target: NetworkNamespace, inside: Link, address: str) -> Hop:
    what = f"{inside.name} {address} inside"
    if inside.is_up is False:
        why = f"{inside.name} inside is down"
        return Hop(kind="namespace", what=what, is_ok=False, why=why, evidence=_evidence(inside))
    if inside.has_carrier is False:
        why = f"{inside.name} inside has no carrier: its other end is down or gone"
        return Hop(kind="namespace", what=what, is_ok=False, why=why, evidence=_evidence(inside))
    return Hop(kind="namespace", what=what, is_ok=None if inside.is_up is None else True, evidence=_evidence(inside))


def _evidence(link: Link) -> str:
    flags = [word for word, is_set in (("UP", link.is_up), ("LOWER_UP", link.has_carrier)) if is_set]
    return f"link {link.ifindex} {link.name}: flags {','.join(flags) or 'none'}, state {link.state}, mtu {link.mtu}"


def _is_on(link: Link, address: str) -> bool:
    """Whether a link has an address in the same network."""
    return any(contains(network, address) for network in link.addresses)


def _by_name(namespace: NetworkNamespace, name: str | None) -> Link | None:
    return next((link for link in namespace.links if link.name == name), None)


def _by_index(namespace: NetworkNamespace, ifindex: int | None) -> Link | None:
    return None if ifindex is None else next((link for link in namespace.links if link.ifindex == ifindex), None)


def _place(namespace: NetworkNamespace) -> str:
    return "the host" if namespace.is_initial else f"net:[{namespace.ino}]"
