"""Findings of an audit as text: by severity, what is the same of many containers once, with all of their names."""

import textwrap
from collections.abc import Sequence

from ctrscope.model.audit_report import AuditReport
from ctrscope.model.finding import Finding, Severity
from ctrscope.render.safe import inert, shorten

_MOST_NAMES = 12
_MOST_EVIDENCE = 3


def format_audit(report: AuditReport, width: int | None = None) -> list[str]:
    """Lines, worst first."""
    lines: list[str] = []
    for severity in Severity:
        members = [finding for finding in report.findings if finding.severity is severity]
        if not members:
            continue
        lines += [*([""] if lines else []), f"{severity.upper()} ({len(members)})"]
        for group in group_findings(members):
            lines += _describe(group, width)
    return lines


def group_findings(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings of one rule with the same title together, in the order of the first of each."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.rule, finding.title), []).append(finding)
    return list(groups.values())


def names_of(group: Sequence[Finding], most: int = _MOST_NAMES) -> str:
    """The subjects of findings, by name; of many the first."""
    names = list(dict.fromkeys(inert(finding.subject.name) for finding in group))
    more = f" and {len(group) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def summary(report: AuditReport) -> str:
    """What the answer rests on."""
    asked = sum(1 for rule in report.rules if rule.checked)
    count = len(report.findings)
    accepted = f" {len(report.accepted)} accepted in the baseline." if report.accepted else ""
    unchecked = {(gap.subject, field) for gap in report.gaps for field in gap.fields if field.startswith("security/")}
    missing = f" {len(unchecked)} checks could not be made." if unchecked else ""
    found = f"{count} finding{'s' if count != 1 else ''}" if count else "Nothing found"
    containers = f"{report.containers} container{'s' if report.containers != 1 else ''}"
    return f"{found}.{accepted} Looked at: {containers} and the host, {asked} of {len(report.rules)} rules applied.{missing}"


def _describe(group: Sequence[Finding], width: int | None) -> list[str]:
    first = group[0]
    lines = _wrap(inert(first.title), "  ", "    ", width)
    lines += _wrap(f"{names_of(group)}   {first.rule}", "    ", "      ", width)
    for evidence in first.evidence[:_MOST_EVIDENCE]:
        line = f"    {inert(evidence.source)}: {inert(evidence.value)}"
        lines.append(line if width is None else shorten(line, width))
    return lines + _wrap(inert(first.remedy), "    → ", "      ", width)


def _wrap(text: str, start: str, indent: str, width: int | None) -> list[str]:
    if width is None:
        return [start + text]
    return textwrap.wrap(text, max(width, 40), initial_indent=start, subsequent_indent=indent)
