"""``ctrscope cgroup``: the cgroup tree, with limits as set and limits as they bite."""

import argparse
from typing import ClassVar

from ctrscope.cli.answer import exit_status, find_or_say, is_blind, print_answer, print_lines, say_gaps
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import ExitStatus
from ctrscope.cli.inspect import ID_HELP, gaps_about
from ctrscope.model.cgroup import CgroupNode
from ctrscope.model.container import Container
from ctrscope.render.cgroups import format_cgroups, short_path
from ctrscope.render.colour import paint_title
from ctrscope.render.fields import engine_text
from ctrscope.render.safe import inert

_EXAMPLES = """\
SET is the limit of the cgroup itself, EFF the effective one, with every cgroup above asked: ↑ marks a limit of one of those,
which the last column names, and a number in parentheses is the size of the host.

examples:
  ctrscope cgroup                    every cgroup with processes, containers or limits in it
  ctrscope cgroup web                the way from the root to one container, what is below it, and whose limits were hit
"""


class Cgroup:
    """The cgroup tree."""

    name: ClassVar[str] = "cgroup"
    help: ClassVar[str] = "the cgroup tree: limits as set, limits as effective through every ancestor, usage, pressure"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.epilog = _EXAMPLES
        parser.add_argument("id", metavar="ID", nargs="?", help=ID_HELP + "; without it the whole tree")

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Print the tree."""
        from ctrscope.discovery.cgroups import read_cgroup_tree
        from ctrscope.discovery.discover import discover
        from ctrscope.discovery.plan import Plan

        wanted = arguments.id
        snapshot = discover(environment.host, Plan(namespaces=True, addresses=False, stats=False, stopped=wanted is not None))
        container, below, gaps = None, None, snapshot.gaps
        if wanted is not None:
            container = find_or_say(environment, snapshot, wanted)
            gaps = gaps_about(snapshot, container)
            if container.cgroup is None:
                environment.say(f"{inert(container.name)} is {container.status}: it is in no cgroup.")
            below = "/" if container.cgroup is None else container.cgroup.path
        tree, more = read_cgroup_tree(environment.host, snapshot, below=below)
        gaps = (*gaps, *more)
        if environment.json:
            from ctrscope.export.contract import CgroupAnswer

            answer = CgroupAnswer(taken_at=snapshot.taken_at, host=snapshot.host, cgroups=tree, gaps=gaps)
            print_answer(environment, answer)
        elif tree is not None:
            names = {
                one.cgroup.path: f"{inert(one.name)} ({engine_text(one)})"
                for one in snapshot.containers
                if one.cgroup is not None
            }
            lines = format_cgroups(tree, names, environment.width)
            if environment.colour:
                lines[0] = paint_title(lines[0])
            print_lines(environment, lines)
            if container is not None:
                print_lines(environment, _remarks(environment, container, tree))
            say_gaps(environment, gaps)
        return ExitStatus.NOT_PERMITTED if is_blind(snapshot) else exit_status(environment, gaps)


def _remarks(environment: Environment, container: Container, tree: CgroupNode) -> list[str]:
    """What the tree of one container does not show: how it sees itself, and whose limits were hit."""
    from ctrscope.discovery.detail import read_limit_events

    lines = []
    node = _find(tree, container)
    if node is not None and node.inside is not None:
        lines.append(f"The container itself sees its cgroup as {inert(node.inside)}")
    for events in read_limit_events(environment.host, container):
        words = []
        if events.nr_throttled:
            words.append(f"throttled in {events.nr_throttled} of {events.nr_periods} periods")
        if events.memory_max:
            words.append(f"{events.memory_max} times at its memory limit")
        elif events.was_full:
            words.append("was at its memory limit")
        if events.memory_oom:
            words.append(f"out of memory {events.memory_oom} times")
        if events.oom_kills:
            words.append(f"{events.oom_kills} tasks in it killed for memory")
        if events.pids_max:
            words.append(f"{events.pids_max} forks refused by its limit")
        lines.append(f"{short_path(events.path)}: {', '.join(words)}")
    return ["", *lines] if lines else []


def _find(tree: CgroupNode, container: Container) -> CgroupNode | None:
    """The container's own cgroup, at the end of the one way that leads there."""
    node: CgroupNode | None = tree
    while node is not None and container.cgroup is not None and node.path != container.cgroup.path:
        way = (child for child in node.children if f"{container.cgroup.path}/".startswith(f"{child.path}/"))
        node = next(way, None)
    return node
