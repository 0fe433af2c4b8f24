"""Before something is changed: refused under ``--read-only``, and nobody is taken by surprise."""

from collections.abc import Iterable

from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus


def refuse_unless_allowed(environment: Environment, verb: str) -> None:
    """Errors: CommandError for what acts under ``--read-only``, and with ``--json``, for which it has no answer."""
    if environment.json:
        raise CommandError(ExitStatus.USAGE, f"{verb} has no JSON answer: its exit status tells")
    if environment.read_only:
        raise CommandError(ExitStatus.FAILED, f"{verb} changes something: refused under --read-only")


def ask(environment: Environment, lines: Iterable[str], question: str, *, yes: bool) -> None:
    """Say what is going to happen and ask; with *yes* neither. Errors: CommandError when the answer is not yes."""
    if yes:
        return
    if not environment.stdin.isatty():
        raise CommandError(ExitStatus.USAGE, "standard input is no terminal to ask on: say --yes")
    for line in lines:
        environment.say(line)
    environment.stderr.write(f"{question} [y/N] ")
    environment.stderr.flush()
    if environment.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError(ExitStatus.FAILED, "nothing was done")
