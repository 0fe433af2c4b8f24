"""What happened between two snapshots, with and without what was noticed in between."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs

from ctrscope.discovery.events import events_between
from ctrscope.discovery.noticed import Entered, Flip, Named, Noticed, Seen
from ctrscope.model.cgroup import CgroupStats, CpuStats, EffectiveLimit, EffectiveLimits, MemoryStats, PidsStats
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import Container, ContainerStatus, EngineName, Monitor
from ctrscope.model.event import Event, EventKind, Exit
from ctrscope.model.host import Host, Privileges
from ctrscope.model.namespace import NamespaceSet
from ctrscope.model.observed import OomKill
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.timestamp import rfc3339

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
