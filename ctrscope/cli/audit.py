"""``ctrscope audit``: what is risky, why it applies here, and what to do. Nothing is touched: the kernel sees to it."""

import argparse
import fnmatch
from typing import TYPE_CHECKING, ClassVar

from ctrscope.cli.answer import exit_status, find_or_say, is_blind, print_answer, print_json, print_lines, say_gaps
from ctrscope.cli.environment import Environment
from ctrscope.cli.exit_status import CommandError, ExitStatus
from ctrscope.cli.inspect import ID_HELP
from ctrscope.model.finding import Severity

if TYPE_CHECKING:
    from ctrscope.findings.security import Judgement
    from ctrscope.findings.security.rule import HostRule, Rule
    from ctrscope.model.audit_report import AcceptedFinding, AuditReport
    from ctrscope.model.gap import Gap
    from ctrscope.model.snapshot import Snapshot

_EXAMPLES = """\
The process locks itself before it reads (see --read-only). What could not be checked is listed as a gap, never passed.
A baseline is a TOML file of entries [[accepted]] with rule, subject, reason and expires (a date).

examples:
  ctrscope audit                              the host and every container, running or not
  ctrscope audit web --fail-on high           one container; exit status 10 when something is high or critical
  ctrscope audit --rule 'security/cap-*'      some rules only
  ctrscope audit --format html > audit.html   one file with everything in it
  ctrscope audit --root /mnt/image            a disk image: what its engines keep about their containers
"""
_FORMATS = ("table", "json", "sarif", "junit", "markdown", "html")


class Audit:
    """What is risky."""

    name: ClassVar[str] = "audit"
    help: ClassVar[str] = "what is risky: findings of security; guaranteed read-only"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.epilog = _EXAMPLES
        parser.add_argument("ids", metavar="ID", nargs="*", help=f"these containers only, without the host: {ID_HELP}")
        parser.add_argument(
            "--fail-on",
            metavar="SEVERITY",
            type=Severity,
            choices=list(Severity),
            help=f"exit 10 when something is at least that bad: {', '.join(Severity)}",
        )
        parser.add_argument(
            "--rule", metavar="RULE", action="append", default=[], help="this rule only, * allowed; may be repeated"
        )
        parser.add_argument(
            "--skip", metavar="RULE", action="append", default=[], help="not this rule, * allowed; may be repeated"
        )
        parser.add_argument("--format", choices=_FORMATS, default="table", help="what to print (table)")
        parser.add_argument("--baseline", metavar="FILE", help="accepted findings, each with a reason and the day it expires")

    def run(self, arguments: argparse.Namespace, environment: Environment) -> int:
        """Gather, judge, print."""
        from ctrscope.discovery.audit import PLAN, gather
        from ctrscope.discovery.discover import discover
        from ctrscope.findings.security import judge

        only, skip = _chosen(arguments.rule), _chosen(arguments.skip)
        snapshot = discover(environment.host, PLAN)
        keys = None
        if arguments.ids:
            keys = tuple(find_or_say(environment, snapshot, one).key for one in arguments.ids)
        audit, gaps = gather(environment.host, snapshot, keys=keys)
        assert audit is not None
        judgement = judge(audit.host if keys is None else None, audit.containers, only=only, skip=skip)
        about = {f"container {key}" for key in keys or ()}
        known = tuple(gap for gap in snapshot.gaps if keys is None or gap.subject in about or gap.subject == "host")
        gaps = (*environment.lock_gaps, *known, *(gaps if keys is None else ()), *judgement.gaps)
        report = _report(arguments, environment, snapshot, judgement, len(audit.containers), gaps)
        _print(arguments, environment, snapshot, report)
        if is_blind(snapshot):
            return ExitStatus.NOT_PERMITTED
        if arguments.fail_on is not None and any(one.severity.rank <= arguments.fail_on.rank for one in report.findings):
            return ExitStatus.FOUND
        return exit_status(environment, report.gaps)


