"""Findings as lines: which match a filter, what is said of one, and where its evidence is shown. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from textual.content import Content

from ctrscope.model.finding import Finding, Severity
from ctrscope.render.safe import cell_width, inert
from ctrscope.views.figures import WHEN_CHOSEN, Figure, shown_figures
from ctrscope.views.ordering import Order, ordered
from ctrscope.views.panes.opened import facts
from ctrscope.views.tones import SEVERITIES, line
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

KINDS = ("health", "security")
_SUBJECT_LEAST, _SUBJECT_MOST = 12, 36
TITLE_LEAST = 20
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


def finding_columns(findings: Iterable[Finding], figures: Sequence[Figure], width: int) -> tuple[Column, ...]:
    """A sign, what it is about, some figures, and what is the case."""
    content = max((cell_width(inert(finding.subject.name)) for finding in findings), default=0)
    subject = max(_SUBJECT_LEAST, min(content, _SUBJECT_MOST, width // 3))
    taken = subject + 7 + sum(figure.column.width + figure.column.gap for figure in figures)
    return (
        _SIGN,
        _SUBJECT._replace(width=subject),
        *(figure.column for figure in figures),
        _TITLE._replace(width=max(0, width - taken)),
    )


def finding_figures(width: int, order: Order, chosen: Sequence[str]) -> list[Figure]:
    """The columns between subject and finding. Without headings of severity its word stands in the line."""
    shown = shown_figures(FIGURES, width, width - 7 - _SUBJECT_MOST - TITLE_LEAST, chosen)
    return shown if chosen or order.column == "sign" else [_SEVERITY, *shown]


def finding_rows(findings: Mapping[str, Finding], figures: Sequence[Figure], order: Order) -> list[TableRow]:
    """A line for each finding; in the order of severity, with a heading for each."""
    rows: list[TableRow] = []
    above: Severity | None = None
    counts = Counter(finding.severity for finding in findings.values())
    for key in ordered(findings, lambda key: _value(findings[key], order.column), descending=order.descending):
        severity = findings[key].severity
        if order.column == "sign" and severity is not above:
            above = severity
            heading = partial(_heading, severity, counts[severity], len(figures))
            rows.append(TableRow(f"severity {severity}", heading, heading=True))
        rows.append(TableRow(key, partial(_line, findings[key], figures)))
    return rows


def _value(finding: Finding, column: str) -> str | float | None:
    if column == "sign":
        return -finding.severity.rank
    return finding_fields(finding)[{"subject": "name", "title": "what"}.get(column, column)]


def _heading(severity: Severity, count: int, figures: int) -> tuple[Cell, ...]:
    return (Cell(""), Cell(f"{severity}  {count}", "strong"), *[Cell("")] * (figures + 1))


def _line(finding: Finding, figures: Sequence[Figure]) -> tuple[Cell, ...]:
    sign, tone = SEVERITIES[finding.severity]
    beside = (figure.cell(finding) for figure in figures)
    return (Cell(sign, tone), Cell(inert(finding.subject.name)), *beside, Cell(inert(finding.title), tone))


def _text(field: str) -> Callable[[Finding], Cell]:
    return lambda finding: Cell(inert(str(finding_fields(finding)[field])), "muted")


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


_SIGN = Column("sign", "", "right", 2, "● critical or high, ▲ medium or low, i for information")
_SUBJECT = Column("subject", "SUBJECT", "left", _SUBJECT_LEAST, "the container, cgroup, namespace, link or host it is about", 2)
_TITLE = Column("title", "FINDING", "left", TITLE_LEAST, "what is the case")
_SEVERITY = Figure(Column("severity", "SEVERITY", "left", 8, "how much it matters", 2), WHEN_CHOSEN, _text("severity"))
FIGURES = (
    _SEVERITY,
    Figure(Column("kind", "KIND", "left", 8, "health or security", 2), WHEN_CHOSEN, _text("kind")),
    Figure(Column("about", "ABOUT", "left", 9, "what kind of thing the subject is", 2), WHEN_CHOSEN, _text("about")),
    Figure(
        Column("rule", "RULE", "left", 32, "name of the rule, by which diagnose and audit take it too", 2), 150, _text("rule")
    ),
)
FINDING_COLUMNS = {column.key: column for column in (_SUBJECT, *(figure.column for figure in FIGURES), _TITLE)}
