"""``ctrscope limit``: change what a running container may use, without its engine."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from ctrscope.cli.answer import find_or_say, print_lines
from ctrscope.cli.consent import ask, refuse_unless_allowed
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.cli.inspect import ID_HELP
from ctrscope.model import cgroup, quantity
from ctrscope.model.container import Container, EngineName
from ctrscope.model.quantity import format_bytes, parse_bytes
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column, format_table

if TYPE_CHECKING:
    from ctrscope.act.limit import Change

_EXAMPLES = """\
Writes the limits into the container's own cgroup, as its engine would: at once, until the container ends. The room for
swap stays as it is. The engine is not told: its state keeps the old value.

examples:
  ctrscope limit web --memory 128M --cpus 1       asks first
  ctrscope limit web --pids 100 --yes             for scripts
  ctrscope limit web --cpus max                   no limit of its own
"""


class Limit:
    """Limits of a running container."""

    name: ClassVar[str] = "limit"
    help: ClassVar[str] = "changes what a running container may use; asks first"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.epilog = _EXAMPLES
        parser.add_argument("id", metavar="ID", help=ID_HELP)
        parser.add_argument("--memory", metavar="SIZE", type=parse_size, help="bytes, with K, M, G or T; or max")
        parser.add_argument("--cpus", metavar="N", type=parse_cpus, help="CPUs' worth of time, for instance 0.5; or max")
        parser.add_argument("--pids", metavar="N", type=parse_count, help="tasks, threads included; or max")
        parser.add_argument("--force", action="store_true", help="also below what it uses now")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Plan, ask, write, and say what the kernel says now."""
        refuse_unless_allowed(environment, self.name)
        if arguments.memory is None and arguments.cpus is None and arguments.pids is None:
            raise CommandError(ExitStatus.USAGE, "limit what? --memory, --cpus, --pids or several of them")
        from ctrscope.act.limit import LimitRequest, apply_limit, plan_limit
        from ctrscope.act.refusal import CannotAct
        from ctrscope.discovery.discover import discover
        from ctrscope.discovery.plan import Plan

        request = LimitRequest(memory=arguments.memory, cpus=arguments.cpus, pids=arguments.pids, force=arguments.force)
        snapshot = discover(environment.host, Plan(namespaces=False, stats=False, addresses=False, stopped=True))
        container = find_or_say(environment, snapshot, arguments.id)
        try:
            plan = plan_limit(environment.host, container, request)
            if not plan.changes:
                environment.say(f"{inert(container.name)} is limited like that already")
                return ExitStatus.DONE
            warning = engine_warning(container)
            ask(environment, [*change_lines(plan.changes), warning], f"Change {inert(container.name)}?", yes=arguments.yes)
            changes = apply_limit(environment.host, plan)
        except CannotAct as error:
            raise CommandError(ExitStatus.FAILED, inert(str(error))) from error
        print_lines(environment, change_lines(changes))
        if arguments.yes:
            environment.say(warning)
        for line in _limited_above(environment, container, changes):
            environment.say(line)
        return ExitStatus.DONE


def parse_size(text: str) -> cgroup.Limit:
    """``128M``, ``1.5g``, ``134217728``, ``max``."""
    if text == "max":
        return "max"
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, nor max") from None


def parse_cpus(text: str) -> float | Literal["max"]:
    """``0.5``, ``2``, ``max``."""
    if text == "max":
        return "max"
    try:
        return quantity.parse_cpus(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, nor max") from None


def parse_count(text: str) -> cgroup.Limit:
    """``100``, ``max``."""
    if text == "max":
        return "max"
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up, nor max")
    return int(text)


def change_lines(changes: Iterable["Change"]) -> list[str]:
    """What it is and what it becomes, a line each."""
    rows = [
        (change.resource, f"{change.before} → {change.after}", inert(f"{change.directory}/{change.file}")) for change in changes
    ]
    return format_table([Column(""), Column(""), Column("")], rows)[1:]


def engine_warning(container: Container) -> str:
    """What the engine still believes, and what becomes of the change."""
    if container.engine is EngineName.UNCLAIMED:
        return "it lasts until the container ends"
    source = container.evidence[0].source if container.evidence else "its state"
    if container.engine is EngineName.DOCKER:
        source = f"{source.rpartition('/')[0]}/hostconfig.json"
    scope = ""
    if container.cgroup is not None and container.cgroup.path.endswith(".scope"):
        scope = f"; systemd was not told either, and may set {container.cgroup.path.rpartition('/')[2]} back (daemon-reload)"
    return inert(f"{container.engine} is not told: {source} keeps the old value, and a restart brings it back{scope}")


def allowed_text(resource: str, value: float) -> str:
    """A limit as people write it."""
    if resource == "cpus":
        return f"{value:g} CPU"
    return format_bytes(value) if resource == "memory" else f"{value:.0f} tasks"


def _limited_above(environment: Environment, container: Container, changes: Iterable["Change"]) -> list[str]:
    """What has no effect, because a cgroup above allows less."""
    from ctrscope.discovery.effective import HOST, find_effective_limits
    from ctrscope.probes.cgroupfs import read_layout

    layout = read_layout(environment.host)
    if layout is None or container.cgroup is None:
        return []
    limits = find_effective_limits(environment.host, layout, container.cgroup)
    own = {container.cgroup.path, *container.cgroup.paths.values()}
    lines = []
    for resource in dict.fromkeys(change.resource for change in changes):
        limit = getattr(limits, resource, None)
        if limit is None or limit.limited_by in (None, HOST):
            continue
        if not any(f"{limit.limited_by}/".startswith(f"{path}/") for path in own):
            allowed = allowed_text(resource, limit.value)
            lines.append(inert(f"{resource}: {limit.limited_by}, above it, allows no more than {allowed}"))
    return lines
