"""Findings as text: grouped by severity, each with what it is about, how we know, and what to do next."""

from collections.abc import Iterable, Sequence

from ctrscope.model.finding import Finding, Severity
from ctrscope.render.safe import cell_width, inert, pad, shorten, wrap

_MOST_SUBJECT = 32


def format_findings(findings: Sequence[Finding], width: int | None = None) -> list[str]:
    """Lines, worst first. With a *width*, what does not fit is continued below, and evidence is cut."""
    names = {finding.subject.name: shorten(inert(finding.subject.name), _MOST_SUBJECT) for finding in findings}
    column = max((cell_width(name) for name in names.values()), default=0)
    lines: list[str] = []
    for severity in Severity:
        members = [finding for finding in findings if finding.severity is severity]
        if not members:
            continue
        lines += ["", f"{severity.upper()} ({len(members)})"] if lines else [f"{severity.upper()} ({len(members)})"]
        for finding in members:
            lines += _describe(finding, names[finding.subject.name], column, width)
    return lines


def _describe(finding: Finding, name: str, column: int, width: int | None) -> Iterable[str]:
    start = f"  {pad(name, column)}  "
    indent = " " * cell_width(start)
    yield from wrap(inert(finding.title), start, indent, width)
    for evidence in finding.evidence:
        line = f"{indent}{inert(evidence.source)}: {inert(evidence.value)}"
        yield line if width is None else shorten(line, width)
    yield from wrap(inert(finding.remedy), f"{indent}→ ", f"{indent}  ", width)
