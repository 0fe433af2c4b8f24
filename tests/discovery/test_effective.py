"""The tightest limit from a cgroup up to the host, who imposes it, and whose limits were hit."""

from pathlib import Path

import pytest

from ctrscope.discovery.effective import Ancestry, find_effective_limits
from ctrscope.model.cgroup import EffectiveLimit, EffectiveLimits, LimitEvents
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.probes.cgroup_limits import count_cpus
from ctrscope.probes.cgroupfs import CgroupLayout
from tests.builders import HostTree

_V2 = CgroupLayout(version="v2", mounts={"": "/sys/fs/cgroup"})
_POD = "/kubepods.slice/pod.slice"
_APP = f"{_POD}/app.scope"
_GIB = 1 << 30


@pytest.fixture
def host(tmp_path: Path) -> HostTree:
    """Four CPUs, 8 GiB of memory, 1 GiB of swap, 32768 tasks; three cgroups without limits in each other."""
    host = HostTree(tmp_path)
    host.file("/proc/stat", "cpu 1 2 3\n" + "".join(f"cpu{number} 1 2 3\n" for number in range(4)))
    host.file("/proc/meminfo", "MemTotal:  8388608 kB\nSwapTotal: 1048576 kB\n")
    host.file("/proc/sys/kernel/pid_max", "32768\n")
    host.file("/proc/sys/kernel/threads-max", "100000\n")
    for path in ("/kubepods.slice", _POD, _APP):
        limit(host, path, **{"cpu.max": "max 100000", "cpuset.cpus.effective": "0-3", "memory.max": "max"})
        limit(host, path, **{"memory.swap.max": "max", "pids.max": "max"})
    return host


def limit(host: HostTree, path: str, **files: str) -> None:
    for name, text in files.items():
        host.file(f"/sys/fs/cgroup{path}/{name}", text + "\n")


def found(host: HostTree, path: str = _APP) -> EffectiveLimits:
    return find_effective_limits(host.fs, _V2, CgroupMembership(version="v2", path=path, paths={}))


def test_without_any_limit_the_size_of_the_host_bounds(host: HostTree) -> None:
    assert found(host) == EffectiveLimits(
        cpus=EffectiveLimit(value=4, limited_by="host"),
        memory=EffectiveLimit(value=8 * _GIB, limited_by="host"),
        swap=EffectiveLimit(value=_GIB, limited_by="host"),
        pids=EffectiveLimit(value=32768, limited_by="host"),
    )


def test_a_limit_of_an_ancestor_counts_when_it_is_the_tightest(host: HostTree) -> None:
    limit(host, _POD, **{"memory.max": "1000", "cpu.max": "50000 100000", "pids.max": "20", "memory.swap.max": "0"})
    limit(host, _APP, **{"memory.max": "2000", "cpu.max": "200000 100000", "pids.max": "10"})
    assert found(host) == EffectiveLimits(
        cpus=EffectiveLimit(value=0.5, limited_by=_POD),
        memory=EffectiveLimit(value=1000, limited_by=_POD),
        swap=EffectiveLimit(value=0, limited_by=_POD),
        pids=EffectiveLimit(value=10, limited_by=_APP),
    )


def test_of_equal_limits_the_nearer_is_named(host: HostTree) -> None:
    limit(host, _POD, **{"memory.max": "1000"})
    limit(host, _APP, **{"memory.max": "1000"})
    assert found(host).memory == EffectiveLimit(value=1000, limited_by=_APP)


def test_a_limit_beyond_the_host_is_none(host: HostTree) -> None:
    limit(host, _APP, **{"memory.max": str(9 * _GIB), "cpu.max": "800000 100000"})
    assert found(host).memory == EffectiveLimit(value=8 * _GIB, limited_by="host")
    assert found(host).cpus == EffectiveLimit(value=4, limited_by="host")


def test_a_cpuset_bounds_cpus_and_the_outermost_is_the_cause(host: HostTree) -> None:
    for path in (_POD, _APP):  # cpuset.cpus.effective is inherited
        limit(host, path, **{"cpuset.cpus.effective": "0,2"})
    assert found(host).cpus == EffectiveLimit(value=2, limited_by=_POD)
    limit(host, _APP, **{"cpu.max": "100000 100000"})
    assert found(host).cpus == EffectiveLimit(value=1, limited_by=_APP)


def test_an_ancestor_is_read_once_for_all_that_are_in_it(host: HostTree) -> None:
    other = f"{_POD}/other.scope"
    limit(host, other, **{"memory.max": "max"})
    limit(host, _POD, **{"memory.max": "1000"})
    ancestry = Ancestry(host.fs, _V2)
    first = ancestry.limits(CgroupMembership(version="v2", path=_APP, paths={}))
    limit(host, _POD, **{"memory.max": "1"})
    second = ancestry.limits(CgroupMembership(version="v2", path=other, paths={}))
    assert (first.memory, second.memory) == (EffectiveLimit(value=1000, limited_by=_POD),) * 2


