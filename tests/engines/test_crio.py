"""CRI-O's sandboxes and containers, from files in the layout of cri-o 1.2x and 1.3x."""

import json
from pathlib import Path
from typing import Any

import pytest

from ctrscope.engines.crio import CriO
from ctrscope.engines.engine import Survey
from ctrscope.engines.podman import Podman
from ctrscope.model.container import ContainerStatus, EngineReading, Pod, Port, Record
from ctrscope.model.gap import Reason
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable

SANDBOX, WEB, DROPPED, DB, DONE, NEW = (digit * 64 for digit in "123456")
STORE = Path("var/lib/containers/storage/overlay-containers")
RUN = Path("run/containers/storage/overlay-containers")
POD_UID = "aaaa2b4a-f398-41c0-928b-049e1cc4ec40"
POD_LABELS = {
    "io.kubernetes.pod.name": "web-7d9",
    "io.kubernetes.pod.namespace": "shop",
    "io.kubernetes.pod.uid": POD_UID,
}
PREFIX = "io.kubernetes.cri-o."


class Node:
    """Writes what CRI-O writes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries: list[dict[str, Any]] = []

    def read(self) -> EngineReading:
        listing = self.root / STORE / "containers.json"
        listing.parent.mkdir(parents=True, exist_ok=True)
        if not listing.exists():
            listing.write_text(json.dumps(self.entries))
        host = HostFs(str(self.root))
        return CriO().read_state(Survey(host, ProcessTable(host), ()))

    def records(self) -> dict[str, Record]:
        reading = self.read()
        assert reading.gaps == ()
        return {record.id: record for record in reading.records}

    def write(self, path: Path | str, content: object) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content if isinstance(content, str) else json.dumps(content))

    def process(self, pid: int, comm: str, ppid: int, starttime: int) -> None:
        fields = " ".join(["0"] * 17)
        self.write(f"proc/{pid}/stat", f"{pid} ({comm}) S {ppid} {fields} {starttime} 0 0\n")

    def sandbox(self, container_id: str, *, annotations: dict[str, str] | None = None, **state: object) -> None:
        labels = {**POD_LABELS, "io.kubernetes.container.name": "POD", "app": "web"}
        own = {
            f"{PREFIX}ContainerType": "sandbox",
            f"{PREFIX}ContainerID": container_id,
            f"{PREFIX}ContainerName": f"k8s_POD_web-7d9_shop_{POD_UID}_0",
            f"{PREFIX}KubeName": "web-7d9",
            f"{PREFIX}Namespace": "shop",
            f"{PREFIX}ImageName": "registry.k8s.io/pause:3.9",
            f"{PREFIX}PortMappings": json.dumps(
                [
                    {"HostPort": 8080, "ContainerPort": 80, "Protocol": "TCP", "HostIP": ""},
                    {"HostPort": 0, "ContainerPort": 9090, "Protocol": "TCP", "HostIP": ""},
                ]
            ),
            f"{PREFIX}IP.0": "10.85.0.7",
            f"{PREFIX}CNIResult": json.dumps({"cniVersion": "1.0.0", "ips": [{"address": "10.85.0.7/16", "interface": 2}]}),
        }
        metadata = {"name": own[f"{PREFIX}ContainerName"], "metadata-name": "web-7d9", "uid": POD_UID, "namespace": "shop"}
        self._write(container_id, container_id, metadata, labels, {**own, **(annotations or {})}, ["/pause"], state)

    def container(self, container_id: str, name: str, sandbox: str, *, attempt: int = 0, **state: object) -> None:
        labels = {**POD_LABELS, "io.kubernetes.container.name": name}
        own = {
            f"{PREFIX}ContainerType": "container",
            f"{PREFIX}ContainerID": container_id,
            f"{PREFIX}SandboxID": sandbox,
            f"{PREFIX}Name": f"k8s_{name}_web-7d9_shop_{POD_UID}_{attempt}",
            f"{PREFIX}Image": "c0ffee" * 10,
            f"{PREFIX}ImageName": "docker.io/library/nginx:1.25",
            f"{PREFIX}LogPath": f"/var/log/pods/shop_web-7d9_{POD_UID}/{name}/{attempt}.log",
            f"{PREFIX}MountPoint": f"/var/lib/containers/storage/overlay/{container_id}/merged",
        }
        metadata = {"name": own[f"{PREFIX}Name"], "metadata-name": name, "attempt": attempt}
        self._write(container_id, sandbox, metadata, labels, own, ["nginx", "-g", "daemon off;"], state)

    def _write(
        self,
        container_id: str,
        sandbox: str,
        metadata: dict[str, Any],
        labels: dict[str, str],
        annotations: dict[str, str],
        args: list[str],
        state: dict[str, object],
    ) -> None:
        common = {"pod-name": f"k8s_web-7d9_shop_{POD_UID}_0", "pod-id": sandbox, "image-name": "", "image-id": "abc"}
        self.entries.append(
            {
                "id": container_id,
                "names": [metadata["name"]],
                "image": "abc",
                "metadata": json.dumps({**common, "created-at": 1795312462, **metadata}),
                "created": "2026-11-22T01:54:22Z",
            }
        )
        config = {
            "process": {"args": args},
            "annotations": {
                **annotations,
                "io.container.manager": "cri-o",
                f"{PREFIX}Labels": json.dumps(labels),
                f"{PREFIX}Created": "2026-11-22T01:54:22.5Z",
            },
        }
        self.write(STORE / container_id / "userdata/config.json", config)
        if state:
            zero = "0001-01-01T00:00:00Z"
            times = {"created": "2026-11-22T01:54:22.6Z", "started": zero, "finished": zero, "checkpointedTime": zero}
            self.write(
                STORE / container_id / "userdata/state.json", {"ociVersion": "1.0.2", "id": container_id, **times, **state}
            )


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Two pods: one with its infra container and three containers, one whose infra container was dropped."""
    node = Node(tmp_path)
    started = "2026-11-22T01:54:23.1Z"
    node.sandbox(SANDBOX, status="running", pid=100, initPid=100, initStartTime="5000", started=started)
    monitor = {"pid": 109, "startTime": "5049"}
    running: dict[str, Any] = {"status": "running", "started": started, "containerMonitorProcess": monitor}
    node.container(WEB, "nginx", SANDBOX, pid=110, initPid=110, initStartTime="5050", **running)
    finished = "2026-11-22T01:55:00Z"
    node.container(DONE, "migrate", SANDBOX, status="stopped", initPid=90, exitCode=3, oomKilled=True, finished=finished)
    node.container(NEW, "later", SANDBOX, attempt=2)
    node.sandbox(DROPPED, annotations={f"{PREFIX}Spoofed": "true"})
    node.container(DB, "db", DROPPED, status="running", pid=120, initPid=120, initStartTime=1795312463)
    crun = {"pid": 110, "process-start-time": 5050, "cgroup-path": "/kubepods.slice/crio-x.scope/container", "bundle": "/b"}
    node.write(f"run/crun/{WEB}/status", crun)
    node.write(f"run/runc/{DB}/state.json", {"id": DB, "init_process_pid": 120, "init_process_start": 6000, "config": {}})
    node.write(RUN / SANDBOX / "userdata/conmon-pidfile", "99")
    for pid, comm, ppid, starttime in ((99, "conmon", 1, 4999), (100, "pause", 99, 5000), (110, "nginx", 109, 5050)):
        node.process(pid, comm, ppid, starttime)
    node.process(120, "mysqld", 119, 6000)
    return node


