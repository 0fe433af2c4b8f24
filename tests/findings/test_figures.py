"""Rules about figures: they speak from the threshold on, name whose limit it is, and are silent about what was not read."""

import pytest
from msgspec.structs import replace

from ctrscope.findings.health import cpu, limits, memory, pids
from ctrscope.model.cgroup import CgroupStats, CpuStats, EffectiveLimit, MemoryStats, PidsStats, Pressure, PressureLine
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.finding import Severity
from ctrscope.model.observed import Observed
from ctrscope.model.rates import Rates
from tests.awkward import STOPPED, WEB
from tests.findings.observations import ABOVE, OWN, judge, observe, only

MIB = 1 << 20
HALF = CpuStats(nr_periods=100, nr_throttled=31, quota_usec=50_000, period_usec=100_000)
V1 = CgroupMembership(
    version="v1", path="/docker/3f", paths={"memory": "/docker/3f", "cpu": "/docker/3f", "pids": "/docker/3f"}
)


def by(path: str, value: float) -> EffectiveLimit:
    return EffectiveLimit(value=value, limited_by=path)


def test_throttling_is_told_with_the_quota_and_the_counters() -> None:
    finding = only(cpu.throttled, observe(CgroupStats(cpu=HALF), Rates(throttled_percent=31.0)))
    assert finding.title == "throttled in 31 % of periods: quota 0.5 CPU"
    assert finding.rule == "health/cpu-throttled"
    assert (finding.subject.kind, finding.subject.id, finding.subject.name) == ("container", WEB.key, "web")
    assert finding.evidence[0].source == f"cgroup {OWN} cpu.stat"
    assert "31 of 100 periods" in finding.evidence[0].value
    assert "ctrscope limit web --cpus" in finding.remedy


def test_a_command_to_paste_runs_nothing_that_the_containers_name_says() -> None:
    observed = observe(CgroupStats(cpu=HALF), Rates(throttled_percent=31.0))
    named = replace(WEB, name="$(reboot)")
    (finding,) = judge(cpu.throttled, replace(observed, snapshot=replace(observed.snapshot, containers=(named,))))
    assert "ctrscope limit '$(reboot)' --cpus" in finding.remedy


@pytest.mark.parametrize(("percent", "count"), [(10.0, 1), (9.9, 0), (0.0, 0)])
def test_throttling_counts_from_the_threshold_on(percent: float, count: int) -> None:
    observed = observe(CgroupStats(cpu=HALF), Rates(throttled_percent=percent))
    assert len(judge(cpu.throttled, observed, throttled_percent=10.0)) == count


def test_a_million_tasks_are_written_out() -> None:
    observed = observe(CgroupStats(), limits={"pids": by(ABOVE, 4194304)})
    assert f"4194304 tasks by {ABOVE}" in only(limits.imposed_by_ancestor, observed).title


def test_throttling_by_a_cgroup_above_names_it() -> None:
    observed = observe(
        CgroupStats(cpu=CpuStats(quota_usec="max", period_usec=100_000)),
        Rates(throttled_percent=None),
        limits={"cpus": by(ABOVE, 0.5)},
        levels={ABOVE: CgroupStats(cpu=HALF)},
        level_rates={ABOVE: Rates(throttled_percent=80.0)},
    )
    finding = only(cpu.throttled, observed)
    assert finding.title == f"throttled in 80 % of periods: quota 0.5 CPU set by {ABOVE}"
    assert ABOVE in finding.remedy


@pytest.mark.parametrize(
    ("current", "limit", "count"), [(90, 100, 1), (89, 100, 0), (100, 100, 1), (90, "max", 0), (90, None, 0), (None, 100, 0)]
)
def test_memory_counts_from_the_threshold_on(current: int | None, limit: int | str | None, count: int) -> None:
    figures = MemoryStats(current=current, inactive_file=0, limit=limit)  # type: ignore[arg-type]
    assert len(judge(memory.near_limit, observe(CgroupStats(memory=figures)))) == count


def test_page_cache_that_is_easily_had_back_is_no_reason_to_worry() -> None:
    figures = MemoryStats(current=64 * MIB, inactive_file=50 * MIB, limit=64 * MIB)
    assert judge(memory.near_limit, observe(CgroupStats(memory=figures))) == []
    assert judge(memory.near_limit, observe(CgroupStats(memory=replace(figures, inactive_file=None)))) != []


def test_memory_near_its_own_limit_says_so() -> None:
    figures = MemoryStats(current=62 * MIB, inactive_file=0, limit=64 * MIB)
    finding = only(memory.near_limit, observe(CgroupStats(memory=figures), limits={"memory": by(OWN, 64 * MIB)}))
    assert (finding.title, finding.severity) == ("memory at 97 % of 64M", Severity.HIGH)
    assert finding.evidence[0].source == f"cgroup {OWN} memory.current"
    assert str(62 * MIB) in finding.evidence[0].value


def test_memory_near_the_limit_of_a_cgroup_above_counts_what_that_one_uses() -> None:
    own = CgroupStats(memory=MemoryStats(current=10 * MIB, inactive_file=0, limit="max"))
    full = CgroupStats(memory=MemoryStats(current=99 * MIB, inactive_file=0, limit=100 * MIB))
    finding = only(memory.near_limit, observe(own, limits={"memory": by(ABOVE, 100 * MIB)}, levels={ABOVE: full}))
    assert finding.title == f"memory at 99 % of 100M set by {ABOVE}"
    assert ABOVE in finding.remedy


