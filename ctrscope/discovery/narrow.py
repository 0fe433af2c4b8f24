"""The part of the topology that one network namespace has to do with: what its packets pass on their way to the wire."""

import msgspec

from ctrscope.model.network import EdgeEnd, NetworkTopology


def narrowed(topology: NetworkTopology, netns: int) -> NetworkTopology:
    """The namespace whole, and of the others only the links that lead to it, with the wire of the host.

    Of a bridge the port that leads there is kept and the others are not.
    """
    edges = topology.edges
    kept = {(end.netns, end.ifindex) for edge in edges for end in (edge.a, edge.b) if end.netns == netns}
    taken = set()
    waiting = sorted(kept)
    while waiting:
        here = waiting.pop()
        for number, edge in enumerate(edges):
            a, b = _key(edge.a), _key(edge.b)
            # A veth leads both ways; everything else only down, to the bridge or to the link below.
            is_step = here == a or (here == b and (edge.kind == "veth" or here[0] == netns))
            if not is_step:
                continue
            taken.add(number)
            other = b if here == a else a
            if other not in kept:
                kept.add(other)
                waiting.append(other)
    namespaces = []
    for namespace in topology.network_namespaces:
        if namespace.ino == netns:
            namespaces.append(namespace)
            continue
        links = tuple(
            link
            for link in namespace.links
            if (namespace.ino, link.ifindex) in kept or (namespace.is_initial and link.kind is None and link.name != "lo")
        )
        if namespace.is_initial or any((namespace.ino, link.ifindex) in kept for link in namespace.links):
            changed = msgspec.structs.replace(namespace, links=links)
            namespaces.append(msgspec.structs.replace(changed, containers=()) if namespace.is_initial else changed)
    publications = topology.publications and tuple(
        one for one in topology.publications if netns in (one.netns, one.target_netns)
    )
    return NetworkTopology(
        network_namespaces=tuple(namespaces),
        edges=tuple(edge for number, edge in enumerate(edges) if number in taken),
        read_ns=topology.read_ns,
        publications=publications,
    )


def _key(end: EdgeEnd) -> tuple[int, int]:
    return (end.netns, end.ifindex)
