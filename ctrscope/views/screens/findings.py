"""Findings: what is wrong on this host and what is risky, worst first; below the cursor how we know, and what to do."""

import json
from collections.abc import Iterable, Sequence
from typing import ClassVar

import msgspec
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from ctrscope.model.container import Container
from ctrscope.model.finding import Finding, Severity
from ctrscope.model.sample import Focus, Sample
from ctrscope.model.value import Value
from ctrscope.views.actions import FINDINGS, SELECTED, TABLE, Action, bindings
from ctrscope.views.ages import as_of
from ctrscope.views.filtering import matches
from ctrscope.views.finding_rows import (
    KINDS,
    finding_columns,
    finding_fields,
    finding_lines,
    finding_rows,
    keyed,
    kind_of,
    tab_of,
)
from ctrscope.views.screens.filtered import FilteredScreen
from ctrscope.views.tones import Part, line, width_of
from ctrscope.views.widgets.words import Words


class FindingsScreen(FilteredScreen):
    """The list, and everything about the finding under the cursor."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (*FINDINGS, *TABLE)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(FINDINGS), *bindings(TABLE), *bindings(SELECTED)]
    TITLE_TEXT = "Findings"
    FILTER_HINT = "words that must match: kind:security severity:high rule:cap name:web about:cgroup"

    def __init__(self) -> None:
        super().__init__()
        self._security: tuple[Finding, ...] | None = None  # the last that was read
        self._findings: dict[str, Finding] = {}  # that are shown
        self._wanted = ""  # id of what a finding is about, to put the cursor on

    def compose_words(self) -> Iterable[Widget]:
        """Build the box below the list, where other screens have a line."""
        for widget in super().compose_words():
            yield Words(id="detail") if widget.id == "why" else widget

    def focus_of(self) -> Focus:
        """Ask for all of health, not only what the figures tell, and for security."""
        return Focus(findings=True)

    def is_waiting(self) -> bool:
        """Whether security was not looked at yet."""
        return self._security is None

    def selected(self) -> Container | None:
        """Get the container that the finding under the cursor is about."""
        finding = self._findings.get(self.table.cursor or "")
        if finding is None or self.sample is None or finding.subject.kind != "container":
            return None
        return self.sample.snapshot.container(finding.subject.id)

    def offers(self, action: Action) -> bool:
        """Jumping takes something to jump to."""
        if action.id == "findings.open" and self.focused is self.table:
            return (self.table.cursor or "") in self._findings
        return super().offers(action)

    def row_value(self) -> Value | None:
        """The finding."""
        return self._findings.get(self.table.cursor or "")

    def point_at(self, place: str) -> None:
        """Put the cursor on the worst finding about something, by its id."""
        self._wanted = place
        self.draw()

    # Drawing

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample."""
        self._security = sample.security if sample.security is not None else self._security
        super().show_sample(sample)

    def draw_rows(self, sample: Sample) -> None:
        """Draw what matches now."""
        conditions = self.conditions
        every = (*(sample.findings or ()), *(self._security or ()))
        self._findings = keyed(one for one in every if matches(conditions, finding_fields(one)))
        is_judged = sample.findings is not None
        judged = "Nothing is wrong, as far as we can see."
        self.table.empty = judged if is_judged else "Looking: it takes two readings to judge."
        if conditions:
            self.table.empty = self.nothing_matches("finding")
        table = self.table
        before = table.cursor
        table.show_rows(finding_columns(self._findings.values(), self.size.width), finding_rows(self._findings))
        # Until somebody moves it, the cursor is on the worst: security comes later, and is worse than most of health.
        if not table.was_moved and self._findings:
            table.rest_on(next(key for key in table.row_keys if key in self._findings))
        # What the cursor was on went: to the next finding, and not to a heading.
        elif table.cursor != before and table.cursor not in self._findings and self._findings:
            below = table.row_keys[table.row_keys.index(table.cursor) :] if table.cursor in table.row_keys else ()
            table.rest_on(next((key for key in below if key in self._findings), next(iter(self._findings))))
        for key, finding in self._findings.items() if self._wanted else ():
            if finding.subject.id == self._wanted:
                self._wanted = ""
                table.stand_on(key)
                break

    def draw_words(self) -> None:
        """Draw everything about the finding under the cursor, and what all of it comes to."""
        finding = self._findings.get(self.table.cursor or "")
        lines = [] if finding is None else finding_lines(finding, self.size.width)
        self.query_one("#detail", Words).say(Content("\n").join(lines))
        self.query_one("#status", Words).say(self.total_text())
        self.show_actions()

    def total_text(self) -> Content:
        """Count both kinds, and say what could not be checked."""
        if self.sample is None:
            return line((" reading …", "muted"))
        shown = [kind_of(one) for one in self._findings.values()]
        health, security = (as_of(age) for age in (self.sample.ages.health, self.sample.ages.security))
        parts: list[Part] = [f" {shown.count('health')} of health{health}, {shown.count('security')} of security{security}"]
        if self._security is None:
            parts.append(("  looking at security …", "muted"))
        if self.filter:
            total = len(self.sample.findings or ()) + len(self._security or ())
            parts.append((f"  {len(shown)} of {total} shown", "strong"))
        parts.append(self.gap_words(self.sample.gaps, width_of(parts)))
        return line(*parts)

    # Keys

    def open_row(self, key: str) -> None:
        """Go to what the finding is about, to what it was read from."""
        finding = self._findings.get(key)
        if finding is not None:
            self.ctrscope.open_subject(finding.subject, tab_of(finding))

    def action_export(self) -> None:
        """Copy what is shown as JSON, as diagnose and audit print it."""
        found = [msgspec.to_builtins(one) for one in self._findings.values()]
        self.app.copy_to_clipboard(json.dumps({"findings": found}, indent=2))
        self.notify(f"{len(found)} findings copied as JSON", markup=False)

    def action_kind(self) -> None:
        """Health, security, both."""
        self._turn("kind", KINDS)

    def action_severity(self) -> None:
        """One severity after the other, then all."""
        self._turn("severity", [severity.value for severity in Severity])

    def _turn(self, field: str, values: Sequence[str]) -> None:
        """Put the next value of a field into the filter, after the last none."""
        words = self.filter.split()
        now = next((word for word in words if word.startswith(f"{field}:")), "")
        following = dict(zip(("", *values), (*values, ""), strict=True))[now.partition(":")[2] if now else ""]
        kept = [word for word in words if word != now]
        box = self.query_one("#filter", Input)
        box.value = " ".join([*kept, f"{field}:{following}"] if following else kept)
        box.display = bool(box.value)
