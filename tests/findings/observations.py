"""Observations to judge: one container named web, and whatever a test says of it."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ctrscope.findings import Rule
from ctrscope.model.cgroup import CgroupStats, EffectiveLimit, EffectiveLimits
from ctrscope.model.container import Container
from ctrscope.model.finding import Finding
from ctrscope.model.observed import Observed
from ctrscope.model.rates import Rates
from ctrscope.model.thresholds import Thresholds
from tests.awkward import SNAPSHOT, WEB

assert WEB.cgroup is not None
OWN = WEB.cgroup.path
ABOVE = "/system.slice"


def observe(
    stats: CgroupStats | None = None,
    rates: Rates | None = None,
    *,
    container: Container = WEB,
    limits: Mapping[str, EffectiveLimit] | None = None,
    **more: Any,
) -> Observed:
    """What was observed of one container, and nothing else."""
    snapshot = replace(SNAPSHOT, containers=(container,), stats={} if stats is None else {container.key: stats})
    return Observed(
        snapshot=snapshot,
        seconds=0.5,
        rates={} if rates is None else {container.key: rates},
        effective={} if limits is None else {container.key: EffectiveLimits(**limits)},
        **more,
    )


def judge(rule: Rule, observed: Observed, **thresholds: Any) -> list[Finding]:
    """Findings of one rule."""
    return list(rule(observed, Thresholds(**thresholds)))


def only(rule: Rule, observed: Observed, **thresholds: Any) -> Finding:
    """The one finding of a rule."""
    (finding,) = judge(rule, observed, **thresholds)
    return finding
