"""An audit as SARIF, which code hosts and editors show.

*Source:* OASIS SARIF 2.1.0. *Shape:* one run; the rules in ``tool.driver``, a result for each finding, its subject a logical
location, its evidence in ``properties``; accepted findings are suppressed results, gaps are notifications.
"""

from typing import Any

from ctrscope import __version__
from ctrscope.model.audit_report import AuditReport
from ctrscope.model.finding import Finding, Severity

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
#: What code hosts sort by: a score as CVSS has it.
_SCORES = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "3.0", Severity.INFO: "0.0"}


def sarif(report: AuditReport) -> dict[str, Any]:
    """The log as one object."""
    index = {rule.id: number for number, rule in enumerate(report.rules)}
    results = [_result(finding, index) for finding in report.findings]
    for accepted in report.accepted:
        why = f"{accepted.reason} (until {accepted.expires})"
        results.append(
            _result(accepted.finding, index)
            | {"suppressions": [{"kind": "external", "status": "accepted", "justification": why}]}
        )
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "ctrscope",
                        "semanticVersion": __version__,
                        "rules": [
                            {
                                "id": rule.id,
                                "shortDescription": {"text": rule.meaning},
                                "help": {"text": f"{rule.remedy}\n{'; '.join(rule.references)}"},
                                "defaultConfiguration": {"level": _LEVELS[rule.severity]},
                                "properties": {"security-severity": _SCORES[rule.severity], "tags": ["security"]},
                            }
                            for rule in report.rules
                        ],
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "endTimeUtc": report.taken_at,
                        "toolExecutionNotifications": [
                            {
                                "level": "warning",
                                "message": {
                                    "text": f"{gap.subject}: not checked: {', '.join(gap.fields)}: {gap.reason} {gap.source}"
                                },
                            }
                            for gap in report.gaps
                        ],
                    }
                ],
                "results": results,
            }
        ],
    }


def _result(finding: Finding, index: dict[str, int]) -> dict[str, Any]:
    subject = finding.subject
    return {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{subject.name}: {finding.title}"},
        "locations": [{"logicalLocations": [{"name": subject.name, "fullyQualifiedName": subject.id, "kind": "module"}]}],
        # The same defect of the same container, in the next run too.
        "partialFingerprints": {"ctrscope/1": f"{finding.rule} {subject.id} {finding.title}"},
        "properties": {
            "severity": str(finding.severity),
            "security-severity": _SCORES[finding.severity],
            "evidence": [f"{one.source}: {one.value}" for one in finding.evidence],
        },
    }
