"""Tasks: near the limit of the pids controller, where fork fails.

*Source:* kernel document cgroup-v2 (pids.max).
"""

from collections.abc import Iterator

from ctrscope.findings.subjects import container_subject, levels, running
from ctrscope.model.container import Evidence
from ctrscope.model.finding import Finding, Severity
from ctrscope.model.observed import Observed
from ctrscope.model.quoting import quote
from ctrscope.model.thresholds import Thresholds


def near_limit(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """Tasks near the limit, of the container's own cgroup or of the tightest above."""
    for container in running(observed):
        for level in levels(observed, container, "pids"):
            pids = level.stats.pids
            if pids is None or pids.current is None or not isinstance(pids.limit, int) or pids.limit <= 0:
                continue
            percent = 100 * pids.current / pids.limit
            if percent < thresholds.pids_percent:
                continue
            is_full = pids.current >= pids.limit
            yield Finding(
                rule="health/pids-near-limit",
                severity=Severity.CRITICAL if is_full else Severity.HIGH,
                subject=container_subject(container),
                title=f"{pids.current} of {pids.limit} tasks{level.set_by}" + (": it cannot start another" if is_full else ""),
                evidence=(
                    Evidence(source=f"cgroup {level.path} pids.current", value=f"{pids.current}; pids.max {pids.limit}"),
                ),
                remedy="look for what keeps starting processes or threads (ctrscope tree "
                + quote(container.name)
                + "), or raise the limit"
                + (f" (ctrscope limit {quote(container.name)} --pids N)" if level.is_own else f" of {level.path}"),
                references=("https://docs.kernel.org/admin-guide/cgroup-v2.html#pid",),
            )
