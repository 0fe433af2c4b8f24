"""All rules together: the order, the subset for the dashboard, and a host on which every string is trouble."""

from msgspec.structs import replace

from ctrscope.discovery.notes import notes_of
from ctrscope.findings import FIGURE_RULES, HEALTH_RULES, diagnose, diagnose_figures
from ctrscope.model.cgroup import CgroupStats, MemoryStats, PidsStats
from ctrscope.model.finding import Severity
from ctrscope.model.observed import Observed, ObservedProcess
from ctrscope.model.rates import Rates
from ctrscope.model.thresholds import Thresholds
from tests.awkward import HOSTILE, ORPHAN, SNAPSHOT, STATS, WEB
from tests.findings.observations import observe

FULL = CgroupStats(memory=MemoryStats(current=99, inactive_file=0, limit=100), pids=PidsStats(current=100, limit=100))


def test_the_worst_comes_first_and_the_order_is_always_the_same() -> None:
    snapshot = replace(SNAPSHOT, stats={WEB.key: FULL, HOSTILE.key: FULL})
    found = diagnose(Observed(snapshot=snapshot), Thresholds())
    ranks = [finding.severity.rank for finding in found]
    assert ranks == sorted(ranks)
    assert found[0].severity is Severity.CRITICAL
    backwards = replace(snapshot, containers=tuple(reversed(snapshot.containers)))
    assert diagnose(Observed(snapshot=backwards), Thresholds()) == found


def test_rules_of_health_are_named_so_and_say_how_they_know_and_what_to_do() -> None:
    found = diagnose(
        Observed(snapshot=replace(SNAPSHOT, stats={WEB.key: STATS}), rates={WEB.key: Rates(throttled_percent=31.0)}),
        Thresholds(),
    )
    assert {finding.rule for finding in found} >= {"health/cpu-throttled", "health/oom-killed", "health/monitor-gone"}
    for finding in found:
        assert finding.rule.startswith("health/")
        assert finding.evidence
        assert finding.remedy


def test_the_dashboard_asks_the_same_rules() -> None:
    assert set(FIGURE_RULES) < set(HEALTH_RULES)
    stats = {WEB.key: FULL}
    figures = diagnose_figures(replace(SNAPSHOT, stats=stats), {}, {}, Thresholds())
    assert set(figures) <= set(diagnose(Observed(snapshot=replace(SNAPSHOT, stats=stats)), Thresholds()))


def test_figures_leave_processes_to_diagnose() -> None:
    zombie = ObservedProcess(pid=9, ppid=WEB.pid or 0, comm="x", state="Z", has_lasted=True)
    observed = observe(processes={WEB.key: (zombie,)})
    assert [finding.rule for finding in diagnose(observed, Thresholds())] == ["health/zombies"]
    assert diagnose_figures(observed.snapshot, {}, {}, Thresholds()) == ()


def test_the_note_of_a_container_is_its_worst_finding_and_never_a_mere_remark() -> None:
    snapshot = replace(SNAPSHOT, stats={WEB.key: FULL}, containers=(WEB, ORPHAN))
    notes = notes_of(diagnose_figures(snapshot, {}, {}, Thresholds()))
    assert notes[WEB.key] == "100 of 100 tasks: it cannot start another"
    assert notes[ORPHAN.key] == "conmon 4410 is gone: exit status will not be recorded"
    remark = replace(diagnose_figures(snapshot, {}, {}, Thresholds())[0], severity=Severity.LOW)
    assert notes_of((remark,)) == {}
