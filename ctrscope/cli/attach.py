"""``ctrscope attach``: a shell, or a command, inside the namespaces of a running container.

*Errors:* the exit status is the command's own; 125 ctrscope failed, 126 it cannot be executed, 127 it was not found, 128+N
signal N ended it. Unknown and ambiguous ids are 4 and 5, as everywhere.
"""

import argparse
from typing import ClassVar

from ctrscope.cli.answer import find_or_say
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.cli.inspect import ID_HELP
from ctrscope.model.namespace import NamespaceType
from ctrscope.render.safe import inert

_FAILED = 125  # what says that ctrscope failed, not the command
_EXAMPLES = """\
A terminal is made when standard input and output both are one; with a pipe at either end bytes pass as they are.
The command gets the user, capabilities, security label, environment, directory and cgroup of the container's init, but
not its seccomp filter, which the kernel shows to tracers only.

examples:
  ctrscope attach web                               a shell
  ctrscope attach web -- ps aux                     everything after -- is the command
  ctrscope attach web -u 0 -w /tmp -- id            as root inside
  ctrscope attach web -n net -- ss -ltnp            the host's own ss in the container's network namespace
  tar c config | ctrscope attach web -- tar x -C /tmp
"""


class Attach:
    """A program in a container."""

    name: ClassVar[str] = "attach"
    help: ClassVar[str] = "a shell, or CMD, inside any set of the container's namespaces"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.usage = "ctrscope attach ID [options] [-- CMD …]"
        parser.epilog = _EXAMPLES
        parser.add_argument("id", metavar="ID", help=ID_HELP)
        parser.add_argument("-u", "--user", metavar="UID[:GID]", type=parse_user, help="run as that user; default: as init")
        parser.add_argument("-w", "--workdir", metavar="DIR", help="start in that directory inside; default: init's")
        parser.add_argument(
            "-e",
            "--env",
            metavar="K=V",
            type=parse_variable,
            action="append",
            default=[],
            help="set a variable; may be repeated",
        )
        parser.add_argument(
            "-n",
            "--namespaces",
            metavar="TYPES",
            type=parse_types,
            default=(),
            help="join these only (net,pid,…); without mnt the command is the host's own, as we are, in our cgroup",
        )
        parser.add_argument(
            "--privileged", action="store_true", help="as root, with all our capabilities and no security label"
        )
        parser.set_defaults(argv=())  # what stands after --

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Find the container, enter it, hand on the status."""
        if environment.json:
            raise CommandError(ExitStatus.USAGE, "attach has no JSON answer: what the command writes is all there is")
        if environment.read_only:
            environment.say("ctrscope: attach runs a program in the container: refused under --read-only")
            return _FAILED
        from ctrscope.attach.enter import enter
        from ctrscope.attach.plan import AttachRequest, CannotAttach, plan_attach
        from ctrscope.discovery.discover import discover
        from ctrscope.discovery.plan import Plan

        uid, gid = arguments.user or (None, None)
        request = AttachRequest(
            argv=arguments.argv,
            uid=uid,
            gid=gid,
            workdir=arguments.workdir,
            environment=dict(arguments.env),
            privileged=arguments.privileged,
            namespaces=arguments.namespaces,
        )
        snapshot = discover(environment.host, Plan(namespaces=False, stats=False, addresses=False, stopped=True))
        container = find_or_say(environment, snapshot, arguments.id)
        try:
            return enter(plan_attach(environment.host, container, request))
        except CannotAttach as error:
            environment.say(f"ctrscope: {inert(str(error))}")
            return error.status
        except OSError as error:  # no more processes, no more descriptors
            environment.say(f"ctrscope: cannot attach to {inert(container.name)}: {error.strerror or error}")
            return _FAILED


def parse_user(text: str) -> tuple[int, int | None]:
    """``UID`` or ``UID:GID``."""
    uid, colon, gid = text.partition(":")
    if not uid.isdecimal() or (colon and not gid.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not UID or UID:GID in numbers, as they are inside")
    return int(uid), int(gid) if colon else None


def parse_variable(text: str) -> tuple[str, str]:
    """``K=V``."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not K=V")
    return key, value


def parse_types(text: str) -> tuple[NamespaceType, ...]:
    """Types of namespaces, with commas between them."""
    try:
        return tuple(NamespaceType(name) for name in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: types are {', '.join(NamespaceType)}") from None
