"""``ctrscope tree``: process trees, from the supervisor down."""

import argparse
from typing import ClassVar

from ctrscope.cli.answer import exit_status, find_or_say, is_blind, print_answer, print_lines, say_gaps
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import ExitStatus
from ctrscope.cli.inspect import ID_HELP, gaps_about
from ctrscope.model.process import Process, Role
from ctrscope.render.fields import engine_text, group_text
from ctrscope.render.safe import inert, shorten
from ctrscope.render.trees import format_forest, supervisor_trees

_EXAMPLES = """\
Each line has the PID on the host, the PID inside in parentheses, and the command.

examples:
  ctrscope tree                      every running container, one tree for each supervisor
  ctrscope tree web
"""


class Tree:
    """Process trees."""

    name: ClassVar[str] = "tree"
    help: ClassVar[str] = "process trees, from the supervisor (conmon, containerd-shim, …) down; host PID and PID inside"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.epilog = _EXAMPLES
        parser.add_argument("id", metavar="ID", nargs="?", help=ID_HELP + "; without it every running container")

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Print the trees of one container or of all that run."""
        from ctrscope.discovery.detail import read_processes
        from ctrscope.discovery.discover import discover
        from ctrscope.discovery.plan import Plan

        wanted = arguments.id
        snapshot = discover(environment.host, Plan(namespaces=False, addresses=False, stats=False, stopped=wanted is not None))
        containers, gaps = snapshot.containers, snapshot.gaps
        if wanted is not None:
            found = find_or_say(environment, snapshot, wanted)
            containers = (found, *(one for one in containers if one.key.startswith(f"{found.key}/")))  # those inside it too
            gaps = gaps_about(snapshot, found)
        trees = supervisor_trees(
            process
            for container in containers
            if container.is_running
            for process in read_processes(environment.host, container)
        )
        if environment.json:
            from ctrscope.export import contract

            ids = {container.key: container.id for container in containers}
            answer = contract.TreeAnswer(
                taken_at=snapshot.taken_at,
                host=snapshot.host,
                trees=tuple(
                    contract.Tree(
                        supervisor=next((one.pid for one in tree if one.role is Role.MONITOR), None),
                        containers=tuple(ids[key] for key in _keys(tree) if key in ids),
                        processes=tree,
                    )
                    for tree in trees
                ),
                gaps=gaps,
            )
            print_answer(environment, answer)
        else:
            names = {
                one.key: " ".join(part for part in (inert(one.name), f"({engine_text(one)})", group_text(one)) if part)
                for one in containers
            }
            lines = [line for tree in trees for line in format_forest(tree, names)]
            width = environment.width
            print_lines(environment, lines if width is None else (shorten(line, width) for line in lines))
            if wanted is not None and not trees:
                environment.say(f"{inert(containers[0].name)} is {containers[0].status}: it has no processes.")
            say_gaps(environment, gaps)
        return ExitStatus.NOT_PERMITTED if is_blind(snapshot) else exit_status(environment, gaps)


def _keys(tree: tuple[Process, ...]) -> tuple[str, ...]:
    """Keys of the containers whose processes these are, each once."""
    return tuple(dict.fromkeys(process.container for process in tree if process.container is not None))
