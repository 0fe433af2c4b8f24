import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ctrscope.engines.docker import Docker
from ctrscope.engines.docker_config import (
    Binding,
    State,
    claimed_status,
    declared_fields,
    parse_config,
    parse_host_config,
    parse_ports,
)
from ctrscope.engines.docker_root import parse_arguments
from ctrscope.engines.engine import Survey, User
from ctrscope.model.container import ContainerStatus, EngineReading, Port, Record
from ctrscope.model.gap import ParseError, Reason
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable
from tests.engines.surveys import add_process
from tests.hostfs import DenyingHostFs
from tests.requirements import require_root

ALICE = User(1000, "alice", "/home/alice")
ID = "5073b0ef7dace06b298f52b3452ab4f494b553ff1abcdbd513a9e6c39e954e71"


def survey_of(host: HostFs) -> Survey:
    return Survey(host, ProcessTable(host), (ALICE,))


def read(host: HostFs) -> EngineReading:
    return Docker().read_state(survey_of(host))


@pytest.fixture
def root(v2_root: Path, tmp_path: Path) -> Path:
    """A copy of Docker's state that a test may change."""
    for directory in ("var/lib/docker/containers", "run/docker/runtime-runc", "etc/docker"):
        shutil.copytree(v2_root / directory, tmp_path / directory, symlinks=True)
    return tmp_path


@pytest.fixture
def records(v2_host: HostFs) -> dict[str, Record]:
    return {record.name: record for record in read(v2_host).records}


@pytest.fixture(scope="module")
def said(v2_root: Path) -> dict[str, dict[str, Any]]:
    """What ``docker inspect`` said of every container."""
    return {one["Name"].removeprefix("/"): one for one in json.loads((v2_root / "cmd/docker-inspect.json").read_text())}


def never(text: str) -> str | None:
    return None if text.startswith("0001-") else text


def test_every_container_is_found_and_no_other(records: dict[str, Record], said: dict[str, dict[str, Any]]) -> None:
    assert sorted(records) == sorted(said)


def test_every_field_is_as_docker_inspect_says(records: dict[str, Record], said: dict[str, dict[str, Any]]) -> None:
    for name, record in records.items():
        inspected = said[name]
        state, settings = inspected["State"], inspected["NetworkSettings"]
        assert record.id == inspected["Id"]
        assert record.image == inspected["Config"]["Image"]
        assert record.image_id == inspected["Image"]
        assert record.command == (inspected["Path"], *inspected["Args"])
        assert record.created_at == inspected["Created"]
        assert record.started_at == never(state["StartedAt"])
        assert record.finished_at == never(state["FinishedAt"])
        assert record.pid == (state["Pid"] or None)
        assert record.status == {"exited": "stopped"}.get(state["Status"], state["Status"])
        assert record.exit_code == (state["ExitCode"] if state["Status"] == "exited" else None)
        assert record.oom_killed == state["OOMKilled"]
        assert record.labels == (inspected["Config"]["Labels"] or {})
        assert record.log_path == inspected["LogPath"]
        assert record.restart_count == inspected["RestartCount"]
        assert record.runtime == inspected["HostConfig"]["Runtime"]
        assert set(record.networks) == set(settings["Networks"])
        assert {address.partition("/")[0] for address in record.addresses} == {
            network["IPAddress"] for network in settings["Networks"].values() if network["IPAddress"]
        }
        assert {(f"{port.container_port}/{port.proto}", port.host_ip, str(port.host_port)) for port in record.ports} == {
            (inside, binding["HostIp"], binding["HostPort"])
            for inside, bindings in settings["Ports"].items()
            for binding in bindings or ()
        }
        if record.pid is not None:
            assert record.rootfs == inspected["GraphDriver"]["Data"]["MergedDir"]


def test_a_running_container_has_the_start_time_of_its_init(records: dict[str, Record], v2_root: Path) -> None:
    running = [record for record in records.values() if record.pid is not None]
    assert len(running) == 6
    for record in running:
        fields = (v2_root / f"proc/{record.pid}/stat").read_text().rpartition(")")[2].split()
        assert record.starttime_ticks == int(fields[22 - 3])


def test_a_running_container_names_the_directories_that_stand_for_it(records: dict[str, Record]) -> None:
    assert records["d-db"].state_dirs == (
        f"/run/docker/runtime-runc/moby/{ID}",
        f"/run/containerd/io.containerd.runtime.v2.task/moby/{ID}",
    )
    assert records["d-db"].cgroup_path == f"/system.slice/docker-{ID}.scope"


