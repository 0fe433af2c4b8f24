"""Containers of ctrscope's own launcher."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.engines.launcher import Launcher
from ctrscope.model.container import Container, ContainerStatus, EngineName, Port, Record
from ctrscope.model.gap import Reason
from tests.builders import HostTree
from tests.engines.surveys import add_status, read_both, survey_of

ROOT = "/run/ctrscope/containers"


@pytest.fixture
def tree(tmp_path: Path) -> HostTree:
    return HostTree(tmp_path)


def state(name: str, **more: Any) -> str:
    return json.dumps(
        {
            "id": name,
            "bundle": f"{ROOT}/{name}",
            "rootfs": "/",
            "created": "2026-01-01T00:00:00.000Z",
            "annotations": {"org.example": "1"},
            "pid": 4711,
            "starttime_ticks": 5000,
            "cgroups": {"directories": {"": f"/sys/fs/cgroup/ctrscope/{name}"}, "scope": None},
            "name": name,
            "image": "/images:alpine",
            "monitor_pid": 4700,
            "monitor_starttime_ticks": 4990,
            "exit_status": None,
            **more,
        }
    )


def put(tree: HostTree, name: str = "web", root: str = ROOT, **more: Any) -> None:
    tree.file(f"{root}/{name}/state.json", state(name, **more))
    tree.file(f"{root}/{name}/config.json", json.dumps({"process": {"args": ["sleep", "9"]}}))
    tree.file(f"{root}/{name}/log", "")


def record(tree: HostTree) -> Record:
    (found,) = Launcher().read_state(survey_of(tree.fs)).records
    return found


def discovered(tree: HostTree) -> Container:
    (found,) = discover(tree.fs, Plan(namespaces=False, stats=False, addresses=False, stopped=True)).containers
    return found


def test_a_container_is_what_its_state_says(tree: HostTree) -> None:
    put(tree)
    found = record(tree)
    assert (found.engine, found.id, found.name, found.image) == (EngineName.CTRSCOPE, "web", "web", "/images:alpine")
    assert found.command == ("sleep", "9")
    assert found.log_path == f"{ROOT}/web/log"
    assert found.labels == {"org.example": "1"}
    assert (found.pid, found.starttime_ticks, found.monitor_pid, found.monitor_expected) == (4711, 5000, 4700, "ctrscope-mon")
    assert found.cgroup_path == "/ctrscope/web"


def test_one_that_runs_has_its_supervisor(tree: HostTree) -> None:
    put(tree)
    tree.process(4700, comm="ctrscope-mon", starttime=4990)
    tree.process(4711, ppid=4700, starttime=5000, cgroup="/ctrscope/web")
    found = discovered(tree)
    assert (found.status, found.pid, found.has_own_cgroup) == (ContainerStatus.RUNNING, 4711, True)
    assert found.monitor is not None
    assert (found.monitor.pid, found.monitor.comm, found.monitor.alive) == (4700, "ctrscope-mon", True)


def test_one_whose_supervisor_was_killed_says_so(tree: HostTree) -> None:
    put(tree)
    tree.process(4711, ppid=1, starttime=5000, cgroup="/ctrscope/web")
    found = discovered(tree)
    assert found.status is ContainerStatus.RUNNING
    assert found.note == "ctrscope-mon 4700 is gone: exit status will not be recorded"


def test_one_that_was_run_in_the_foreground_misses_no_supervisor(tree: HostTree) -> None:
    put(tree, monitor_pid=None)
    tree.process(4711, ppid=1, starttime=5000, cgroup="/ctrscope/web")
    assert discovered(tree).note is None


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"exit_status": 3, "finished": "2026-01-01T00:01:00.000Z"}, ContainerStatus.STOPPED),
        ({}, ContainerStatus.STOPPED),  # the kernel has no such process
        ({"pid": None, "starttime_ticks": None}, ContainerStatus.CREATING),
    ],
    ids=["ended", "gone", "being made"],
)
def test_its_status_is_what_the_kernel_leaves_of_it(more: dict[str, Any], status: ContainerStatus, tree: HostTree) -> None:
    put(tree, **more)
    found = discovered(tree)
    assert found.status is status
    assert found.exit_code == more.get("exit_status")


def test_one_that_waits_for_its_start_is_created(tree: HostTree) -> None:
    put(tree)
    tree.file(f"{ROOT}/web/exec.fifo", "")
    tree.process(4711, ppid=4700, starttime=5000, cgroup="/ctrscope/web")
    assert discovered(tree).status is ContainerStatus.CREATED


def test_a_pid_that_was_given_out_again_is_another_process(tree: HostTree) -> None:
    put(tree)
    tree.process(4711, ppid=1, starttime=6000)
    found = discovered(tree)
    assert (found.status, found.pid) == (ContainerStatus.STALE, None)


def test_ports_and_addresses_are_those_of_the_bridge(tree: HostTree) -> None:
    put(tree)
    port = {"proto": "tcp", "host_ip": "0.0.0.0", "host_port": 8080, "container_ip": "10.213.83.2", "container_port": 80}
    plan = {
        "bridge": "ctrscope0",
        "link": "ctrscope0-1",
        "address": "10.213.83.2/24",
        "gateway": "10.213.83.1",
        "ports": [port],
    }
    tree.file(f"{ROOT}/network.json", json.dumps({"bridge": "ctrscope0", "containers": {"web": plan}}))
    found = record(tree)
    assert found.ports == (Port(**port),)  # type: ignore[arg-type]
    assert found.addresses == ("10.213.83.2/24",)


def test_a_container_that_an_engine_made_with_it_is_the_engines(tree: HostTree) -> None:
    put(tree)
    survey = survey_of(tree.fs)
    made = Record(id="web", name="podmans", engine=EngineName.PODMAN, status=ContainerStatus.RUNNING, owner_uid=os.geteuid())
    survey.add((made,))
    assert Launcher().read_state(survey).records == ()


def test_state_kept_elsewhere_is_found_by_the_supervisor_that_names_it(tree: HostTree) -> None:
    elsewhere = f"/tmp/ctrscope-{os.geteuid()}/ctrscope/containers"
    put(tree, root=elsewhere)
    tree.process(4700, comm="ctrscope-mon", starttime=4990, cmdline=f"ctrscope-monitor web {elsewhere}/web")
    add_status(tree, 4700, uid=os.geteuid())
    first, second = read_both(Launcher(), survey_of(tree.fs))
    assert first.records == ()
    assert second is not None
    assert [one.state_dirs for one in second.records] == [(f"{elsewhere}/web",)]


def test_half_a_state_is_a_gap_and_hides_no_other(tree: HostTree) -> None:
    put(tree, "good")
    tree.file(f"{ROOT}/bad/state.json", state("bad")[:100])
    tree.file(f"{ROOT}/relative/state.json", state("relative", bundle="../x"))
    (tree.path / "run/ctrscope/containers/empty").mkdir()
    reading = Launcher().read_state(survey_of(tree.fs))
    assert [one.id for one in reading.records] == ["good"]
    assert sorted(gap.source for gap in reading.gaps) == [f"{ROOT}/bad/state.json", f"{ROOT}/relative/state.json"]
    assert {gap.reason for gap in reading.gaps} == {Reason.MALFORMED}
