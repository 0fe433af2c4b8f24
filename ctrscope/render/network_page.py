"""One network namespace in full: the way to the wire, links, routes, neighbours and sockets, as text."""

from collections.abc import Iterable, Mapping, Sequence

from ctrscope.model.container import Container
from ctrscope.model.network import Link, NetworkNamespace, Socket
from ctrscope.render.network_words import namespace_text, who_text
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column, format_table
from ctrscope.render.units import NOT_APPLICABLE, NOT_PERMITTED, format_bytes

_INDENT = 2
_LINK_COLUMNS = (
    Column("LINK"),
    Column("KIND"),
    Column("STATE"),
    Column("MTU", "right", 3),
    Column("MAC", rank=4),
    Column("ADDRESSES", least=18),
    Column("LEADS TO", rank=1, least=12),
    Column("RX", "right", 2),
    Column("TX", "right", 2),
)
_ROUTE_COLUMNS = (Column("TO"), Column("VIA"), Column("LINK"), Column("FROM", rank=1))
_NEIGHBOUR_COLUMNS = (Column("NEIGHBOUR"), Column("MAC"), Column("LINK"), Column("STATE"))
_SOCKET_COLUMNS = (
    Column("PROTO"),
    Column("STATE"),
    Column("LOCAL", least=14),
    Column("REMOTE", least=14),
    Column("PROCESS", least=8),
)


def format_network_page(
    namespace: NetworkNamespace,
    others: Mapping[int, NetworkNamespace],
    containers: Mapping[str, Container],
    way: Sequence[str],
    width: int | None = None,
) -> list[str]:
    """The page of one namespace. *others*: all namespaces by inode; *way*: lines of the map that lead to it, ready to print."""
    lines = [_title(namespace, containers), ""]
    if way:
        lines += [*way, ""]
    links = [_link_cells(link, namespace, others, containers) for link in namespace.links]
    lines += _table("links", _LINK_COLUMNS, links, width)
    routes = [
        (
            inert(route.dst) + ("" if route.type == "unicast" else f" {route.type}"),
            inert(route.gateway or NOT_APPLICABLE),
            inert(route.dev or NOT_APPLICABLE),
            inert(route.src or NOT_APPLICABLE),
        )
        for route in namespace.routes
    ]
    lines += _table("routes", _ROUTE_COLUMNS, routes, width)
    neighbours = [
        (inert(one.address), one.mac or NOT_APPLICABLE, inert(one.dev or NOT_APPLICABLE), one.state)
        for one in namespace.neighbours
    ]
    if neighbours:
        lines += _table("neighbours", _NEIGHBOUR_COLUMNS, neighbours, width)
    lines += _table("sockets", _SOCKET_COLUMNS, [_socket_cells(one) for one in _sorted(namespace.sockets or ())], width)
    if namespace.sockets is None:
        lines[-2:-1] = [f"{' ' * _INDENT}{NOT_PERMITTED} sockets could not be read"]
    return lines[:-1]


def _title(namespace: NetworkNamespace, containers: Mapping[str, Container]) -> str:
    who = who_text(namespace.containers, containers) if namespace.containers else namespace_text(namespace)
    words = [f"net:[{namespace.ino}]", "the host's" if namespace.is_initial else "", who]
    if namespace.networks:
        words.append(f"network {', '.join(map(inert, namespace.networks))}")
    forwarding = [name for name, is_on in namespace.forwarding.items() if is_on]
    if namespace.forwarding:
        words.append(f"forwards {' and '.join(forwarding)}" if forwarding else "forwards nothing")
    if namespace.path:
        words.append(f"held by {inert(namespace.path)}")
    return "  ".join(word for word in words if word)


def _table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    if not rows:
        return [f"no {title}", ""]
    room = None if width is None else width - _INDENT
    return [title, *(" " * _INDENT + line for line in format_table(columns, rows, room)), ""]


def _link_cells(
    link: Link, namespace: NetworkNamespace, others: Mapping[int, NetworkNamespace], containers: Mapping[str, Container]
) -> tuple[str, ...]:
    return (
        inert(link.name),
        _kind(link),
        _state(link),
        NOT_APPLICABLE if link.mtu is None else str(link.mtu),
        link.mac or NOT_APPLICABLE,
        inert(" ".join(link.addresses)) or NOT_APPLICABLE,
        leads_to(link, namespace, others, containers),
        NOT_APPLICABLE if link.rx_bytes is None else format_bytes(link.rx_bytes),
        NOT_APPLICABLE if link.tx_bytes is None else format_bytes(link.tx_bytes),
    )


def _kind(link: Link) -> str:
    """The kind with its details; what is off is not worth the room."""
    details = (
        value if name in ("mode", "network") else f"{name} {value}" for name, value in link.details.items() if value != "off"
    )
    return inert(", ".join([link.kind or NOT_APPLICABLE, *details]))


def _state(link: Link) -> str:
    if link.is_up is None:
        return NOT_PERMITTED
    if not link.is_up:
        return "down"
    return "up" if link.has_carrier else "up, no carrier"


def leads_to(
    link: Link, namespace: NetworkNamespace, others: Mapping[int, NetworkNamespace], containers: Mapping[str, Container]
) -> str:
    """What is at the other end of a link, and of what it is a port; of *namespace*, in which it is, among *others* by inode."""
    words = []
    peer = link.peer
    if peer is not None:
        where = others.get(peer.netns) if peer.netns is not None else None
        name = inert(peer.name or f"link {peer.ifindex}")
        if peer.netns is None:
            words.append(f"{name} of a namespace that could not be found")
        elif where is None or where.ino == namespace.ino:
            words.append(name)
        elif where.is_initial or not where.containers:
            words.append(f"{name} of {namespace_text(where)}")
        else:
            words.append(f"{name} of {who_text(where.containers, containers)}")
    master = next((one for one in namespace.links if one.ifindex == link.master), None) if link.master else None
    if master is not None:
        words.append(f"port of {inert(master.name)}")
    return ", ".join(words) or NOT_APPLICABLE


def _sorted(sockets: Iterable[Socket]) -> list[Socket]:
    """Listening ones first, unix sockets last."""
    return sorted(
        sockets, key=lambda one: (one.proto == "unix", one.state not in ("LISTEN", "UNCONN"), one.proto, one.local_port or 0)
    )


def _socket_cells(socket: Socket) -> tuple[str, ...]:
    process = NOT_APPLICABLE if socket.pid is None else f"{inert(socket.comm or '?')} {socket.pid}"
    return (socket.proto, socket.state, _end(socket.local, socket.local_port), _end(socket.remote, socket.remote_port), process)


def _end(address: str | None, port: int | None) -> str:
    if address is None:
        return NOT_APPLICABLE
    if port is None:
        return inert(address)
    return inert(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