def test_a_compose_project_is_the_group(records: dict[str, Record]) -> None:
    assert records["d-web"].group == "shop"
    assert records["d-db"].group is None


def test_a_container_in_anothers_network_namespace_has_no_addresses(records: dict[str, Record]) -> None:
    assert records["d-side"].addresses == ()
    assert records["d-priv"].addresses == ()
    assert records["d-priv"].networks == ("host",)


def test_the_engine_says_what_it_found(v2_host: HostFs) -> None:
    reading = read(v2_host)
    assert reading.status.found
    assert reading.status.state_roots == ("/var/lib/docker",)
    assert reading.status.containers == 8
    assert reading.gaps == ()


def test_a_host_without_docker_is_an_answer(tmp_path: Path) -> None:
    reading = read(HostFs(str(tmp_path)))
    assert not reading.status.found
    assert reading.records == ()
    assert reading.gaps == ()


def test_a_data_root_that_cannot_be_read_is_a_gap_and_docker_is_found(root: Path) -> None:
    reading = read(DenyingHostFs(str(root), {"/var/lib/docker": errno.EACCES}))
    assert reading.status.found
    (gap,) = reading.gaps
    assert (gap.reason, gap.source) == (Reason.DENIED, "/var/lib/docker")


def test_the_data_root_of_daemon_json_is_honoured(root: Path) -> None:
    (root / "srv").mkdir()
    (root / "var/lib/docker").rename(root / "srv/docker")
    (root / "etc/docker/daemon.json").write_text('{"data-root": "/srv/docker/"}')
    reading = read(HostFs(str(root)))
    assert reading.status.state_roots == ("/srv/docker",)
    assert len(reading.records) == 8


def test_a_broken_daemon_json_leaves_the_usual_place(root: Path) -> None:
    (root / "etc/docker/daemon.json").write_text('{"data-root": ')
    reading = read(HostFs(str(root)))
    assert len(reading.records) == 8
    assert [gap.reason for gap in reading.gaps] == [Reason.MALFORMED]


def test_the_data_root_of_a_running_dockerd_is_honoured(root: Path) -> None:
    (root / "srv").mkdir()
    (root / "var/lib/docker").rename(root / "srv/docker")
    add_process(root, 329, "dockerd", ["/usr/sbin/dockerd", "--data-root=/srv/docker"])
    host = HostFs(str(root))
    survey = survey_of(host)
    assert Docker().read_state(survey).records == ()
    survey.supervisors = (329,)
    reading = Docker().read_supervisors(survey)
    assert reading is not None
    assert len(reading.records) == 8
    (root / "run/docker.pid").write_text("329")
    assert len(read(host).records) == 8


def test_a_users_dockerd_speaks_for_no_files_but_the_users(root: Path) -> None:
    require_root("files of another user")
    (root / "srv").mkdir()
    (root / "var/lib/docker").rename(root / "srv/docker")
    add_process(root, 329, "dockerd", ["dockerd", "--data-root=/srv/docker"], uid=1000)
    survey = survey_of(HostFs(str(root)))
    survey.supervisors = (329,)
    reading = Docker().read_supervisors(survey)
    assert reading is not None
    assert reading.records == ()
    assert {gap.reason for gap in reading.gaps} == {Reason.DENIED}


def test_a_dockerd_at_the_usual_place_adds_nothing(v2_host: HostFs) -> None:
    survey = survey_of(v2_host)
    survey.supervisors = (329,)
    assert survey.processes.named((329,), "dockerd")
    assert Docker().read_supervisors(survey) is None


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("dockerd", "-H", "fd://"), {}),
        (("dockerd", "--data-root", "/a/"), {"data_root": "/a"}),
        (("dockerd", "-g", "/a", "--exec-root=/run/b"), {"data_root": "/a", "exec_root": "/run/b"}),
        (("dockerd", "--config-file=/c.json"), {"config_file": "/c.json"}),
        (("dockerd", "--data-root", "relative"), {}),
        (("dockerd", "--data-root"), {}),
        ((), {}),
    ],
)
def test_dockerds_arguments_name_its_directories(arguments: tuple[str, ...], found: dict[str, str]) -> None:
    assert parse_arguments(arguments) == found


def test_containers_of_a_remapped_user_namespace_are_found(root: Path) -> None:
    (root / "var/lib/docker/231072.231072").mkdir()
    (root / "var/lib/docker/containers").rename(root / "var/lib/docker/231072.231072/containers")
    reading = read(HostFs(str(root)))
    assert reading.status.state_roots == ("/var/lib/docker/231072.231072",)
    assert len(reading.records) == 8


