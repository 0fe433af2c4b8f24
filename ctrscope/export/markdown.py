"""An audit as Markdown, for tickets and merge requests. What containers call themselves stands as text, never as markup."""

import re

from ctrscope.model.audit_report import AuditReport
from ctrscope.model.finding import Severity
from ctrscope.render.audit import group_findings, names_of, summary
from ctrscope.render.gaps import describe_gap
from ctrscope.render.safe import inert

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!&@])")
_MOST_GAPS = 50


def format_markdown(report: AuditReport) -> list[str]:
    """Lines of the file."""
    lines = [f"# Audit of {_plain(report.host.hostname or 'a host')}", "", f"{report.taken_at}. {_plain(summary(report))}"]
    for severity in Severity:
        members = [finding for finding in report.findings if finding.severity is severity]
        if not members:
            continue
        lines += [
            "",
            f"## {severity.capitalize()} ({len(members)})",
            "",
            "| finding | of | evidence | what to do |",
            "|---|---|---|---|",
        ]
        for group in group_findings(members):
            first = group[0]
            evidence = "<br>".join(_plain(f"{one.source}: {one.value}") for one in first.evidence[:3])
            lines.append(
                f"| **{_plain(first.title)}**<br>{_plain(first.rule)} | {_plain(names_of(group))} | {evidence} "
                f"| {_plain(first.remedy)}<br>{_plain('; '.join(first.references))} |"
            )
    if report.accepted:
        lines += ["", f"## Accepted ({len(report.accepted)})", "", "| finding | of | reason | until |", "|---|---|---|---|"]
        for one in report.accepted:
            found = one.finding
            lines.append(f"| {_plain(found.title)} | {_plain(found.subject.name)} | {_plain(one.reason)} | {one.expires} |")
    if report.gaps:
        lines += ["", f"## Not checked ({len(report.gaps)})", ""]
        lines += [f"- {_plain(describe_gap(gap))}" for gap in report.gaps[:_MOST_GAPS]]
        if len(report.gaps) > _MOST_GAPS:
            lines.append(f"- and {len(report.gaps) - _MOST_GAPS} more")
    return lines


def _plain(text: str) -> str:
    return _MARKUP.sub(r"\\\1", inert(text)).replace("\n", " ")