def test_every_sandbox_and_container_is_there_once(node: Node) -> None:
    reading = node.read()
    assert sorted(record.id for record in reading.records) == [SANDBOX, WEB, DROPPED, DB, DONE, NEW]
    assert (reading.status.found, reading.status.containers) == (True, 6)


def test_the_list_of_volatile_containers_is_read_where_cri_o_keeps_all_of_its_own(node: Node) -> None:
    before = node.records()
    (node.root / STORE / "containers.json").rename(node.root / STORE / "volatile-containers.json")
    (node.root / STORE / "containers.json").write_text("[]")
    after = node.records()
    assert after.keys() == before.keys()
    assert after[WEB].status is ContainerStatus.RUNNING


def test_a_running_container_is_what_its_files_say(node: Node) -> None:
    web = node.records()[WEB]
    assert (web.name, web.status, web.runtime) == ("nginx", ContainerStatus.RUNNING, "crun")
    assert (web.image, web.image_id) == ("docker.io/library/nginx:1.25", "abc")
    assert web.command == ("nginx", "-g", "daemon off;")
    assert (web.pid, web.starttime_ticks, web.monitor_pid, web.monitor_expected) == (110, 5050, 109, "conmon")
    assert (web.created_at, web.started_at) == ("2026-11-22T01:54:22.6Z", "2026-11-22T01:54:23.1Z")
    assert (web.finished_at, web.exit_code) == (None, None)
    assert web.log_path == f"/var/log/pods/shop_web-7d9_{POD_UID}/nginx/0.log"
    assert web.rootfs == f"/var/lib/containers/storage/overlay/{WEB}/merged"
    assert web.bundle == f"/{RUN / WEB}/userdata"
    assert web.state_dirs == (f"/run/crun/{WEB}",)
    assert web.cgroup_path == "/kubepods.slice/crio-x.scope"
    assert not web.is_sandbox


