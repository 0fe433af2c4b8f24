"""``ctrscope help``: the commands on one screen."""

import argparse
from typing import ClassVar

from ctrscope.cli.answer import print_lines
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.cli.options import fill, parser_of, unknown_verb
from ctrscope.cli.verb import DASHBOARD, VERBS, load_verb
from ctrscope.render.safe import inert

_HEAD = """\
ctrscope shows what the containers on this host really are: read from the kernel and from what engines leave on disk,
no daemon asked.

commands:
"""
_TAIL = """
options, before or after the command:
  --json             one JSON object on stdout
  --root DIR         read another root: a mounted disk image, or the host's / seen from inside a container
  --read-only        change nothing on the host: the kernel refuses it to this process
  --strict           exit 3 when anything could not be read
  --no-color         also NO_COLOR
  --debug            tracebacks
  --version

examples:
  ctrscope ps -a                          every container of every engine
  ctrscope inspect pid:4711               whose process is that?
  ctrscope tree web                       from the supervisor down
  sudo ctrscope                           the dashboard

exit status:
  0 done   1 failed   2 wrong usage   3 incomplete and --strict   4 no such container   5 ambiguous id
  6 not permitted to read anything useful   10 diagnose --fail-on found something   130 interrupted"""


class Help:
    """The commands."""

    name: ClassVar[str] = "help"
    help: ClassVar[str] = "this overview, or the options of one command"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.add_argument("command", nargs="?", help="the command to explain")

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Print it."""
        wanted = arguments.command
        if wanted is None:
            print_lines(environment, overview(environment.width))
        elif wanted in VERBS:
            print_lines(environment, parser_of(load_verb(VERBS[wanted])).format_help().splitlines())
        else:
            raise CommandError(ExitStatus.USAGE, unknown_verb(inert(wanted)))
        return ExitStatus.DONE


def overview(width: int | None = None) -> list[str]:
    """All commands with their sentence, the options, some examples; with a *width* filled, without it a line each."""
    import textwrap

    verbs = [load_verb(where) for where in (DASHBOARD, *VERBS.values())]
    commands = [f"  ctrscope {verb.name:<9} {verb.help}" for verb in verbs]
    if width is None:
        return [*_HEAD.splitlines(), *commands, *_TAIL.splitlines()]
    filled = [line for one in commands for line in textwrap.wrap(one, max(width, 40), subsequent_indent=" " * 21)]
    return [*fill(_HEAD, width), *filled, *fill(_TAIL, width)]
