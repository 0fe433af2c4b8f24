"""``ctrscope net``: the network of the whole host, across all network namespaces; or of one container, in full."""

import argparse
from typing import ClassVar

import msgspec

from ctrscope.cli.answer import exit_status, find_or_say, is_blind, print_answer, print_lines, say_gaps
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import ExitStatus
from ctrscope.cli.inspect import ID_HELP, gaps_about
from ctrscope.cli.path import parse_wanted_port, print_path
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap
from ctrscope.model.network import NetworkNamespace, NetworkTopology
from ctrscope.model.snapshot import Snapshot
from ctrscope.render.safe import inert

_EXAMPLES = """\
Without ID a map: the host's links and bridges, what hangs on them, and the containers at the end. With ID the network namespace
of that container: the way to the wire, links, addresses, routes, neighbours, and sockets with their processes.

examples:
  ctrscope net
  ctrscope net web
  ctrscope net web --path 8080             why does the port not answer?
  ctrscope net --svg > network.svg         a picture; no other program is needed
  ctrscope net --mermaid                   for documents that draw Mermaid; --dot for Graphviz
  ctrscope net --json | jq '.edges[] | select(.kind == "veth")'
"""


class Net:
    """The network."""

    name: ClassVar[str] = "net"
    help: ClassVar[str] = "links, addresses, routes, peers, bridges, published ports, sockets, across all network namespaces"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.epilog = _EXAMPLES
        parser.add_argument("id", metavar="ID", nargs="?", help=ID_HELP + "; without it the whole host")
        parser.add_argument(
            "--path",
            metavar="PORT[/udp]",
            type=parse_wanted_port,
            help="the way to a port of ID, from the wire to the process that listens, and where it breaks; "
            "PORT is one of the host that is published for it, or its own",
        )
        pictures = parser.add_mutually_exclusive_group()
        pictures.add_argument("--dot", action="store_true", help="the map for Graphviz")
        pictures.add_argument("--mermaid", action="store_true", help="the map for Mermaid")
        pictures.add_argument("--svg", action="store_true", help="the map as an SVG picture")

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Print the map, a picture of it, one namespace, or the way to a port."""
        if arguments.path is not None and arguments.id is None:
            environment.say("ctrscope net: --path needs the ID of a container: ctrscope net ID --path PORT")
            return ExitStatus.USAGE
        from ctrscope.discovery.discover import discover
        from ctrscope.discovery.namespaces import read_namespaces
        from ctrscope.discovery.network_names import read_network_names, with_network_names
        from ctrscope.discovery.plan import Plan
        from ctrscope.discovery.published import find_publications
        from ctrscope.discovery.topology import TopologyReader

        snapshot = discover(environment.host, Plan(namespaces=True, addresses=False, stats=False, stopped=True))
        container = None if arguments.id is None else find_or_say(environment, snapshot, arguments.id)
        is_picture = arguments.dot or arguments.mermaid or arguments.svg
        reader = TopologyReader(environment.host)
        namespaces, namespace_gaps = read_namespaces(environment.host, snapshot) if container is None else (None, ())
        topology, topology_gaps = reader.read(snapshot, namespaces=namespaces, sockets=True)
        assert topology is not None
        publications, publication_gaps = find_publications(environment.host, snapshot, topology)
        names, name_gaps = read_network_names(environment.host, snapshot)
        assert names is not None
        topology = msgspec.structs.replace(with_network_names(topology, names), publications=publications)
        topology_gaps = (*namespace_gaps, *topology_gaps, *publication_gaps, *name_gaps)
        gaps = (*(snapshot.gaps if container is None else gaps_about(snapshot, container)), *topology_gaps)
        if container is not None and arguments.path is not None:
            print_path(environment, snapshot, topology, container, arguments.path, gaps)
            return exit_status(environment, gaps)
        if container is not None and (ino := container.namespaces.net) is None:
            if container.is_running:
                environment.say(f"{inert(container.name)}: its network namespace could not be read.")
                say_gaps(environment, gaps)
                return ExitStatus.NOT_PERMITTED
            environment.say(f"{inert(container.name)} is {container.status}: it has no network namespace.")
            return ExitStatus.FAILED
        if is_picture:
            shown = topology if container is None or ino is None else _narrowed(topology, ino)
            print_lines(environment, _picture(arguments, shown, snapshot))
            say_gaps(environment, gaps)
        elif container is not None and ino is not None:
            _print_one(environment, snapshot, topology, ino, gaps)
        elif environment.json:
            _print_json(environment, snapshot, topology, gaps)
        else:
            from ctrscope.render.topology import format_map, topology_lines

            lines = topology_lines(topology, snapshot.containers)
            print_lines(environment, format_map(lines, environment.width, colour=environment.colour))
            say_gaps(environment, gaps)
        return ExitStatus.NOT_PERMITTED if is_blind(snapshot) else exit_status(environment, gaps)


def _print_one(
    environment: Environment, snapshot: Snapshot, topology: NetworkTopology, ino: int, gaps: tuple[Gap, ...]
) -> None:
    whole = [one for one in topology.network_namespaces if one.ino == ino]
    if environment.json:
        edges = tuple(edge for edge in topology.edges if ino in (edge.a.netns, edge.b.netns))
        published = tuple(one for one in topology.publications or () if ino in (one.netns, one.target_netns))
        part = NetworkTopology(network_namespaces=tuple(whole), edges=edges, publications=published)
        _print_json(environment, snapshot, part, gaps)
        return
    for namespace in whole:
        print_lines(environment, _page(environment, snapshot.containers, topology, namespace))
    say_gaps(environment, gaps)


def _page(
    environment: Environment, containers: tuple[Container, ...], topology: NetworkTopology, namespace: NetworkNamespace
) -> list[str]:
    from ctrscope.render.network_page import format_network_page
    from ctrscope.render.topology import format_map, topology_lines

    way: list[str] = []
    if not namespace.is_initial:
        lines = topology_lines(_narrowed(topology, namespace.ino), containers)
        way = format_map(lines, environment.width, colour=environment.colour)
    others = {one.ino: one for one in topology.network_namespaces}
    return format_network_page(namespace, others, {one.id: one for one in containers}, way, environment.width)


def _narrowed(topology: NetworkTopology, ino: int) -> NetworkTopology:
    from ctrscope.discovery.narrow import narrowed

    return narrowed(topology, ino)


def _picture(arguments: argparse.Namespace, topology: NetworkTopology, snapshot: Snapshot) -> list[str]:
    if arguments.dot:
        from ctrscope.export.dot import format_dot

        return format_dot(topology, snapshot.containers)
    if arguments.mermaid:
        from ctrscope.export.mermaid import format_mermaid

        return format_mermaid(topology, snapshot.containers)
    from ctrscope.export.svg import format_svg

    return format_svg(topology, snapshot.containers)


def _print_json(environment: Environment, snapshot: Snapshot, topology: NetworkTopology, gaps: tuple[Gap, ...]) -> None:
    from ctrscope.export.contract import NetAnswer

    answer = NetAnswer(
        taken_at=snapshot.taken_at,
        host=snapshot.host,
        network_namespaces=topology.network_namespaces,
        edges=topology.edges,
        publications=topology.publications,
        gaps=gaps,
    )
    print_answer(environment, answer)
