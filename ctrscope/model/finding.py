"""Findings: an observation about a container or the host, its evidence, and what to do next."""

from enum import StrEnum

from ctrscope.model.container import Evidence
from ctrscope.model.value import Value


class Severity(StrEnum):
    """How much it matters, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Severity).index(self)


class Subject(Value, frozen=True, kw_only=True):
    """What a finding is about."""

    kind: str  # "container", "cgroup", "namespace", "link", "host"
    id: str  # key of the container; path, inode or name of the others
    name: str


class Finding(Value, frozen=True, kw_only=True):
    """One observation. Encodes to an item of ``findings`` of the contract."""

    rule: str  # "health/cpu-throttled"
    severity: Severity
    subject: Subject
    title: str  # what is the case, in one line: "throttled in 31 % of periods: quota 0.5 CPU set by kubepods-burstable.slice"
    evidence: tuple[Evidence, ...]
    remedy: str  # the next step
    references: tuple[str, ...] = ()
