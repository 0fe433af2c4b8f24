"""Engines inside containers, on a host written by hand: kind, a node in which containerd runs pods, and nodes that lie."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.lookup import find_container
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import ContainerStatus, EngineName
from ctrscope.model.gap import Reason
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_stat import Stat
from ctrscope.probes.process_table import ProcessTable
from tests.builders import HostTree
from tests.discovery.test_find import status

PLAN = Plan(namespaces=True, addresses=False, stats=False, stopped=True)
NODE, POD, APP = "3f" * 32, "a1" * 32, "b2" * 32
KIND = f"/system.slice/docker-{NODE}.scope"
TASKS = "run/containerd/io.containerd.runtime.v2.task/k8s.io"
PODS = f"{KIND}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod11_22.slice"


class KindHost(HostFs):
    """A hand-made host in which the root of a process is a directory of the test's."""

    def __init__(self, root: str, insides: dict[int, Path | OSError]) -> None:
        super().__init__(root)
        self.insides = insides

    @contextmanager
    def inside(self, pid: int) -> Iterator[HostFs]:
        where = self.insides.get(pid, OSError(errno.ENOENT, "no such process"))
        if isinstance(where, OSError):
            raise where
        yield HostFs(str(where))


class Node:
    """A kind node: a Docker container with systemd, containerd and a pod of two containers."""

    def __init__(self, path: Path) -> None:
        self.host = HostTree(path / "host")
        self.inside = HostTree(path / "node")
        self.fs = KindHost(str(self.host.path), {100: self.inside.path})
        config = {"ID": NODE, "Name": "/kind-control-plane", "Config": {"Image": "kindest/node:v1.30"}}
        config["State"] = {"Running": True, "Pid": 100}
        self.host.file(f"/var/lib/docker/containers/{NODE}/config.v2.json", json.dumps(config))
        state = {"id": NODE, "init_process_pid": 100, "init_process_start": 5000, "config": {"rootfs": "/r"}}
        self.host.file(f"/run/docker/runtime-runc/moby/{NODE}/state.json", json.dumps(state))
        self.process(100, 1, comm="systemd", ppid=1, cgroup=f"{KIND}/init.scope")
        self.process(110, 30, comm="containerd", ppid=100, cgroup=f"{KIND}/system.slice/containerd.service")
        self.process(120, 40, comm="containerd-shim", ppid=100, cgroup=f"{KIND}/system.slice/containerd.service")
        self.process(130, 50, 1, comm="pause", ppid=120, cgroup=f"{PODS}/cri-containerd-{POD}.scope", pid_namespace=4026532200)
        self.process(140, 60, 1, comm="app", ppid=120, cgroup=f"{PODS}/cri-containerd-{APP}.scope", pid_namespace=4026532201)
        self.process(141, 61, 2, comm="app", ppid=140, cgroup=f"{PODS}/cri-containerd-{APP}.scope", pid_namespace=4026532201)
        for directory in (f"{KIND}/kubelet.slice", KIND):
            (self.host.path / f"sys/fs/cgroup{directory}/cgroup.procs").touch()
        self.task(POD, 50)
        self.task(APP, 60)

    def process(self, pid: int, *inside: int, comm: str, ppid: int, cgroup: str, pid_namespace: int = 4026532100) -> None:
        namespaces = {"mnt": 4026532000 + pid, "pid": pid_namespace}
        self.host.process(pid, ppid=ppid, comm=comm, starttime=4900 + pid, cgroup=cgroup, namespaces=namespaces)
        status(self.host, pid, pid, "\t".join(map(str, (pid, *inside))))
        self.host.file(f"/proc/{pid}/mountinfo", "1 1 0:9 / / rw - overlay overlay rw\n")

    def task(self, container_id: str, pid: int) -> None:
        """A task of the containerd inside, which counts as its PID namespace does."""
        kind = "sandbox" if container_id == POD else "container"
        annotations = {
            "io.kubernetes.cri.container-type": kind,
            "io.kubernetes.cri.sandbox-id": POD,
            "io.kubernetes.cri.sandbox-name": "web-0",
            "io.kubernetes.cri.sandbox-namespace": "shop",
            "io.kubernetes.cri.container-name": "app",
        }
        config = {"ociVersion": "1.0.2", "process": {"args": ["/app"]}, "annotations": annotations, "linux": {}}
        self.inside.file(f"/{TASKS}/{container_id}/config.json", json.dumps(config))
        self.inside.file(f"/{TASKS}/{container_id}/init.pid", str(pid))

    def runc(self, name: str, pid: int, start: int, cgroup: str = "/x") -> None:
        """A state of runc inside."""
        state = {"id": name, "init_process_pid": pid, "init_process_start": start, "config": {"rootfs": "/r"}}
        state["cgroup_paths"] = {"": f"/sys/fs/cgroup{cgroup}"}
        self.inside.file(f"/run/runc/{name}/state.json", json.dumps(state))

    def look(self) -> Snapshot:
        return discover(self.fs, PLAN)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_the_pods_of_a_kind_node_are_inside_the_node(node: Node) -> None:
    snapshot = node.look()
    outer = find_container(snapshot, "kind-control-plane")
    pod, app = find_container(snapshot, POD), find_container(snapshot, APP)
    assert (outer.engine, outer.outer, outer.pid) == (EngineName.DOCKER, None, 100)
    for found, pid in ((pod, 130), (app, 140)):
        assert (found.engine, found.engine_namespace, found.pid) == (EngineName.CONTAINERD, "k8s.io", pid)
        assert (found.status, found.outer) == (ContainerStatus.RUNNING, outer.key)
        assert found.key == f"{outer.key}/containerd/k8s.io/{found.id}"
        assert found.monitor is not None
        assert (found.monitor.pid, found.has_own_cgroup) == (120, True)
    assert app.name.startswith("kind-control-plane/")
    assert app.pod is not None
    assert (app.pod.namespace, app.pod.name, pod.is_sandbox) == ("shop", "web-0", True)
    assert app.pids == (140, 141)
    assert set(outer.pids) == {100, 110, 120}
    assert app.cgroup is not None
    assert app.cgroup.path == f"{PODS}/cri-containerd-{APP}.scope"


