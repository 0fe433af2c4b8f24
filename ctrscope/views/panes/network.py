"""Network: the way from the wire to each of its ports, its links with their addresses, routes."""

from textual.content import Content

from ctrscope.model.network import Link, NetworkPath
from ctrscope.render.fields import ports_text
from ctrscope.render.network_page import leads_to
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column
from ctrscope.render.topology import topology_lines
from ctrscope.render.units import format_bytes
from ctrscope.views.links import linked, port_links
from ctrscope.views.panes.opened import MARGIN, Opened, facts, heading, missing, table, wrapped
from ctrscope.views.tones import MAP_TONES, line

#: Whether a hop is in order → sign, tone, and what it says of a whole way.
_SIGNS = {
    True: ("✓", "accent", "every hop is in order"),
    False: ("✗", "act", "broken"),
    None: ("?", "watch", "not all could be checked"),
}

_LINKS = (
    Column("LINK"),
    Column("KIND", rank=2),
    Column("STATE"),
    Column("ADDRESSES", least=30),
    Column("MAC", rank=3),
    Column("MTU", "right", rank=4),
    Column("PEER", rank=1),
    Column("IN", "right"),
    Column("OUT", "right"),
)
_ROUTES = (Column("TO"), Column("GATEWAY"), Column("LINK"), Column("SOURCE"))


def draw(opened: Opened) -> list[Content]:
    """Draw the tab."""
    container = opened.container
    lines = [
        *linked(facts("ports", ports_text(container.ports), opened.width), port_links(container, opened.here)),
        *facts("networks", inert(", ".join(container.networks)), opened.width),
    ]
    if container.shares.get("net") == "host":
        lines += facts("namespace", "the host's: what follows is the host's network", opened.width, "watch")
    network = opened.detail.network if opened.detail else None
    if network is None:
        lines += facts("addresses", inert(", ".join(container.addresses)), opened.width)
    if lines:
        lines.append(Content(""))
    if container.is_running:
        lines += _way(opened)
    if network is None:
        return [*lines, *missing(opened, "network")]
    rows = [_link(link, _peer(link, opened)) for link in network.links]
    tones = ["idle" if link.state == "DOWN" or link.name == "lo" else "plain" for link in network.links]
    lines += table(_LINKS, rows, opened.width, tones) if rows else missing(opened, "links")
    if network.routes:
        lines += [Content(""), heading("routes")]
        lines += table(
            _ROUTES,
            [tuple(inert(part or "") for part in (route.dst, route.gateway, route.dev, route.src)) for route in network.routes],
            opened.width,
        )
    return lines


def _way(opened: Opened) -> list[Content]:
    """Its part of the map, and each port hop by hop: on one line where all is well."""
    way = opened.way
    if way is None:
        return [heading("from the wire"), line(" " * MARGIN, ("looking …", "muted")), Content("")]
    lines = [heading("from the wire")]
    drawn = topology_lines(way.topology, opened.snapshot.containers)
    lines += [line(" " * MARGIN, *((part.text, MAP_TONES[part.role]) for part in one.parts)) for one in drawn]
    for path in way.paths:
        lines += _path(path, opened.width)
    if not way.paths:
        lines.append(line(" " * MARGIN, ("Nothing is published, and none of its processes waits for others.", "muted")))
    return [*lines, Content("")]


def _path(path: NetworkPath, width: int) -> list[Content]:
    broken, unknown = path.broken, [hop for hop in path.hops if hop.is_ok is None]
    sign, tone, word = _SIGNS[False if broken is not None else None if unknown else True]
    title = line(" " * MARGIN, (f"{sign} {path.port}/{path.proto}", tone), (f"  {word}", "muted"))
    if broken is None and not unknown:
        return [title, *wrapped(" ─ ".join(inert(hop.what) for hop in path.hops), width, "muted", indent=2)]
    lines = [title]
    for hop in path.hops:
        sign, tone, _ = _SIGNS[hop.is_ok]
        lines.append(line(" " * (MARGIN + 2), (f"{sign} ", tone), (f"{hop.kind:<10}", "muted"), inert(hop.what)))
        if hop.why and hop.is_ok is not True:
            lines += wrapped(inert(hop.why), width, tone, indent=14)
    return lines


def _peer(link: Link, opened: Opened) -> str:
    """What the link leads to: by name as soon as the way to the container is known, which tells who is at the other end."""
    way = opened.way
    others = {one.ino: one for one in way.topology.network_namespaces} if way is not None else {}
    here = others.get(opened.container.namespaces.net or 0)
    same = next((one for one in here.links if one.ifindex == link.ifindex and one.peer), None) if here is not None else None
    if here is not None and same is not None:
        return leads_to(same, here, others, {one.id: one for one in opened.snapshot.containers})
    if not link.peer_ifindex:
        return ""
    # IFLA_LINK of a veth or macvlan is the index of its peer or lower link, in the namespace that the nsid names.
    elsewhere = "" if link.peer_netnsid is None else f" in nsid {link.peer_netnsid}"
    return f"#{link.peer_ifindex}{elsewhere}"


def _link(link: Link, peer: str) -> tuple[str, ...]:
    return (
        inert(link.name),
        inert(link.kind or ""),
        inert(link.state or ""),
        inert(" ".join(link.addresses)),
        inert(link.mac or ""),
        "" if link.mtu is None else str(link.mtu),
        peer,
        "" if link.rx_bytes is None else format_bytes(link.rx_bytes),
        "" if link.tx_bytes is None else format_bytes(link.tx_bytes),
    )
