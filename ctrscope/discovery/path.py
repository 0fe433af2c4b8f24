"""The way of a packet from the wire to the process that listens, hop by hop, and where it breaks.

The order is that of a packet that comes in: address and port of the host, rule or proxy, route, bridge, both ends of the
veth, what is inside, the way back, who listens. A hop that could not be checked says why; those after a broken one are
still looked at, since more than one thing may be wrong.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ctrscope.discovery.forwarded import Filters, judge_publication
from ctrscope.discovery.path_inside import inside_hops
from ctrscope.discovery.path_links import link_hops, mtu_hops
from ctrscope.discovery.published import published_for
from ctrscope.model.container import Container
from ctrscope.model.network import Hop, HopKind, NetworkNamespace, NetworkPath, NetworkTopology, Publication
from ctrscope.model.reach import VIRTUAL, Reach, addresses_of, find_route, find_uplink, link_with
from ctrscope.model.snapshot import Snapshot

_RULES = ("nftables ", "iptables-legacy ")


def explain_path(
    snapshot: Snapshot,
    topology: NetworkTopology,
    publications: Iterable[Publication],
    container: Container,
    port: int,
    proto: str,
    filters: Filters | None = None,
) -> NetworkPath:
    """How *port* of *container* is reached: a port of the host that is published for it, or one of its own.

    *filters*: what drops packets on their way; without it nothing is said of that.
    """
    explanation = _Explanation(snapshot, topology, tuple(publications), filters or {})
    return NetworkPath(proto=proto, port=port, hops=tuple(explanation.hops(container, port, proto)))


class _Explanation:
    def __init__(
        self, snapshot: Snapshot, topology: NetworkTopology, publications: Sequence[Publication], filters: Filters
    ) -> None:
        self._filters = filters
        self._reach = Reach(topology)
        self._publications = publications
        self._names = {one.id: one.name for one in snapshot.containers}

    def hops(self, container: Container, port: int, proto: str) -> list[Hop]:
        """Every hop, in the order of a packet that comes in."""
        if not container.is_running:
            why = f"{container.name} is {container.status}: it has no process, and nothing listens"
            return [Hop(kind="listener", what=f"{container.name} {port}/{proto}", is_ok=False, why=why)]
        here = self._reach.namespaces.get(container.namespaces.net or 0)
        if here is None:
            why = "its network namespace could not be found or read"
            return [Hop(kind="namespace", what=container.name, is_ok=None, why=why)]
        own = [one for one in published_for(self._publications, container) if one.proto == proto]
        chosen = self._choose(own, port, proto)
        if chosen is None and here.is_initial:
            return self._host_network(container, here, port, proto)
        if chosen is None:
            return self._unpublished(container, here, own, port, proto)
        return self._published(container, here, chosen, port)

    def _choose(self, own: list[Publication], port: int, proto: str) -> Publication | None:
        """What decides on that port: a port of the host before one inside, the kernel's first rule before a proxy."""
        # A port of the host that leads to somebody else, or to nobody, is an answer too.
        every = [one for one in self._publications if one.proto == proto]
        for among, field in ((own, "host_port"), (own, "target_port"), (every, "host_port")):
            doors = [one for one in among if getattr(one, field) == port]
            if not doors:
                continue
            # From the wire rather than from this host alone; the host's own namespace rather than a rootless one.
            door = min(doors, key=lambda one: (bool(one.reach), self._reach.order(one.netns), not one.via))
            same = [one for one in self._publications if _takes_what_comes_to(one, door)]
            return next((one for one in same if any(via.startswith(_RULES) for via in one.via)), same[0])
        return None

    def _published(self, container: Container, here: NetworkNamespace, chosen: Publication, port: int) -> list[Hop]:
        outside = self._reach.namespaces.get(chosen.netns)
        if outside is None:
            return [
                Hop(
                    kind="wire", what=_door(chosen), is_ok=None, why="the network namespace that publishes it could not be read"
                )
            ]
        hops = [self._wire(outside, chosen, port)]
        if "host network" in chosen.via:
            return [*hops, *inside_hops(container, here, chosen.proto, chosen.target_ip, chosen.target_port or port, None)]
        hops += self._mechanisms(container, outside, chosen)
        if chosen.target_netns is None:
            return hops
        target = self._reach.namespaces.get(chosen.target_netns)
        if target is None:
            return hops
        by_rule = any(via.startswith(_RULES) for via in chosen.via)
        is_direct = by_rule or any(via.startswith("docker-proxy") for via in chosen.via) or not chosen.via
        if by_rule and not chosen.reach:
            hops.append(_forwarding(outside, chosen))
            hops += self._filter(outside, chosen)
        if is_direct and chosen.target_ip and target is not outside:
            hops += link_hops(self._reach, outside, target, chosen.target_ip)
        back = outside if is_direct and by_rule and not chosen.reach else None
        inside = container if target is here else None
        hops += inside_hops(inside, target, chosen.proto, chosen.target_ip, chosen.target_port or port, back, reach=self._reach)
        if is_direct and chosen.target_ip:
            hops += mtu_hops(self._reach, outside, target, chosen.target_ip)
        return hops

    def _wire(self, outside: NetworkNamespace, chosen: Publication, port: int) -> Hop:
        what = f"{chosen.proto} {_door(chosen)}"
        if chosen.host_port != port:
            what += f", published for port {port} inside"
        if chosen.host_ip and not self._reach.has_address_in(outside.ino, chosen.host_ip):
            why = f"no link of {_place(outside)} has {chosen.host_ip}"
            evidence = f"addresses: {', '.join(one for one in addresses_of(outside) if not one.startswith('fe80:'))}"
            return Hop(kind="wire", what=what, is_ok=False, why=why, evidence=evidence)
        link = link_with(outside, chosen.host_ip) if chosen.host_ip and "/" not in chosen.host_ip else find_uplink(outside)
        if link is not None and link.is_up is False:
            return Hop(kind="wire", what=what, is_ok=False, why=f"{link.name} is down")
        return Hop(kind="wire", what=what, is_ok=True, why=chosen.reach)

    def _mechanisms(self, container: Container, outside: NetworkNamespace, chosen: Publication) -> list[Hop]:
        """One hop for each rule and proxy that does it."""
        target = _address(chosen.target_ip, chosen.target_port)
        if not chosen.via and not chosen.is_checked:
            why = "the rules of the kernel could not be read"
            return [Hop(kind="nat", what=f"→ {target}", is_ok=None, why=why, evidence=_declaration(container))]
        if not chosen.via:
            why = f"{container.engine}'s state says so, and nothing does it: no rule of the kernel, no proxy process"
            return [Hop(kind="nat", what=f"→ {target}", is_ok=False, why=why, evidence=_declaration(container))]
        is_ok, why = self._leads(container, outside, chosen)
        hops = []
        for via in chosen.via:
            kind: HopKind = "nat" if via.startswith(_RULES) else "proxy"
            hops.append(Hop(kind=kind, what=f"{via} → {target}", is_ok=is_ok, why=why, evidence=_declaration(container)))
        return hops

    def _leads(self, container: Container, outside: NetworkNamespace, chosen: Publication) -> tuple[bool | None, str]:
        """Whether it is sent where it should be, and if not, what is there."""
        own = [one for one in self._own_addresses(container) if (":" in one) == (":" in (chosen.target_ip or ""))]
        has = f"{container.name} has {', '.join(own) or 'no address'}"
        if chosen.target_netns is None:
            if not chosen.target_ip:
                return None, "it does not say where it leads"
            route = find_route(outside, chosen.target_ip)
            link = next((one for one in outside.links if route is not None and one.name == route.dev), None)
            if link is not None and link.kind not in VIRTUAL:
                return None, f"{chosen.target_ip} is not on this host: the route leads out through {link.name}"
            return False, f"nobody has {chosen.target_ip}: {has}"
        if chosen.target_netns != container.namespaces.net:
            there = self._reach.namespaces.get(chosen.target_netns)
            whose = _whose(there, self._names) if there is not None else f"in net:[{chosen.target_netns}]"
            return False, f"{chosen.target_ip} is {whose}: {has}"
        wanted = [
            one.container_port for one in container.ports if one.host_port == chosen.host_port and one.proto == chosen.proto
        ]
        if wanted and chosen.declared_by is not None and chosen.target_port not in wanted:
            said = ", ".join(str(one) for one in wanted)
            return False, f"{container.engine}'s state says port {said} inside, not {chosen.target_port}"
        return True, ""

    def _filter(self, outside: NetworkNamespace, chosen: Publication) -> Iterator[Hop]:
        """Whether the packet filter lets through what the rule has sent on."""
        judged = judge_publication(self._filters, outside, chosen)
        if judged is None:
            return
        verdict, packet = judged
        to = _address(packet.dst, packet.dport)
        what = f"forward {packet.in_interface} → {packet.out_interface}, {packet.proto} to {to}"
        why = {False: "it is dropped", None: "it depends on what is not known here"}.get(verdict.is_accepted, "")
        if verdict.source and why:
            why += f": {verdict.source}"
        yield Hop(kind="filter", what=what, is_ok=verdict.is_accepted, why=why)

    def _own_addresses(self, container: Container) -> list[str]:
        here = self._reach.namespaces.get(container.namespaces.net or 0)
        return (
            []
            if here is None
            else [one for one in addresses_of(here) if not one.startswith(("127.", "fe80:")) and one != "::1"]
        )

    def _unpublished(
        self, container: Container, here: NetworkNamespace, own: list[Publication], port: int, proto: str
    ) -> list[Hop]:
        """No port of the host leads there: what is left is the way from this host."""
        published = ", ".join(dict.fromkeys(f"{one.host_port} → {one.target_port}" for one in own))
        addresses = self._own_addresses(container)
        address = next((one for one in addresses if ":" not in one), addresses[0] if addresses else None)
        outside = self._reach.initial
        why = f"{port}/{proto} is not published: "
        why += f"published are {published}" if published else "nothing of it is; it is reached from this host only"
        hops = [Hop(kind="wire", what=f"{proto} {_address(address, port)}", is_ok=False if published else None, why=why)]
        if address is not None and outside is not None:
            hops += link_hops(self._reach, outside, here, address)
        hops += inside_hops(container, here, proto, address, port, None, reach=self._reach)
        if address is not None and outside is not None:
            hops += mtu_hops(self._reach, outside, here, address)
        return hops

    def _host_network(self, container: Container, here: NetworkNamespace, port: int, proto: str) -> list[Hop]:
        what = f"{proto} *:{port} of the host"
        wire = Hop(kind="wire", what=what, is_ok=True, why="the container is in the host's own network namespace")
        # Its namespace has everybody's sockets: those of the container's own processes are meant.
        own = tuple(one for one in here.sockets or () if one.pid in container.pids)
        if here.sockets is not None:
            here = msgspec.structs.replace(here, sockets=own)
        return [wire, *inside_hops(container, here, proto, None, port, None)]