@pytest.mark.parametrize("is_inside", [False, True])
def test_a_long_chain_of_processes_is_followed_once(node: Node, is_inside: bool) -> None:
    class Counting(ProcessTable):
        calls = 0

        def stat(self, pid: int) -> Stat | None:
            self.calls += 1
            return super().stat(pid)

    def look(length: int) -> int:
        for pid in range(1000 + length - 100, 1000 + length):
            node.process(pid, pid, comm="sh", ppid=pid - 1 if pid > 1000 else 100 if is_inside else 1, cgroup="/user.slice")
        table = Counting(node.fs)
        discover(node.fs, PLAN, table)
        return table.calls

    short, long, longer = look(100), look(200), look(300)
    assert longer - long == long - short


@pytest.mark.parametrize("cgroup", ["/system.slice", KIND])
def test_the_cgroup_around_a_container_is_not_that_of_one_inside(node: Node, cgroup: str) -> None:
    node.process(150, 70, comm="app", ppid=100, cgroup=f"{KIND}/app")
    node.runc("liar", 70, 5050, cgroup)
    liar = find_container(node.look(), "liar")
    assert (liar.pid, liar.has_own_cgroup, liar.pids) == (150, False, (150,))
    assert liar.cgroup is not None
    assert liar.cgroup.path == f"{KIND}/app"


@pytest.mark.parametrize(("others", "is_own"), [((), True), ((200,), False)])
def test_a_cgroup_elsewhere_is_of_a_container_inside_where_nobody_else_is_in_it(
    node: Node, others: tuple[int, ...], is_own: bool
) -> None:
    node.process(150, 70, comm="app", ppid=100, cgroup="/user.slice/box")
    for pid in others:
        node.host.process(pid, comm="bash", cgroup="/user.slice")
    (node.host.path / "sys/fs/cgroup/user.slice/cgroup.procs").touch()
    node.runc("box", 70, 5050, "/user.slice")
    assert find_container(node.look(), "box").has_own_cgroup == is_own