def test_a_container_has_pod_ports_and_addresses_of_its_sandbox(node: Node) -> None:
    web = node.records()[WEB]
    assert web.pod == Pod(name="web-7d9", namespace="shop", uid=POD_UID, sandbox_id=SANDBOX)
    assert web.ports == (Port(proto="tcp", host_ip="", host_port=8080, container_ip=None, container_port=80),)
    assert web.addresses == ("10.85.0.7/16",)


def test_a_sandbox_with_its_infra_container_is_named_after_the_pod(node: Node) -> None:
    sandbox = node.records()[SANDBOX]
    assert (sandbox.name, sandbox.is_sandbox, sandbox.status) == ("web-7d9", True, ContainerStatus.RUNNING)
    assert (sandbox.pid, sandbox.starttime_ticks, sandbox.monitor_pid) == (100, 5000, 99)
    assert sandbox.pod is not None
    assert sandbox.pod.sandbox_id == SANDBOX


@pytest.mark.parametrize("annotation", [f"{PREFIX}Spoofed", "spoofed.crio.io"])
def test_a_sandbox_whose_infra_container_was_dropped_has_no_process(tmp_path: Path, annotation: str) -> None:
    node = Node(tmp_path)
    node.sandbox(DROPPED, annotations={annotation: "true"}, status="running", pid=1)
    dropped = node.records()[DROPPED]
    assert (dropped.status, dropped.pid, dropped.monitor_expected) == (ContainerStatus.CREATED, None, None)
    assert "no infra container" in dropped.evidence[-1].value


def test_a_sandbox_without_infra_container_is_stopped_when_a_file_says_so(node: Node) -> None:
    assert node.records()[DROPPED].status is ContainerStatus.CREATED
    node.write(RUN / DROPPED / "userdata/stopped", "")
    dropped = node.records()[DROPPED]
    assert (dropped.status, dropped.pid, dropped.exit_code) == (ContainerStatus.STOPPED, None, None)
    assert dropped.evidence[-1].source == f"/{RUN}/{DROPPED}/userdata/stopped"


def test_the_start_time_of_the_runtime_counts_where_the_state_has_a_time_of_day(node: Node) -> None:
    db = node.records()[DB]
    assert (db.pid, db.starttime_ticks, db.runtime) == (120, 6000, "runc")
    (node.root / f"run/runc/{DB}/state.json").unlink()
    db = node.records()[DB]
    assert (db.pid, db.starttime_ticks) == (120, None)


def test_a_stopped_container_has_exit_code_and_time(node: Node) -> None:
    done = node.records()[DONE]
    assert (done.status, done.exit_code, done.oom_killed, done.pid) == (ContainerStatus.STOPPED, 3, True, None)
    assert done.finished_at == "2026-11-22T01:55:00Z"


def test_a_container_without_state_is_created(node: Node) -> None:
    new = node.records()[NEW]
    assert (new.status, new.pid, new.exit_code, new.restart_count) == (ContainerStatus.CREATED, None, None, 2)
    assert new.created_at == "2026-11-22T01:54:22.5Z"


@pytest.mark.parametrize("place", [f"run/crio/exits/{WEB}", f"{STORE}/{WEB}/userdata/exit"])
def test_the_exit_code_of_conmon_counts_when_cri_o_has_not_seen_it(node: Node, place: str) -> None:
    node.process(110, "another", 1, 99999)
    node.write(place, "137\n")
    web = node.records()[WEB]
    assert (web.status, web.exit_code, web.pid) == (ContainerStatus.STOPPED, 137, None)


def test_a_container_that_awaits_its_start_is_created(node: Node) -> None:
    node.write(f"run/crun/{WEB}/exec.fifo", "")
    web = node.records()[WEB]
    assert (web.status, web.pid) == (ContainerStatus.CREATED, 110)