def _chosen(patterns: list[str]) -> tuple[str, ...]:
    """Names of rules that patterns mean; ``cap-*`` as well as ``security/cap-*``. Errors: CommandError when one means none."""
    from ctrscope.findings.security import rule_ids

    found: list[str] = []
    for pattern in patterns:
        whole = pattern if pattern.startswith("security/") else f"security/{pattern}"
        members = [one for one in rule_ids() if fnmatch.fnmatchcase(one, whole)]
        if not members:
            raise CommandError(ExitStatus.USAGE, f"no such rule: {pattern}", f"rules: {', '.join(rule_ids())}")
        found += members
    return tuple(found)


def _report(
    arguments: argparse.Namespace,
    environment: Environment,
    snapshot: "Snapshot",
    judgement: "Judgement",
    containers: int,
    gaps: "tuple[Gap, ...]",
) -> "AuditReport":
    from ctrscope.findings.security import HOST_RULES, RULES
    from ctrscope.model.audit_report import AuditReport, CheckedRule

    findings = judgement.findings
    accepted: tuple[AcceptedFinding, ...] = ()
    if arguments.baseline is not None:
        import datetime as dt

        from ctrscope.cli.baseline import apply_baseline, expired, read_baseline

        baseline, today = read_baseline(arguments.baseline), dt.datetime.now(dt.UTC).date()
        findings, accepted = apply_baseline(baseline, findings, today)
        for one in expired(baseline, today):
            environment.say(f"ctrscope: accepted {one.rule} of {one.subject} has expired on {one.expires}: it counts again")
    every: list[Rule | HostRule] = [*RULES, *HOST_RULES]
    asked = judgement.checked.keys() | {field for gap in judgement.gaps for field in gap.fields}
    only, skip = _chosen(arguments.rule), _chosen(arguments.skip)
    rules = tuple(
        CheckedRule(
            id=rule.id,
            severity=rule.severity,
            meaning=rule.meaning,
            remedy=rule.remedy,
            references=rule.references,
            checked=judgement.checked.get(rule.id, 0),
        )
        for rule in every
        if rule.id in asked or ((not only or rule.id in only) and rule.id not in skip)
    )
    return AuditReport(
        taken_at=snapshot.taken_at,
        host=snapshot.host,
        containers=containers,
        findings=findings,
        accepted=accepted,
        rules=rules,
        gaps=gaps,
    )


def _print(arguments: argparse.Namespace, environment: Environment, snapshot: "Snapshot", report: "AuditReport") -> None:
    kind = "json" if environment.json else arguments.format
    if kind == "json":
        from ctrscope.export.contract import audit_answer

        print_answer(environment, audit_answer(report))
    elif kind == "sarif":
        from ctrscope.export.contract import encode_json
        from ctrscope.export.sarif import sarif

        print_json(environment, encode_json(sarif(report)))
    elif kind == "junit":
        from ctrscope.export.junit import format_junit

        print_lines(environment, format_junit(report))
    elif kind == "markdown":
        from ctrscope.export.markdown import format_markdown

        print_lines(environment, format_markdown(report))
    elif kind == "html":
        _print_html(environment, snapshot, report)
    else:
        from ctrscope.render.audit import format_audit, summary

        lines = format_audit(report, environment.width)
        print_lines(environment, [*lines, *([""] if lines else []), summary(report)])
        say_gaps(environment, report.gaps)


def _print_html(environment: Environment, snapshot: "Snapshot", report: "AuditReport") -> None:
    from ctrscope.discovery.topology import TopologyReader
    from ctrscope.export.html import format_html
    from ctrscope.export.svg import format_svg
    from ctrscope.render.matrix import namespace_matrix

    topology = TopologyReader(environment.host).read(snapshot).value
    picture = format_svg(topology, snapshot.containers) if topology is not None else []
    matrix = namespace_matrix(snapshot.containers, snapshot.host.namespaces, ())
    print_lines(environment, format_html(report, snapshot.containers, matrix, picture))
