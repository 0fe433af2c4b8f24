"""``ctrscope pause`` and ``unpause``: freeze a container and let it run again, without its engine."""

import argparse
from typing import TYPE_CHECKING, ClassVar

from ctrscope.cli.answer import find_or_say
from ctrscope.cli.consent import ask, refuse_unless_allowed
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.cli.inspect import ID_HELP
from ctrscope.model.container import Container
from ctrscope.render.safe import inert

if TYPE_CHECKING:
    from ctrscope.act.freezer import FreezePlan

_PAUSE = """\
Freezes the container's cgroup and waits until every task of it stands still. Its engine is not told, and may not offer
to unpause what it did not pause: ctrscope unpause does.

examples:
  ctrscope pause web              asks first
  ctrscope pause web --yes        for scripts
"""
_UNPAUSE = """\
Thaws the container's cgroup, whoever froze it.

examples:
  ctrscope unpause web
  ctrscope unpause web --yes      for scripts
"""


class Pause:
    """Freeze a container."""

    name: ClassVar[str] = "pause"
    help: ClassVar[str] = "freezes every process of a container; asks first"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.epilog = _PAUSE
        _prepare(parser)

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Freeze it."""
        return _run(arguments, environment, frozen=True)


class Unpause:
    """Thaw a container."""

    name: ClassVar[str] = "unpause"
    help: ClassVar[str] = "lets a frozen container run again; asks first"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.epilog = _UNPAUSE
        _prepare(parser)

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Thaw it."""
        return _run(arguments, environment, frozen=False)


def _prepare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help=ID_HELP)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _run(arguments: argparse.Namespace, environment: Environment, *, frozen: bool) -> int:
    refuse_unless_allowed(environment, "pause" if frozen else "unpause")
    from ctrscope.act.freezer import apply_freeze, plan_freeze
    from ctrscope.act.refusal import CannotAct
    from ctrscope.discovery.discover import discover
    from ctrscope.discovery.plan import Plan

    snapshot = discover(environment.host, Plan(namespaces=False, stats=False, addresses=False, stopped=True))
    container = find_or_say(environment, snapshot, arguments.id)
    name, count = inert(container.name), len(container.pids)
    try:
        plan = plan_freeze(environment.host, container, frozen=frozen)
        if not plan.directories:
            environment.say(f"{name} is {'paused already' if frozen else 'not paused'}")
            return ExitStatus.DONE
        many = f"{count} process{'es' if count != 1 else ''}"
        ask(environment, freeze_lines(plan, container), f"{'Pause' if frozen else 'Unpause'} {name}?", yes=arguments.yes)
        apply_freeze(environment.host, plan)
    except CannotAct as error:
        raise CommandError(ExitStatus.FAILED, inert(str(error))) from error
    environment.stdout.write(f"{name} {'is paused' if frozen else 'runs'}: {many}\n")
    return ExitStatus.DONE


def freeze_lines(plan: "FreezePlan", container: Container) -> list[str]:
    """What is about to happen, inert; nothing when it is so already."""
    many = f"{len(container.pids)} process{'es' if len(container.pids) != 1 else ''}"
    return [f"{'freezes' if plan.frozen else 'thaws'} {inert(directory)}: {many}" for directory in plan.directories]
