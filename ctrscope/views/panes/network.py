"""Network: published ports, links with their addresses, routes; as its network namespace has them."""

from textual.content import Content

from ctrscope.model.network import Link
from ctrscope.render.fields import ports_text
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column
from ctrscope.render.units import format_bytes
from ctrscope.views.panes.opened import Opened, facts, heading, missing, table

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
        *facts("ports", ports_text(container.ports), opened.width),
        *facts("networks", inert(", ".join(container.networks)), opened.width),
    ]
    if container.shares.get("net") == "host":
        lines += facts("namespace", "the host's: what follows is the host's network", opened.width, "watch")
    network = opened.detail.network if opened.detail else None
    if network is None:
        lines += facts("addresses", inert(", ".join(container.addresses)), opened.width)
        return [*lines, *([Content("")] if lines else []), *missing(opened, "network")]
    if lines:
        lines.append(Content(""))
    rows = [_link(link) for link in network.links]
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


def _link(link: Link) -> tuple[str, ...]:
    # IFLA_LINK of a veth or macvlan is the index of its peer or lower link, in the namespace that the nsid names.
    elsewhere = "" if link.peer_netnsid is None else f" in nsid {link.peer_netnsid}"
    return (
        inert(link.name),
        inert(link.kind or ""),
        inert(link.state or ""),
        inert(" ".join(link.addresses)),
        inert(link.mac or ""),
        "" if link.mtu is None else str(link.mtu),
        f"#{link.peer_ifindex}{elsewhere}" if link.peer_ifindex else "",
        "" if link.rx_bytes is None else format_bytes(link.rx_bytes),
        "" if link.tx_bytes is None else format_bytes(link.tx_bytes),
    )
