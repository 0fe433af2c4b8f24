"""``ctrscope`` without a command: the dashboard."""

import argparse
from typing import ClassVar

from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.model.container import Container
from ctrscope.render.safe import inert


class Dashboard:
    """The dashboard."""

    name: ClassVar[str] = ""
    help: ClassVar[str] = "opens the dashboard"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Only the options of every command."""

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Open it; it needs a terminal on both sides."""
        if environment.json:
            raise CommandError(ExitStatus.USAGE, "the dashboard has no JSON answer; ctrscope ps --json lists the containers")
        # Textual draws on standard error.
        if not (environment.is_tty and environment.stdin.isatty() and environment.stderr.isatty()):
            raise CommandError(ExitStatus.USAGE, "the dashboard needs a terminal; ctrscope ps lists the containers without one")
        from ctrscope.attach.enter import enter
        from ctrscope.attach.plan import AttachRequest, CannotAttach, plan_attach
        from ctrscope.discovery.sampler import Sampler
        from ctrscope.views.app import CtrscopeApp

        def attach(container: Container) -> int:
            """A shell in the container, while the dashboard has stepped aside."""
            try:
                return enter(plan_attach(environment.host, container, AttachRequest()))
            except CannotAttach as error:
                environment.say(inert(str(error)))
                return error.status

        is_live = environment.host.root == "/"  # in another root there is nothing to attach to
        app = CtrscopeApp(Sampler(environment.host), attach if is_live else None, environment.read_only)
        app.run()
        return app.return_code or ExitStatus.DONE