def _takes_what_comes_to(one: Publication, door: Publication) -> bool:
    return (one.netns, one.proto, one.host_port) == (door.netns, door.proto, door.host_port) and (
        one.host_ip in (door.host_ip, "")
    )


def _forwarding(outside: NetworkNamespace, chosen: Publication) -> Hop:
    """Whether the kernel passes on what is not for itself; what a proxy does needs none of it."""
    family = "ipv6" if ":" in (chosen.target_ip or "") else "ipv4"
    name = "net.ipv6.conf.all.forwarding" if family == "ipv6" else "net.ipv4.ip_forward"
    is_on = outside.forwarding.get(family)
    if is_on is None:
        return Hop(kind="route", what="forwarding", is_ok=None, why=f"{name} could not be read")
    why = "" if is_on else f"forwarding is off in {_place(outside)}: what comes over the wire is not passed on"
    return Hop(kind="route", what="forwarding", is_ok=is_on, why=why, evidence=f"{name} = {int(is_on)}")


def _door(one: Publication) -> str:
    return f"{_bracketed(one.host_ip) if one.host_ip else '*'}:{one.host_port}"


def _address(ip: str | None, port: int | None) -> str:
    return f"{_bracketed(ip) if ip else '?'}:{port if port is not None else '?'}"


def _bracketed(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def _place(namespace: NetworkNamespace) -> str:
    return "the host" if namespace.is_initial else f"net:[{namespace.ino}]"


def _whose(namespace: NetworkNamespace, names: dict[str, str]) -> str:
    inside = ", ".join(names.get(one, one[:12]) for one in namespace.containers)
    return f"{inside}'s" if inside else f"in {_place(namespace)}"


def _declaration(container: Container) -> str:
    said = [f"{_address(one.host_ip or '*', one.host_port)} → {one.container_port}/{one.proto}" for one in container.ports]
    return f"{container.engine}'s state: {', '.join(said)}" if said else ""