def test_a_rootless_docker_belongs_to_its_user(root: Path) -> None:
    require_root("files of another user")
    home = root / "home/alice/.local/share"
    home.mkdir(parents=True)
    (root / "var/lib/docker").rename(home / "docker")
    (root / "run/user/1000").mkdir(parents=True)
    (root / "run/docker").rename(root / "run/user/1000/docker")
    for path in (root / "home/alice").rglob("*"):
        shutil.chown(path, 1000)
    for path in (root / "run/user").rglob("*"):
        shutil.chown(path, 1000)
    reading = read(HostFs(str(root)))
    assert len(reading.records) == 8
    assert {record.owner_uid for record in reading.records} == {1000}
    assert all(record.starttime_ticks for record in reading.records if record.pid)


def test_a_users_link_to_roots_files_is_not_followed(root: Path) -> None:
    home = root / "home/alice/.local/share"
    home.mkdir(parents=True)
    (home / "docker").symlink_to("/var/lib/docker")
    reading = read(DenyingHostFs(str(root), {"/var/lib/docker": errno.ENOENT}))
    assert reading.records == ()
    assert {gap.reason for gap in reading.gaps} == {Reason.DENIED}


def config_of(root: Path) -> Path:
    return root / f"var/lib/docker/containers/{ID}/config.v2.json"


@pytest.mark.parametrize("text", [b"", b'{"ID": "5073', b"[]", b"null", b'{"ID": 7}', b"\xff\xfe", b'{"x":' + b"[" * 100_000])
def test_a_malformed_file_costs_one_container_its_name(root: Path, text: bytes) -> None:
    config_of(root).write_bytes(text)
    reading = read(HostFs(str(root)))
    records = {record.id: record for record in reading.records}
    assert len(records) == 8
    assert [gap.reason for gap in reading.gaps] == [Reason.MALFORMED]
    assert reading.gaps[0].subject == f"container docker/{ID}"
    # The runtime's state still says that it runs, and where.
    assert (records[ID].name, records[ID].pid, records[ID].status) == (ID, 1288, ContainerStatus.RUNNING)


@pytest.mark.parametrize(
    ("health", "word"),
    [
        ({"Status": "healthy", "FailingStreak": 0, "Log": [{"ExitCode": 0, "Output": "fine"}]}, "healthy"),
        ({"Status": "unhealthy", "FailingStreak": 3, "Log": []}, "unhealthy"),
        ({"Status": "starting"}, "starting"),
        ({"Status": "none"}, None),  # HEALTHCHECK NONE
        ({"Status": "\x1b[31mhealthy"}, None),
        (None, None),
    ],
)
def test_what_the_last_check_of_health_found(root: Path, health: object, word: str | None) -> None:
    config = json.loads(config_of(root).read_text())
    config["State"]["Health"] = health
    config_of(root).write_text(json.dumps(config))
    reading = read(HostFs(str(root)))
    assert {record.id: record.health for record in reading.records}[ID] == word
    assert reading.gaps == ()


def test_a_container_that_ended_has_no_health(root: Path) -> None:
    stopped = next(record.id for record in read(HostFs(str(root))).records if record.name == "d-exit7")
    path = root / f"var/lib/docker/containers/{stopped}/config.v2.json"
    config = json.loads(path.read_text())
    config["State"]["Health"] = {"Status": "healthy"}  # as it stays there
    path.write_text(json.dumps(config))
    assert {record.id: record.health for record in read(HostFs(str(root))).records}[stopped] is None


def test_a_directory_in_place_of_a_file_is_a_gap(root: Path) -> None:
    config_of(root).unlink()
    config_of(root).mkdir()
    reading = read(HostFs(str(root)))
    assert len(reading.records) == 8
    assert len(reading.gaps) == 1


def test_a_container_that_was_removed_meanwhile_is_no_gap(root: Path) -> None:
    config_of(root).unlink()
    shutil.rmtree(root / f"run/docker/runtime-runc/moby/{ID}")
    reading = read(HostFs(str(root)))
    assert len(reading.records) == 7
    assert reading.gaps == ()


def test_without_the_runtimes_state_there_is_a_pid_and_no_start_time(root: Path) -> None:
    shutil.rmtree(root / "run/docker")
    records = {record.id: record for record in read(HostFs(str(root))).records}
    assert (records[ID].pid, records[ID].starttime_ticks) == (1288, None)


