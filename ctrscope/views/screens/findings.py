"""Findings: what is wrong on this host, worst first; below the cursor how we know, and what to do."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from ctrscope.model.container import Container
from ctrscope.model.finding import Finding, Severity
from ctrscope.model.sample import Focus, Sample
from ctrscope.render.safe import cell_width, inert
from ctrscope.views.actions import FINDINGS, SELECTED, Action, bindings
from ctrscope.views.panes.opened import facts
from ctrscope.views.screens.table import TableScreen
from ctrscope.views.tones import SEVERITIES, line
from ctrscope.views.widgets.row_table import Cell, Column, TableRow
from ctrscope.views.widgets.words import Words

_SUBJECT_LEAST, _SUBJECT_MOST = 12, 36


class FindingsScreen(TableScreen):
    """The list, and everything about the finding under the cursor."""

    ACTIONS: ClassVar[tuple[Action, ...]] = FINDINGS
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(FINDINGS), *bindings(SELECTED)]
    TITLE_TEXT = "Findings"

    def __init__(self) -> None:
        super().__init__()
        self._findings: dict[str, Finding] = {}
        self._wanted = ""  # id of what a finding is about, to put the cursor on

    def compose_words(self) -> Iterable[Widget]:
        """Build the box below the list."""
        yield Words(id="detail")

    def focus_of(self) -> Focus:
        """Ask for all of health, not only what the figures tell."""
        return Focus(findings=True)

    def selected(self) -> Container | None:
        """Get the container that the finding under the cursor is about."""
        finding = self._findings.get(self.table.cursor or "")
        if finding is None or self.sample is None or finding.subject.kind != "container":
            return None
        return self.sample.snapshot.container(finding.subject.id)

    def offers(self, action: Action) -> bool:
        """Jumping takes something to jump to."""
        if action.id == "findings.open":
            return (self.table.cursor or "") in self._findings
        return super().offers(action)

    def point_at(self, place: str) -> None:
        """Put the cursor on the worst finding about something, by its id."""
        self._wanted = place
        self.draw()

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample."""
        self._findings = keyed(sample.findings or ())
        super().show_sample(sample)

    def draw_rows(self, sample: Sample) -> None:
        """Draw the list."""
        is_judged = sample.findings is not None
        judged = "Nothing is wrong, as far as we can see."
        self.table.empty = judged if is_judged else "Looking: it takes two readings to judge."
        table = self.table
        is_first = table.cursor is None
        table.show_rows(finding_columns(self._findings.values(), self.size.width), finding_rows(self._findings))
        if is_first and self._findings:
            table.stand_on(next(iter(self._findings)))  # and not on the heading above it
        for key, finding in self._findings.items() if self._wanted else ():
            if finding.subject.id == self._wanted:
                self._wanted = ""
                table.stand_on(key)
                break

    def draw_words(self) -> None:
        """Draw everything about the finding under the cursor."""
        finding = self._findings.get(self.table.cursor or "")
        lines = [] if finding is None else finding_lines(finding, self.size.width)
        self.query_one("#detail", Words).say(Content("\n").join(lines))
        self.show_actions()

    def open_row(self, key: str) -> None:
        """Go to what the finding is about."""
        finding = self._findings.get(key)
        if finding is not None:
            self.ctrscope.open_subject(finding.subject)


def keyed(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Findings, worst first, by a key that stays while the words change."""
    found: dict[str, Finding] = {}
    for finding in sorted(findings, key=lambda finding: finding.severity.rank):
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