def test_a_path_as_deep_as_the_kernel_allows_is_no_problem(host: HostTree) -> None:
    assert found(host, "/a" * 2000).cpus == EffectiveLimit(value=4, limited_by="host")


def _v1(host: HostTree, files: dict[str, str], memory_path: str = "/docker/web") -> tuple[Ancestry, CgroupMembership]:
    names = ("cpu", "memory", "pids", "cpuset")
    for name, text in files.items():
        host.file(f"/sys/fs/cgroup/{name}", text + "\n")
    layout = CgroupLayout(version="v1", mounts={name: f"/sys/fs/cgroup/{name}" for name in names})
    paths = {**dict.fromkeys(names, "/docker/web"), "memory": memory_path}
    return Ancestry(host.fs, layout), CgroupMembership(version="v1", path="/docker/web", paths=paths)


def test_v1_asks_each_hierarchy_along_its_own_path(host: HostTree) -> None:
    ancestry, membership = _v1(
        host,
        {
            "cpu/docker/cpu.cfs_quota_us": "150000",
            "cpu/docker/cpu.cfs_period_us": "100000",
            "cpu/docker/web/cpu.cfs_quota_us": "-1",
            "memory/other/memory.limit_in_bytes": "67108864",
            "memory/other/memory.memsw.limit_in_bytes": "100663296",
            "memory/other/box/memory.limit_in_bytes": "9223372036854771712",
            "memory/other/box/memory.memsw.limit_in_bytes": "9223372036854771712",
            "pids/docker/web/pids.max": "max",
        },
        memory_path="/other/box",
    )
    assert ancestry.limits(membership) == EffectiveLimits(
        cpus=EffectiveLimit(value=1.5, limited_by="/docker"),
        memory=EffectiveLimit(value=67108864, limited_by="/other"),
        swap=EffectiveLimit(value=33554432, limited_by="/other"),
        pids=EffectiveLimit(value=32768, limited_by="host"),
    )


def test_v1_names_the_level_that_failed_and_the_one_whose_task_died(host: HostTree) -> None:
    ancestry, membership = _v1(
        host,
        {
            "memory/docker/memory.failcnt": "12",
            "memory/docker/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0",
            "memory/docker/web/memory.failcnt": "0",
            "memory/docker/web/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2",
            "cpu/docker/cpu.stat": "nr_periods 40\nnr_throttled 4\nthrottled_time 7000000",
            "cpu/docker/web/cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0",
        },
    )
    web, docker = ancestry.events(membership)
    assert (web.path, web.memory_max, web.oom_kills, web.nr_throttled) == ("/docker/web", 0, 2, 0)
    assert docker == LimitEvents(path="/docker", nr_throttled=4, nr_periods=40, throttled_usec=7000, memory_max=12, oom_kills=0)


def test_v2_tells_a_levels_own_events_from_those_below_it(host: HostTree) -> None:
    # The pod's limit was hit; the task that died was the app's.
    limit(host, _POD, **{"memory.events.local": "low 0\nhigh 0\nmax 9\noom 1\noom_kill 0"})
    limit(host, _POD, **{"memory.events": "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1"})
    limit(host, _APP, **{"memory.events.local": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 1"})
    limit(host, "/kubepods.slice", **{"memory.events": "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1"})
    limit(host, "/kubepods.slice", **{"memory.events.local": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0"})
    limit(host, _APP, **{"cpu.stat": "usage_usec 1\nnr_periods 10\nnr_throttled 3\nthrottled_usec 5"})
    events = Ancestry(host.fs, _V2).events(CgroupMembership(version="v2", path=_APP, paths={}))
    assert [(one.path, one.memory_max, one.memory_oom, one.oom_kills, one.nr_throttled) for one in events] == [
        (_APP, 0, 0, 1, 3),
        (_POD, 9, 1, 0, None),
    ]


def test_limits_that_crun_set_below_the_scope_were_hit_there(host: HostTree) -> None:
    limit(host, f"{_APP}/container", **{"cpu.stat": "usage_usec 1\nnr_periods 10\nnr_throttled 3\nthrottled_usec 5"})
    (events,) = Ancestry(host.fs, _V2).events(CgroupMembership(version="v2", path=_APP, paths={}))
    assert (events.path, events.nr_throttled) == (f"{_APP}/container", 3)


@pytest.mark.parametrize(("ranges", "count"), [("0", 1), ("0-3,8", 5), ("", None), ("0-3\n", 4), ("what", None)])
def test_cpus_of_a_list_of_ranges_are_counted(ranges: str, count: int | None) -> None:
    assert count_cpus(ranges) == count
