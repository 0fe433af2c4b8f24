"""What changes between two snapshots, and when the host is looked at anew."""

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from ctrscope.discovery.audit import Audit, gather
from ctrscope.discovery.rates import rates_between
from ctrscope.discovery.sampler import Sampler, tree_rates_between, with_notes
from ctrscope.findings import diagnose_figures
from ctrscope.model.cgroup import CgroupNode, CgroupStats, CpuStats, MemoryStats
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.finding import Finding, Severity, Subject
from ctrscope.model.gap import Reading
from ctrscope.model.host import Host, Privileges
from ctrscope.model.namespace import NamespaceSet
from ctrscope.model.rates import Rates
from ctrscope.model.sample import Focus
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.thresholds import Thresholds
from ctrscope.probes.hostfs import HostFs
from tests.builders import HostTree
from tests.live.machine import wait_for

KEY = f"runc{'@' + str(os.geteuid()) if os.geteuid() else ''}/box"


def snapshot(seconds: float, stats: CgroupStats | None, *, starttime: int = 5) -> Snapshot:
    box = Container(
        id="box",
        name="box",
        engine=EngineName.RUNC,
        owner_uid=os.geteuid(),
        status=ContainerStatus.RUNNING,
        pid=40,
        starttime_ticks=starttime,
    )
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
    return Snapshot(
        taken_at="",
        monotonic_ns=int(seconds * 1e9),
        host=host,
        containers=(box,),
        engines=(),
        gaps=(),
        stats={KEY: stats} if stats is not None else {},
    )


def cpu(usage_usec: int | None, nr_periods: int | None = None, nr_throttled: int | None = None) -> CgroupStats:
    return CgroupStats(cpu=CpuStats(usage_usec=usage_usec, nr_periods=nr_periods, nr_throttled=nr_throttled))


def test_cpu_is_percent_of_one_cpu() -> None:
    assert rates_between(snapshot(10, cpu(1_000_000)), snapshot(12, cpu(2_000_000)))[KEY].cpu_percent == 50


def test_throttled_is_percent_of_the_periods_that_passed() -> None:
    rates = rates_between(snapshot(10, cpu(0, 100, 10)), snapshot(11, cpu(0, 110, 13)))[KEY]

    assert rates.throttled_percent == 30


def test_no_rate_from_a_counter_that_went_backwards() -> None:
    assert rates_between(snapshot(10, cpu(2_000_000)), snapshot(12, cpu(1_000_000)))[KEY].cpu_percent is None


def test_no_rate_from_a_container_that_was_started_anew() -> None:
    assert rates_between(snapshot(10, cpu(1)), snapshot(12, cpu(2), starttime=6)) == {}


def test_no_rate_from_figures_that_are_missing() -> None:
    assert rates_between(snapshot(10, cpu(None)), snapshot(12, cpu(2)))[KEY].cpu_percent is None
    assert rates_between(snapshot(10, None), snapshot(12, cpu(2))) == {}


def test_nothing_changes_between_a_snapshot_and_itself() -> None:
    one = snapshot(10, cpu(5, 5, 5))

    assert rates_between(one, one) == {}


@pytest.fixture
def host(tmp_path: Path) -> HostTree:
    host = HostTree(tmp_path)
    add_container(host, "box", 40)
    return host


def add_container(host: HostTree, name: str, pid: int) -> None:
    state: dict[str, object] = {"id": name, "init_process_pid": pid, "init_process_start": 5000, "config": {"rootfs": "/r"}}
    state["cgroup_paths"] = {"": f"/sys/fs/cgroup/{name}"}
    host.file(f"/run/runc/{name}/state.json", json.dumps(state))
    host.process(pid, starttime=5000, cgroup=f"/{name}", namespaces={"mnt": pid, "pid": pid})
    host.file(f"/sys/fs/cgroup/{name}/cpu.stat", "usage_usec 1000\nuser_usec 500\nsystem_usec 500\n")
    host.file(f"/sys/fs/cgroup/{name}/cgroup.events", "populated 1\nfrozen 0\n")


def names(sampler: Sampler) -> list[tuple[str, str]]:
    return [(found.name, found.status) for found in sampler.sample(Focus()).snapshot.containers]


def test_the_second_sample_has_rates(host: HostTree) -> None:
    sampler = Sampler(host.fs)
    assert sampler.sample(Focus()).rates == {}

    host.file("/sys/fs/cgroup/box/cpu.stat", "usage_usec 2000\nuser_usec 500\nsystem_usec 1500\n")
    rates = sampler.sample(Focus()).rates

    assert (rates[KEY].cpu_percent or 0) > 0


def test_a_container_that_ended_is_noticed_at_once(host: HostTree) -> None:
    sampler = Sampler(host.fs)
    assert names(sampler) == [("box", "running")]

    (host.path / "proc/40/stat").unlink()
    host.file("/sys/fs/cgroup/box/cpu.stat", "usage_usec 1001\nuser_usec 500\nsystem_usec 501\n")  # ending takes time

    assert names(sampler) == [("box", "stopped")]


def test_a_container_that_came_is_noticed_at_once(host: HostTree) -> None:
    sampler = Sampler(host.fs)
    names(sampler)

    add_container(host, "new", 50)

    assert names(sampler) == [("box", "running"), ("new", "running")]


def test_a_pause_shows_in_the_next_sample_and_so_does_its_end(host: HostTree) -> None:
    sampler = Sampler(host.fs)
    names(sampler)

    host.file("/sys/fs/cgroup/box/cgroup.events", "populated 1\nfrozen 1\n")
    assert names(sampler) == [("box", "paused")]

    host.file("/sys/fs/cgroup/box/cgroup.events", "populated 1\nfrozen 0\n")
    assert names(sampler) == [("box", "running")]


