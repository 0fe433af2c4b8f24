"""Network: the map of every network namespace, from the wire to the containers, or its links as a list; trouble has a word."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content

from ctrscope.model.container import Container
from ctrscope.model.gap import Gap
from ctrscope.model.namespace import NamespaceId, NamespaceType
from ctrscope.model.network import Link, LinkRates, NetworkTopology
from ctrscope.model.sample import Focus, Sample
from ctrscope.model.value import Value
from ctrscope.render.fields import engine_text, status_sign
from ctrscope.render.network_words import rate_text
from ctrscope.render.safe import inert, shorten
from ctrscope.render.topology import MapLine, topology_lines
from ctrscope.views.actions import COLUMNS, NETWORK, SELECTED, TABLE, Action, bindings
from ctrscope.views.filtering import Condition, matches
from ctrscope.views.jumps import Item
from ctrscope.views.link_rows import LINK_COLUMNS, LinkRow, link_columns, link_fields, link_figures, link_lines, link_rows
from ctrscope.views.ordering import Order
from ctrscope.views.rows import status_tone
from ctrscope.views.screens.list import ListScreen
from ctrscope.views.screens.listed import ListedScreen
from ctrscope.views.tones import MAP_TONES, Part, line, width_of
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

_STEP = 20  # cells by which the map is moved sideways


class NetworkScreen(ListedScreen):
    """The map or the list with a cursor on one line, and two lines of words about it."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (*NETWORK, *TABLE, *COLUMNS)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS), *bindings(SELECTED)]
    TITLE_TEXT = "Network"
    FILTER_HINT = "words that must match: veth web 172.17.0.2 :8080 trouble:down; in the list also kind:veth rx>1M mtu<1500"
    COLUMNS: ClassVar[Mapping[str, Column]] = LINK_COLUMNS
    STAYING = frozenset({"name", "where"})
    LIST_ORDER = Order("rx", descending=True)
    WAITING = "reading the network of every namespace …"

    def __init__(self) -> None:
        super().__init__()
        self._topology: NetworkTopology | None = None  # None: not read yet
        self._rates: Mapping[tuple[int, int], LinkRates] = {}
        self._gaps: Sequence[Gap] = ()  # of reading it
        self._lines: dict[str, MapLine] = {}
        self._links: dict[str, LinkRow] = {}  # of the list
        self._shift = 0  # cells of the map left of the edge of the screen
        self._wanted = ""  # a link or namespace to put the cursor on as soon as it is there

    def focus_of(self) -> Focus:
        """Ask for the topology."""
        return Focus(topology=True)

    def is_waiting(self) -> bool:
        """Whether the topology was not read yet."""
        return self._topology is None

    def selected(self) -> Container | None:
        """Get the container at the end of the line under the cursor, when it is one and no more."""
        return self._container_of(self.table.cursor or "")

    def _container_of(self, key: str) -> Container | None:
        found = self._containers(key)
        return found[0] if len(found) == 1 else None

    def _containers(self, key: str) -> list[Container]:
        drawn = self._lines.get(key)
        if drawn is None or self.sample is None:
            return []
        inos = {end[0] for end in (drawn.key, drawn.inside) if end is not None}
        # An id alone does not tell: two containerd namespaces may have the same.
        return [
            one
            for one in self.sample.snapshot.containers
            if one.id in drawn.containers and (not inos or one.namespaces.net in inos)
        ]

    def value_of(self, key: str) -> Value | None:
        """The link that the line is about, the nearer end of two; of a namespace's line the container."""
        drawn = self._lines.get(key)
        return self._link(drawn.key if drawn is not None else None) or self._container_of(key)

    def offers(self, action: Action) -> bool:
        """Opening takes a container, the next trouble takes trouble."""
        if action.id == "network.open":
            return bool(self._containers(self.table.cursor or ""))
        if action.id == "network.trouble":
            return any(drawn.trouble for drawn in self._lines.values())
        if action.id in ("network.left", "network.right", "table.columns"):
            return self.is_list == (action.id == "table.columns")
        return super().offers(action)

    def item(self) -> Item:
        """The namespace that the line leads to, and the container in it when it is one and no more."""
        drawn = self._lines.get(self.table.cursor or "")
        end = (drawn.inside or drawn.key) if drawn is not None else None
        return Item(self.selected(), namespace=NamespaceId(NamespaceType.NET, end[0]) if end is not None else None)

    def point_at(self, place: str) -> None:
        """Put the cursor on a link by its name, or on a namespace by its number."""
        self._wanted = place
        self.show_list(False)
        self.draw()

    # Drawing

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample."""
        if sample.topology is not None:
            self._topology, self._rates, self._gaps = sample.topology, sample.link_rates, sample.gaps
        super().show_sample(sample)

    def draw_rows(self, sample: Sample) -> None:
        """Draw the map or the list, and go to where somebody pointed."""
        if self.is_list:
            self._draw_list(sample)
        else:
            self._draw_map(sample)
        self._go_to_wanted()

    def _draw_list(self, sample: Sample) -> None:
        if self._topology is not None:
            rows = link_rows(self._topology, sample.snapshot.containers, self._rates)
            found = (row for row in rows if matches(self.conditions, link_fields(row)))
            self._links = {f"{row.ino}/{row.link.ifindex}": row for row in found}
            self._lines = {key: row.line for key, row in self._links.items()}
            self.table.empty = self.nothing_matches("link")
        figures = link_figures(self.size.width, self.chosen)
        rows_shown = link_lines(self._links, figures, self.order)
        self.table.show_rows(link_columns(figures, self.size.width), rows_shown, self.order)

    def _draw_map(self, sample: Sample) -> None:
        if self._topology is not None:
            drawn = topology_lines(self._topology, sample.snapshot.containers, self._rates)
            self._lines = filtered_lines(keyed_lines(drawn), self.conditions)
            self.table.empty = "No network namespace could be read." if not drawn else self.nothing_matches("line")
        self.table.show_rows(
            (Column("map", " FROM THE WIRE TO THE CONTAINERS", "left", max(0, self.size.width - 2)),),
            [TableRow(key, partial(_row, drawn, self._shift)) for key, drawn in self._lines.items()],
        )

    def _go_to_wanted(self) -> None:
        for key, drawn in self._lines.items() if self._wanted else ():
            link = self._link(drawn.key)
            inos = {str(end[0]) for end in (drawn.key, drawn.inside) if end is not None}
            if (link is not None and self._wanted == link.name) or self._wanted.partition("[")[2].rstrip("]") in inos:
                self._wanted = ""
                self.table.stand_on(key)
                return

    def _link(self, key: tuple[int, int] | None) -> Link | None:
        if key is None or self._topology is None:
            return None
        found = next((one for one in self._topology.network_namespaces if one.ino == key[0]), None)
        return next((link for link in found.links if link.ifindex == key[1]), None) if found else None

    def row_text(self, sample: Sample, room: int) -> Content:
        """Say of the line what it has no room for: what is wrong, and both ends in full."""
        drawn = self._lines.get(self.table.cursor or "")
        if drawn is None:
            return line()
        ends = [link_text(link) for end in (drawn.key, drawn.inside) if (link := self._link(end)) is not None]
        trouble = f"▲ {drawn.trouble}   " if drawn.trouble else ""
        return line(" ", (trouble, "act"), (shorten(" ─ ".join(ends) or drawn.text.strip(), room - len(trouble)), "muted"))

    def total_text(self) -> Content:
        """Count namespaces, links and troubles; what goes over the line under the cursor."""
        if self._topology is None:
            return line((" reading …", "muted"))
        namespaces = self._topology.network_namespaces
        troubles = sum(bool(drawn.trouble) for drawn in self._lines.values())
        left: list[Part] = [f" {len(namespaces)} network namespaces"]
        left.append((f" · {sum(len(one.links) for one in namespaces)} links", "muted"))
        if troubles:
            left.append((f" · ▲ {troubles} in trouble", "act"))
        drawn = self._lines.get(self.table.cursor or "")
        rate = self._rates.get(drawn.inside or drawn.key or (0, 0)) if drawn else None
        right: list[Part] = [(f"{rate_text(rate)} on this line " if rate is not None else "", "accent")]
        if self.is_list:
            right = [(f"{f'{len(self._links)} shown · ' if self.filter else ''}list · {self.sort_words()} ", "muted")]
        left.append(self.gap_words(self._gaps, width_of([*left, *right])))
        return self.spread(left, *right)

    # Keys

    def sortable(self) -> Sequence[str]:
        """A map has no order but its own."""
        return super().sortable() if self.is_list else ()

    def falls(self, key: str) -> bool:
        """The largest packets are nothing to begin with."""
        return super().falls(key) and key != "mtu"

    def action_columns(self) -> None:
        """Choose among those of the list."""
        if self.is_list:
            super().action_columns()

    def open_row(self, key: str) -> None:
        """Open the container at the end of the line; of several, let one be chosen."""
        found = self._containers(key)
        if len(found) == 1:
            self.ctrscope.open_container(found[0].key)
        elif found:
            rows = [TableRow(one.key, partial(_container_row, one)) for one in found]

            def chosen(key: str | None) -> None:
                if key is not None:
                    self.ctrscope.open_container(key)

            self.app.push_screen(ListScreen("in this namespace", _columns, rows, hint="enter opens, esc closes"), chosen)

    def action_trouble(self) -> None:
        """Go to the next line on which something is wrong, round and round."""
        keys = list(self._lines)
        here = keys.index(self.table.cursor) if self.table.cursor in keys else -1
        for key in (*keys[here + 1 :], *keys[: here + 1]):
            if self._lines[key].trouble:
                self.table.stand_on(key)
                return

    def action_shift(self, direction: int) -> None:
        """Move the map sideways, as far as there is something to see."""
        if self.is_list:
            return
        longest = max((len(drawn.text) for drawn in self._lines.values()), default=0)
        self._shift = max(0, min(self._shift + direction * _STEP, longest - self.size.width // 2))
        self.draw()


def keyed_lines(lines: Iterable[MapLine]) -> dict[str, MapLine]:
    """Lines of the map by a key that stays while other lines come and go."""
    keyed: dict[str, MapLine] = {}
    for drawn in lines:
        key = f"{drawn.key[0]}/{drawn.key[1]}" if drawn.key is not None else f"title {drawn.text}"
        number = next(number for number in count() if f"{key} {number}".removesuffix(" 0") not in keyed)
        keyed[f"{key} {number}".removesuffix(" 0")] = drawn
    return keyed


def filtered_lines(lines: Mapping[str, MapLine], conditions: Sequence[Condition]) -> dict[str, MapLine]:
    """Lines that match, and those that they hang on: without them the map would not say where."""
    kept: set[str] = set()
    way: list[str] = []  # keys from the top down to this line
    for key, drawn in lines.items():
        way[drawn.depth :] = [key]
        if matches(conditions, {"line": drawn.text, "trouble": drawn.trouble or ""}):
            kept.update(way)
    return {key: drawn for key, drawn in lines.items() if key in kept}


def _row(drawn: MapLine, shift: int) -> tuple[Cell, ...]:
    parts: list[tuple[str, str]] = [(" ", "plain")]
    for part in drawn.parts:
        text, shift = part.text[shift:], max(0, shift - len(part.text))
        if text:
            parts.append((text, MAP_TONES[part.role]))
    return (Cell(drawn.text, parts=tuple(parts)),)


def _columns(width: int) -> tuple[Column, ...]:
    return (
        Column("sign", "", "right", 2),
        Column("name", "CONTAINER", "left", width // 2),
        Column("engine", "ENGINE", "left", 20),
    )


def _container_row(container: Container) -> tuple[Cell, ...]:
    return (
        Cell(status_sign(container), status_tone(container)),
        Cell(inert(container.name), "strong"),
        Cell(engine_text(container), "muted"),
    )


def link_text(link: Link) -> str:
    """One link in full: name, kind, state, MTU, MAC, every address."""
    parts = (
        inert(link.name),
        inert(link.kind or ""),
        inert(link.state or ""),
        f"mtu {link.mtu}" if link.mtu is not None else "",
        inert(link.mac or ""),
        inert(" ".join(link.addresses)),
    )
    return " ".join(part for part in parts if part)
