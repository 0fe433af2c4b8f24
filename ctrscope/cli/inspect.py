"""``ctrscope inspect``: everything known about one container, with the evidence and the gaps."""

import time
from typing import TYPE_CHECKING, ClassVar

from ctrscope.cli.answer import exit_status, find_or_say, print_answer, print_lines
from ctrscope.cli.environment import Environment
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap
from ctrscope.model.snapshot import Snapshot

if TYPE_CHECKING:
    import argparse

#: How a container is named on the command line.
ID_HELP = "a full id, a unique prefix of one, a name, engine/name, pod/NAME, or pid:N (the container process N is in)"
_EXAMPLES = """\
examples:
  ctrscope inspect web
  ctrscope inspect pid:4711          whose process is that?
  ctrscope inspect pod/web-0 --json | jq .container.limits
"""


class Inspect:
    """One container, opened."""

    name: ClassVar[str] = "inspect"
    help: ClassVar[str] = "everything known about one container, with the evidence and the gaps"

    def prepare_parser(self, parser: "argparse.ArgumentParser") -> None:
        """Add the arguments."""
        parser.epilog = _EXAMPLES
        parser.add_argument("id", metavar="ID", help=ID_HELP)
        parser.add_argument("--show-secrets", action="store_true", help="values of the environment as they are, not ***")

    def run(self, arguments: "argparse.Namespace", environment: Environment) -> int:
        """Print the page, or the object."""
        from ctrscope.discovery.detail import read_detail
        from ctrscope.discovery.discover import discover
        from ctrscope.discovery.plan import Plan

        snapshot = discover(environment.host, Plan(namespaces=True, addresses=True, stats=False, stopped=True))
        container = find_or_say(environment, snapshot, arguments.id)
        detail = read_detail(environment.host, container, show_secrets=arguments.show_secrets)
        gaps = (*gaps_about(snapshot, container), *detail.gaps)
        if environment.json:
            from ctrscope.export.contract import InspectAnswer, inspected

            answer = InspectAnswer(
                taken_at=snapshot.taken_at, host=snapshot.host, container=inspected(container, detail), gaps=gaps
            )
            print_answer(environment, answer)
        else:
            from ctrscope.render.page import format_page  # here, because every verb imports this module for its ID_HELP

            names = {one.id: one.name for one in snapshot.containers}
            print_lines(environment, format_page(container, detail, names, gaps, time.time()))
        return exit_status(environment, gaps)


def gaps_about(snapshot: Snapshot, container: Container) -> tuple[Gap, ...]:
    """The gaps that matter to one container: its own, its engine's, the host's."""
    subjects = (f"container {container.key}", f"engine {container.engine}", "host")
    return tuple(gap for gap in snapshot.gaps if gap.subject in subjects)