def test_gaps_about_figures_do_not_pile_up(host: HostTree) -> None:
    sampler = Sampler(host.fs)
    first = sampler.sample(Focus()).snapshot.gaps

    assert msgspec.to_builtins(sampler.sample(Focus()).snapshot.gaps) == msgspec.to_builtins(first)


def test_a_paused_container_of_crun_stays_paused(v2_host: HostFs) -> None:
    sampler = Sampler(v2_host)

    statuses = [{one.name: str(one.status) for one in sampler.sample(Focus()).snapshot.containers} for _ in range(2)]

    assert [seen["p-paused"] for seen in statuses] == ["paused", "paused"]


def note(shown: Snapshot, rates: Mapping[str, Rates]) -> str | None:
    (box,) = with_notes(shown, diagnose_figures(shown, rates, {}, Thresholds())).containers
    return box.note


def test_heavy_throttling_is_the_note() -> None:
    before, after = snapshot(10, cpu(0, 100, 10)), snapshot(11, cpu(0, 110, 13))

    assert note(after, rates_between(before, after)) == "throttled in 30 % of periods"


def test_memory_close_to_its_limit_is_the_note() -> None:
    full = snapshot(10, CgroupStats(memory=MemoryStats(current=97 << 20, limit=100 << 20)))

    assert note(full, {}) == "memory at 97 % of 100M"


def test_a_container_at_ease_has_no_note() -> None:
    easy = snapshot(10, CgroupStats(memory=MemoryStats(current=97, limit="max"), cpu=CpuStats(nr_throttled=1)))

    assert note(easy, {}) is None


def test_only_what_is_about_the_container_and_worth_a_word_is_its_note() -> None:
    def finding(severity: Severity, kind: str, id_: str) -> Finding:
        subject = Subject(kind=kind, id=id_, name="box")
        return Finding(rule="r", severity=severity, subject=subject, title="t", evidence=(), remedy="")

    others = (finding(Severity.HIGH, "container", "docker/1"), finding(Severity.HIGH, "link", KEY))
    assert with_notes(snapshot(10, None), (*others, finding(Severity.INFO, "container", KEY))).containers[0].note is None
    assert with_notes(snapshot(10, None), (*others, finding(Severity.HIGH, "container", KEY))).containers[0].note == "t"


def test_what_no_screen_shows_is_not_read(v2_host: HostFs) -> None:
    sample = Sampler(v2_host).sample(Focus())

    assert (sample.namespaces, sample.cgroups, sample.topology) == (None, None, None)
    assert sample.details == {}


def test_what_a_screen_shows_is_read_for_it(v2_host: HostFs) -> None:
    sample = Sampler(v2_host).sample(Focus(namespaces=True, cgroups=True, topology=True))

    assert sample.namespaces
    assert sample.cgroups is not None
    assert sample.cgroups.path == "/"
    assert sample.topology is not None
    assert sample.topology.publications is not None


def test_what_is_dear_is_read_again_only_when_it_is_old(v2_host: HostFs) -> None:
    sampler = Sampler(v2_host)
    first = sampler.sample(Focus(namespaces=True)).namespaces

    assert sampler.sample(Focus(namespaces=True)).namespaces is first


def node(path: str, usage_usec: int, at: int, *children: CgroupNode, ino: int = 1) -> CgroupNode:
    stats = CgroupStats(cpu=CpuStats(usage_usec=usage_usec), ino=ino, read_at_ns=at * 10**9)
    return CgroupNode(path=path, stats=stats, children=children)


def test_every_cgroup_of_the_tree_has_rates_but_one_that_was_made_anew() -> None:
    earlier = node("/", 0, 1, node("/a", 0, 1), node("/b", 0, 1))
    later = node("/", 2_000_000, 3, node("/a", 1_000_000, 3), node("/b", 1_000_000, 3, ino=2), node("/c", 1, 3))

    rates = tree_rates_between(earlier, later)

    assert {path: found.cpu_percent for path, found in rates.items()} == {"/": 100.0, "/a": 50.0}
    assert tree_rates_between(None, later) == {}


def test_security_is_read_aside_and_no_sample_waits_for_it(v2_host: HostFs, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, may_go_on, was_asked = Sampler(v2_host), threading.Event(), threading.Event()

    def slow(hostfs: HostFs, snapshot: Snapshot) -> Reading[Audit]:
        was_asked.set()
        assert may_go_on.wait(30)
        return gather(hostfs, snapshot)

    monkeypatch.setattr("ctrscope.discovery.audit.gather", slow)
    assert sampler.sample(Focus()).security is None
    assert not was_asked.wait(0.2)  # nobody looks at it
    assert sampler.sample(Focus(findings=True)).security is None
    assert was_asked.wait(30)
    assert sampler.sample(Focus(findings=True)).security is None  # it is read still, and the sample is here
    may_go_on.set()
    found = wait_for("the audit", lambda: sampler.sample(Focus(findings=True)).security)
    assert {finding.rule.partition("/")[0] for finding in found or ()} == {"security"}
    assert not sampler.sample(Focus(findings=True)).findings or all(
        finding.rule.startswith("health/") for finding in sampler.sample(Focus(findings=True)).findings or ()
    )


def test_what_goes_wrong_aside_is_said_with_the_next_sample(v2_host: HostFs, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*unused: object) -> None:
        raise RuntimeError("a surprise")

    monkeypatch.setattr("ctrscope.discovery.audit.gather", broken)
    sampler = Sampler(v2_host)

    def raised() -> bool:
        try:
            sampler.sample(Focus(findings=True))
        except RuntimeError as error:
            return str(error) == "a surprise"
        return False

    assert wait_for("the error", raised)
    assert sampler.sample(Focus()).security is None  # and the dashboard goes on
