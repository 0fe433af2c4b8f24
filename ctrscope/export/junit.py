"""An audit as JUnit XML, which build servers show: a test case for each finding, and for each rule that found nothing.

*Source:* the XML of Ant's JUnit task, as the xUnit plug-in of Jenkins has it in ``junit-10.xsd``.
A rule that could be checked nowhere is skipped, never passed.
"""

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from ctrscope.model.audit_report import AuditReport
from ctrscope.model.finding import Finding
from ctrscope.render.safe import inert


def format_junit(report: AuditReport) -> list[str]:
    """Lines of the file."""
    cases = list(_cases(report))
    failed = len(report.findings)
    skipped = sum(1 for rule in report.rules if not rule.checked) + len(report.accepted)
    counts = f'tests="{len(cases)}" failures="{failed}" errors="0"'
    name = quoteattr(inert(report.host.hostname or "host"))
    taken = quoteattr(report.taken_at)
    return [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="ctrscope audit" {counts}>',
        f'  <testsuite name="ctrscope audit" hostname={name} timestamp={taken} time="0" {counts} skipped="{skipped}">',
        *cases,
        "  </testsuite>",
        "</testsuites>",
    ]


def _cases(report: AuditReport) -> Iterator[str]:
    for finding in report.findings:
        message = quoteattr(inert(f"{finding.severity}: {finding.title}"))
        failure = f'<failure type="{finding.severity}" message={message}>{_text(finding)}</failure>'
        yield f"{_start(finding)}{failure}</testcase>"
    for accepted in report.accepted:
        message = quoteattr(inert(f"accepted until {accepted.expires}: {accepted.reason}"))
        yield f"{_start(accepted.finding)}<skipped message={message}/></testcase>"
    failed = {finding.rule for finding in report.findings} | {one.finding.rule for one in report.accepted}
    for rule in report.rules:
        start = f"    <testcase classname={quoteattr(rule.id)} name="
        if not rule.checked:
            why = "it applied to nothing, or could be checked nowhere"
            yield f'{start}"not checked" time="0"><skipped message="{why}"/></testcase>'
        elif rule.id not in failed:
            yield f'{start}{quoteattr(f"checked on {rule.checked}")} time="0"/>'


def _start(finding: Finding) -> str:
    return f'    <testcase classname={quoteattr(finding.rule)} name={quoteattr(inert(finding.subject.name))} time="0">'


def _text(finding: Finding) -> str:
    parts = [*(f"{one.source}: {one.value}" for one in finding.evidence), f"→ {finding.remedy}", *finding.references]
    return escape("\n".join(inert(part) for part in parts))
