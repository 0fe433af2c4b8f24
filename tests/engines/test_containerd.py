import errno
import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctrscope.engines.containerd import Containerd
from ctrscope.engines.containerd_meta import parse_any, parse_go_time
from ctrscope.engines.containerd_root import _parse_plain
from ctrscope.engines.cri import parse_status, pod_fields
from ctrscope.engines.docker import Docker
from ctrscope.engines.engine import Survey, User
from ctrscope.engines.nerdctl import nerdctl_fields
from ctrscope.engines.oci_cgroup import expand_slice, find_cgroup_path, parse_cgroups_path
from ctrscope.model.container import ContainerStatus, EngineReading, Pod, Port, Record
from ctrscope.model.gap import ParseError, Reason
from ctrscope.model.timestamp import rfc3339_ns
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable
from tests.engines.bolt_file import Tree, bolt_file
from tests.engines.surveys import add_process
from tests.hostfs import DenyingHostFs
from tests.hosts import unpack
from tests.requirements import require_root

ALICE = User(1000, "alice", "/home/alice")
TASKS = "run/containerd/io.containerd.runtime.v2.task"
META = "var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db"
NAMESPACES = ("default", "k8s.io", "cs-team.a")


def survey_of(host: HostFs) -> Survey:
    return Survey(host, ProcessTable(host), (ALICE,))


def read(host: HostFs) -> EngineReading:
    return Containerd().read_state(survey_of(host))


def by_key(reading: EngineReading) -> dict[tuple[str | None, str], Record]:
    """The records by namespace and id; without Docker's, whose state the capture does not have."""
    found = {(record.engine_namespace, record.id): record for record in reading.records}
    assert len(found) == len(reading.records)
    return {key: record for key, record in found.items() if key[0] != "moby"}


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State of a containerd 1.6 with ctr containers and CRI pods, database included, and ctr's own words in cmd/."""
    target = tmp_path_factory.mktemp("containerd-cri")
    unpack("containerd-cri.tar.gz", target)
    return target


@pytest.fixture
def root(capture: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(capture, tmp_path / "root"))