def test_podman_and_cri_o_share_a_store_and_no_container(node: Node) -> None:
    podmans = {"image-name": "localhost/bb:latest", "name": "p-web", "created-at": 1795312462}
    node.entries.append({"id": "a" * 64, "names": ["p-web"], "metadata": json.dumps(podmans)})
    crios = node.records()
    host = HostFs(str(node.root))
    podman = {record.id for record in Podman().read_state(Survey(host, ProcessTable(host), ())).records}
    assert podman == {"a" * 64}
    assert not podman & set(crios)
    assert len(crios) == 6


def test_a_container_whose_manager_is_another_is_not_cri_os(node: Node) -> None:
    path = node.root / STORE / WEB / "userdata/config.json"
    path.write_text(path.read_text().replace('"io.container.manager": "cri-o"', '"io.container.manager": "libpod"'))
    assert WEB not in node.records()


def test_without_config_json_the_store_names_pod_and_container(node: Node) -> None:
    (node.root / STORE / WEB / "userdata/config.json").unlink()
    web = node.records()[WEB]
    assert web.name == "nginx"
    assert web.pod == Pod(name="web-7d9", namespace="shop", uid=POD_UID, sandbox_id=SANDBOX)
    assert web.command is None


@pytest.mark.parametrize("name", ["config.json", "state.json"])
@pytest.mark.parametrize("text", ['{"process": {"args": ["ngi', "[]", "null", '{"annotations": 1, "status": 1}', "", "\udcff"])
def test_a_malformed_file_is_one_gap_and_the_rest_stands(node: Node, name: str, text: str) -> None:
    (node.root / STORE / WEB / "userdata" / name).write_text(text, errors="surrogateescape")
    reading = node.read()
    assert [(gap.subject, gap.source, gap.reason) for gap in reading.gaps] == [
        (f"container cri-o/{WEB}", f"/{STORE / WEB}/userdata/{name}", Reason.MALFORMED)
    ]
    web = next(record for record in reading.records if record.id == WEB)
    assert (web.name, web.pid, web.status) == ("nginx", 110, ContainerStatus.RUNNING)
    assert len(reading.records) == 6


@pytest.mark.parametrize(("name", "field"), [("PortMappings", "ports"), ("CNIResult", "addresses"), ("Labels", "labels")])
def test_a_malformed_annotation_is_one_gap(node: Node, name: str, field: str) -> None:
    path = node.root / STORE / SANDBOX / "userdata/config.json"
    config = json.loads(path.read_text())
    config["annotations"][PREFIX + name] = '{"x": ['
    path.write_text(json.dumps(config))
    reading = node.read()
    assert [(gap.fields, gap.reason) for gap in reading.gaps] == [((field,), Reason.MALFORMED)]
    assert len(reading.records) == 6


def test_a_truncated_list_is_a_gap(node: Node) -> None:
    node.write(STORE / "containers.json", json.dumps(node.entries)[:900])
    (node.root / "run/crio").mkdir()
    reading = node.read()
    assert reading.status.found
    assert [(gap.subject, gap.reason) for gap in reading.gaps] == [("engine cri-o", Reason.MALFORMED)]


def test_the_roots_of_crio_conf_count_and_later_files_win(node: Node) -> None:
    node.read()
    (node.root / "var/lib/containers/storage").rename(node.root / "srv")
    node.write("etc/crio/crio.conf", '[crio]\nroot = "/nowhere"\n[crio.runtime]\ndefault_runtime = "crun"\n')
    node.write("etc/crio/crio.conf.d/10-root.conf", '[crio]\nroot = "/srv"\n')
    host = HostFs(str(node.root))
    reading = CriO().read_state(Survey(host, ProcessTable(host), ()))
    assert len(reading.records) == 6
    assert "/etc/crio" in reading.status.state_roots


def test_nothing_at_all_is_an_answer(tmp_path: Path) -> None:
    host = HostFs(str(tmp_path))
    reading = CriO().read_state(Survey(host, ProcessTable(host), ()))
    assert (reading.status.found, reading.records, reading.gaps) == (False, (), ())


def test_a_host_with_podman_alone_has_no_cri_o(v2_host: HostFs) -> None:
    reading = CriO().read_state(Survey(v2_host, ProcessTable(v2_host), ()))
    assert (reading.status.found, reading.records, reading.gaps) == (False, (), ())
