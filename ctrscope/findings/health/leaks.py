"""Leaks: cgroups, mounts, namespaces and links of containers that are gone."""

from collections.abc import Iterator

from ctrscope.model.container import Evidence
from ctrscope.model.finding import Finding, Severity, Subject
from ctrscope.model.observed import Observed, Remnant
from ctrscope.model.thresholds import Thresholds


def remnants(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """What is left, together for each container that left it."""
    groups: dict[str, list[Remnant]] = {}
    for remnant in observed.remnants:
        groups.setdefault(remnant.id or f"{remnant.kind} {remnant.what}", []).append(remnant)
    for found in groups.values():
        first = found[0]
        counts = {kind: sum(one.kind == kind for one in found) for kind in dict.fromkeys(one.kind for one in found)}
        words = " and ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items())
        whose = f"of a container of {first.engine} that is gone" if first.engine else "of a container that is gone"
        yield Finding(
            rule="health/leaked",
            severity=Severity.LOW,
            subject=Subject(kind=first.kind, id=first.what, name=first.id[:12] if first.id else first.what),
            title=f"{words} {whose}",
            evidence=tuple(Evidence(source=one.source, value=one.what) for one in found),
            remedy="; ".join(dict.fromkeys(one.remedy for one in found)),
        )
