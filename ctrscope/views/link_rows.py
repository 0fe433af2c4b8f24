"""The links of every network namespace as one list, for what the map has no order: which is busiest, which is down. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ctrscope.model.container import Container
from ctrscope.model.network import Link, LinkRates, NetworkTopology
from ctrscope.render.network_words import is_loopback, kind_text, link_trouble, namespace_text, who_text
from ctrscope.render.safe import inert
from ctrscope.render.topology import MapLine
from ctrscope.render.units import format_bytes
from ctrscope.views.figures import WHEN_CHOSEN, Figure, shown_figures
from ctrscope.views.ordering import Order, ordered
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

_WHERE_LEAST = 16


class LinkRow(NamedTuple):
    """One link, and who is behind it."""

    ino: int  # of its network namespace
    link: Link
    where: str  # inert: the containers in that namespace, or what else to call it
    containers: tuple[str, ...]  # ids
    rates: LinkRates | None
    trouble: str
    peer: str  # name of the other end

    @property
    def line(self) -> MapLine:
        """The line of the map that says the same."""
        return MapLine((self.ino, self.link.ifindex or 0), None, self.containers, (), self.trouble)


def link_rows(
    topology: NetworkTopology, containers: Sequence[Container], rates: Mapping[tuple[int, int], LinkRates]
) -> Iterator[LinkRow]:
    """Every link but lo, which every namespace has."""
    known = {one.id: one for one in containers}
    links = {(one.ino, link.ifindex): link for one in topology.network_namespaces for link in one.links}
    ends: dict[tuple[int, int], tuple[int, int]] = {}
    for edge in topology.edges:
        if edge.kind != "bridge_port":
            a, b = (edge.a.netns, edge.a.ifindex), (edge.b.netns, edge.b.ifindex)
            ends[a], ends[b] = b, a
    for one in topology.network_namespaces:
        inside = who_text(one.containers, known) if one.containers and not one.is_initial else namespace_text(one)
        for link in one.links:
            if is_loopback(link):
                continue
            key = (one.ino, link.ifindex or 0)
            peer = links.get(ends[key]) if key in ends else None
            name = inert(peer.name) if peer is not None else ""
            yield LinkRow(one.ino, link, inside, one.containers, rates.get(key), link_trouble(link, peer), name)


def link_fields(row: LinkRow) -> dict[str, str | float | None]:
    """What a filter may ask of a link, and what it is sorted by."""
    link, rates = row.link, row.rates
    return {
        "name": link.name,
        "where": row.where,
        "kind": kind_text(link) or link.kind or "",
        "state": link.state or "",
        "address": " ".join(link.addresses),
        "mac": link.mac or "",
        "peer": row.peer,
        "trouble": row.trouble,
        "mtu": None if link.mtu is None else float(link.mtu),
        "rx": rates.rx_bytes if rates is not None else None,
        "tx": rates.tx_bytes if rates is not None else None,
        "dropped": _dropped(link),
    }


def _dropped(link: Link) -> float | None:
    return None if link.rx_dropped is None or link.tx_dropped is None else float(link.rx_dropped + link.tx_dropped)


def link_figures(width: int, chosen: Sequence[str]) -> list[Figure]:
    """The columns between the link and who is behind it."""
    return shown_figures(FIGURES, width, width - 4 - _NAME.width - _NAME.gap - _WHERE_LEAST, chosen)


def link_columns(figures: Sequence[Figure], width: int) -> tuple[Column, ...]:
    """A sign, the name, some figures, and who is behind it, which gets what is left."""
    rest = width - 2 - 3 - _NAME.width - _NAME.gap - sum(figure.column.width + figure.column.gap for figure in figures)
    return (_SIGN, _NAME, *(figure.column for figure in figures), _WHERE._replace(width=max(_WHERE_LEAST, rest)))


def link_lines(rows: Mapping[str, LinkRow], figures: Sequence[Figure], order: Order) -> list[TableRow]:
    """A line for each link, in the order of a column."""
    keys = ordered(rows, lambda key: _value(rows[key], order.column), descending=order.descending)
    return [TableRow(key, partial(_line, rows[key], figures)) for key in keys]


def _value(row: LinkRow, column: str) -> str | float | None:
    if column == "sign":
        return float(bool(row.trouble))
    value = link_fields(row)[column]
    return None if value == "" else value


def _line(row: LinkRow, figures: Sequence[Figure]) -> tuple[Cell, ...]:
    sign = Cell("▲", "act") if row.trouble else Cell("●" if row.link.is_up else "", "accent")
    where = Cell(f"{row.where}  ▲ {row.trouble}" if row.trouble else row.where, parts=_where(row))
    return (sign, Cell(inert(row.link.name), "strong"), *(figure.cell(row) for figure in figures), where)


def _where(row: LinkRow) -> tuple[tuple[str, str], ...]:
    return ((row.where, "plain"), (f"  ▲ {row.trouble}" if row.trouble else "", "act"))


def _text(field: str) -> Callable[[LinkRow], Cell]:
    return lambda row: Cell(inert(str(link_fields(row)[field])), "muted")


def _addresses(row: LinkRow) -> Cell:
    first, *more = row.link.addresses or ("",)
    return Cell(inert(f"{first} +{len(more)}" if more else first), "muted")


def _bytes(field: str) -> Callable[[LinkRow], Cell]:
    def cell(row: LinkRow) -> Cell:
        value = link_fields(row)[field]
        return (
            Cell("", "idle") if not isinstance(value, float | int) else Cell(format_bytes(value), "plain" if value else "idle")
        )

    return cell


def _number(field: str) -> Callable[[LinkRow], Cell]:
    def cell(row: LinkRow) -> Cell:
        value = link_fields(row)[field]
        return Cell("", "idle") if not isinstance(value, float | int) else Cell(f"{value:.0f}", "plain" if value else "idle")

    return cell


_SIGN = Column("sign", "", "right", 2, "▲ where nothing passes, ● where it is up")
_NAME = Column("name", "LINK", "left", 15, "name of the link in its network namespace", 2)
_WHERE = Column("where", "IN", "left", _WHERE_LEAST, "the containers in its network namespace, and why nothing passes")
FIGURES = (
    Figure(Column("rx", "↓/S", "right", 6, "bytes a second into it"), 0, _bytes("rx")),
    Figure(Column("tx", "↑/S", "right", 6, "bytes a second out of it", 2), 0, _bytes("tx")),
    Figure(Column("address", "ADDRESS", "left", 21, "its first address, and how many more it has", 2), 72, _addresses),
    Figure(Column("kind", "KIND", "left", 10, "kind of the link; nothing is a device", 2), 90, _text("kind")),
    Figure(Column("peer", "OTHER END", "left", 15, "the other end of a veth, the link below another", 2), 110, _text("peer")),
    Figure(
        Column("dropped", "DROPPED", "right", 8, "packets dropped since it was made, both ways", 2), 130, _number("dropped")
    ),
    Figure(Column("mtu", "MTU", "right", 5, "largest packet", 2), 150, _number("mtu")),
    Figure(Column("mac", "MAC", "left", 17, "its hardware address", 2), 170, _text("mac")),
    Figure(Column("state", "STATE", "left", 8, "operational state, in the kernel's word", 2), WHEN_CHOSEN, _text("state")),
)
LINK_COLUMNS = {column.key: column for column in (_NAME, *(figure.column for figure in FIGURES), _WHERE)}
