"""Memory: usage near a limit, of its own or of a cgroup above, and swap.

*Source:* kernel documents cgroup-v2 and cgroup-v1/memory.
"""

from collections.abc import Iterator

from ctrscope.findings.subjects import (
    by_version,
    cgroup_path,
    container_subject,
    effective_limit,
    imposed_from_above,
    levels,
    running,
)
from ctrscope.model.cgroup import MemoryStats
from ctrscope.model.container import Evidence
from ctrscope.model.finding import Finding, Severity
from ctrscope.model.observed import Observed
from ctrscope.model.quantity import format_bytes
from ctrscope.model.quoting import quote
from ctrscope.model.thresholds import Thresholds

_REFERENCES = ("https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files",)


def near_limit(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """Working set near the effective limit: page cache that reclaim gets back easily does not count."""
    for container in running(observed):
        limit = effective_limit(observed, container, "memory")
        above = imposed_from_above(container, limit)
        for level in levels(observed, container, "memory"):
            memory = level.stats.memory
            if memory is None or (used := _used(memory)) is None:
                continue
            bound, set_by = memory.limit, level.set_by
            if level.is_own and limit is not None and isinstance(limit.value, (int, float)) and limit.limited_by != "host":
                bound, set_by = int(limit.value), f" set by {above}" if above else ""
            if not isinstance(bound, int) or not bound or 100 * used / bound < thresholds.memory_percent:
                continue
            usage = by_version(container, "memory.current", "memory.usage_in_bytes")
            yield Finding(
                rule="health/memory-near-limit",
                severity=Severity.HIGH,
                subject=container_subject(container),
                title=f"memory at {100 * used / bound:.0f} % of {format_bytes(bound)}{set_by}",
                evidence=(
                    Evidence(
                        source=f"cgroup {level.path} {usage}",
                        value=f"{memory.current}, of it inactive_file {memory.inactive_file}; limit {bound}",
                    ),
                ),
                remedy=f"raise the limit (ctrscope limit {quote(container.name)} --memory N) or find what grows: "
                "at the limit the kernel kills a process"
                if level.is_own and not above
                else f"raise the limit of {above or level.path}, or move something out of it: "
                "at the limit the kernel kills a process below it",
                references=_REFERENCES,
            )
            break


def swap_in_use(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """Some of its memory is in swap: whoever touches it waits for the disk."""
    for container in running(observed):
        stats = observed.snapshot.stats.get(container.key)
        memory = stats.memory if stats is not None else None
        if memory is None or memory.swap_current is None or memory.swap_current < thresholds.swap_bytes:
            continue
        file = by_version(container, "memory.swap.current", "memory.memsw.usage_in_bytes")
        yield Finding(
            rule="health/swap-in-use",
            severity=Severity.LOW,
            subject=container_subject(container),
            title=f"{format_bytes(memory.swap_current)} of its memory is in swap",
            evidence=(
                Evidence(
                    source=f"cgroup {cgroup_path(container, 'swap')} {file}", value=f"{memory.swap_current} bytes swapped"
                ),
            ),
            remedy="harmless when it stays idle; if it is slow, give it or the host more memory",
            references=_REFERENCES,
        )


def _used(memory: MemoryStats) -> int | None:
    return memory.current if memory.working_set is None else memory.working_set
