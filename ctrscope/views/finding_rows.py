"""Findings as lines: which match a filter, what is said of one, and where its evidence is shown. Pure."""

from collections.abc import Iterable, Sequence
from functools import partial

from textual.content import Content

from ctrscope.model.finding import Finding, Severity
from ctrscope.render.safe import cell_width, inert
from ctrscope.views.panes.opened import facts
from ctrscope.views.tones import SEVERITIES, line
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

KINDS = ("health", "security")
_SUBJECT_LEAST, _SUBJECT_MOST = 12, 36
#: End of the file that a finding was read from → the tab of the container's page that shows the same.
_TABS = {
    "mountinfo": "Mounts",
    "ns": "Namespaces",
    "comm": "Processes",
    "cmdline": "Processes",
    "exe": "Processes",
    "oom_score_adj": "Processes",
    "environ": "Environment",
    "ports": "Network",
    "networks": "Network",
}
#: About other processes than init.
_OF_PROCESSES = ("security/more-rights-than-init", "security/process-outside")


def kind_of(finding: Finding) -> str:
    """``health`` or ``security``."""
    return finding.rule.partition("/")[0]


def finding_fields(finding: Finding) -> dict[str, str | float | None]:
    """What a filter may ask of a finding."""
    return {
        "kind": kind_of(finding),
        "severity": finding.severity.value,
        "rule": finding.rule,
        "name": finding.subject.name,
        "about": finding.subject.kind,
        "what": finding.title,
    }


def tab_of(finding: Finding) -> str:
    """The tab of the container's page on which its evidence is."""
    if finding.rule in _OF_PROCESSES:
        return "Processes"
    source = finding.evidence[0].source if finding.evidence else ""
    tab = _TABS.get(source.rpartition("/")[2])
    if tab is None and "cgroup" in source:
        tab = "Cgroup"
    return tab or ("Security" if kind_of(finding) == "security" else "Overview")


def keyed(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Findings, worst first and of health before those of security, by a key that stays while the words change."""
    found: dict[str, Finding] = {}
    for finding in sorted(findings, key=lambda finding: (finding.severity.rank, kind_of(finding))):
        key = f"{finding.rule} {finding.subject.kind} {finding.subject.id}"
        again = 1
        while f"{key} {again}" in found:
            again += 1
        found[f"{key} {again}"] = finding
    return found


def finding_columns(findings: Iterable[Finding], width: int) -> tuple[Column, ...]:
    """A sign, what it is about, and what is the case."""
    content = max((cell_width(inert(finding.subject.name)) for finding in findings), default=0)
    subject = max(_SUBJECT_LEAST, min(content, _SUBJECT_MOST, width // 3))
    return (
        Column("sign", "", "right", 2),
        Column("subject", "SUBJECT", "left", subject, gap=2),
        Column("title", "FINDING", "left", max(0, width - subject - 7)),
    )


def finding_rows(findings: dict[str, Finding]) -> list[TableRow]:
    """A heading for each severity that there is, and a line for each finding."""
    rows: list[TableRow] = []
    for severity in Severity:
        members = {key: finding for key, finding in findings.items() if finding.severity is severity}
        if members:
            rows.append(TableRow(f"severity {severity}", partial(_heading, severity, len(members)), heading=True))
            rows += [TableRow(key, partial(_line, finding)) for key, finding in members.items()]
    return rows


def _heading(severity: Severity, count: int) -> tuple[Cell, ...]:
    return (Cell(""), Cell(f"{severity}  {count}", "strong"), Cell(""))


def _line(finding: Finding) -> tuple[Cell, ...]:
    sign, tone = SEVERITIES[finding.severity]
    return (Cell(sign, tone), Cell(inert(finding.subject.name)), Cell(inert(finding.title), tone))


def finding_lines(finding: Finding, width: int) -> Sequence[Content]:
    """Everything about one finding."""
    sign, tone = SEVERITIES[finding.severity]
    lines = [line(" ", (f"{sign} {finding.severity}", tone), (f"   {inert(finding.rule)}", "muted"))]
    subject = finding.subject
    lines += facts("about", f"{inert(subject.kind)} {inert(subject.name)}", width)
    lines += facts("what", inert(finding.title), width)
    for index, evidence in enumerate(finding.evidence):
        lines += facts("" if index else "how we know", f"{inert(evidence.source)}: {inert(evidence.value)}", width)
    lines += facts("what to do", inert(finding.remedy), width, "strong")
    for index, reference in enumerate(finding.references):
        lines += facts("" if index else "read more", inert(reference), width)
    return lines
