"""``ctrscope rm``: removes test containers, with everything that belongs to them."""

import argparse
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ctrscope.cli.answer import find_or_say
from ctrscope.cli.consent import ask, refuse_unless_allowed
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.render.safe import inert

if TYPE_CHECKING:
    from ctrscope.oci.state import State

_EXAMPLES = """\
Removes what the launcher made: processes, cgroups, links, rules, unpacked image, log and state, also where the start was
interrupted or the supervisor was killed. Containers of other engines are theirs to remove.

examples:
  ctrscope rm web                 asks first if it runs
  ctrscope rm --force web db      does not ask
"""


class Rm:
    """Test containers removed."""

    name: ClassVar[str] = "rm"
    help: ClassVar[str] = "the launcher: removes a test container; asks first if it runs"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.epilog = _EXAMPLES
        parser.add_argument("ids", metavar="ID", nargs="+", help="name, id, or a unique beginning of one")
        parser.add_argument("-f", "--force", "--yes", action="store_true", help="kill it if it runs, without asking")

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Remove one after the other; the first that cannot be removed ends it."""
        refuse_unless_allowed(environment, self.name)
        from ctrscope.act.record import record
        from ctrscope.oci.errors import LauncherError
        from ctrscope.oci.state import default_root, find_state, is_alive
        from ctrscope.run.removal import find_ours, remove

        for query in arguments.ids:
            try:
                container_id = find_ours(query)
                if container_id is None:
                    raise CommandError(*_whose(query, environment))
                state = find_state(default_root(), container_id)
                if state is not None and is_alive(state):
                    question = f"{container_id} runs, process {state.pid}. Kill and remove it?"
                    ask(environment, [], question, yes=arguments.force)
                check = (lambda _: None) if arguments.force else partial(_refuse_another, state)
                for warning in remove(default_root(), container_id, check):
                    environment.say(f"ctrscope: {inert(warning)}")
                record("rm", f"ctrscope/{container_id}", container_id)
            except LauncherError as error:
                raise CommandError(ExitStatus.FAILED, inert(str(error))) from error
            environment.stdout.write(f"removed {container_id}\n")
        return ExitStatus.DONE


def _refuse_another(seen: "State | None", now: "State | None") -> None:
    """Nothing that runs is killed unless somebody was asked about that very process. Errors: LauncherError."""
    from ctrscope.oci.errors import LauncherError
    from ctrscope.oci.state import is_alive

    if now is None or not is_alive(now):
        return
    if seen is None or (now.pid, now.starttime_ticks) != (seen.pid, seen.starttime_ticks):
        raise LauncherError(f"{now.id} was started meanwhile, process {now.pid}: nothing was done; look again")


def _whose(query: str, environment: Environment) -> tuple[ExitStatus, str]:
    """Why we do not remove it. Errors: NoSuchContainer, AmbiguousContainer."""
    from ctrscope.discovery.discover import discover
    from ctrscope.discovery.plan import Plan
    from ctrscope.model.container import EngineName

    snapshot = discover(environment.host, Plan(namespaces=False, stats=False, addresses=False, stopped=True))
    container = find_or_say(environment, snapshot, query)
    name = inert(container.name)
    if container.engine is EngineName.CTRSCOPE:
        return ExitStatus.FAILED, f"{name} is of uid {container.owner_uid}: remove it as that user"
    whose = "no engine's" if container.engine is EngineName.UNCLAIMED else f"{container.engine}'s"
    return ExitStatus.FAILED, f"{name} is {whose}, not ours to remove: nothing was done"