@pytest.mark.parametrize("text", ["", "\n", " \t\n"])
def test_an_empty_daemon_json_is_fine_with_docker_and_no_gap(root: Path, text: str) -> None:
    (root / "etc/docker/daemon.json").write_text(text)
    reading = read(HostFs(str(root)))
    assert (len(reading.records), reading.gaps) == (8, ())


def test_with_userns_remap_the_runtimes_state_is_below_a_namespace_of_another_name(root: Path) -> None:
    (root / "run/docker/runtime-runc/moby").rename(root / "run/docker/runtime-runc/moby-231072.231072")
    (root / "var/lib/docker/231072.231072").mkdir()
    (root / "var/lib/docker/containers").rename(root / "var/lib/docker/231072.231072/containers")
    reading = read(HostFs(str(root)))
    record = next(record for record in reading.records if record.id == ID)
    assert (record.pid, record.starttime_ticks is not None) == (1288, True)
    assert record.state_dirs[0] == f"/run/docker/runtime-runc/moby-231072.231072/{ID}"
    assert reading.gaps == ()


def test_the_root_of_a_stopped_container_comes_from_the_layer_database(root: Path) -> None:
    stopped = next(record.id for record in read(HostFs(str(root))).records if record.name == "d-exit7")
    mount_id = root / f"var/lib/docker/image/overlay2/layerdb/mounts/{stopped}/mount-id"
    mount_id.parent.mkdir(parents=True)
    mount_id.write_text("0123abcd")
    records = {record.id: record for record in read(HostFs(str(root))).records}
    assert records[stopped].rootfs == "/var/lib/docker/overlay2/0123abcd/merged"
    mount_id.write_text("../../../etc")
    records = {record.id: record for record in read(HostFs(str(root))).records}
    assert records[stopped].rootfs is None


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State(running=True), ContainerStatus.RUNNING),
        (State(running=True, paused=True), ContainerStatus.PAUSED),
        (State(running=True, restarting=True), ContainerStatus.STOPPED),
        (State(), ContainerStatus.CREATED),
        (State(started_at="0001-01-01T00:00:00Z"), ContainerStatus.CREATED),
        (State(started_at="2026-11-22T01:57:01Z"), ContainerStatus.STOPPED),
        (State(dead=True), ContainerStatus.STOPPED),
    ],
)
def test_dockers_flags_are_one_status(state: State, status: ContainerStatus) -> None:
    assert claimed_status(state) is status


def test_published_ports_are_read_and_exposed_ones_are_not() -> None:
    ports = parse_ports(
        {
            "80/tcp": [Binding("0.0.0.0", "8080"), Binding("::", "8080")],
            "53/udp": [Binding("", "")],
            "443/tcp": None,
            "9/tcp": [Binding("", "8000-8010")],
            "x/y": [Binding("", "-1")],
        }
    )
    assert [(port.proto, port.host_ip, port.host_port, port.container_port) for port in ports] == [
        ("tcp", "0.0.0.0", 8080, 80),
        ("tcp", "::", 8080, 80),
        ("udp", "", None, 53),
        ("tcp", "", None, 9),
        ("y", "", None, None),
    ]


def test_a_stopped_container_has_the_ports_it_asked_for() -> None:
    config = parse_config(b'{"ID":"x","State":{"StartedAt":"2026-11-22T01:57:01Z","ExitCode":7},"Name":"/n"}', "c")
    host_config = parse_host_config(b'{"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},"Runtime":""}', "h")
    fields = declared_fields(config, host_config)
    assert fields["ports"] == (Port(proto="tcp", host_ip="", host_port=8080, container_ip=None, container_port=80),)
    assert (fields["name"], fields["exit_code"], fields["runtime"]) == ("n", 7, None)


def test_addresses_of_both_families_are_cidrs() -> None:
    text = b"""{"ID":"x","State":{"Running":true,"Pid":1},"NetworkSettings":{"Networks":{
        "a":{"IPAddress":"10.0.0.2","IPPrefixLen":24,"GlobalIPv6Address":"fd00::2","GlobalIPv6PrefixLen":64},"b":null}}}"""
    fields = declared_fields(parse_config(text, "c"), None)
    assert fields["addresses"] == ("10.0.0.2/24", "fd00::2/64")
    assert fields["networks"] == ("a", "b")


def test_another_programs_json_is_no_configuration() -> None:
    with pytest.raises(ParseError, match=r"c\.json"):
        parse_config(b'{"id": "lower case"}', "c.json")
