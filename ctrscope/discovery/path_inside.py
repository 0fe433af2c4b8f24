"""The end of the way: whether the answer finds back, whether the container runs, and who listens."""

from collections.abc import Iterable, Iterator

from ctrscope.model.container import Container, ContainerStatus
from ctrscope.model.network import Hop, NetworkNamespace, Socket
from ctrscope.model.reach import Reach, any_address, find_listener, waiting_sockets

_MOST_NAMED = 8


def inside_hops(
    container: Container | None,
    target: NetworkNamespace,
    proto: str,
    address: str | None,
    port: int,
    outside: NetworkNamespace | None,
    *,
    reach: Reach | None = None,
) -> Iterator[Hop]:
    """Hops inside the container's namespace.

    *container*: None when the way leads into another's. *outside*: where other hosts' packets come from, when they keep
    their sender, so that the answer needs a route to anywhere; None when the sender is next door.
    """
    if outside is not None and reach is not None:
        yield _way_back(target, address, reach)
    if container is not None and container.status is ContainerStatus.PAUSED:
        why = f"{container.name} is paused: the kernel takes connections, and nobody answers them"
        yield Hop(kind="namespace", what=container.name, is_ok=False, why=why, evidence=container.note or "")
    yield _listener(target, proto, address, port)


def _way_back(target: NetworkNamespace, address: str | None, reach: Reach) -> Hop:
    wants_ipv6 = ":" in (address or "")
    routes = [
        one for one in target.routes if one.dst == "default" and (one.gateway is None or (":" in one.gateway) == wants_ipv6)
    ]
    if not routes:
        why = "no default route inside: an answer to another network does not find its way"
        evidence = "; ".join(f"{one.dst} dev {one.dev}" for one in target.routes) or "no route at all"
        return Hop(kind="route", what="default route inside", is_ok=False, why=why, evidence=evidence)
    route = routes[0]
    what = f"default{f' via {route.gateway}' if route.gateway else ''} dev {route.dev} inside"
    if route.gateway is not None and reach.owner(target.ino, route.gateway) in (None, target.ino):
        leads_out = any(link.kind in ("macvlan", "ipvlan", "tun", None) for link in target.links if link.name == route.dev)
        if not leads_out:
            why = f"nobody on this host has the gateway {route.gateway}"
            return Hop(kind="route", what=what, is_ok=False, why=why)
    return Hop(kind="route", what=what, is_ok=True)


def _listener(target: NetworkNamespace, proto: str, address: str | None, port: int) -> Hop:
    what = f"{proto} {port} inside"
    if target.sockets is None:
        return Hop(kind="listener", what=what, is_ok=None, why="its sockets could not be read")
    waiting = list(waiting_sockets(target.sockets, proto))
    if (found := find_listener(waiting, proto, address, port)) is not None:
        return Hop(kind="listener", what=f"{_who(found)} on {_bound(found)}", is_ok=True, evidence=_evidence(found))
    elsewhere = [one for one in waiting if one.local_port == port]
    if elsewhere:
        places = _listed(_bound(one) for one in elsewhere)
        only = "IPv6" if all(":" in (one.local or "") for one in elsewhere) and ":" not in (address or "") else ""
        loopback = all(_is_loopback(one.local) for one in elsewhere)
        why = f"{_who(elsewhere[0])} listens on {places} only"
        if loopback:
            why += f": nothing that comes to {address or 'another address'} reaches it"
        elif only:
            why += ", and what comes is IPv4"
        return Hop(kind="listener", what=what, is_ok=False, why=why, evidence=_evidence(elsewhere[0]))
    others = _listed(
        _bound(one) if _is_loopback(one.local) else f"{one.local_port}"
        for one in sorted(waiting, key=lambda one: one.local_port or 0)
    )
    why = f"nothing listens on {port}/{proto}; " + (f"open are {others}" if others else f"no {proto} port is open")
    return Hop(kind="listener", what=what, is_ok=False, why=why)


def _who(socket: Socket) -> str:
    return f"{socket.comm or 'process'} {socket.pid}" if socket.pid is not None else "somebody"


def _bound(socket: Socket) -> str:
    local = socket.local or "?"
    shown = "*" if not any_address(local) else f"[{local}]" if ":" in local else local
    return f"{shown}:{socket.local_port}"


def _evidence(socket: Socket) -> str:
    return f"{socket.proto} {socket.local}:{socket.local_port} {socket.state}, inode {socket.ino}"


def _is_loopback(address: str | None) -> bool:
    return (address or "").startswith(("127.", "::ffff:127.")) or address == "::1"


def _listed(words: Iterable[str]) -> str:
    found = list(dict.fromkeys(words))
    return ", ".join(found[:_MOST_NAMED]) + (", …" if len(found) > _MOST_NAMED else "")
