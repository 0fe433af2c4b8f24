"""``ctrscope attach``: a shell, or a command, inside the namespaces of a running container.

*Errors:* the exit status is the command's own; 125 ctrscope failed, 126 it cannot be executed, 127 it was not found, 128+N
signal N ended it. Unknown and ambiguous ids are 4 and 5, as everywhere.
"""

import os
from typing import TYPE_CHECKING, ClassVar

from ctrscope.cli.answer import find_or_say
from ctrscope.cli.entering import enter_container, thawed
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.cli.inspect import ID_HELP
from ctrscope.cli.options import wrong_value
from ctrscope.model.container import ContainerStatus
from ctrscope.model.namespace import NamespaceType
from ctrscope.render.safe import inert

if TYPE_CHECKING:
    import argparse

_MAX_ID = 2**32 - 2  # -1 means "leave it" to setresuid(2)
_FAILED = 125  # what says that ctrscope failed, not the command
_EXAMPLES = """\
Without --confined the command is the container's doctor: root in its user namespace, with all our capabilities, no security
label and no seccomp filter, and outside its cgroup, so that a container out of memory does not kill it.
With --confined it is exactly what a process of the container is: user, groups, capabilities, no_new_privs, seccomp filter,
security label, resource limits, cgroup, environment and directory are those of init.
A terminal is made when standard input and output both are one; ctrl-p ctrl-q leaves it. With a pipe at either end bytes
pass as they are.

examples:
  ctrscope attach web                               a debugging shell
  ctrscope attach web --confined -- ./healthcheck   as docker exec would run it
  ctrscope attach web -u nginx -w /tmp -- id        as that user
  ctrscope attach web -n net -- ss -ltnp            the host's own ss in the container's network namespace
  ctrscope attach web -n all,-mnt                   the host's shell in everything but its files
  ctrscope attach web --tools                       no shell inside? The host's programs, its files in $CTRSCOPE_ROOT
  tar c config | ctrscope attach web -- tar x -C /tmp
"""


class Attach:
    """A program in a container."""

    name: ClassVar[str] = "attach"
    help: ClassVar[str] = "a shell, or CMD, inside any set of the container's namespaces"

    def prepare_parser(self, parser: "argparse.ArgumentParser") -> None:
        """Add the arguments."""
        parser.usage = "ctrscope attach ID [options] [-- CMD …]"
        parser.epilog = _EXAMPLES
        parser.add_argument("id", metavar="ID", help=ID_HELP)
        parser.add_argument(
            "-n",
            "--namespaces",
            metavar="TYPES",
            type=parse_types,
            default=(),
            help="join exactly these (net,pid · all · all,-mnt); without mnt the command is one of the host's",
        )
        parser.add_argument("--confined", action="store_true", help="exactly as a process of the container, not as its doctor")
        parser.add_argument("-u", "--user", metavar="USER", type=parse_user, help="UID, UID:GID, or a name of its /etc/passwd")
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
        parser.add_argument("--clear-env", action="store_true", help="start from an empty environment, not init's")
        # argparse's own action for both would have it imported here.
        parser.add_argument(
            "--cgroup", action="store_true", default=None, help="be in its cgroup; default: with --confined only"
        )
        parser.add_argument("--no-cgroup", action="store_false", dest="cgroup", help="stay outside its cgroup")
        parser.add_argument(
            "--tools",
            metavar="DIR",
            nargs="?",
            const="",
            help="the host's programs (first those in DIR) in its network, PIDs, IPC, UTS; its files in $CTRSCOPE_ROOT",
        )
        parser.add_argument("--thaw", action="store_true", help="wake a paused container while you are in; asks first")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--escape",
            metavar="KEYS",
            type=parse_keys,
            default=b"\x10\x11",
            help="what to type to leave (ctrl-p,ctrl-q); empty: nothing",
        )
        parser.set_defaults(argv=())  # what stands after --

    def run(self, arguments: "argparse.Namespace", environment: Environment) -> int:
        """Find the container, enter it, hand on the status."""
        if environment.json:
            raise CommandError(ExitStatus.USAGE, "attach has no JSON answer: what the command writes is all there is")
        if environment.read_only:
            environment.say("ctrscope: attach runs a program in the container: refused under --read-only")
            return _FAILED
        if arguments.tools is not None and (arguments.confined or arguments.workdir):
            raise CommandError(
                ExitStatus.USAGE, "--tools runs the host's programs with the host's files: neither --confined nor -w"
            )
        if arguments.tools and not os.path.isdir(arguments.tools):
            raise CommandError(ExitStatus.USAGE, f"--tools {inert(arguments.tools)}: there is no such directory on this host")
        from ctrscope.act.refusal import CannotAct
        from ctrscope.attach.request import AttachRequest
        from ctrscope.discovery.discover import discover
        from ctrscope.discovery.plan import Plan

        request = AttachRequest(
            argv=arguments.argv,
            namespaces=arguments.namespaces,
            confined=arguments.confined,
            user=arguments.user,
            workdir=arguments.workdir,
            environment=dict(arguments.env),
            clear_environment=arguments.clear_env,
            cgroup=arguments.cgroup,
            tools=arguments.tools,
        )
        snapshot = discover(environment.host, Plan(namespaces=False, addresses=False, only=arguments.id))
        container = find_or_say(environment, snapshot, arguments.id)
        if not arguments.thaw:
            if container.status is ContainerStatus.PAUSED and environment.is_tty:
                environment.say(f"{inert(container.name)} is paused: nothing in it runs; --thaw wakes it while you are in")
            return enter_container(environment, container, request, arguments.escape)
        try:
            with thawed(environment, container, yes=arguments.yes) as awake:
                return enter_container(environment, awake, request, arguments.escape)
        except CannotAct as error:
            environment.say(f"ctrscope: {inert(str(error))}")
            return _FAILED
        except CommandError as error:  # the answer was no: 1 would be the command's
            if error.status is not ExitStatus.FAILED:
                raise
            environment.say(f"ctrscope: {error.lines[0]}")
            return _FAILED


