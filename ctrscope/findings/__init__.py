"""JUDGE: rules that look at what was observed and say what is wrong. Pure: no rule reads anything.

A rule is a function of (Observed, Thresholds) that yields findings; it stands in one of the tables below. What was not
read yields nothing: a rule never guesses.
"""

from collections.abc import Callable, Iterable, Mapping

from ctrscope.findings.health import cpu, leaks, limits, links, memory, network, oom, pids, processes, supervision
from ctrscope.model.cgroup import EffectiveLimits
from ctrscope.model.finding import Finding
from ctrscope.model.observed import Observed
from ctrscope.model.rates import Rates
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.thresholds import Thresholds

Rule = Callable[[Observed, Thresholds], Iterable[Finding]]

#: Rules that need no reading beyond a snapshot with figures and the one before it: the dashboard asks them every second.
FIGURE_RULES: tuple[Rule, ...] = (
    oom.killed,
    memory.near_limit,
    memory.swap_in_use,
    cpu.throttled,
    pids.near_limit,
    limits.under_pressure,
    limits.imposed_by_ancestor,
    supervision.monitor_gone,
    supervision.stale,
    supervision.restart_loop,
)
#: Every rule of health.
HEALTH_RULES: tuple[Rule, ...] = (
    *FIGURE_RULES,
    oom.killed_elsewhere,
    processes.zombies,
    processes.stuck,
    processes.deleted_executables,
    processes.descriptors,
    processes.outside_of_its_cgroup,
    processes.outside_of_its_namespaces,
    leaks.remnants,
    links.down,
    links.bridges,
    links.unattached,
    links.small_mtu,
    links.duplicate_addresses,
    links.no_default_route,
    network.lead_to_nobody,
    network.published_by_nothing,
    network.nobody_listens,
    network.dropped,
    network.nameservers,
)


def diagnose(observed: Observed, thresholds: Thresholds) -> tuple[Finding, ...]:
    """What is wrong, worst first; of one severity by name, always in the same order."""
    return _judge(HEALTH_RULES, observed, thresholds)


def diagnose_figures(
    snapshot: Snapshot, rates: Mapping[str, Rates], effective: Mapping[str, EffectiveLimits], thresholds: Thresholds
) -> tuple[Finding, ...]:
    """What the figures alone say is wrong, worst first."""
    return _judge(FIGURE_RULES, Observed(snapshot=snapshot, rates=rates, effective=effective), thresholds)


def _judge(rules: Iterable[Rule], observed: Observed, thresholds: Thresholds) -> tuple[Finding, ...]:
    found = (finding for rule in rules for finding in rule(observed, thresholds))
    return tuple(sorted(found, key=lambda one: (one.severity.rank, one.subject.name, one.subject.id, one.rule, one.title)))
