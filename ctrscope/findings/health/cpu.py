"""CPU: throttled by a quota, of its own or of a cgroup above.

*Source:* kernel documents cgroup-v2 (cpu.stat, cpu.max) and sched-bwc.
"""

from collections.abc import Iterator

from ctrscope.findings.subjects import container_subject, levels, running
from ctrscope.model.container import Evidence
from ctrscope.model.finding import Finding, Severity
from ctrscope.model.observed import Observed
from ctrscope.model.quoting import quote
from ctrscope.model.thresholds import Thresholds


def throttled(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """Throttled in too many of the periods that passed between the two readings."""
    for container in running(observed):
        for level in levels(observed, container, "cpus"):
            percent, cpu = level.rates.throttled_percent, level.stats.cpu
            if cpu is None or percent is None or percent < thresholds.throttled_percent:
                continue
            quota = f": quota {cpu.limit_cpus:g} CPU" if isinstance(cpu.limit_cpus, float) else ""
            within = f" in {observed.seconds:.1f} s" if observed.seconds else ""
            yield Finding(
                rule="health/cpu-throttled",
                severity=Severity.MEDIUM,
                subject=container_subject(container),
                title=f"throttled in {percent:.0f} % of periods{quota}{level.set_by}",
                evidence=(
                    Evidence(
                        source=f"cgroup {level.path} cpu.stat",
                        value=f"{percent:.0f} %{within}; since it started {cpu.nr_throttled} of {cpu.nr_periods} periods",
                    ),
                ),
                remedy=f"raise the quota (ctrscope limit {quote(container.name)} --cpus N), or give it less to do"
                if level.is_own
                else f"raise the quota of {level.path}, which everything below it shares",
                references=("https://docs.kernel.org/scheduler/sched-bwc.html",),
            )
