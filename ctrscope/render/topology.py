"""The network of the whole host as a tree, from the wire to the containers: data for the terminal and for the dashboard.

*Shape:* below the host's links and bridges the links that hang on them; a veth and its other end are one line, which then says
who is in there. A namespace is opened where it is first reached; what nothing leads to comes last, as unattached.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from ctrscope.model.container import Container
from ctrscope.model.network import Link, LinkRates, NetworkNamespace, NetworkTopology, Publication
from ctrscope.render.network_words import (
    is_loopback,
    kind_text,
    link_trouble,
    listed,
    namespace_text,
    publication_text,
    publication_trouble,
    rate_text,
    who_text,
)
from ctrscope.render.safe import cell_width, inert, shorten
from ctrscope.render.wiring import LinkKey, Wiring, is_wire

Role = Literal["branch", "title", "link", "kind", "address", "namespace", "container", "port", "sign", "rate", "trouble", "dim"]
_DEEPEST = 120  # cells of indentation
#: Roles that are set apart on a terminal: bold, dim, red; the others stay as they are.
_COLOURS: Mapping[Role, str] = {
    "title": "\x1b[1m",
    "container": "\x1b[1m",
    "branch": "\x1b[2m",
    "kind": "\x1b[2m",
    "dim": "\x1b[2m",
    "trouble": "\x1b[31m",
}
_RESET = "\x1b[0m"


class Part(NamedTuple):
    """A piece of a line, inert, and what it is: the colour depends on that."""

    text: str
    role: Role


class MapLine(NamedTuple):
    """One line of the map."""

    key: LinkKey | None  # of the link, ifindex 0 for a namespace itself; None: a title
    inside: LinkKey | None  # of a veth's other end, where its namespace is entered
    containers: tuple[str, ...]  # ids of those in the namespace that the line shows
    parts: tuple[Part, ...]
    trouble: str  # what is wrong, in words; it is among the parts too
    depth: int = 0  # lines above it that it hangs on

    @property
    def text(self) -> str:
        """The line as plain text."""
        return "".join(part.text for part in self.parts)


def topology_lines(
    topology: NetworkTopology,
    containers: Iterable[Container],
    link_rates: Mapping[LinkKey, LinkRates] | None = None,
) -> tuple[MapLine, ...]:
    """The map, line by line. Rates stand beside the links that have traffic, as the container counts it."""
    return tuple(_flatten(_Drawing(topology, containers, link_rates or {}).draw()))


def format_map(lines: Iterable[MapLine], width: int | None = None, *, colour: bool = False) -> list[str]:
    """The lines as text, cut to the screen."""
    shown = []
    for line in lines:
        room, text = width, ""
        for part in line.parts:
            piece = part.text if room is None else shorten(part.text, room)
            text += f"{_COLOURS[part.role]}{piece}{_RESET}" if colour and part.role in _COLOURS else piece
            if room is not None:
                room -= cell_width(piece)
                if piece != part.text:
                    break
        shown.append(text)
    return shown


class _Node:
    """A line before it is known where in the tree it ends up."""

    __slots__ = ("children", "containers", "inside", "key", "parts", "trouble")

    def __init__(self, key: LinkKey | None = None) -> None:
        self.key = key
        self.inside: LinkKey | None = None
        self.containers: tuple[str, ...] = ()
        self.parts: list[Part] = []
        self.trouble = ""
        self.children: list[_Node] = []

    def say(self, text: str, role: Role, gap: str = "  ") -> None:
        if text:
            self.parts.append(Part(gap + text if self.parts else text, role))

    def say_link(self, link: Link, gap: str = "  ") -> None:
        self.say(inert(link.name), "link", gap)
        if link.is_up is False:
            self.say("✗ down", "trouble", " ")
        self.say(kind_text(link), "kind", " ")
        # Every link has a link-local IPv6 address: it tells nothing.
        self.say(" ".join(inert(one) for one in link.addresses if not one.startswith("fe80:")), "address", " ")

    def say_publication(self, publication: Publication, target: NetworkNamespace | None) -> None:
        self.say(publication_text(publication), "port")
        # "nftables ip nat DOCKER handle 35" is for the path; "docker-proxy 5512" is short enough as it is.
        via = (one if len(one.split()) == 2 else one.partition(" ")[0] for one in publication.via)
        self.say(inert(", ".join(dict.fromkeys(via))), "dim")
        if trouble := publication_trouble(publication, target):
            self.say(f"✗ {trouble}", "trouble")
            self.trouble = self.trouble or f"{publication_text(publication)}: {trouble}"
        elif publication.listener is not None:
            self.say(f"✓ {inert(publication.listener.comm or '')}".rstrip(), "sign")


class _Drawing:
    """Walks from the wire inwards; every link is drawn once."""

    def __init__(self, topology: NetworkTopology, containers: Iterable[Container], rates: Mapping[LinkKey, LinkRates]) -> None:
        self._wiring = Wiring(topology)
        self._containers = {one.id: one for one in containers}
        self._rates = rates
        self._published: dict[int | None, list[Publication]] = {}  # by the namespace it leads to
        for publication in topology.publications or ():
            self._published.setdefault(publication.target_netns, []).append(publication)
        self._drawn: set[LinkKey] = set()
        self._entered: set[int] = set()

    def draw(self) -> list[_Node]:
        namespaces = self._wiring.namespaces.values()
        roots = [self._draw_host(one) for one in namespaces if one.is_initial]
        lonely = [one for one in namespaces if one.ino not in self._entered]
        if lonely:
            root = _Node()
            root.say("unattached" if roots else "namespaces", "title")
            roots.append(root)
            empty = [one for one in lonely if self._wiring.is_empty(one) and one.ino not in self._published]
            for namespace in lonely:
                # One of them may be reached from another: a link between two of them is drawn below the first.
                if namespace.ino not in self._entered and not (len(empty) > 1 and namespace in empty):
                    self._draw_unattached(root, namespace)
            if len(empty) > 1:
                root.children.append(self._fold(empty))
        return roots

    def _draw_host(self, host: NetworkNamespace) -> _Node:
        root = _Node(None if host.containers else (host.ino, 0))
        root.say("wire" if any(is_wire(link) for link in host.links) else "host", "title")
        self._entered.add(host.ino)
        if host.containers or self._published.get(host.ino):
            node = _Node((host.ino, 0))
            node.containers = host.containers
            node.say("host network:", "dim")
            node.say(who_text(host.containers, self._containers) or "no container", "container", " ")
            self._say_ports(node, host)
            root.children.append(node)
        self._walk(root, self._wiring.roots_of(host))
        for publication in self._published.get(None, ()):
            if publication.netns == host.ino:  # an address that nobody has
                node = _Node()
                node.say_publication(publication, None)
                root.children.append(node)
        links = [(key, self._wiring.links[key]) for key in self._wiring.keys_of(host)]
        idle = [inert(link.name) for key, link in links if self._wiring.is_idle(key) and not is_loopback(link)]
        if idle:
            node = _Node()
            node.say(f"down and not in use: {listed(idle)}", "dim")
            root.children.append(node)
        return root

    def _fold(self, empty: Sequence[NetworkNamespace]) -> _Node:
        """One line for the namespaces in which there is nothing to see."""
        node = _Node()
        node.containers = tuple(dict.fromkeys(one for namespace in empty for one in namespace.containers))
        node.say(f"{len(empty)} with nothing but lo in use:", "dim")
        names = [who_text(one.containers, self._containers) if one.containers else namespace_text(one) for one in empty]
        node.say(listed(names), "container", " ")
        return node

    def _draw_unattached(self, root: _Node, namespace: NetworkNamespace) -> None:
        node = _Node((namespace.ino, 0))
        self._enter(node, namespace)
        root.children.append(node)
        links = self._wiring.roots_of(namespace)
        if not links:
            node.say("nothing but lo in use" if namespace.links else "no links could be read", "dim")
        self._walk(node, links)

    def _walk(self, root: _Node, first: Sequence[LinkKey]) -> None:
        # A stack rather than recursion: namespaces can be chained deeper than Python's stack.
        waiting = [(root, key) for key in reversed(first)]
        while waiting:
            parent, key = waiting.pop()
            if key in self._drawn:
                continue
            node = _Node(key)
            parent.children.append(node)
            came_from = None if parent.key is None else (parent.inside or parent.key)[0]
            waiting += [(node, below) for below in reversed(self._draw_link(node, key, came_from))]

    def _draw_link(self, node: _Node, key: LinkKey, came_from: int | None) -> list[LinkKey]:
        """Fill in the line of one link; returns what hangs on it. *came_from*: the namespace of the line above."""
        self._drawn.add(key)
        wiring = self._wiring
        link, namespace = wiring.links[key], wiring.namespaces[key[0]]
        children = wiring.hanging_on(key)
        other, lower = wiring.veth.get(key), wiring.below.get(key)
        far = None if other is None or other in self._drawn else wiring.links[other]
        trouble = link_trouble(link, far if far is not None else wiring.links[lower] if lower is not None else None)
        node.say_link(link)
        if far is not None and other is not None:
            self._drawn.add(other)
            node.inside = other
            node.say("─", "branch", " ")
            node.say_link(far, gap=" ")
            trouble = trouble or link_trouble(far)
            children += wiring.hanging_on(other)
            namespace = wiring.namespaces[other[0]]
            if (master := (other[0], far.master or 0)) in wiring.links:
                children.append(master)
        elif link.kind == "veth" and other is None:
            node.say("─ ?", "dim", " ")
            if link.peer_ifindex is not None and wiring.is_whole:
                trouble = trouble or "its other end is in a namespace that could not be found"
        if namespace.ino not in self._entered:
            self._enter(node, namespace)
            children += [one for one in wiring.roots_of(namespace) if one not in children]
        elif came_from != namespace.ino:
            self._say_who(node, namespace)
        rate = self._rates.get(node.inside or key)
        if rate is not None and (rate.rx_bytes or rate.tx_bytes):
            node.say(rate_text(rate), "rate")
        if trouble:
            node.say(f"▲ {trouble}", "trouble")
            node.trouble = trouble
        elif link.kind == "bridge" and not wiring.ports.get(key):
            node.say("(no ports in use)", "dim")
        return children

    def _enter(self, node: _Node, namespace: NetworkNamespace) -> None:
        self._entered.add(namespace.ino)
        self._say_who(node, namespace)
        self._say_ports(node, namespace)

    def _say_who(self, node: _Node, namespace: NetworkNamespace) -> None:
        if namespace.is_initial:
            return
        node.containers = namespace.containers
        if namespace.containers:
            node.say(who_text(namespace.containers, self._containers), "container")
        else:
            node.say(namespace_text(namespace), "namespace")

    def _say_ports(self, node: _Node, namespace: NetworkNamespace) -> None:
        """One published port stands on the line itself, several below it."""
        published = self._published.get(namespace.ino, ())
        for publication in published:
            line = node
            if len(published) > 1:
                line = _Node()
                line.containers = namespace.containers
                node.children.append(line)
            line.say_publication(publication, namespace)


def _flatten(roots: Sequence[_Node]) -> Iterator[MapLine]:
    waiting = [(root, "", "", 0) for root in reversed(roots)]
    while waiting:
        node, prefix, branch, depth = waiting.pop()
        before = [Part(prefix + branch, "branch")] if branch else []
        yield MapLine(node.key, node.inside, node.containers, (*before, *node.parts), node.trouble, depth)
        deeper = prefix + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch] if len(prefix) < _DEEPEST else prefix
        last = len(node.children) - 1
        children = [(child, deeper, "└─ " if index == last else "├─ ", depth + 1) for index, child in enumerate(node.children)]
        waiting += reversed(children)
