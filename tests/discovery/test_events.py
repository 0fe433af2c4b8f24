"""What happened between two snapshots, with and without what was noticed in between."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from ctrscope.discovery.event_watcher import EventWatcher
from ctrscope.discovery.events import events_between
from ctrscope.discovery.noticed import Entered, Flip, Named, Noticed, Seen
from ctrscope.model.cgroup import CgroupStats, CpuStats, EffectiveLimit, EffectiveLimits, MemoryStats, PidsStats
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import Container, ContainerStatus, EngineName, EngineStatus, Monitor
from ctrscope.model.event import Event, EventKind, Exit
from ctrscope.model.host import Host, Privileges
from ctrscope.model.namespace import NamespaceSet
from ctrscope.model.observed import OomKill
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.timestamp import rfc3339
from ctrscope.probes.hostfs import HostFs

T = 1_790_000_000.0
WEB = "docker/web"
M = 1 << 20


def web(**changes: Any) -> Container:
    values: dict[str, Any] = {
        "id": "web",
        "name": "web",
        "engine": EngineName.DOCKER,
        "status": ContainerStatus.RUNNING,
        "pid": 40,
        "starttime_ticks": 5,
        "pids": (40,),
        "started_at": rfc3339(T - 1000),
        "has_own_cgroup": True,
        "cgroup": CgroupMembership(version="v2", path="/docker/web", paths={}),
    }
    return Container(**(values | changes))


def ended(**changes: Any) -> Container:
    gone: dict[str, Any] = {"status": ContainerStatus.STOPPED, "pid": None, "pids": (), "cgroup": None, "has_own_cgroup": False}
    return web(**(gone | changes))


def at(seconds: float, *containers: Container, **figures: Any) -> Snapshot:
    host = Host(
        hostname="h",
        kernel=None,
        machine=None,
        boot_id=None,
        booted_at=None,
        cgroup_version="v2",
        cpus=2,
        memory_total=None,
        clock_ticks=100,
        namespaces=NamespaceSet(),
        root="/",
        privileges=Privileges(euid=0, capabilities=(), host_pid_namespace=True),
    )
    values: dict[str, Any] = {"stats": {}} | figures
    return Snapshot(
        taken_at=rfc3339(T + seconds),
        monotonic_ns=int(seconds * 1e9),
        host=host,
        containers=containers,
        engines=(),
        gaps=(),
        **values,
    )


def told(events: Sequence[Event]) -> list[tuple[str, str, str, str]]:
    return [(event.kind.value, event.name, event.what, event.cause) for event in events]


def exits(pid: int, seconds: float, code: int = 0, signal: int = 0) -> Noticed:
    return Noticed(exits={pid: Exit(at=T + seconds, code=code, signal=signal)})


def test_nothing_happens_between_a_snapshot_and_the_same_a_second_later() -> None:
    assert events_between(at(0, web()), at(1, web())) == ()


def test_a_container_that_is_new_was_started() -> None:
    (event,) = events_between(at(0), at(1, web(started_at=rfc3339(T + 0.4), command=("nginx", "-g"))))
    assert (event.time, event.container, event.pid) == (rfc3339(T + 0.4), WEB, 40)
    assert told([event]) == [("started", "web", "started, init 40", "nginx -g")]


def test_what_the_kernel_told_of_an_end_counts_more_than_what_the_engine_wrote() -> None:
    later = ended(exit_code=1, finished_at=rfc3339(T + 0.9))
    (event,) = events_between(at(0, web()), at(1, later), exits(40, 0.7, code=7))
    assert (event.time, event.what) == (rfc3339(T + 0.7), "died, exit 7")
    (event,) = events_between(at(0, web()), at(1, later))
    assert (event.time, event.what) == (rfc3339(T + 0.9), "died, exit 1")


@pytest.mark.parametrize(
    ("noticed", "kind", "what", "cause"),
    [
        (exits(40, 0.5), "stopped", "stopped, exit 0", ""),
        (exits(40, 0.5, code=127), "died", "died, exit 127", "its command was not found"),
        (exits(40, 0.5, code=143), "died", "died, exit 143", "128 + 15: SIGTERM ended its program"),
        (exits(40, 0.5, signal=9), "died", "died, exit 137", "killed by SIGKILL"),
        (exits(40, 0.5, signal=11), "died", "died, exit 139", "killed by SIGSEGV"),
        (Noticed(), "stopped", "stopped", "nobody saw its exit status"),
        (exits(40, -100, code=3), "stopped", "stopped", "nobody saw its exit status"),  # of another process with that PID
    ],
)
def test_an_end_in_words(noticed: Noticed, kind: str, what: str, cause: str) -> None:
    assert told(events_between(at(0, web()), at(1), noticed)) == [(kind, "web", what, cause)]


def test_a_container_that_died_for_memory_names_limit_and_victim() -> None:
    stats = {WEB: CgroupStats(memory=MemoryStats(limit=512 * M))}
    kill = OomKill(at=rfc3339(T + 0.5), pid=40, comm="node", memcg="/docker/web", oom_memcg="/docker/web", lines=())
    events = events_between(at(0, web(), stats=stats), at(1, ended()), exits(40, 0.6, signal=9), [kill])
    assert told(events) == [
        ("oom-killed", "web", "OOM-killed: node 40", "its own limit 512M"),
        ("died", "web", "died, exit 137", "OOM-killed by its own limit 512M, victim node 40"),
    ]


def test_a_limit_above_and_a_full_host_are_named_as_such() -> None:
    def cause(oom_memcg: str | None) -> str:
        kill = OomKill(at=rfc3339(T + 0.5), pid=41, comm="node", memcg="/docker/web", oom_memcg=oom_memcg, lines=())
        (event,) = events_between(at(0, web()), at(1, web()), Noticed(), [kill])
        return event.cause

    assert cause("/docker") == "the limit of /docker"
    assert cause(None) == "the host ran out of memory"


def test_a_counted_kill_without_a_log_is_told_all_the_same() -> None:
    before = at(0, web(), stats={WEB: CgroupStats(memory=MemoryStats(oom_kills=1))})
    after = at(1, web(), stats={WEB: CgroupStats(memory=MemoryStats(oom_kills=3))})
    (event,) = events_between(before, after)
    assert (event.kind, event.what) == (EventKind.OOM_KILLED, "OOM-killed: 2 processes")


def test_a_container_that_came_and_went_in_between() -> None:
    seen = Seen(at=T + 0.3, engine=EngineName.DOCKER, id="a" * 64, pid=77, command=("sh", "-c", "exit 7"))
    noticed = structs.replace(exits(77, 0.35, code=7), seen=(seen,), names={"a" * 64: "short"})
    events = events_between(at(0), at(1), noticed)
    assert told(events) == [
        ("started", "short", "started, init 77", "sh -c exit 7"),
        ("died", "short", "died, exit 7", ""),
    ]
    assert {event.container for event in events} == {f"docker/{'a' * 64}"}


def test_what_a_snapshot_shows_is_not_told_twice() -> None:
    seen = Seen(at=T + 0.3, engine=EngineName.RUNC, id="web", pid=40)  # the runtime's state of what is Docker's container
    events = events_between(at(0), at(1, web(started_at=rfc3339(T + 0.3))), Noticed(seen=(seen,)))
    assert [event.kind for event in events] == [EventKind.STARTED]


def test_a_container_that_was_started_anew_died_first() -> None:
    again = web(pid=50, starttime_ticks=9, started_at=rfc3339(T + 0.8))
    events = events_between(at(0, web()), at(1, again), exits(40, 0.5, code=1))
    assert [event.what for event in events] == ["died, exit 1", "started, init 50"]


def test_a_stopped_container_that_ran_in_between_was_started_and_died() -> None:
    before = ended(started_at=rfc3339(T - 50), exit_code=0, finished_at=rfc3339(T - 40))
    after = ended(started_at=rfc3339(T + 0.2), exit_code=3, finished_at=rfc3339(T + 0.4))
    assert [event.what for event in events_between(at(0, before), at(1, after))] == ["started", "died, exit 3"]


def test_created_then_started_then_removed() -> None:
    created = web(status=ContainerStatus.CREATED, started_at=None)
    assert [event.kind.value for event in events_between(at(0), at(1, created))] == ["created"]
    running = web(started_at=rfc3339(T + 0.5))
    assert [event.kind.value for event in events_between(at(0, created), at(1, running))] == ["started"]
    assert [event.kind.value for event in events_between(at(0, ended()), at(1))] == ["removed"]


def test_what_was_made_ready_and_ran_for_a_moment_was_started_before_it_died() -> None:
    ready = web(status=ContainerStatus.CREATED, started_at=None, command=("sh",))
    after = ended(started_at=rfc3339(T + 0.2), exit_code=4, finished_at=rfc3339(T + 0.5))
    events = events_between(at(0, ready), at(1, after), exits(40, 0.5, code=4))
    assert told(events) == [("started", "web", "started, init 40", "sh"), ("died", "web", "died, exit 4", "")]


def test_what_was_made_ready_and_never_started_only_ended() -> None:
    ready = web(status=ContainerStatus.CREATED, started_at=None)
    events = events_between(at(0, ready), at(1, ended(started_at=None)), exits(40, 0.5, signal=9))
    assert [event.what for event in events] == ["died, exit 137"]


def test_one_that_was_created_long_ago_appears_and_is_not_created_now() -> None:
    def what(created_at: str | None) -> str:
        (event,) = events_between(at(0), at(1, ended(status=ContainerStatus.CREATED, started_at=None, created_at=created_at)))
        return event.what

    assert what(rfc3339(T + 0.5)) == "created"
    assert what(rfc3339(T - 600)) == "appeared, created"
    assert what(None) == "created"  # nobody says when: it was not there a moment ago


PAUSED = ContainerStatus.PAUSED


def test_paused_and_unpaused_by_two_snapshots() -> None:
    assert [event.kind.value for event in events_between(at(0, web()), at(1, web(status=PAUSED)))] == ["paused"]
    assert [event.kind.value for event in events_between(at(0, web(status=PAUSED)), at(1, web()))] == ["unpaused"]


def test_a_pause_shorter_than_a_sample_is_told() -> None:
    flips = (Flip(at=T + 0.3, container=WEB, frozen=True), Flip(at=T + 0.4, container=WEB, frozen=False))
    events = events_between(at(0, web()), at(1, web()), Noticed(flips=flips))
    assert [(event.kind.value, event.time) for event in events] == [
        ("paused", rfc3339(T + 0.3)),
        ("unpaused", rfc3339(T + 0.4)),
    ]


def test_a_pause_that_the_snapshot_before_showed_already_is_told_once() -> None:
    late = Noticed(flips=(Flip(at=T - 0.1, container=WEB, frozen=True),))
    assert events_between(at(0, web(status=PAUSED)), at(1, web(status=PAUSED)), late) == ()


def test_limits_that_somebody_changed() -> None:
    def figures(memory: Any, quota: Any, tasks: Any) -> dict[str, CgroupStats]:
        cpu = CpuStats(quota_usec=quota, period_usec=100_000)
        return {WEB: CgroupStats(ino=1, memory=MemoryStats(limit=memory), cpu=cpu, pids=PidsStats(limit=tasks))}

    before = at(0, web(), stats=figures(256 * M, "max", "max"))
    after = at(1, web(), stats=figures(512 * M, 50_000, 100))
    assert [event.what for event in events_between(before, after)] == [
        "memory limit 256M → 512M",
        "CPU limit max → 0.5",
        "task limit max → 100",
    ]


def test_a_limit_that_changed_above_names_the_cgroup() -> None:
    def effective(value: float) -> dict[str, EffectiveLimits]:
        return {WEB: EffectiveLimits(memory=EffectiveLimit(value=value, limited_by="/docker"))}

    stats = {WEB: CgroupStats(ino=1)}
    before = at(0, web(), stats=stats, effective=effective(512 * M))
    after = at(1, web(), stats=stats, effective=effective(256 * M))
    (event,) = events_between(before, after)
    assert (event.what, event.cause) == ("memory it may really use 512M → 256M", "set by /docker")


def test_a_monitor_that_is_gone() -> None:
    alive, gone = (web(monitor=Monitor(pid=30, comm="conmon", alive=alive)) for alive in (True, False))
    (event,) = events_between(at(0, alive), at(1, gone), exits(30, 0.5, signal=9))
    assert told([event]) == [
        ("monitor-lost", "web", "conmon 30 is gone (died, exit 137)", "nobody will record how the container ends")
    ]


def test_a_monitor_that_ended_well_before_anybody_looked_is_told_with_its_own_moment() -> None:
    alive, gone = (web(monitor=Monitor(pid=30, comm="conmon", alive=alive)) for alive in (True, False))
    (event,) = events_between(at(0, alive), at(1, gone), exits(30, -8, signal=9))  # a whole look is not made with every sample
    assert (event.what, event.time) == ("conmon 30 is gone (died, exit 137)", rfc3339(T - 8))
    (event,) = events_between(at(0, alive), at(1, gone), exits(30, -2000, code=1))  # of who had that PID before
    assert event.what == "conmon 30 is gone"


def test_an_end_with_the_monitor_gone_before_it_names_that() -> None:
    supervised = web(monitor=Monitor(pid=30, comm="containerd-shim", alive=True))
    both = Noticed(exits={30: Exit(at=T + 0.2, code=0, signal=9), 40: Exit(at=T + 0.3, code=0, signal=9)})
    (event,) = events_between(at(0, supervised), at(1), both)
    assert event.cause == "killed by SIGKILL, after containerd-shim 30 had died, exit 137"
    usual = Noticed(exits={40: Exit(at=T + 0.3, code=0, signal=9), 30: Exit(at=T + 0.4, code=0)})
    (event,) = events_between(at(0, supervised), at(1), usual)
    assert event.cause == "killed by SIGKILL"


def test_an_engine_that_marks_it_as_killed_for_memory_does_not_explain_an_exit_of_0() -> None:
    def cause(code: int) -> str:
        marked = ended(exit_code=code, finished_at=rfc3339(T + 0.6), oom_killed=True)  # a process of it was, some time
        (event,) = events_between(at(0, web()), at(1, marked), exits(40, 0.6, code=code))
        return event.cause

    assert (cause(0), cause(137)) == ("", "docker says: OOM-killed")


def test_who_came_in_and_how_that_ended() -> None:
    entered = Entered(at=T + 0.2, container=WEB, pid=60, uid=0, command=("sh", "-c", "true"))
    noticed = structs.replace(exits(60, 0.5, code=1), entered=(entered,))
    (event,) = events_between(at(0, web()), at(1, web()), noticed)
    assert told([event]) == [("exec", "web", "exec'd in: sh -c true (pid 60, by uid 0)", "exit 1 after 0.3 s")]


def test_its_own_init_did_not_come_in() -> None:
    entered = Entered(at=T + 0.2, container=WEB, pid=40, uid=0, command=("nginx",))
    assert events_between(at(0, web()), at(1, web()), Noticed(entered=(entered,))) == ()


def test_isolation_by_hand_and_a_named_namespace() -> None:
    box = web(engine=EngineName.UNCLAIMED, id="net:[1]", name="sleep", namespaces=NamespaceSet(net=9), shares={"pid": "host"})
    named = Noticed(named=(Named(at=T + 0.9, path="/run/netns/blue", is_new=True),))
    assert told(events_between(at(0), at(1, box), named)) == [
        ("namespace", "/run/netns/blue", "a network namespace got this name", ""),
        ("namespace", "sleep", "isolated by hand, init 40", "own net"),
    ]


def test_what_was_isolated_while_its_engine_made_it_did_not_stop() -> None:
    box = web(engine=EngineName.UNCLAIMED, id="pid:[1]", name="sh", started_at=rfc3339(T + 0.4))
    claimed = web(engine=EngineName.RUNC, started_at=rfc3339(T + 0.4))
    events = events_between(at(1, box), at(2, claimed))
    assert told(events) == [("started", "web", "started, init 40", "")]


def test_a_container_that_nobody_knew_and_that_just_ended_after_hours_was_not_started_now() -> None:
    after = ended(started_at=rfc3339(T - 7200), exit_code=3, finished_at=rfc3339(T + 0.4))
    assert [event.what for event in events_between(at(0), at(1, after))] == ["died, exit 3"]


def looked(seconds: float, *containers: Container) -> Snapshot:
    """One for which the whole host was looked at."""
    return structs.replace(at(seconds, *containers), engines=(EngineStatus(engine=EngineName.RUNC, found=True),))


def box(**changes: Any) -> Container:
    return web(**({"engine": EngineName.UNCLAIMED, "id": "pid:[1]", "name": "sh", "started_at": rfc3339(T + 0.9)} | changes))


def test_what_an_engine_is_still_making_was_not_isolated_by_hand(tmp_path: Path) -> None:
    watcher, snapshots = EventWatcher(HostFs(str(tmp_path))), [looked(0), looked(1, box())]
    assert watcher.poll(*snapshots) == ()
    assert watcher.notice().whole  # and is looked for with the next sample
    claimed = looked(2, web(engine=EngineName.RUNC, started_at=rfc3339(T + 0.9)))
    assert [event.what for event in watcher.poll(snapshots[1], claimed)] == ["started, init 40"]
    assert not watcher.notice().whole


def test_what_stays_nobodys_was_isolated_by_hand_and_that_is_told_before_its_end(tmp_path: Path) -> None:
    def watched(*snapshots: Snapshot) -> list[str]:
        watcher = EventWatcher(HostFs(str(tmp_path)))
        return [event.what for before, after in pairwise(snapshots) for event in watcher.poll(before, after)]

    assert watched(looked(0), looked(1, box()), looked(2, box()), looked(3, box())) == ["isolated by hand, init 40"]
    assert watched(looked(0), looked(1, box()), looked(2)) == ["isolated by hand, init 40", "stopped"]
    assert watched(looked(0), looked(9, box())) == ["isolated by hand, init 40"]  # for a while already
