"""``ctrscope diagnose``: what is wrong, how we know, and what to do next."""

import argparse
from typing import ClassVar

from ctrscope.cli.answer import exit_status, find_or_say, is_blind, print_answer, print_lines, say_gaps
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import ExitStatus
from ctrscope.cli.inspect import ID_HELP
from ctrscope.model.finding import Finding, Severity
from ctrscope.model.observed import Observed
from ctrscope.render.findings import format_findings

_EXAMPLES = """\
Reads twice, half a second apart, so that rates can be told. Thresholds: the table [thresholds] of
$XDG_CONFIG_HOME/ctrscope/config.toml.

examples:
  ctrscope diagnose                       everything on this host
  ctrscope diagnose web                   one container
  ctrscope diagnose --fail-on high        exit status 10 when something is high or critical
  ctrscope diagnose --json | jq -r '.findings[] | [.severity, .subject.name, .title] | @tsv'
"""


class Diagnose:
    """What is wrong."""

    name: ClassVar[str] = "diagnose"
    help: ClassVar[str] = "what is wrong: findings of health, each with its evidence and a next step"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.epilog = _EXAMPLES
        parser.add_argument("id", metavar="ID", nargs="?", help=f"one container only: {ID_HELP}")
        parser.add_argument(
            "--fail-on",
            metavar="SEVERITY",
            choices=[str(severity) for severity in Severity],
            help=f"exit 10 when something is at least that bad: {', '.join(Severity)}",
        )

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Observe, judge, print."""
        from ctrscope.cli.configuration import read_configuration
        from ctrscope.discovery.discover import discover
        from ctrscope.discovery.observe import PLAN, observe
        from ctrscope.findings import diagnose

        thresholds = read_configuration(environment).thresholds
        snapshot = discover(environment.host, PLAN)
        container = find_or_say(environment, snapshot, arguments.id) if arguments.id is not None else None
        observed, gaps = observe(environment.host, snapshot, keys=None if container is None else (container.key,))
        assert observed is not None
        findings = diagnose(observed, thresholds)
        if container is not None:
            findings = tuple(one for one in findings if one.subject.id == container.key)
            gaps = tuple(gap for gap in gaps if gap.subject in (f"container {container.key}", "host"))
        if environment.json:
            from ctrscope.export.contract import DiagnoseAnswer

            print_answer(
                environment,
                DiagnoseAnswer(taken_at=observed.snapshot.taken_at, host=observed.snapshot.host, findings=findings, gaps=gaps),
            )
        else:
            lines = format_findings(findings, environment.width)
            print_lines(environment, [*lines, *([""] if lines else []), _looked_at(observed, findings, container is None)])
            say_gaps(environment, gaps)
        if is_blind(observed.snapshot):
            return ExitStatus.NOT_PERMITTED
        if arguments.fail_on is not None and any(one.severity.rank <= Severity(arguments.fail_on).rank for one in findings):
            return ExitStatus.FOUND
        return exit_status(environment, gaps)


def _looked_at(observed: Observed, findings: tuple[Finding, ...], is_whole_host: bool) -> str:
    """What the answer rests on: without it, nothing found could mean that nothing was looked at."""
    containers = observed.snapshot.containers
    running = sum(one.is_running for one in containers)
    processes = _count(sum(len(found) for found in observed.processes.values()), "process", "processes")
    count = _count(len(findings), "finding", "findings") if findings else "Nothing wrong found"
    whom = f"{_count(running, 'running container', 'running containers')} ({len(containers)} known), " if is_whole_host else ""
    log = "the kernel log" if observed.oom_kills is not None else "not the kernel log"
    return f"{count}. Looked at: {whom}{processes}, figures over {observed.seconds or 0:.1f} s, {log}."


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
