"""``ctrscope ps``: the containers of this host, one line each."""

import time
from typing import TYPE_CHECKING, ClassVar

from ctrscope.cli.answer import exit_status, is_blind, print_answer, print_lines, say_gaps
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import ExitStatus
from ctrscope.model.container import Container
from ctrscope.render.fields import CONTAINER_FIELDS, Row
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column, format_table

if TYPE_CHECKING:
    import argparse

#: The columns in their order; rank and least width say what a narrow terminal does without.
_COLUMNS: tuple[tuple[str, int, int | None], ...] = (
    ("name", 0, 16),
    ("engine", 2, 18),
    ("status", 1, None),
    ("pid", 4, None),
    ("pids", 7, None),
    ("age", 3, None),
    ("group", 5, 10),
    ("image", 6, 12),
    ("command", 9, 12),
    ("ports", 8, 12),
    ("note", 0, 30),
)
_EXAMPLES = """\
examples:
  ctrscope ps                       what runs, whichever engine started it
  ctrscope ps -a                    also what was created, stopped or left behind
  ctrscope ps --json | jq '.containers[] | select(.monitor.alive == false) | .name'
"""


class Ps:
    """The containers of this host."""

    name: ClassVar[str] = "ps"
    help: ClassVar[str] = "the containers of this host, one line each"

    def prepare_parser(self, parser: "argparse.ArgumentParser") -> None:
        """Add the arguments."""
        parser.epilog = _EXAMPLES
        parser.add_argument("-a", "--all", action="store_true", help="also those not running")
        parser.add_argument("-q", "--quiet", action="store_true", help="full ids only")

    def run(self, arguments: "argparse.Namespace", environment: Environment) -> int:
        """Print them. As text it reads only what the table shows."""
        from ctrscope.discovery.discover import discover
        from ctrscope.discovery.plan import Plan

        deep = environment.json
        commands = deep or not arguments.quiet
        plan = Plan(commands=commands, cgroups=deep, namespaces=deep, addresses=deep, stopped=arguments.all)
        snapshot = discover(environment.host, plan)
        if environment.json:
            from ctrscope.export.contract import PsAnswer

            answer = PsAnswer(
                taken_at=snapshot.taken_at, host=snapshot.host, containers=snapshot.containers, gaps=snapshot.gaps
            )
            print_answer(environment, answer)
        elif arguments.quiet:
            print_lines(environment, (inert(container.id) for container in snapshot.containers))
        else:
            print_lines(environment, _table(snapshot.containers, environment))
            say_gaps(environment, snapshot.gaps)
        return ExitStatus.NOT_PERMITTED if is_blind(snapshot) else exit_status(environment, snapshot.gaps)


def _table(containers: tuple[Container, ...], environment: Environment) -> list[str]:
    fields = {field.key: field for field in CONTAINER_FIELDS}
    shown = [fields[key] for key, _, _ in _COLUMNS]
    columns = [
        Column(field.title, field.align, rank, least, field.width)
        for field, (_, rank, least) in zip(shown, _COLUMNS, strict=True)
    ]
    now = time.time()
    rows = [[field.get(row, now) for field in shown] for row in map(Row, containers)]
    lines = format_table(columns, rows, environment.width)
    if not environment.colour:
        return lines
    from ctrscope.render.colour import paint_row, paint_title

    return [paint_title(lines[0]), *(paint_row(line, one) for line, one in zip(lines[1:], containers, strict=True))]
