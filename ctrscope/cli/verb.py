"""The commands: what each provides, and which there are.

A verb's module is imported when that verb is used, or when all of them are listed; what costs time to import stands in
its ``run``.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Protocol

from ctrscope.cli.environment import Environment

if TYPE_CHECKING:
    import argparse


class Verb(Protocol):
    """One command."""

    name: ClassVar[str]
    help: ClassVar[str]  # one sentence; the README has the same

    def prepare_parser(self, parser: "argparse.ArgumentParser") -> None:
        """Add the command's own arguments."""

    def run(self, arguments: "argparse.Namespace", environment: Environment) -> int:
        """Do it; returns the exit status."""


#: Verb → where it is, in the order in which help lists them.
VERBS: Mapping[str, str] = {
    "ps": "ctrscope.cli.ps:Ps",
    "inspect": "ctrscope.cli.inspect:Inspect",
    "tree": "ctrscope.cli.tree:Tree",
    "ns": "ctrscope.cli.ns:Ns",
    "stats": "ctrscope.cli.stats:Stats",
    "cgroup": "ctrscope.cli.cgroup:Cgroup",
    "net": "ctrscope.cli.net:Net",
    "find": "ctrscope.cli.find:Find",
    "diagnose": "ctrscope.cli.diagnose:Diagnose",
    "audit": "ctrscope.cli.audit:Audit",
    "attach": "ctrscope.cli.attach:Attach",
    "kill": "ctrscope.cli.kill:Kill",
    "pause": "ctrscope.cli.pause:Pause",
    "unpause": "ctrscope.cli.pause:Unpause",
    "limit": "ctrscope.cli.limit:Limit",
    "run": "ctrscope.cli.run:Run",
    "rm": "ctrscope.cli.rm:Rm",
    "demo": "ctrscope.cli.demo:Demo",
    "doctor": "ctrscope.cli.doctor:Doctor",
    "schema": "ctrscope.cli.schema:Schema",
    "help": "ctrscope.cli.help:Help",
}
#: Those that lock themselves whether asked to or not; ``--read-only`` locks every other.
ALWAYS_LOCKED = frozenset({"audit", "diagnose"})
#: What runs when no verb is given.
DASHBOARD = "ctrscope.cli.dashboard:Dashboard"


def load_verb(where: str) -> Verb:
    """Import ``module:Class``."""
    module, _, name = where.partition(":")
    verb: Verb = getattr(import_module(module), name)()
    return verb
