"""``ctrscope find``: whose is it."""

import argparse
from typing import ClassVar

from ctrscope.cli.answer import exit_status, is_blind, print_answer, print_lines, say_gaps
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import ExitStatus
from ctrscope.model.gap import Reason

_EXAMPLES = """\
What belongs to no container is said to be the host's, or nobody's. Exit status 1: nothing on this host answers to it.

examples:
  ctrscope find 4711                      a PID, a thread, a PID inside, or a port: all that hold
  ctrscope find net:[4026532281]          or 4026532281: who is in it, or what else keeps it
  ctrscope find veth9c41                  the host's end of an interface, or one inside; a MAC as well
  ctrscope find 172.17.0.2                an IP address; 172.17.0.2:80 a port there
  ctrscope find tcp/8080                  who listens, and for whom it is published
  ctrscope find /var/lib/docker/overlay2/3f…/diff/etc/passwd
  ctrscope find /sys/fs/cgroup/system.slice/docker-3f….scope
  ctrscope find nginx:1.25                an image; a pod, a container
"""


class Find:
    """The reverse look-up."""

    name: ClassVar[str] = "find"
    help: ClassVar[str] = (
        "reverse look-up: a PID, namespace inode, interface, MAC, IP, port, cgroup path, mount or overlay path, image"
        " → who owns it"
    )

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.epilog = _EXAMPLES
        parser.add_argument("query", metavar="QUERY", help="what to look for")

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Print one line for each match."""
        from ctrscope.discovery.discover import discover
        from ctrscope.discovery.find import find
        from ctrscope.discovery.plan import Plan

        snapshot = discover(environment.host, Plan(namespaces=True, addresses=False, stats=False, stopped=True))
        matches, gaps = find(environment.host, snapshot, arguments.query)
        if environment.json:
            from ctrscope.export.contract import FindAnswer

            gaps = (*snapshot.gaps, *gaps)
            answer = FindAnswer(taken_at=snapshot.taken_at, host=snapshot.host, matches=matches or (), gaps=gaps)
            print_answer(environment, answer)
        else:
            from ctrscope.render.matches import format_matches, nothing_text

            if matches:
                print_lines(environment, format_matches(matches, snapshot.containers, environment.width))
            else:
                for line in nothing_text(arguments.query):
                    environment.say(line)
            say_gaps(environment, (*(gap for gap in snapshot.gaps if gap.reason is Reason.DENIED), *gaps))
        if is_blind(snapshot):
            return ExitStatus.NOT_PERMITTED
        return exit_status(environment, gaps) if matches else ExitStatus.FAILED