@pytest.fixture(scope="module")
def said(capture: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What ``ctr containers info`` said of every container."""
    return {
        (namespace, info["ID"]): info
        for namespace in NAMESPACES
        for info in json_stream((capture / f"cmd/ctr-{namespace}-info.jsonl").read_text())
    }


def json_stream(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:]


def tasks_of(capture: Path, namespace: str) -> dict[str, tuple[int, str]]:
    """Id → PID and status, as ``ctr tasks list`` said."""
    lines = (capture / f"cmd/ctr-{namespace}-tasks.txt").read_text().splitlines()[1:]
    return {line.split()[0]: (int(line.split()[1]), line.split()[2]) for line in lines}


def test_every_container_is_found_and_no_other(capture: Path, said: dict[tuple[str, str], dict[str, Any]]) -> None:
    reading = read(HostFs(str(capture)))
    assert set(by_key(reading)) == set(said)
    assert reading.status.found
    assert reading.status.state_roots == ("/run/containerd",)


def test_every_field_is_as_ctr_says(capture: Path, said: dict[tuple[str, str], dict[str, Any]]) -> None:
    for key, record in by_key(read(HostFs(str(capture)))).items():
        info = said[key[0] or "", key[1]]
        assert record.image == info["Image"]
        assert record.runtime == info["Runtime"]["Name"]
        assert record.labels == (info["Labels"] or {})
        assert record.annotations == (info["Spec"].get("annotations") or {})
        assert record.command == tuple(info["Spec"]["process"]["args"])
        assert record.cgroup_path == info["Spec"]["linux"]["cgroupsPath"]
        if record.finished_at is None:
            assert record.created_at == info["CreatedAt"]


def test_pids_and_start_times_are_those_of_the_tasks(capture: Path) -> None:
    records = by_key(read(HostFs(str(capture))))
    for namespace in NAMESPACES:
        tasks = tasks_of(capture, namespace)
        for container_id, (pid, status) in tasks.items():
            record = records[namespace, container_id]
            assert record.pid == pid
            if status != "STOPPED":
                fields = (capture / f"proc/{pid}/stat").read_text().rpartition(")")[2].split()
                assert record.starttime_ticks == int(fields[22 - 3])
        without = {key[1] for key in records if key[0] == namespace} - set(tasks)
        assert all(records[namespace, container_id].pid is None for container_id in without)


def test_a_container_without_a_task_is_created(capture: Path) -> None:
    record = by_key(read(HostFs(str(capture))))["default", "cs-created"]
    assert (record.status, record.pid, record.bundle) == (ContainerStatus.CREATED, None, None)


def test_a_task_stands_for_its_directories(capture: Path) -> None:
    record = by_key(read(HostFs(str(capture))))["cs-team.a", "cs-odd_name.1-x"]
    assert record.state_dirs == ("/run/containerd/runc/cs-team.a/cs-odd_name.1-x", f"/{TASKS}/cs-team.a/cs-odd_name.1-x")
    assert record.monitor_expected == "containerd-shim"
    assert record.labels["owner"] == "team a"


def pods(reading: EngineReading) -> dict[str, Record]:
    return {record.name: record for record in reading.records if record.engine_namespace == "k8s.io"}


def test_kubernetes_containers_know_their_pod(capture: Path) -> None:
    records = pods(read(HostFs(str(capture))))
    assert sorted(records) == ["app", "job-1", "once", "web-0"]
    sandbox, app = records["web-0"], records["app"]
    assert sandbox.is_sandbox
    assert not app.is_sandbox
    assert app.pod == Pod(name="web-0", namespace="shop", uid="0a1b2c3d-0005-4e5f-8091-a2b3c4d5e6f7", sandbox_id=sandbox.id)
    assert sandbox.pod == app.pod
    assert app.restart_count == 0
    assert app.image_id is not None
    assert app.image_id.startswith("sha256:")
    assert app.log_path is not None
    assert app.log_path.endswith("/pods/web-0/app/0.log")


def test_the_ports_of_a_pod_are_its_sandboxs(capture: Path) -> None:
    records = pods(read(HostFs(str(capture))))
    expected = Port(proto="tcp", host_ip="127.0.0.1", host_port=38080, container_ip=None, container_port=80)
    assert records["web-0"].ports == (expected,)
    assert records["app"].ports == ()


def test_a_stopped_kubernetes_container_has_its_exit_code(capture: Path) -> None:
    once = pods(read(HostFs(str(capture))))["once"]
    assert (once.status, once.exit_code, once.oom_killed) == (ContainerStatus.STOPPED, 9, False)
    assert once.finished_at is not None
    assert once.finished_at.startswith("2026-11-22T")


def test_a_sandbox_without_a_task_was_stopped(root: Path) -> None:
    sandbox = pods(read(HostFs(str(root))))["web-0"]
    assert sandbox.status is ContainerStatus.RUNNING
    for directory in sandbox.state_dirs:
        shutil.rmtree(root / directory[1:])
    after = pods(read(HostFs(str(root))))["web-0"]
    assert (after.status, after.pid, after.is_sandbox, after.pod) == (ContainerStatus.STOPPED, None, True, sandbox.pod)


def test_a_missing_status_file_is_no_exit_code(root: Path) -> None:
    shutil.rmtree(root / "var/lib/containerd/io.containerd.grpc.v1.cri")
    reading = read(HostFs(str(root)))
    once = pods(reading)["once"]
    assert (once.status, once.exit_code) == (ContainerStatus.CREATED, None)


@pytest.mark.parametrize("content", [b"", b"\0" * 65536, None], ids=["empty", "zeros", "missing"])
def test_without_the_database_the_tasks_remain(root: Path, content: bytes | None) -> None:
    if content is None:
        (root / META).unlink()
    else:
        (root / META).write_bytes(content)
    reading = read(HostFs(str(root)))
    records = by_key(reading)
    assert ("default", "cs-created") not in records
    assert len(records) == sum(len(tasks_of(root, namespace)) for namespace in NAMESPACES)
    assert records["default", "cs-c1"].image is None
    assert records["default", "cs-c1"].runtime == "io.containerd.runc.v2"
    assert records["default", "cs-c1"].created_at is not None
    assert pods(reading)["app"].image == "ctrscope.test/busybox:1"
    (gap,) = reading.gaps
    assert gap.source == f"/{META}"
    assert "image" in gap.fields
    assert gap.reason is (Reason.UNAVAILABLE if content is None else Reason.MALFORMED)


def test_a_corrupted_database_is_one_gap(root: Path) -> None:
    content = bytearray((root / META).read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 + 8] ^= 0x7F
    (root / META).write_bytes(content)
    reading = read(HostFs(str(root)))
    assert len(by_key(reading)) == sum(len(tasks_of(root, namespace)) for namespace in NAMESPACES)
    assert [gap.reason for gap in reading.gaps] == [Reason.MALFORMED]


def test_without_the_state_directory_the_database_remains(root: Path, said: dict[tuple[str, str], dict[str, Any]]) -> None:
    shutil.rmtree(root / "run")
    reading = read(HostFs(str(root)))
    assert set(by_key(reading)) == set(said)
    assert reading.status.state_roots == ("/var/lib/containerd",)
    assert all(record.pid is None for record in reading.records)


def test_a_container_whose_bundle_was_deleted_keeps_its_pid(root: Path) -> None:
    shutil.rmtree(root / TASKS / "default/cs-c1")
    record = by_key(read(HostFs(str(root))))["default", "cs-c1"]
    assert record.pid == tasks_of(root, "default")["cs-c1"][0]
    assert record.starttime_ticks is not None
    assert record.state_dirs == ("/run/containerd/runc/default/cs-c1",)


def test_a_task_directory_that_cannot_be_read_is_a_gap(root: Path) -> None:
    reading = read(DenyingHostFs(str(root), {f"/{TASKS}": errno.EACCES}))
    assert reading.status.found
    assert [(gap.reason, gap.source) for gap in reading.gaps] == [(Reason.DENIED, f"/{TASKS}")]


def test_a_user_whose_directories_are_closed_is_one_gap(tmp_path: Path) -> None:
    (tmp_path / "run/user/1000").mkdir(parents=True)
    reading = read(DenyingHostFs(str(tmp_path), {"/run/user/1000": errno.EACCES, "/home/alice": errno.EACCES}))
    assert not reading.status.found
    assert [gap.reason for gap in reading.gaps] == [Reason.DENIED]


@pytest.mark.parametrize("text", [b"", b"[]", b'{"process": {"args": "sleep"}}', b'{"annotations'])
def test_a_malformed_bundle_costs_one_container_its_command(root: Path, text: bytes) -> None:
    (root / TASKS / "default/cs-c1/config.json").write_bytes(text)
    reading = read(HostFs(str(root)))
    record = by_key(reading)["default", "cs-c1"]
    assert (record.command, record.pid) == (None, tasks_of(root, "default")["cs-c1"][0])
    assert record.image == "ctrscope.test/busybox:1"
    assert [(gap.reason, gap.subject) for gap in reading.gaps] == [(Reason.MALFORMED, "container containerd/default/cs-c1")]


def test_without_runcs_state_the_pid_is_that_of_init_pid(root: Path) -> None:
    shutil.rmtree(root / "run/containerd/runc")
    record = by_key(read(HostFs(str(root))))["default", "cs-c1"]
    assert (record.pid, record.starttime_ticks) == (tasks_of(root, "default")["cs-c1"][0], None)
    (root / TASKS / "default/cs-c1/init.pid").write_text("-5")
    (root / TASKS / "default/cs-limits/init.pid").write_text("many")
    reading = read(HostFs(str(root)))
    assert by_key(reading)["default", "cs-c1"].pid is None
    assert by_key(reading)["default", "cs-limits"].pid is None
    assert [gap.reason for gap in reading.gaps] == [Reason.MALFORMED, Reason.MALFORMED]


def test_a_task_that_is_deleted_while_we_look_is_no_container(root: Path) -> None:
    (root / TASKS / "default/gone").mkdir()
    reading = read(HostFs(str(root)))
    assert ("default", "gone") not in by_key(reading)
    assert reading.gaps == ()


def test_dockers_containers_are_not_listed_twice(v2_host: HostFs) -> None:
    survey = survey_of(v2_host)
    survey.add(Docker().read_state(survey).records)
    reading = Containerd().read_state(survey)
    assert {(record.engine_namespace, record.name) for record in reading.records} == {
        ("default", "c1"),
        ("k8s.io", "web-0"),
        ("k8s.io", "app"),
    }


def test_dockers_containers_without_dockers_state_are_containerds(v2_host: HostFs) -> None:
    records = [record for record in read(v2_host).records if record.engine_namespace == "moby"]
    assert len(records) == 6
    assert all(record.starttime_ticks for record in records)


def test_pods_of_the_systemd_host_are_as_ctr_says(v2_host: HostFs, v2_root: Path) -> None:
    records = {record.id: record for record in read(v2_host).records}
    for info in json_stream((v2_root / "cmd/ctr-k8s-info.jsonl").read_text()):
        record = records[info["ID"]]
        assert record.pod is not None
        assert record.pod.name == info["Labels"]["io.kubernetes.pod.name"]
        assert record.pod.uid == info["Labels"]["io.kubernetes.pod.uid"]
        assert record.is_sandbox == (info["Labels"]["io.cri-containerd.kind"] == "sandbox")
        assert f"0::{record.cgroup_path}" in (v2_root / f"proc/{record.pid}/cgroup").read_text().splitlines()


def test_a_container_joins_its_sandbox_by_the_uid_of_the_pod(v2_host: HostFs) -> None:
    records = {record.name: record for record in read(v2_host).records}
    assert records["app"].pod is not None
    assert records["app"].pod.sandbox_id == records["web-0"].id


def move(root: Path, state: str, database: str) -> None:
    (root / state).parent.mkdir(parents=True, exist_ok=True)
    (root / database).parent.mkdir(parents=True, exist_ok=True)
    (root / "run/containerd").rename(root / state)
    (root / "var/lib/containerd").rename(root / database)


def test_the_directories_of_config_toml_are_honoured(root: Path) -> None:
    move(root, "srv/state", "srv/root")
    (root / "etc/containerd").mkdir(parents=True)
    (root / "etc/containerd/config.toml").write_text('version = 2\nroot = "/srv/root"\nstate = "/srv/state"\n[grpc]\nx = ]\n')
    reading = read(HostFs(str(root)))
    assert reading.status.state_roots == ("/srv/state",)
    assert by_key(reading)["default", "cs-c1"].image == "ctrscope.test/busybox:1"


@pytest.mark.parametrize(
    ("head", "is_plain"),
    [
        ('\ndisabled_plugins = []\noom_score = 0\nplugin_dir = ""\nroot = "/var/lib/containerd"\nversion = 2\n', True),
        ('# own\n\nroot="/srv/a b"', True),
        ("root = '/srv'", False),
        (r'root = "/srv/\u0041"', False),
        ('root = "/srv" # there', False),
        ('imports = [\n  "x",\n]\nroot = "/srv"', False),
        ('root = """\n/srv"""', False),
        ('"root" = "/srv"', False),
        ('grpc.root = "/srv"', False),
        ('  root = "/srv"\r\n', False),
    ],
)
def test_lines_as_containerd_writes_them_mean_what_toml_says(head: str, *, is_plain: bool) -> None:
    said, ours = tomllib.loads(head), _parse_plain(head.encode())
    assert (ours is not None) is is_plain
    assert ours is None or [ours.get(key) for key in ("root", "state")] == [said.get(key) for key in ("root", "state")]


@pytest.mark.parametrize(
    "head", ['root = "/a"\nroot = "/b"', "root", "root = ", 'root = "', "version = 02", "ro ot = 1", "ü = 1"]
)
def test_what_is_no_toml_is_left_to_who_can_say_why(head: str) -> None:
    assert _parse_plain(head.encode()) is None


def test_a_broken_config_toml_leaves_the_usual_places(root: Path) -> None:
    (root / "etc/containerd").mkdir(parents=True)
    (root / "etc/containerd/config.toml").write_text('root = "/srv\n')
    reading = read(HostFs(str(root)))
    assert reading.status.state_roots == ("/run/containerd",)
    assert [gap.reason for gap in reading.gaps] == [Reason.MALFORMED]


def test_k3s_and_rootless_places_are_looked_at(root: Path) -> None:
    move(root, "run/k3s/containerd", "var/lib/rancher/k3s/agent/containerd")
    (root / "run/containerd").mkdir()
    (root / "run/k3s/containerd/runc").rename(root / "run/containerd/runc")
    record = by_key(read(HostFs(str(root))))["default", "cs-c1"]
    assert record.image == "ctrscope.test/busybox:1"
    assert record.starttime_ticks is not None
    assert record.owner_uid == 0


def images(reading: EngineReading) -> list[tuple[str, str | None]]:
    return sorted((record.id, record.image) for record in reading.records)


@pytest.mark.parametrize("database", ["var/lib/rancher/rke2/agent/containerd", "srv/k3s/agent/containerd"])
def test_tasks_lead_to_the_database_of_rke2_and_of_a_k3s_with_another_data_dir(root: Path, database: str) -> None:
    before = images(read(HostFs(str(root))))
    for bundle in (root / "run/containerd/io.containerd.runtime.v2.task").glob("*/*"):
        (bundle / "work").symlink_to(f"/{database}/io.containerd.runtime.v2.task/{bundle.parent.name}/{bundle.name}")
    move(root, "run/k3s/containerd", database)
    (root / "run/containerd").mkdir()
    (root / "run/k3s/containerd/runc").rename(root / "run/containerd/runc")
    reading = read(HostFs(str(root)))
    assert images(reading) == before
    assert reading.gaps == ()


def test_an_rke2_in_which_nothing_runs_is_read_too(root: Path) -> None:
    count = len(read(HostFs(str(root))).records)
    move(root, "run/k3s/containerd", "var/lib/rancher/rke2/agent/containerd")
    shutil.rmtree(root / "run/k3s/containerd")
    (root / "run/k3s/containerd").mkdir()
    assert len(read(HostFs(str(root))).records) == count


def test_a_link_that_leads_nowhere_leaves_the_usual_database(root: Path) -> None:
    for bundle in (root / "run/containerd/io.containerd.runtime.v2.task").glob("*/*"):
        (bundle / "work").symlink_to("/nowhere/io.containerd.runtime.v2.task/x/y")
    assert by_key(read(HostFs(str(root))))["default", "cs-c1"].image == "ctrscope.test/busybox:1"


def test_a_rootless_containerd_belongs_to_its_user(root: Path) -> None:
    require_root("files of another user")
    move(root, "run/user/1000/containerd", "home/alice/.local/share/containerd")
    for path in [*(root / "run/user").rglob("*"), *(root / "home/alice").rglob("*")]:
        os.chown(path, 1000, 1000)
    reading = read(HostFs(str(root)))
    record = by_key(reading)["default", "cs-c1"]
    assert (record.owner_uid, record.image) == (1000, "ctrscope.test/busybox:1")
    assert record.starttime_ticks is not None
    assert reading.gaps == ()


@pytest.mark.parametrize(
    ("comm", "arguments", "image"),
    [
        ("containerd", ["containerd", "--state", "/srv/state", "--root=/srv/root"], "ctrscope.test/busybox:1"),
        ("containerd-shim", ["/x/containerd-shim-runc-v2", "-address", "/srv/state/containerd.sock", "-id", "x"], None),
    ],
)
def test_the_arguments_of_a_supervisor_name_its_directories(root: Path, comm: str, arguments: list[str], image: str) -> None:
    move(root, "srv/state", "srv/root")
    add_process(root, 4711, comm, arguments)
    survey = survey_of(HostFs(str(root)))
    assert Containerd().read_state(survey).records == ()
    survey.supervisors = (4711,)
    reading = Containerd().read_supervisors(survey)
    assert reading is not None
    assert by_key(reading)["default", "cs-c1"].image == image


def test_supervisors_at_the_usual_place_add_nothing(v2_host: HostFs) -> None:
    survey = survey_of(v2_host)
    survey.supervisors = tuple(survey.processes.pids())
    assert survey.processes.named(survey.supervisors, "containerd-shim")
    assert Containerd().read_supervisors(survey) is None


def test_a_host_without_containerd_is_an_answer(tmp_path: Path) -> None:
    reading = read(HostFs(str(tmp_path)))
    assert (reading.status.found, reading.records, reading.gaps) == (False, (), ())


def test_gos_binary_time_is_read() -> None:
    assert parse_go_time(bytes.fromhex("010000000ee29451c0188fbe79ffff")) == "2026-11-22T03:00:16.412073593Z"
    assert parse_go_time(bytes(15).replace(b"\0", b"\1", 1)) is None


@pytest.mark.parametrize("data", [b"", bytes(15), b"\1" + b"\x7f" * 14, b"\1" * 8])
def test_what_is_no_time_is_malformed(data: bytes) -> None:
    with pytest.raises(ParseError):
        parse_go_time(data)


def test_nanoseconds_are_written_as_go_writes_them() -> None:
    assert rfc3339_ns(1795316417_552762470) == "2026-11-22T03:00:17.55276247Z"
    assert rfc3339_ns(1795316417_000000000) == "2026-11-22T03:00:17Z"


def test_an_any_gives_its_value() -> None:
    assert parse_any(b"\x0a\x03url\x12\x05value") == b"value"
    assert parse_any(b"\x0a\x03url") == b""


@pytest.mark.parametrize("data", [b"\x12\x05val", b"\x12", b"\x08\x01", b"\xff" * 20])
def test_what_is_no_any_is_malformed(data: bytes) -> None:
    with pytest.raises(ParseError):
        parse_any(data)


def test_a_status_of_a_container_that_runs_has_no_exit_code() -> None:
    fields = parse_status(b'{"CreatedAt":1795316417000000000,"StartedAt":1795316418000000000,"ExitCode":0}', "status")
    assert (fields["status"], fields["exit_code"], fields["finished_at"]) == (ContainerStatus.RUNNING, None, None)
    assert parse_status(b'{"FinishedAt":1,"ExitCode":137,"Reason":"OOMKilled"}', "status")["oom_killed"] is True


@pytest.mark.parametrize("text", [b"", b"[]", b'{"StartedAt": "yesterday"}', b'{"StartedAt": 9223372036854775807999}'])
def test_a_malformed_status_is_named(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_status(text, "status")


def test_labels_alone_make_a_pod() -> None:
    fields = pod_fields({"io.cri-containerd.kind": "container", "io.kubernetes.container.name": "app"})
    assert fields["name"] == "app"
    assert not fields["is_sandbox"]


@pytest.mark.parametrize(
    ("text", "ports", "gaps"),
    [
        (
            '{"portMappings":[{"HostPort":8443,"ContainerPort":443,"Protocol":"tcp","HostIP":"127.0.0.1"}]}',
            ((8443, 443, "tcp", "127.0.0.1"),),
            [],
        ),
        ("{}", ((8080, 80, "tcp", "0.0.0.0"),), []),
        ('{"portMappings":[{"HostPort', ((8080, 80, "tcp", "0.0.0.0"),), [(("ports",), Reason.MALFORMED)]),
        (None, ((8080, 80, "tcp", "0.0.0.0"),), []),
    ],
)
def test_ports_of_nerdctl_are_in_a_file_since_2_1_3_and_before_in_a_label(
    root: Path, text: str | None, ports: tuple[object, ...], gaps: list[object]
) -> None:
    state_dir = "/var/lib/nerdctl/1935db59/containers/default/cs-c1"
    config = root / "run/containerd/io.containerd.runtime.v2.task/default/cs-c1/config.json"
    spec = json.loads(config.read_text())
    legacy = '[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":"0.0.0.0"}]'
    spec["annotations"] = {"nerdctl/name": "web", "nerdctl/state-dir": state_dir, "nerdctl/ports": legacy}
    config.write_text(json.dumps(spec))
    if text is not None:
        (root / state_dir[1:]).mkdir(parents=True)
        (root / state_dir[1:] / "network-config.json").write_text(text)
    reading = read(HostFs(str(root)))
    found = by_key(reading)["default", "cs-c1"].ports
    assert tuple((port.host_port, port.container_port, port.proto, port.host_ip) for port in found) == ports
    assert [(gap.fields, gap.reason) for gap in reading.gaps] == gaps


def write_meta(root: Path, containers: Tree) -> None:
    (root / META).parent.mkdir(parents=True, exist_ok=True)
    (root / META).write_bytes(bolt_file({"v1": {"default": {"containers": containers}}}))


def test_restarts_are_those_that_the_restart_monitor_counts_in_a_label(tmp_path: Path) -> None:
    counts = {"again": "3", "odd": "9" * 5000, "never": ""}
    write_meta(tmp_path, {name: {"labels": {"containerd.io/restart.count": count}} for name, count in counts.items()})
    found = {record.id: record.restart_count for record in read(HostFs(str(tmp_path))).records}
    assert found == {"again": 3, "odd": None, "never": None}


@pytest.mark.parametrize("key", ["createdat", "spec"])
def test_one_container_that_makes_no_sense_does_not_hide_the_others(tmp_path: Path, key: str) -> None:
    write_meta(tmp_path, {"broken": {"image": "b", key: b"\xff"}, "whole": {"image": "w"}})
    reading = read(HostFs(str(tmp_path)))
    assert {record.id: record.image for record in reading.records} == {"broken": None, "whole": "w"}
    (gap,) = reading.gaps
    assert (gap.subject, gap.fields[0], gap.reason) == ("container containerd/default/broken", "image", Reason.MALFORMED)


def test_nerdctls_labels_are_read() -> None:
    fields = nerdctl_fields(
        {
            "nerdctl/name": "web",
            "nerdctl/networks": '["bridge","back"]',
            "nerdctl/ports": '[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":"0.0.0.0"}]',
            "nerdctl/state-dir": "/var/lib/nerdctl/1935db59/containers/default/abc",
        },
        "abc",
    )
    assert fields["name"] == "web"
    assert fields["networks"] == ("bridge", "back")
    assert fields["ports"] == (Port(proto="tcp", host_ip="0.0.0.0", host_port=8080, container_ip=None, container_port=80),)
    assert fields["log_path"] == "/var/lib/nerdctl/1935db59/containers/default/abc/abc-json.log"
    with pytest.raises(ParseError):
        nerdctl_fields({"nerdctl/ports": "{"}, "abc")


def test_the_cgroup_of_a_runtimes_state_is_below_the_hierarchy() -> None:
    assert find_cgroup_path({"": "/sys/fs/cgroup/system.slice/x.scope"}) == "/system.slice/x.scope"
    hybrid = {"": "/sys/fs/cgroup/unified/default/c1", "cpu": "/sys/fs/cgroup/cpu,cpuacct/default/c1"}
    assert find_cgroup_path(hybrid) == "/default/c1"
    assert find_cgroup_path({"": "/user.slice/x.scope"}) == "/user.slice/x.scope"
    assert find_cgroup_path({}) is None


def test_a_systemd_cgroups_path_is_expanded() -> None:
    assert parse_cgroups_path("a-b.slice:cri:x") == "/a.slice/a-b.slice/cri-x.scope"
    assert parse_cgroups_path(":docker:x") == "/system.slice/docker-x.scope"
    assert parse_cgroups_path("/kubepods/x") == "/kubepods/x"
    assert parse_cgroups_path("relative") is None
    assert expand_slice("-.slice") == ""