def test_all_that_is_in_one_container_shares_what_is_read_of_it(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctrscope.discovery.inside._MOST_CALLS", 1500)
    crowded = HostTree(tmp_path / "crowded")
    for number in range(300):
        crowded.file(f"/run/runc/{number}/state.json", "{}")
    for pid in range(150, 155):
        node.process(pid, pid, comm="dockerd", ppid=100, cgroup=f"{KIND}/box{pid}", pid_namespace=4026532000 + pid)
        node.runc(f"box{pid}", pid, 4900 + pid, f"/box{pid}")
        node.fs.insides[pid] = crowded.path
    snapshot = node.look()
    truncated = {gap.subject.rpartition("/")[2] for gap in snapshot.gaps if gap.reason is Reason.TRUNCATED}
    assert truncated < {f"box{pid}" for pid in range(150, 155)}
    assert truncated
    assert find_container(snapshot, APP).pid == 140


def test_paths_inside_are_paths_that_the_host_can_open(node: Node) -> None:
    app = find_container(node.look(), APP)
    assert app.bundle == f"/proc/100/root/{TASKS}/{APP}"
    assert any(one.source.startswith(f"/proc/100/root/{TASKS}/{APP}/") for one in app.evidence)


def test_a_container_inside_whose_state_is_gone_is_known_by_its_cgroup(node: Node) -> None:
    for name in ("config.json", "init.pid"):
        (node.inside.path / TASKS / APP / name).unlink()
    app = find_container(node.look(), APP)
    assert (app.pid, app.pids, app.outer) == (140, (140, 141), f"docker/{NODE}")
    assert app.note == "containerd has no state of it: found by its cgroup"


def test_a_state_inside_that_names_no_living_process_is_of_a_stopped_container(node: Node) -> None:
    node.runc("gone", 999, 1)
    gone = find_container(node.look(), "gone")
    assert (gone.status, gone.pid, gone.outer) == (ContainerStatus.STOPPED, None, f"docker/{NODE}")


@pytest.mark.parametrize(
    ("pid", "start"),
    [
        (1, 5000),  # the node's own init
        (200, 5100),  # a process of the host by the host's number
        (60, 4),  # another start time
        (61, 5041),  # a process of another container inside, not its init: still inside the node
    ],
)
def test_a_node_can_claim_nothing_outside_of_itself(node: Node, pid: int, start: int) -> None:
    node.host.process(200, starttime=5100, comm="sshd", cgroup="/system.slice/ssh.service")
    status(node.host, 200, 200, "200")
    node.runc("lie", pid, start)
    snapshot = node.look()
    lie = find_container(snapshot, "lie")
    assert set(lie.pids) <= {141}
    assert 100 in find_container(snapshot, "kind-control-plane").pids
    assert all(200 not in one.pids for one in snapshot.containers)


def test_a_state_inside_does_not_speak_for_processes_outside(node: Node) -> None:
    """An orphan of the host keeps its cgroup's word, whatever a node says about a container of that id."""
    orphan = "cc" * 32
    node.host.process(300, cgroup=f"/system.slice/docker-{orphan}.scope", namespaces={"pid": 4026532300})
    node.inside.file(
        f"/var/lib/docker/containers/{orphan}/config.v2.json", json.dumps({"ID": orphan, "Name": "/mine", "State": {}})
    )
    found = [one for one in node.look().containers if one.id == orphan]
    assert sorted((one.outer is None, one.pid) for one in found) == [(False, None), (True, 300)]


@pytest.mark.parametrize(("off_by", "is_running"), [(0, True), (1, True), (2, False)])
def test_start_times_in_a_time_namespace_are_those_of_its_clock(node: Node, off_by: int, is_running: bool) -> None:
    """An offset that is no whole number of ticks may make a start time one tick off."""
    ticks = os.sysconf("SC_CLK_TCK")
    link = node.host.path / "proc/100/ns/time"
    link.unlink()
    link.symlink_to("time:[4026532500]")
    node.host.file("/proc/100/timens_offsets", "monotonic 0 0\nboottime 100 0\n")
    node.process(150, 70, 1, comm="job", ppid=100, cgroup=f"{KIND}/job", pid_namespace=4026532250)
    node.runc("job", 70, 5050 + 100 * ticks + off_by, "/job")
    assert find_container(node.look(), "job").is_running is is_running


def test_a_root_that_may_not_be_entered_is_a_gap(node: Node) -> None:
    node.fs.insides[100] = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    gaps = [gap for gap in node.look().gaps if gap.subject == f"container docker/{NODE}"]
    assert [(gap.source, gap.reason, gap.needs) for gap in gaps] == [("/proc/100/root", Reason.DENIED, "CAP_SYS_PTRACE")]


def test_a_node_with_a_fuse_file_system_is_not_looked_into(node: Node) -> None:
    node.host.file("/proc/100/mountinfo", "1 1 0:9 / / rw - overlay o rw\n2 1 0:10 / /run/runc rw - fuse.sshfs evil rw\n")
    snapshot = node.look()
    (gap,) = [gap for gap in snapshot.gaps if gap.subject == f"container docker/{NODE}"]
    assert (gap.reason, gap.source) == (Reason.NOT_COLLECTED, "/proc/100/root/run/runc")
    assert [one.name for one in snapshot.containers if one.is_running] == ["kind-control-plane"]


def test_what_a_node_garbles_is_a_gap_under_its_name(node: Node) -> None:
    node.inside.file("/run/runc/bad/state.json", "[[[")
    (gap,) = [gap for gap in node.look().gaps if gap.source.endswith("/bad/state.json")]
    assert (gap.subject, gap.reason) == (f"container docker/{NODE}", Reason.MALFORMED)
    assert gap.source == "/proc/100/root/run/runc/bad/state.json"


def test_a_container_without_a_sign_of_an_engine_is_not_looked_into(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    state = {"id": "box", "init_process_pid": 40, "init_process_start": 5000, "config": {"rootfs": "/r"}}
    host.file("/run/runc/box/state.json", json.dumps(state))
    host.process(40, starttime=5000, cgroup="/box", namespaces={"pid": 4026532001})

    class Closed(HostFs):
        @contextmanager
        def inside(self, pid: int) -> Iterator[HostFs]:
            raise AssertionError(pid)
            yield HostFs(self.root)

    assert [one.name for one in discover(Closed(str(host.path)), PLAN).containers] == ["box"]


def test_a_node_whose_mounts_cannot_be_read_is_not_looked_into(node: Node) -> None:
    node.host.file("/proc/100/mountinfo", "garbage\n")
    snapshot = node.look()
    (gap,) = [gap for gap in snapshot.gaps if gap.subject == f"container docker/{NODE}"]
    assert (gap.reason, gap.source) == (Reason.MALFORMED, "/proc/100/mountinfo")
    assert [one.name for one in snapshot.containers if one.is_running] == ["kind-control-plane"]
