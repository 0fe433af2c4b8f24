"""The rules of ``audit``, and how they are asked.

A rule is a pure function of one record and stands in the table of its module. What a rule needs and nobody could read makes
a gap that names the rule: not checked is never passed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from ctrscope.findings.security import combined, devices, drift, exposure, files, isolation, privileges, processes, resources
from ctrscope.findings.security.host import HOST_RULES
from ctrscope.findings.security.rule import Defect, HostRule, Rule
from ctrscope.model.audited import Audited, AuditedHost
from ctrscope.model.finding import Finding, Subject
from ctrscope.model.gap import Gap, Reason

#: Every rule about containers, the joined ones first.
RULES: tuple[Rule, ...] = (
    *combined.RULES,
    *privileges.RULES,
    *isolation.RULES,
    *files.RULES,
    *devices.RULES,
    *resources.RULES,
    *exposure.RULES,
    *processes.RULES,
    *drift.RULES,
)
_HOST = Subject(kind="host", id="host", name="host")

__all__ = ["HOST_RULES", "RULES", "Judgement", "judge", "rule_ids"]


class Judgement(NamedTuple):
    """What the rules said."""

    findings: tuple[Finding, ...]  # worst first
    gaps: tuple[Gap, ...]  # their ``fields`` are rules
    checked: Mapping[str, int]  # rule → how many subjects it was checked on


def rule_ids() -> tuple[str, ...]:
    """Names of all rules, in the order of the tables."""
    return (*(rule.id for rule in RULES), *(rule.id for rule in HOST_RULES))


def judge(
    host: AuditedHost | None, containers: Sequence[Audited], *, only: Iterable[str] = (), skip: Iterable[str] = ()
) -> Judgement:
    """Ask the rules: all, or *only* those, without *skip*. *host* None: only the containers."""
    wanted, unwanted = frozenset(only), frozenset(skip)

    def chosen(rule: Rule | HostRule) -> bool:
        return (not wanted or rule.id in wanted) and rule.id not in unwanted

    findings: list[Finding] = []
    gaps: list[Gap] = []
    checked: dict[str, int] = {}
    rules = [rule for rule in RULES if chosen(rule)]
    for audited in containers:
        _judge_one(audited, rules, findings, gaps, checked)
    for rule in HOST_RULES if host is not None else ():
        if not chosen(rule) or host is None:
            continue
        if any(getattr(host, name) is None for name in rule.needs) or (rule.needs == ("sysctls",) and not host.is_live):
            if host.docker_hosts is None and rule.needs[0].startswith("docker_"):
                continue  # there is no Docker
            detail = f"{', '.join(rule.needs)} of the host could not be read"
            gaps.append(Gap(subject="host", fields=(rule.id,), source=rule.needs[0], reason=Reason.UNAVAILABLE, detail=detail))
            continue
        checked[rule.id] = checked.get(rule.id, 0) + 1
        findings += (_finding(rule, _HOST, defect) for defect in rule.judge(host))
    findings.sort(key=lambda one: (one.severity.rank, one.subject.name, one.subject.id, one.rule, one.title))
    return Judgement(tuple(findings), tuple(gaps), checked)


def _judge_one(
    audited: Audited, rules: Iterable[Rule], findings: list[Finding], gaps: list[Gap], checked: dict[str, int]
) -> None:
    container = audited.container
    subject = Subject(kind="container", id=container.key, name=container.name)
    inapplicable = frozenset(audited.inapplicable)
    unchecked: dict[str, list[str]] = {}  # field → rules
    for rule in rules:
        missing = [name for name in rule.needs if getattr(audited, name) is None]
        if missing and inapplicable.isdisjoint(missing):
            unchecked.setdefault(missing[0], []).append(rule.id)
        elif not missing:
            checked[rule.id] = checked.get(rule.id, 0) + 1
        # A joined rule may find one way although another could not be looked at.
        if not missing or rule in combined.RULES:
            findings += [_finding(rule, subject, defect) for defect in rule.judge(audited)]
    known = {name: gap for gap in audited.gaps for name in gap.fields}
    for name, ids in unchecked.items():
        found = known.get(name)
        if found is not None:
            gaps.append(msgspec.structs.replace(found, fields=tuple(ids)))
        else:
            gaps.append(
                Gap(
                    subject=f"container {container.key}",
                    fields=tuple(ids),
                    source=audited.sources.get(name, name),
                    reason=Reason.UNAVAILABLE,
                    detail=f"{name} is not known",
                )
            )


def _finding(rule: Rule | HostRule, subject: Subject, defect: Defect) -> Finding:
    return Finding(
        rule=rule.id,
        severity=defect.severity or rule.severity,
        subject=subject,
        title=defect.title,
        evidence=defect.evidence,
        remedy=rule.remedy,
        references=rule.references,
    )
