"""Kata and gVisor sandboxes, on hosts written from their sources: recognised, and what is inside is a gap."""

import json
from pathlib import Path

import pytest

from ctrscope.discovery.detail import read_detail
from ctrscope.discovery.discover import discover
from ctrscope.discovery.guests import sandbox_of
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import Container, ContainerStatus
from ctrscope.model.gap import Gap, Reason
from ctrscope.model.snapshot import Snapshot
from ctrscope.render.wording import runtime_text
from tests.builders import HostTree

PLAN = Plan(namespaces=True, addresses=False, stats=False, stopped=True)
SANDBOX, APP = "a1" * 32, "b2" * 32
TASKS = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"
QEMU = f"/usr/bin/qemu-system-x86_64 -name sandbox-{SANDBOX} -uuid 6f03e56e -qmp unix:/run/vc/vm/{SANDBOX}/qmp.sock,server"


def task(host: HostTree, container_id: str, shim: str, sandbox_id: str = SANDBOX) -> None:
    kind = "sandbox" if container_id == sandbox_id else "container"
    annotations = {
        "io.kubernetes.cri.container-type": kind,
        "io.kubernetes.cri.sandbox-id": sandbox_id,
        "io.kubernetes.cri.sandbox-name": "web-0",
        "io.kubernetes.cri.sandbox-namespace": "shop",
        "io.kubernetes.cri.container-name": "app",
    }
    config = {"ociVersion": "1.0.2", "process": {"args": ["/app"]}, "annotations": annotations, "linux": {}}
    host.file(f"{TASKS}/{container_id}/config.json", json.dumps(config))
    host.file(
        f"{TASKS}/{container_id}/shim-binary-path", f"/opt/kata/bin/containerd-shim-{shim}-{'v1' if shim == 'runsc' else 'v2'}"
    )


@pytest.fixture
def kata(tmp_path: Path) -> HostTree:
    """A pod of two containers in one virtual machine."""
    host = HostTree(tmp_path)
    task(host, SANDBOX, "kata")
    task(host, APP, "kata")
    state = {
        "PersistVersion": 2,
        "State": "running",
        "SandboxContainer": SANDBOX,
        "HypervisorState": {"Type": "qemu", "Pid": 700},
    }
    host.file(f"/run/vc/sbs/{SANDBOX}/persist.json", json.dumps(state))
    host.process(
        700, ppid=1, comm="qemu-system-x86", cmdline=QEMU, cgroup=f"/kata_overhead/{SANDBOX}", namespaces={"net": 4026532700}
    )
    return host


@pytest.fixture
def gvisor(tmp_path: Path) -> HostTree:
    host = HostTree(tmp_path)
    task(host, SANDBOX, "runsc")
    host.file(f"{TASKS}/{SANDBOX}/init.pid", "800")
    arguments = f"runsc-sandbox --root=/run/containerd/runsc/k8s.io boot --bundle={TASKS}/{SANDBOX} {SANDBOX}"
    own = {"mnt": 4026532801, "pid": 4026532802, "net": 4026532803, "user": 4026532804}
    host.process(790, comm="containerd-shim")
    host.process(800, ppid=790, comm="exe", cmdline=arguments, cgroup=f"/k8s.io/{SANDBOX}", namespaces=own)
    return host


def by_id(snapshot: Snapshot) -> dict[str, Container]:
    return {container.id: container for container in snapshot.containers}


def guest_gaps(snapshot: Snapshot, container: Container) -> list[Gap]:
    return [gap for gap in snapshot.gaps if gap.subject == f"container {container.key}" and "guest" in gap.source]


def test_a_kata_pod_runs_as_its_hypervisor(kata: HostTree) -> None:
    snapshot = discover(kata.fs, PLAN)
    found = by_id(snapshot)
    for container_id in (SANDBOX, APP):
        container = found[container_id]
        assert (container.status, container.pid, container.sandbox) == (ContainerStatus.RUNNING, 700, "kata")
        assert container.runtime == "io.containerd.kata.v2"
        assert runtime_text(container) == "io.containerd.kata.v2, a Kata virtual machine"
    assert any("its arguments name the sandbox" in one.value for one in found[APP].evidence)


