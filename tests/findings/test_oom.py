"""OOM kills: whose limit it was and who died, for those that run and those that ended of it."""

from msgspec.structs import replace

from ctrscope.findings.health import oom
from ctrscope.model.cgroup import CgroupStats, LimitEvents, MemoryStats
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import ContainerStatus
from ctrscope.model.finding import Severity
from ctrscope.model.observed import OomKill
from tests.awkward import STOPPED, WEB
from tests.findings.observations import ABOVE, OWN, judge, observe, only

KILL = OomKill(
    at="2026-11-18T03:00:00Z",
    pid=4730,
    comm="node",
    memcg=OWN,
    oom_memcg=OWN,
    lines=("oom-kill:constraint=…", "Killed process …"),
)
ONE = CgroupStats(memory=MemoryStats(oom_kills=1))
ENDED = replace(STOPPED, exit_code=137, oom_killed=None, started_at="2026-11-22T01:00:00Z", finished_at="2026-11-22T01:57:00Z")
OF_ENDED = replace(KILL, memcg=f"/docker/{ENDED.id}", oom_memcg=f"/docker/{ENDED.id}", at="2026-11-22T01:57:00Z")


def test_a_kill_by_its_own_limit_names_the_victim_and_quotes_the_kernel() -> None:
    finding = only(oom.killed, observe(ONE, oom_kills=(KILL,)))
    assert finding.title == "1 OOM kill: it hit its own limit, last killed node 4730"
    assert finding.severity is Severity.HIGH
    assert finding.evidence[0].value == "oom_kill 1"
    assert [one.value for one in finding.evidence[1:]] == list(KILL.lines)
    assert "ctrscope limit web --memory" in finding.remedy


def test_a_kill_by_the_limit_of_a_cgroup_above_names_that() -> None:
    finding = only(oom.killed, observe(ONE, oom_kills=(replace(KILL, oom_memcg=ABOVE),)))
    assert f"the limit of {ABOVE} was hit" in finding.title
    assert ABOVE in finding.remedy


def test_a_kill_because_the_host_was_full_says_so() -> None:
    finding = only(oom.killed, observe(ONE, oom_kills=(replace(KILL, oom_memcg=None),)))
    assert "the host ran out of memory" in finding.title


def test_without_the_kernel_log_the_counters_speak() -> None:
    events = (LimitEvents(path=OWN, memory_oom=0), LimitEvents(path=ABOVE, memory_oom=2))
    finding = only(oom.killed, observe(ONE, oom_kills=None, limit_events={WEB.key: events}))
    assert finding.title == "1 OOM kill"
    assert [(one.source, one.value) for one in finding.evidence] == [
        (f"cgroup {OWN} memory.events", "oom_kill 1"),
        (f"cgroup {ABOVE} memory.events.local", "oom 2"),
    ]


def test_a_kill_in_a_cgroup_inside_the_container_is_the_containers() -> None:
    inside = replace(KILL, memcg=f"{OWN}/init.scope", oom_memcg=f"{OWN}/init.scope")
    assert "it hit its own limit" in only(oom.killed, observe(ONE, oom_kills=(inside,))).title


def test_a_kill_before_this_life_of_the_container_is_not_told() -> None:
    observed = observe(CgroupStats(memory=MemoryStats(oom_kills=0)), oom_kills=(replace(KILL, at="2026-11-17T03:00:00Z"),))
    assert judge(oom.killed, observed) == []


def test_another_containers_kill_is_not_this_ones() -> None:
    assert judge(oom.killed, observe(CgroupStats(), oom_kills=(replace(KILL, memcg=OWN + "x"),))) == []


def test_of_a_container_in_the_cgroup_of_whoever_started_it_nothing_is_claimed() -> None:
    shared = replace(WEB, has_own_cgroup=False, cgroup=CgroupMembership(version="v2", path="/user.slice", paths={}))
    assert (
        judge(oom.killed, observe(container=shared, oom_kills=(replace(KILL, memcg="/user.slice", oom_memcg="/user.slice"),)))
        == []
    )


def test_exit_137_is_explained_by_the_kernel_log() -> None:
    finding = only(oom.killed, observe(container=ENDED, oom_kills=(OF_ENDED,)))
    assert finding.title == "exit 137: 1 OOM kill: it hit its own limit, last killed node 4730"
    assert "exit status 137 (128 + 9: SIGKILL)" in finding.evidence[0].value
    assert finding.severity is Severity.HIGH


def test_exit_137_is_explained_by_the_engine_where_the_log_is_not_readable() -> None:
    finding = only(oom.killed, observe(container=replace(ENDED, oom_killed=True), oom_kills=None))
    assert finding.title == "exit 137: 1 OOM kill"
    assert "OOM-killed" in finding.evidence[0].value


def test_exit_137_without_an_oom_kill_is_somebodys_sigkill() -> None:
    finding = only(oom.killed, observe(container=replace(ENDED, oom_killed=False), oom_kills=()))
    assert (finding.rule, finding.severity) == ("health/killed", Severity.INFO)
    assert finding.evidence[-1].value == "no OOM kill of it"
    assert only(oom.killed, observe(container=ENDED, oom_kills=None)).evidence[-1].value == "could not be read"


def test_a_kill_of_an_earlier_life_does_not_explain_this_end() -> None:
    earlier = replace(OF_ENDED, at="2026-11-20T00:00:00Z")
    assert only(oom.killed, observe(container=ENDED, oom_kills=(earlier,))).rule == "health/killed"


def test_another_exit_status_is_nothing_to_explain() -> None:
    assert judge(oom.killed, observe(container=replace(ENDED, exit_code=1), oom_kills=())) == []


def test_a_container_known_by_a_name_is_found_by_the_cgroup_that_its_engine_gave_it() -> None:
    lxc = replace(ENDED, id="db", name="db", exit_code=None, status=ContainerStatus.STOPPED, finished_at=None, started_at=None)
    killed = replace(KILL, memcg="/lxc.payload.db/system.slice", oom_memcg="/lxc.payload.db")
    assert len(judge(oom.killed, observe(container=lxc, oom_kills=(killed,)))) == 1
    assert (
        judge(oom.killed, observe(container=lxc, oom_kills=(replace(killed, memcg="/lxc.payload.dbx", oom_memcg="/"),))) == []
    )


def test_kills_of_no_container_that_is_known_are_one_remark() -> None:
    gone = replace(KILL, memcg="/docker/gone", oom_memcg="/docker/gone")
    finding = only(oom.killed_elsewhere, observe(ONE, oom_kills=(gone, replace(gone, pid=5, memcg="/docker/other"), KILL)))
    assert (finding.subject.kind, finding.severity) == ("host", Severity.INFO)
    assert finding.title.startswith("2 OOM kills in cgroups of no container that is known, last node 5 at")
    assert [one.value for one in finding.evidence] == ["node 4730 in /docker/gone", "node 5 in /docker/other"]


def test_a_host_that_ran_out_of_memory_is_the_hosts_finding() -> None:
    full = replace(KILL, memcg="/system.slice/db.service", oom_memcg=None, at=None)
    finding = only(oom.killed_elsewhere, observe(oom_kills=(full,)))
    assert (finding.subject.kind, finding.subject.name, finding.severity) == ("host", "web-3", Severity.HIGH)
    assert finding.title == "1 OOM kill because the host ran out of memory, last node 4730"
    assert [one.value for one in finding.evidence] == list(KILL.lines)


def test_an_unreadable_log_says_nothing_of_others() -> None:
    assert judge(oom.killed_elsewhere, observe(oom_kills=None)) == []