def test_memory_near_a_limit_from_above_is_told_even_where_that_cgroup_was_not_read() -> None:
    own = CgroupStats(memory=MemoryStats(current=99 * MIB, inactive_file=0, limit=200 * MIB))
    finding = only(memory.near_limit, observe(own, limits={"memory": by(ABOVE, 100 * MIB)}))
    assert finding.title == f"memory at 99 % of 100M set by {ABOVE}"


def test_the_size_of_the_host_is_not_a_limit_of_the_container() -> None:
    own = CgroupStats(memory=MemoryStats(current=99 * MIB, inactive_file=0, limit="max"))
    assert judge(memory.near_limit, observe(own, limits={"memory": EffectiveLimit(value=100 * MIB, limited_by="host")})) == []


def test_the_files_of_v1_are_called_by_their_names() -> None:
    figures = CgroupStats(memory=MemoryStats(current=99, inactive_file=0, limit=100, swap_current=2 * MIB))
    observed = observe(figures, container=replace(WEB, cgroup=V1))
    assert only(memory.near_limit, observed).evidence[0].source == "cgroup /docker/3f memory.usage_in_bytes"
    assert only(memory.swap_in_use, observed).evidence[0].source == "cgroup /docker/3f memory.memsw.usage_in_bytes"


@pytest.mark.parametrize(("swapped", "count"), [(MIB, 1), (MIB - 1, 0), (None, 0)])
def test_swap_counts_from_the_threshold_on(swapped: int | None, count: int) -> None:
    observed = observe(CgroupStats(memory=MemoryStats(swap_current=swapped)))
    assert len(judge(memory.swap_in_use, observed, swap_bytes=MIB)) == count


@pytest.mark.parametrize(
    ("current", "limit", "severity"),
    [(45, 50, "high"), (44, 50, None), (50, 50, "critical"), (44, "max", None), (None, 50, None), (0, 0, None)],
)
def test_tasks_count_from_the_threshold_on_and_are_critical_at_the_limit(
    current: int | None, limit: int | str, severity: str | None
) -> None:
    figures = CgroupStats(pids=PidsStats(current=current, limit=limit))  # type: ignore[arg-type]
    assert [finding.severity for finding in judge(pids.near_limit, observe(figures))] == ([severity] if severity else [])


def test_tasks_near_the_limit_of_a_cgroup_above_name_it() -> None:
    own, full = CgroupStats(pids=PidsStats(current=3, limit="max")), CgroupStats(pids=PidsStats(current=95, limit=100))
    finding = only(pids.near_limit, observe(own, limits={"pids": by(ABOVE, 100)}, levels={ABOVE: full}))
    assert finding.title == f"95 of 100 tasks set by {ABOVE}"


@pytest.mark.parametrize(("avg10", "count"), [(10.0, 1), (9.99, 0)])
def test_pressure_counts_from_the_threshold_on(avg10: float, count: int) -> None:
    pressure = {"memory": Pressure(some=PressureLine(avg10=avg10, avg60=1.0, avg300=0.0, total=5))}
    found = judge(limits.under_pressure, observe(CgroupStats(pressure=pressure)), memory_pressure_percent=10.0)
    assert [finding.rule for finding in found] == ["health/memory-pressure"] * count


def test_pressure_of_every_resource_is_told_apart() -> None:
    waiting = Pressure(some=PressureLine(avg10=99.0, avg60=1.0, avg300=0.0, total=5), full=None)
    observed = observe(CgroupStats(pressure={"cpu": waiting, "memory": waiting, "io": waiting}))
    titles = [finding.title for finding in judge(limits.under_pressure, observed)]
    waits = ("a CPU", "memory", "input and output")
    assert titles == [f"tasks wait for {what} 99 % of the time" for what in waits]


def test_a_limit_from_above_is_told_with_both_limits() -> None:
    own = CgroupStats(memory=MemoryStats(limit="max"), cpu=CpuStats(quota_usec=200_000, period_usec=100_000))
    finding = only(
        limits.imposed_by_ancestor, observe(own, limits={"memory": by(ABOVE, 64 * MIB), "cpus": by("/a.slice", 1.0)})
    )
    assert finding.title == f"limited from above: 1 CPU by /a.slice, 64M of memory by {ABOVE}"
    assert [evidence.value for evidence in finding.evidence] == [
        f"cpus 1.0; {OWN} itself: 2.0",
        f"memory {64 * MIB}; {OWN} itself: max",
    ]
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize("path", [OWN, f"{OWN}/container", "host"])
def test_a_limit_of_its_own_or_of_the_host_is_not_from_above(path: str) -> None:
    assert judge(limits.imposed_by_ancestor, observe(CgroupStats(), limits={"memory": by(path, 1)})) == []


@pytest.mark.parametrize(
    "rule",
    [cpu.throttled, memory.near_limit, memory.swap_in_use, pids.near_limit, limits.under_pressure, limits.imposed_by_ancestor],
)
@pytest.mark.parametrize(
    "observed",
    [
        observe(),
        observe(CgroupStats(), Rates()),
        observe(CgroupStats(cpu=CpuStats(), memory=MemoryStats(), pids=PidsStats(), pressure={}), Rates()),
        observe(CgroupStats(), container=replace(WEB, cgroup=None), limits={"memory": by(ABOVE, 1), "cpus": by(ABOVE, 1)}),
        observe(container=STOPPED),
    ],
    ids=["nothing", "no parts", "no figures", "no cgroup", "stopped"],
)
def test_what_was_not_read_is_not_judged(rule: object, observed: Observed) -> None:
    assert judge(rule, observed) == []  # type: ignore[arg-type]
