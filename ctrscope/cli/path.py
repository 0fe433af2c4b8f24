"""``ctrscope net ID --path PORT``: the way to one port, hop by hop."""

import argparse
from typing import NamedTuple

from ctrscope.cli.answer import print_answer, print_lines, say_gaps
from ctrscope.cli.environment import Environment
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap
from ctrscope.model.network import NetworkTopology
from ctrscope.model.snapshot import Snapshot

_PROTOS = ("tcp", "udp", "sctp")


class WantedPort(NamedTuple):
    """A port and its protocol."""

    port: int
    proto: str


def parse_wanted_port(text: str) -> WantedPort:
    """``8080`` or ``53/udp``, for argparse. Errors: ArgumentTypeError."""
    number, slash, proto = text.partition("/")
    if not number.isascii() or not number.isdecimal() or not 0 < int(number) < 65536 or (slash and proto not in _PROTOS):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write 8080 or 53/udp")
    return WantedPort(int(number), proto or "tcp")


def print_path(
    environment: Environment,
    snapshot: Snapshot,
    topology: NetworkTopology,
    container: Container,
    wanted: WantedPort,
    gaps: tuple[Gap, ...],
) -> None:
    """Print the way to a port; *topology* has publications and sockets."""
    from ctrscope.discovery.forwarded import read_filters
    from ctrscope.discovery.path import explain_path

    filters = read_filters(environment.host, topology)
    path = explain_path(snapshot, topology, topology.publications or (), container, wanted.port, wanted.proto, filters)
    if environment.json:
        from ctrscope.export.contract import NetAnswer

        inside = container.namespaces.net
        answer = NetAnswer(
            taken_at=snapshot.taken_at,
            host=snapshot.host,
            network_namespaces=tuple(one for one in topology.network_namespaces if one.ino == inside),
            edges=tuple(edge for edge in topology.edges if inside in (edge.a.netns, edge.b.netns)),
            publications=topology.publications,
            path=path,
            gaps=gaps,
        )
        print_answer(environment, answer)
        return
    from ctrscope.render.path import format_path

    print_lines(environment, format_path(path, container.name, environment.width, colour=environment.colour))
    say_gaps(environment, gaps)
