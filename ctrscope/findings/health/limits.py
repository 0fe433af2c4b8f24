"""Limits that somebody else set, and the time that tasks wait for what is scarce.

*Source:* kernel documents cgroup-v2 and psi.
"""

from collections.abc import Iterator

from ctrscope.findings.subjects import Resource, cgroup_path, container_subject, effective_limit, imposed_from_above, running
from ctrscope.model.cgroup import CgroupStats, EffectiveLimit
from ctrscope.model.container import Evidence
from ctrscope.model.finding import Finding, Severity
from ctrscope.model.observed import Observed
from ctrscope.model.quantity import format_bytes
from ctrscope.model.thresholds import Thresholds

_RESOURCES: tuple[Resource, ...] = ("cpus", "memory", "pids")
_WAITS = {"cpu": "a CPU", "memory": "memory", "io": "input and output"}


def imposed_by_ancestor(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """The tightest limit is not the container's own: inside and in its engine's words it is not to be seen."""
    for container in running(observed):
        words, evidence = [], []
        for resource in _RESOURCES:
            limit = effective_limit(observed, container, resource)
            above = imposed_from_above(container, limit)
            if above is None or limit is None:
                continue
            words.append(f"{_amount(resource, limit)} by {above}")
            own = _own(observed.snapshot.stats.get(container.key), resource)
            evidence.append(
                Evidence(
                    source=f"cgroup {above}",
                    value=f"{resource} {limit.value}; {cgroup_path(container, resource)} itself: {own}",
                )
            )
        if words:
            yield Finding(
                rule="health/limited-by-ancestor",
                severity=Severity.INFO,
                subject=container_subject(container),
                title=f"limited from above: {', '.join(words)}",
                evidence=tuple(evidence),
                remedy="change the limit there: raising the container's own has no effect",
                references=("https://docs.kernel.org/admin-guide/cgroup-v2.html#top-down-constraint",),
            )


def under_pressure(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """Tasks of it wait for a resource too much of the time."""
    bounds = {
        "cpu": thresholds.cpu_pressure_percent,
        "memory": thresholds.memory_pressure_percent,
        "io": thresholds.io_pressure_percent,
    }
    for container in running(observed):
        stats = observed.snapshot.stats.get(container.key)
        for resource, pressure in ((stats.pressure if stats is not None else None) or {}).items():
            some = pressure.some
            if some.avg10 < bounds.get(resource, 100.0):
                continue
            full = f"; full avg10={pressure.full.avg10}" if pressure.full is not None else ""
            yield Finding(
                rule=f"health/{resource}-pressure",
                severity=Severity.MEDIUM,
                subject=container_subject(container),
                title=f"tasks wait for {_WAITS.get(resource, resource)} {some.avg10:.0f} % of the time",
                evidence=(
                    Evidence(
                        source=f"cgroup {container.cgroup.path if container.cgroup else '?'} {resource}.pressure",
                        value=f"some avg10={some.avg10} avg60={some.avg60}{full}",
                    ),
                ),
                remedy="compare with the host's own pressure (/proc/pressure): if that is low, its limits are what is scarce",
                references=("https://docs.kernel.org/accounting/psi.html",),
            )


def _amount(resource: Resource, limit: EffectiveLimit) -> str:
    if not isinstance(limit.value, (int, float)):
        return f"{resource} {limit.value}"
    if resource == "cpus":
        return f"{limit.value:g} CPU"
    return f"{format_bytes(limit.value)} of memory" if resource == "memory" else f"{limit.value:.0f} tasks"


def _own(stats: CgroupStats | None, resource: Resource) -> object:
    if stats is None:
        return None
    if resource == "cpus":
        return stats.cpu and stats.cpu.limit_cpus
    part = stats.memory if resource == "memory" else stats.pids
    return part and part.limit