def parse_user(text: str) -> str:
    """``UID``, ``UID:GID``, ``NAME`` or ``NAME:GID``; ids are those inside."""
    user, colon, gid = text.partition(":")
    numbers = ((user,) if user.isdecimal() else ()) + ((gid,) if colon else ())
    if not user or not all(number.isdecimal() and int(number) <= _MAX_ID for number in numbers):
        raise wrong_value(f"{text!r} is neither UID, UID:GID nor a name: groups are numbers, as they are inside")
    return text


def parse_variable(text: str) -> tuple[str, str]:
    """``K=V``."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise wrong_value(f"{text!r} is not K=V")
    return key, value


def parse_types(text: str) -> tuple[NamespaceType, ...]:
    """Types of namespaces, with commas between them; ``all``, and ``-TYPE`` for all but that. Empty means all."""
    known: set[str] = set(NamespaceType)
    chosen: set[str] = set()
    for word in text.split(","):
        if word.startswith("-") and word[1:] in known:
            chosen = (chosen or known) - {word[1:]}
        elif word == "all":
            chosen = known
        elif word in known:
            chosen = chosen | {word}
        else:
            raise wrong_value(f"{text!r}: types are {', '.join(NamespaceType)}, and all; -TYPE takes one away")
    if not chosen:
        raise wrong_value(f"{text!r} leaves no namespace to join")
    return () if chosen == known else tuple(type_ for type_ in NamespaceType if type_ in chosen)


def parse_keys(text: str) -> bytes:
    """Keys with commas between them: a letter or sign, or ``ctrl-`` and one; as ``--detach-keys`` of docker."""
    keys = bytearray()
    for word in text.split(",") if text else ():
        key = word.removeprefix("ctrl-").upper() if word.startswith("ctrl-") else ""
        if len(key) == 1 and "@" <= key <= "_":
            keys.append(ord(key) - ord("@"))
        elif len(word) == 1 and word.isascii():
            keys.append(ord(word))
        else:
            raise wrong_value(f"{word!r} is no key: write a letter, or ctrl- and a letter")
    return bytes(keys)
