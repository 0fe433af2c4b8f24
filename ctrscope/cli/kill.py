"""``ctrscope kill``: a signal for the init of a container, without its engine."""

import argparse
from typing import ClassVar

from ctrscope.cli.answer import find_or_say
from ctrscope.cli.consent import ask, refuse_unless_allowed
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.cli.inspect import ID_HELP
from ctrscope.render.safe import inert

_EXAMPLES = """\
The signal goes to the container's init, and to no other process that has got its PID meanwhile. It does not wait for
the end. An engine with a restart policy may start the container again.

examples:
  ctrscope kill web                 TERM: asks it to end
  ctrscope kill web KILL --yes      ends it, without asking
  ctrscope kill web HUP             whatever it does at a hangup
"""


class Kill:
    """A signal for a container."""

    name: ClassVar[str] = "kill"
    help: ClassVar[str] = "sends a signal (TERM) to the init of a container; asks first"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.epilog = _EXAMPLES
        parser.add_argument("id", metavar="ID", help=ID_HELP)
        parser.add_argument("signal", metavar="SIGNAL", nargs="?", default="TERM", help="name or number; default: TERM")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Send it."""
        refuse_unless_allowed(environment, self.name)
        from ctrscope.act.refusal import CannotAct
        from ctrscope.act.signal import parse_signal, plan_signal, send_signal
        from ctrscope.discovery.discover import discover
        from ctrscope.discovery.plan import Plan

        try:
            number = parse_signal(arguments.signal)
        except ValueError as error:
            raise CommandError(ExitStatus.USAGE, f"{inert(str(error))} (ctrscope kill ID [SIGNAL])") from None
        snapshot = discover(environment.host, Plan(namespaces=False, stats=False, addresses=False, stopped=True))
        container = find_or_say(environment, snapshot, arguments.id)
        name = inert(container.name)
        try:
            plan = plan_signal(environment.host, container, number)
            warnings = [inert(f"{container.name}: {warning}") for warning in plan.warnings]
            ask(environment, warnings, f"Send {plan.name} to {name}, process {plan.target.pid}?", yes=arguments.yes)
            send_signal(environment.host, plan)
        except CannotAct as error:
            raise CommandError(ExitStatus.FAILED, inert(str(error))) from error
        if arguments.yes:
            for warning in warnings:
                environment.say(warning)
        environment.stdout.write(f"sent {plan.name} to {name}, process {plan.target.pid}\n")
        return ExitStatus.DONE
