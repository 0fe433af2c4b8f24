"""One snapshot after another: what is read again, what is taken over, what is looked at anew."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from ctrscope.discovery.plan import Plan
from ctrscope.discovery.watcher import Watcher
from ctrscope.model.cgroup import EffectiveLimit
from ctrscope.model.snapshot import Snapshot
from tests.builders import HostTree

KEY = f"runc{'@' + str(os.geteuid()) if os.geteuid() else ''}/box"
_PLAN = Plan(addresses=False, stats=True, stopped=False)


@pytest.fixture
def host(tmp_path: Path) -> HostTree:
    """One container in a cgroup of which cpu and memory are known, and no more."""
    host = HostTree(tmp_path)
    state: dict[str, object] = {"id": "box", "init_process_pid": 40, "init_process_start": 5000, "config": {"rootfs": "/r"}}
    state["cgroup_paths"] = {"": "/sys/fs/cgroup/box"}
    host.file("/run/runc/box/state.json", json.dumps(state))
    host.process(40, starttime=5000, cgroup="/box", namespaces={"mnt": 40, "pid": 40, "net": 40})
    host.file("/sys/fs/cgroup/box/cpu.stat", "usage_usec 1000\nuser_usec 500\nsystem_usec 500\n")
    host.file("/sys/fs/cgroup/box/memory.current", "100\n")
    host.file("/sys/fs/cgroup/box/memory.max", "1000\n")
    host.file("/sys/fs/cgroup/box/cgroup.events", "populated 1\nfrozen 0\n")
    host.file("/proc/40/net/dev", "\n\n    lo: 5 0 0 0 0 0 0 0 5 0 0 0 0 0 0 0\n  eth0: 70 1 0 2 0 0 0 0 90 1 0 3 0 0 0 0\n")
    return host


def memory(snapshot: Snapshot) -> tuple[object, object, object]:
    """Current, limit, effective limit."""
    stats, effective = snapshot.stats[KEY].memory, snapshot.effective[KEY].memory
    assert stats is not None
    return stats.current, stats.limit, effective


def test_what_moves_is_read_every_time_and_limits_are_taken_over(host: HostTree) -> None:
    watcher = Watcher(host.fs, _PLAN)
    assert memory(watcher.look()) == (100, 1000, EffectiveLimit(value=1000, limited_by="/box"))
    run(host)
    host.file("/sys/fs/cgroup/box/memory.current", "200\n")
    host.file("/sys/fs/cgroup/box/memory.max", "2000\n")
    assert memory(watcher.look()) == (200, 1000, EffectiveLimit(value=1000, limited_by="/box"))


def run(host: HostTree) -> None:
    """Let something in the container have run."""
    host.file("/sys/fs/cgroup/box/cpu.stat", "usage_usec 1001\nuser_usec 500\nsystem_usec 501\n")


def test_where_nothing_ran_the_figures_are_taken_over_but_not_pressure_and_not_a_pause(host: HostTree) -> None:
    host.file("/sys/fs/cgroup/box/cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n")
    for resource in ("memory", "io"):
        host.file(f"/sys/fs/cgroup/box/{resource}.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
    watcher = Watcher(host.fs, _PLAN)
    first = watcher.look()
    host.file("/sys/fs/cgroup/box/memory.current", "200\n")
    host.file("/sys/fs/cgroup/box/cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n")
    host.file("/sys/fs/cgroup/box/cgroup.events", "populated 1\nfrozen 1\n")

    second = watcher.look()

    assert memory(second) == (100, 1000, EffectiveLimit(value=1000, limited_by="/box"))
    before, after = first.stats[KEY], second.stats[KEY]
    assert after.pressure is not None
    assert (after.pressure["cpu"].some.total, after.frozen) == (9, True)
    assert (after.read_at_ns or 0) > (before.read_at_ns or 0)
    assert [gap.source for gap in second.figure_gaps] == [gap.source for gap in first.figure_gaps]

    run(host)
    assert memory(watcher.look())[0] == 200


@pytest.mark.parametrize("limits_every", [0.0, 60.0])
def test_a_whole_look_takes_over_what_did_not_run(host: HostTree, limits_every: float) -> None:
    watcher = Watcher(host.fs, _PLAN, whole_every=-1.0, limits_every=limits_every)
    watcher.look()
    host.file("/sys/fs/cgroup/box/memory.current", "200\n")
    assert memory(watcher.look())[0] == (100 if limits_every else 200)


def test_limits_are_read_again_after_a_while(host: HostTree) -> None:
    watcher = Watcher(host.fs, _PLAN, limits_every=0.0)
    watcher.look()
    host.file("/sys/fs/cgroup/box/memory.max", "2000\n")
    assert memory(watcher.look()) == (100, 2000, EffectiveLimit(value=2000, limited_by="/box"))


def test_traffic_is_that_of_all_links_but_the_loopback(host: HostTree) -> None:
    traffic = Watcher(host.fs, _PLAN).look().traffic[KEY]
    assert (traffic.rx_bytes, traffic.rx_dropped, traffic.tx_bytes, traffic.tx_dropped) == (70, 2, 90, 3)


def test_a_container_in_the_hosts_network_has_no_traffic_of_its_own(host: HostTree) -> None:
    (host.path / "proc/40/ns/net").unlink()
    host.link("/proc/40/ns/net", (host.path / "proc/1/ns/net").readlink().name)
    assert Watcher(host.fs, _PLAN).look().traffic == {}


def test_gaps_stay_the_same_whether_limits_were_read_or_not(host: HostTree) -> None:
    watcher = Watcher(host.fs, _PLAN)
    looks = [watcher.look() for _ in range(3)]
    told = [sorted((gap.source, gap.fields) for gap in look.gaps) for look in looks]
    assert len(told[0]) > 3
    assert told[1] == told[2] == told[0]


def test_only_what_was_selected_is_watched(host: HostTree) -> None:
    def none_of_them(snapshot: Snapshot) -> Snapshot:
        return msgspec.structs.replace(snapshot, containers=())

    watcher = Watcher(host.fs, _PLAN, select=none_of_them)
    assert [len(watcher.look().containers) for _ in range(2)] == [0, 0]


def test_the_whole_host_is_looked_at_again_after_a_while(host: HostTree) -> None:
    watcher = Watcher(host.fs, _PLAN, whole_every=0.0)
    watcher.look()
    host.process(50, starttime=5000, cgroup="/hand", namespaces={"mnt": 50, "pid": 50, "net": 50})
    assert {container.pid for container in watcher.look().containers} == {40, 50}
