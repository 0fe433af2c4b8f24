"""The topology as a graph for programs that draw: a group for each network namespace, a node for each link."""

from collections.abc import Iterable
from typing import NamedTuple

from ctrscope.model.container import Container
from ctrscope.model.network import EdgeEnd, Link, NetworkNamespace, NetworkTopology
from ctrscope.render.network_words import is_loopback, link_trouble, namespace_text, publication_text, who_text
from ctrscope.render.safe import inert


class Node(NamedTuple):
    """One link. The lines are inert."""

    id: str
    lines: tuple[str, ...]
    is_broken: bool


class Group(NamedTuple):
    """One network namespace."""

    id: str
    title: str  # inert
    nodes: tuple[Node, ...]


class Graph(NamedTuple):
    """Everything that is drawn; edges are the ids of two nodes, the one nearer to the wire first, and the kind."""

    groups: tuple[Group, ...]
    edges: tuple[tuple[str, str, str], ...]


def graph_of(topology: NetworkTopology, containers: Iterable[Container]) -> Graph:
    """Groups and edges. Links that nothing uses, and namespaces with nothing else, are left out."""
    by_id = {one.id: one for one in containers}
    joined = {_id(end) for edge in topology.edges for end in (edge.a, edge.b)}
    groups = []
    for namespace in topology.network_namespaces:
        nodes = tuple(
            _node(namespace, link)
            for link in namespace.links
            if link.ifindex is not None
            and (_id(EdgeEnd(netns=namespace.ino, ifindex=link.ifindex)) in joined or _is_worth(link))
        )
        if nodes:
            groups.append(Group(f"ns{namespace.ino}", _title(namespace, topology, by_id), nodes))
    return Graph(tuple(groups), tuple((_id(edge.b), _id(edge.a), edge.kind.replace("_", " ")) for edge in topology.edges))


def _title(namespace: NetworkNamespace, topology: NetworkTopology, containers: dict[str, Container]) -> str:
    who = who_text(namespace.containers, containers) if namespace.containers else ""
    title = f"host{f' and {who}' if who else ''}" if namespace.is_initial else who or namespace_text(namespace)
    published = [publication_text(one) for one in topology.publications or () if one.target_netns == namespace.ino]
    return "  ".join((title, *published))


def _node(namespace: NetworkNamespace, link: Link) -> Node:
    kind = f" ({inert(link.kind)})" if link.kind else ""
    trouble = link_trouble(link)
    addresses = tuple(inert(one) for one in link.addresses if not one.startswith("fe80:"))
    end = EdgeEnd(netns=namespace.ino, ifindex=link.ifindex or 0)
    return Node(_id(end), (inert(link.name) + kind, *addresses, *([trouble] if trouble else [])), bool(trouble))


def _is_worth(link: Link) -> bool:
    return not is_loopback(link) and (link.is_up is not False or bool(link.addresses))


def _id(end: EdgeEnd) -> str:
    return f"ns{end.netns}_{end.ifindex}"