def test_what_is_in_a_kata_guest_is_a_gap_and_no_value(kata: HostTree) -> None:
    snapshot = discover(kata.fs, PLAN)
    container = by_id(snapshot)[APP]
    (gap,) = guest_gaps(snapshot, container)
    assert gap.reason is Reason.UNAVAILABLE
    assert set(gap.fields) >= {"processes", "mounts", "security", "environment"}
    assert "virtual machine" in gap.detail
    detail = read_detail(kata.fs, container)
    assert (detail.mounts, detail.security, detail.environment) == (None, None, None)


def test_a_hypervisor_that_is_gone_is_no_running_container(kata: HostTree) -> None:
    kata.file(f"/run/vc/sbs/{SANDBOX}/persist.json", json.dumps({"HypervisorState": {"Pid": 701}}))
    snapshot = discover(kata.fs, PLAN)
    assert by_id(snapshot)[APP].status is not ContainerStatus.RUNNING
    assert guest_gaps(snapshot, by_id(snapshot)[APP]) == []


def test_another_process_with_the_hypervisors_number_is_not_believed(kata: HostTree) -> None:
    kata.process(701, comm="cron", cmdline="cron -f", cgroup="/system.slice/cron.service")
    kata.file(f"/run/vc/sbs/{SANDBOX}/persist.json", json.dumps({"HypervisorState": {"Pid": 701}}))
    assert by_id(discover(kata.fs, PLAN))[APP].status is ContainerStatus.STALE


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"HypervisorState": {"Pid": -1}}', '{"HypervisorState": 7}'])
def test_a_state_of_kata_that_makes_no_sense_is_a_gap(kata: HostTree, text: str) -> None:
    kata.file(f"/run/vc/sbs/{SANDBOX}/persist.json", text)
    gaps = [gap for gap in discover(kata.fs, PLAN).gaps if gap.source.endswith("persist.json")]
    assert [gap.reason for gap in gaps] == [Reason.MALFORMED, Reason.MALFORMED]


def test_a_state_of_kata_that_is_not_there_is_a_gap(kata: HostTree) -> None:
    (kata.path / f"run/vc/sbs/{SANDBOX}/persist.json").unlink()
    gaps = [gap for gap in discover(kata.fs, PLAN).gaps if gap.source.endswith("persist.json")]
    assert {(gap.fields, gap.reason) for gap in gaps} == {(("pid",), Reason.UNAVAILABLE)}


def test_gvisor_is_recognised_and_its_sentry_is_not_taken_for_the_container(gvisor: HostTree) -> None:
    snapshot = discover(gvisor.fs, PLAN)
    (container,) = snapshot.containers
    assert (container.status, container.pid, container.sandbox) == (ContainerStatus.RUNNING, 800, "gvisor")
    assert container.runtime == "io.containerd.runsc.v1"
    (gap,) = guest_gaps(snapshot, container)
    assert "sentry" in gap.detail
    assert read_detail(gvisor.fs, container).security is None


@pytest.mark.parametrize(
    ("runtime", "sandbox"),
    [
        ("io.containerd.kata.v2", "kata"),
        ("io.containerd.kata-clh.v2", "kata"),
        ("kata-runtime", "kata"),
        ("io.containerd.runsc.v1", "gvisor"),
        ("runsc", "gvisor"),
        ("gvisor", "gvisor"),
        ("runc", None),
        ("io.containerd.runc.v2", None),
        ("", None),
        (None, None),
    ],
)
def test_the_name_of_a_runtime_says_what_it_makes(runtime: str | None, sandbox: str | None) -> None:
    assert sandbox_of(runtime) == sandbox
