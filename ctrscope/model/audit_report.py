"""What an audit came to, in the form that every output is made from."""

from ctrscope.model.finding import Finding, Severity
from ctrscope.model.gap import Gap
from ctrscope.model.host import Host
from ctrscope.model.value import Value


class CheckedRule(Value, frozen=True, kw_only=True):
    """One rule that was asked."""

    id: str
    severity: Severity  # the usual one; a finding may have another
    meaning: str
    remedy: str
    references: tuple[str, ...]
    checked: int  # on how many containers, or hosts; 0: it applied to none, or could be checked on none


class AcceptedFinding(Value, frozen=True, kw_only=True):
    """A finding that somebody has accepted for a while."""

    finding: Finding
    reason: str
    expires: str  # date


class AuditReport(Value, frozen=True, kw_only=True):
    """Findings, what was accepted, what was asked, and what could not be checked."""

    taken_at: str  # RFC 3339
    host: Host
    containers: int  # how many were looked at
    findings: tuple[Finding, ...]  # worst first
    accepted: tuple[AcceptedFinding, ...]
    rules: tuple[CheckedRule, ...]
    gaps: tuple[Gap, ...]  # ``fields`` of a gap are the rules that were not checked because of it
