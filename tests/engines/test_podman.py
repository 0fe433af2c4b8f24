"""Podman's containers, compared with what podman itself said of them at the same moment."""

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ctrscope.engines.bolt import Bucket, read_bolt
from ctrscope.engines.conmon import parse_exit_command_roots
from ctrscope.engines.engine import Survey, User
from ctrscope.engines.podman import Podman
from ctrscope.model.container import ContainerStatus, EngineName, EngineReading, Port, Record
from ctrscope.model.gap import Reason
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable
from tests.hostfs import DenyingHostFs

ALICE = User(1000, "alice", "/home/alice")
STORE = "var/lib/containers/storage"
ALICES_STORE = "home/alice/.local/share/containers/storage"
WEB = "16a62440d6c61e5f7d0a951fd42eaeb94413e400ec9ce02edba2607f64b7789a"
EXIT3 = "57ec3bd6fc4be4d88eba80c4fb33f2013abba37ec311f7343c3cb2000e3dd4c2"
R_PLAIN = "36b41060bef3f03de2f45eb75cce48d44113a9cf536a6966ed888eed6e6eac2c"
#: An unpacked fixture belongs to whoever unpacked it, unless that was root.
needs_owners = pytest.mark.skipif(os.geteuid() != 0, reason="files of other users need root")
#: What podman calls the states that OCI has other words for.
STATUS = {"running": ContainerStatus.RUNNING, "paused": ContainerStatus.PAUSED, "exited": ContainerStatus.STOPPED}


def _survey(host: HostFs, *users: User) -> Survey:
    return Survey(host, ProcessTable(host), users)


def _read(root: Path, *users: User) -> EngineReading:
    return Podman().read_state(_survey(HostFs(str(root)), *users))


def _by_id(reading: EngineReading) -> dict[str, Record]:
    assert len({(record.owner_uid, record.id) for record in reading.records}) == len(reading.records)
    return {record.id: record for record in reading.records}


def _said(root: Path, name: str) -> dict[str, dict[str, Any]]:
    return {entry["Id"]: entry for entry in json.loads((root / "cmd" / f"{name}.json").read_text())}


@pytest.fixture
def copy(v2_root: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copies directories of the captured host, owners kept, for tests that change something."""

    def copy_directories(*names: str) -> Path:
        for name in names:
            shutil.copytree(v2_root / name, tmp_path / name, symlinks=True, ignore=_special_files)
            for path in (tmp_path / name).rglob("*"):
                found = (v2_root / path.relative_to(tmp_path)).lstat()
                if os.geteuid() == 0:
                    os.lchown(path, found.st_uid, found.st_gid)
        return tmp_path

    return copy_directories


def _special_files(directory: str, names: list[str]) -> list[str]:
    paths = ((name, Path(directory, name)) for name in names)
    return [name for name, path in paths if not (path.is_symlink() or path.is_file() or path.is_dir())]


@pytest.fixture
def rooted(copy: Callable[..., Path]) -> Path:
    """Root's store of the captured host, with the processes' runtime state, without /proc."""
    return copy(STORE, "run/containers", "run/crun", "run/runc", "run/libpod")


class TestAgainstPodman:
    """Every container of the captured host; ``podman ps`` and ``podman inspect`` are the strangers."""

    @pytest.fixture
    def readings(self, v2_host: HostFs) -> dict[str, Record]:
        users = (ALICE,) if os.geteuid() == 0 else ()
        reading = Podman().read_state(_survey(v2_host, *users))
        assert reading.gaps == ()
        return _by_id(reading)

    @needs_owners
    def test_every_container_is_there_once(self, v2_root: Path, readings: dict[str, Record]) -> None:
        assert set(readings) == set(_said(v2_root, "podman-ps")) | set(_said(v2_root, "rootless-ps"))

    @pytest.mark.parametrize("who", ["podman", pytest.param("rootless", marks=needs_owners)])
    def test_it_is_what_podman_ps_says(self, v2_root: Path, readings: dict[str, Record], who: str) -> None:
        for container_id, said in _said(v2_root, f"{who}-ps").items():
            found = readings[container_id]
            assert [found.name] == said["Names"]
            assert found.status is STATUS[said["State"]]
            assert (found.image, found.image_id) == (said["Image"], said["ImageID"])
            assert (found.pid or 0) == said["Pid"]
            assert found.exit_code == (said["ExitCode"] if said["Exited"] else None)
            assert found.labels == (said["Labels"] or {})
            assert list(found.networks) == said["Networks"]
            assert (found.pod.uid if found.pod else "") == said["Pod"]
            assert found.is_sandbox == said["IsInfra"]
            assert found.ports == tuple(
                Port(
                    proto=port["protocol"],
                    host_ip=port["host_ip"],
                    host_port=port["host_port"],
                    container_ip=None,
                    container_port=port["container_port"],
                )
                for port in said["Ports"] or ()
            )
            if not found.is_sandbox:  # podman ps leaves the infra container's command out; podman inspect has it
                assert list(found.command or ()) == said["Command"]

    @pytest.mark.parametrize(("who", "uid"), [("podman", 0), pytest.param("rootless", 1000, marks=needs_owners)])
    def test_it_is_what_podman_inspect_says(self, v2_root: Path, readings: dict[str, Record], who: str, uid: int) -> None:
        said_of = _said(v2_root, f"{who}-inspect")
        assert said_of
        for container_id, said in said_of.items():
            found, state, network = readings[container_id], said["State"], said["NetworkSettings"]
            assert found.owner_uid == uid
            assert found.created_at == said["Created"]
            assert found.started_at == state["StartedAt"]
            assert (found.finished_at or "0001-01-01T00:00:00Z") == state["FinishedAt"]
            assert list(found.command or ()) == [said["Path"], *said["Args"]]
            assert found.runtime == said["OCIRuntime"]
            assert f"{found.bundle}/config.json" == said["OCIConfigPath"]
            assert (found.log_path or "") == said["HostConfig"]["LogConfig"]["Path"]
            assert found.oom_killed == state["OOMKilled"]
            assert found.restart_count == said["RestartCount"]
            assert found.monitor_pid == (state.get("ConmonPid") or None)
            assert found.cgroup_path == state.get("CgroupPath", None if found.pid is None else "")
            addresses = [f"{network['IPAddress']}/{network['IPPrefixLen']}"] if network["IPAddress"] else []
            assert list(found.addresses) == addresses
            if merged := (said["GraphDriver"]["Data"] or {}).get("MergedDir"):  # only while overlay is mounted
                assert found.rootfs == merged

    def test_a_container_of_a_pod_has_the_pod_its_ports_and_its_addresses(
        self, v2_root: Path, readings: dict[str, Record]
    ) -> None:
        said = json.loads((v2_root / "cmd/podman-pod-inspect.json").read_text())
        infra = readings[said["InfraContainerID"]]
        for member in said["Containers"]:
            found = readings[member["Id"]]
            assert found.pod is not None
            assert (found.pod.name, found.pod.uid, found.pod.sandbox_id) == (said["Name"], said["Id"], infra.id)
            assert found.is_sandbox == (found.id == infra.id)
            assert found.ports == infra.ports != ()
            assert found.addresses == infra.addresses != ()

    @needs_owners
    def test_the_start_time_is_that_of_the_process(self, v2_host: HostFs, readings: dict[str, Record]) -> None:
        processes = ProcessTable(v2_host)
        running = [record for record in readings.values() if record.status is not ContainerStatus.STOPPED]
        assert len(running) == 10
        for record in running:
            assert record.pid is not None
            assert processes.is_alive(record.pid, record.starttime_ticks)
            monitor = processes.stat(record.monitor_pid or 0)
            assert monitor is not None
            assert monitor.comm == record.monitor_expected == "conmon"

    @needs_owners
    def test_the_runtime_state_directory_is_claimed(self, readings: dict[str, Record]) -> None:
        assert readings[WEB].state_dirs == (f"/run/crun/{WEB}",)
        assert readings[R_PLAIN].state_dirs == (f"/run/user/1000/crun/{R_PLAIN}",)
        runc = next(record for record in readings.values() if record.runtime == "runc")
        assert runc.state_dirs == (f"/run/runc/{runc.id}",)

    def test_no_conmon_leads_to_another_store(self, v2_host: HostFs) -> None:
        survey = _survey(v2_host, ALICE)
        survey.supervisors = tuple(survey.processes.pids())
        assert survey.processes.named(survey.supervisors, "conmon")
        assert Podman().read_supervisors(survey) is None


class TestDatabase:
    """BoltDB and SQLite."""

    def test_an_sqlite_database_gives_the_same_answer(self, rooted: Path) -> None:
        before = _by_id(_read(rooted))
        _move_to_sqlite(rooted)
        reading = _read(rooted)
        assert reading.gaps == ()
        assert {key: _facts(record) for key, record in _by_id(reading).items()} == {
            key: _facts(record) for key, record in before.items()
        }
        assert {record.evidence[0].source for record in reading.records} == {f"/{STORE}/db.sql"}

    @pytest.mark.parametrize("mode", ["delete", "wal"])
    def test_a_writer_with_an_exclusive_lock_does_not_block_and_is_not_disturbed(self, rooted: Path, mode: str) -> None:
        _move_to_sqlite(rooted)
        directory = rooted / STORE
        with closing(sqlite3.connect(directory / "db.sql", isolation_level=None)) as podman:
            podman.execute(f"PRAGMA journal_mode = {mode}")
            podman.execute("UPDATE ContainerConfig SET JSON = replace(JSON, 'p-web', 'p-renamed') WHERE ID = ?", (WEB,))
            podman.execute("BEGIN EXCLUSIVE")
            podman.execute("DELETE FROM ContainerConfig")
            before = {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in directory.iterdir()}
            records = _by_id(_read(rooted))
            assert {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in directory.iterdir()} == before
        assert len(records) == 9
        assert records[WEB].name == "p-renamed"
        assert records[EXIT3].exit_code == 3

    @pytest.mark.parametrize("name", ["libpod/bolt_state.db", "db.sql"])
    def test_a_truncated_database_leaves_names_images_and_processes(self, rooted: Path, name: str) -> None:
        if name == "db.sql":
            _move_to_sqlite(rooted)
        path = rooted / STORE / name
        path.write_bytes(path.read_bytes()[:5000])
        reading = _read(rooted)
        assert [(gap.source, gap.reason) for gap in reading.gaps] == [(f"/{STORE}/{name}", Reason.MALFORMED)]
        assert "exit_code" in reading.gaps[0].fields
        records = _by_id(reading)
        assert len(records) == 9
        web = records[WEB]
        assert (web.name, web.image, web.pid, web.starttime_ticks) == ("p-web", "localhost/bb:latest", 705, 13145)
        assert web.command is not None
        assert web.command[:2] == ("sh", "-c")
        assert web.status is ContainerStatus.RUNNING
        assert web.monitor_pid == 703
        assert (records[EXIT3].status, records[EXIT3].pid, records[EXIT3].exit_code) == (ContainerStatus.STOPPED, None, None)

    def test_a_missing_database_is_one_gap(self, rooted: Path) -> None:
        (rooted / STORE / "libpod/bolt_state.db").unlink()
        reading = _read(rooted)
        assert [(gap.reason, gap.detail) for gap in reading.gaps] == [(Reason.UNAVAILABLE, "no database")]
        assert len(reading.records) == 9

    def test_the_database_is_enough_for_a_container_without_an_entry_in_the_store(self, rooted: Path) -> None:
        """As ``podman run --rootfs`` leaves none."""
        (rooted / STORE / "overlay-containers/containers.json").write_text("[]")
        reading = _read(rooted)
        assert reading.gaps == ()
        assert _by_id(reading)[WEB].name == "p-web"

    @pytest.mark.parametrize("text", ["", "{", "[1, null]", '{"id": 5}', '{"id": "../../etc"}', '{"id": "a", "labels": 7}'])
    def test_one_malformed_container_does_not_hide_the_others(self, rooted: Path, text: str) -> None:
        _move_to_sqlite(rooted)
        with closing(sqlite3.connect(rooted / STORE / "db.sql")) as podman:
            podman.execute("UPDATE ContainerConfig SET JSON = ? WHERE ID = ?", (text, EXIT3))
            podman.commit()
        reading = _read(rooted)
        assert [gap.reason for gap in reading.gaps] == [Reason.MALFORMED]
        assert EXIT3 in reading.gaps[0].detail
        records = _by_id(reading)
        assert len(records) == 9
        assert records[EXIT3].name == "p-exit3"  # from the store

    def test_ranges_of_ports_are_spelled_out(self, rooted: Path) -> None:
        mapping = {"host_ip": "", "container_port": 80, "host_port": 8080, "range": 3, "protocol": "udp"}
        _change_config(rooted, newPortMappings=[mapping])
        ports = _by_id(_read(rooted))[WEB].ports
        assert [(port.proto, port.host_ip, port.host_port, port.container_port) for port in ports] == [
            ("udp", "", 8080, 80),
            ("udp", "", 8081, 81),
            ("udp", "", 8082, 82),
        ]

    def test_a_range_without_end_is_a_gap(self, rooted: Path) -> None:
        _change_config(rooted, newPortMappings=[{"host_port": 1, "container_port": 1, "range": 1 << 40, "protocol": "tcp"}])
        reading = _read(rooted)
        assert [(gap.subject, gap.fields) for gap in reading.gaps] == [(f"container podman/{WEB}", ("ports",))]
        assert _by_id(reading)[WEB].ports == ()

    def test_containers_that_use_the_network_of_each_other_end(self, rooted: Path) -> None:
        _change_config(rooted, netNsCtr=WEB)
        assert _by_id(_read(rooted))[WEB].addresses == ("10.88.0.2/16",)

    def test_ports_and_addresses_as_podman_3_wrote_them(self, rooted: Path) -> None:
        _change_config(rooted, portMappings=[{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "127.0.0.1"}])
        results = [{"cniVersion": "0.4.0", "ips": [{"version": "4", "interface": 2, "address": "10.88.0.9/16"}]}]
        _change_state(rooted, networkStatus=None, networkResults=results)
        web = _by_id(_read(rooted))[WEB]
        assert [(port.host_ip, port.host_port, port.container_port) for port in web.ports] == [("127.0.0.1", 8080, 80)]
        assert web.addresses == ("10.88.0.9/16",)

    def test_networks_as_podman_6_writes_them(self, rooted: Path) -> None:
        networks = [{"name": "front", "interface_name": "eth0"}, {"name": "back", "interface_name": "eth1"}]
        _change_config(rooted, orderedNetworks=networks, newNetworks=None)
        _change_state(rooted, networkStatus=None)
        assert _by_id(_read(rooted))[WEB].networks == ("front", "back")

    def test_the_compose_project_is_the_group(self, rooted: Path) -> None:
        _change_config(rooted, labels={"io.podman.compose.project": "shop"})
        assert _by_id(_read(rooted))[WEB].group == "shop"

    @pytest.mark.parametrize("place", ["run/libpod/exits/{id}", "run/libpod/persist/{id}/exit"])
    def test_a_container_that_died_without_podman_has_the_exit_code_that_conmon_wrote(self, rooted: Path, place: str) -> None:
        path = rooted / place.format(id=WEB)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("137")
        web = _by_id(_read(rooted))[WEB]
        assert (web.status, web.exit_code, web.pid) == (ContainerStatus.STOPPED, 137, None)
        assert web.evidence[-1].source == "/" + place.format(id=WEB)

    def test_a_container_killed_for_its_memory_says_so_before_podman_knows(self, rooted: Path) -> None:
        directory = rooted / f"run/libpod/persist/{WEB}"
        directory.mkdir(parents=True)
        (directory / "exit").write_text("137")
        assert _by_id(_read(rooted))[WEB].oom_killed is False
        (directory / "oom").touch()
        assert _by_id(_read(rooted))[WEB].oom_killed is True

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ('{"Status":"healthy","FailingStreak":0,"Log":[{"Start":"","End":"","ExitCode":0,"Output":""}]}', "healthy"),
            ('{"Status":"unhealthy","FailingStreak":4,"Log":null}', "unhealthy"),
            ('{"Status":"starting","FailingStreak":0,"Log":[]}', "starting"),
            (None, None),
        ],
    )
    def test_what_the_last_check_of_health_found(self, rooted: Path, text: str | None, word: str | None) -> None:
        directory = rooted / f"run/containers/storage/overlay-containers/{WEB}"
        _change_config(rooted, healthcheck={"Test": ["CMD-SHELL", "true"]})
        _change_state(rooted, runDir=f"/run/containers/storage/overlay-containers/{WEB}/userdata")
        if text is not None:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "healthcheck.log").write_text(text)
        reading = _read(rooted)
        assert _by_id(reading)[WEB].health == word
        assert reading.gaps == ()

    @pytest.mark.parametrize(
        ("destination", "place"),
        [
            ("/var/log/health", f"var/log/health/{WEB}-healthcheck.log"),
            ("events_logger", f"run/containers/storage/overlay-containers/{WEB}/healthcheck.log"),
            ("local", f"run/containers/storage/overlay-containers/{WEB}/healthcheck.log"),
        ],
    )
    def test_results_are_read_where_health_log_destination_has_them(self, rooted: Path, destination: str, place: str) -> None:
        _change_config(rooted, healthcheck={"Test": ["CMD-SHELL", "true"]}, healthLogDestination=destination)
        _change_state(rooted, runDir=f"/run/containers/storage/overlay-containers/{WEB}/userdata")
        (rooted / place).parent.mkdir(parents=True, exist_ok=True)
        (rooted / place).write_text('{"Status":"unhealthy","FailingStreak":3,"Log":[]}')
        assert _by_id(_read(rooted))[WEB].health == "unhealthy"

    def test_a_result_that_is_cut_off_is_a_gap_and_one_without_a_check_is_not_read(self, rooted: Path) -> None:
        directory = rooted / f"run/containers/storage/overlay-containers/{WEB}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "healthcheck.log").write_text('{"Status":"hea')
        _change_state(rooted, runDir=f"{directory.relative_to(rooted)}/userdata")
        assert _read(rooted).gaps == ()
        _change_config(rooted, healthcheck={"Test": ["CMD", "true"]})
        _change_state(rooted, runDir=f"/{directory.relative_to(rooted)}/userdata")
        (gap,) = _read(rooted).gaps
        assert (gap.fields, gap.reason) == (("health",), Reason.MALFORMED)

    @pytest.mark.parametrize(
        ("number", "status"),
        [
            (1, ContainerStatus.CREATED),
            (2, ContainerStatus.CREATED),
            (4, ContainerStatus.STOPPED),
            (5, ContainerStatus.PAUSED),
            (7, ContainerStatus.STOPPED),
            (8, ContainerStatus.RUNNING),
            (99, ContainerStatus.STOPPED),
        ],
    )
    def test_states_are_those_of_libpod(self, rooted: Path, number: int, status: ContainerStatus) -> None:
        _change_state(rooted, state=number)
        assert _by_id(_read(rooted))[WEB].status is status


class TestStore:
    """containers/storage, and who may say what in it."""

    @pytest.mark.parametrize("text", ['[{"id": "a', "{}", "null", "7", "[[", "", '[{"id": 5}, 7]'])
    def test_a_malformed_list_leaves_what_the_database_says(self, rooted: Path, text: str) -> None:
        (rooted / STORE / "overlay-containers/containers.json").write_text(text)
        reading = _read(rooted)
        assert {gap.reason for gap in reading.gaps} == ({Reason.MALFORMED} if text else set())
        assert len(reading.records) == 9

    def test_an_entry_of_cri_o_is_not_podmans(self, rooted: Path) -> None:
        metadata = {"pod-name": "k8s_web_default_1_0", "pod-id": "a" * 64, "name": "k8s_POD_web", "created-at": 1795312462}
        _add_entry(rooted, {"id": "a" * 64, "names": ["k8s_POD_web"], "metadata": json.dumps(metadata)})
        assert "a" * 64 not in _by_id(_read(rooted))

    def test_an_entry_of_buildah_is_not_podmans(self, rooted: Path) -> None:
        _add_entry(rooted, {"id": "b" * 64, "names": ["bb-working-container"], "metadata": ""})
        assert "b" * 64 not in _by_id(_read(rooted))

    def test_a_container_that_is_only_in_the_store_is_listed(self, rooted: Path) -> None:
        metadata = json.dumps({"image-name": "localhost/bb:latest", "name": "left", "created-at": 1795312462})
        _add_entry(rooted, {"id": "c" * 64, "names": ["left"], "metadata": metadata, "created": "2026-11-22T01:54:22Z"})
        left = _by_id(_read(rooted))["c" * 64]
        assert (left.name, left.image, left.status) == ("left", "localhost/bb:latest", ContainerStatus.CREATED)
        assert left.created_at == "2026-11-22T01:54:22Z"

    @pytest.mark.parametrize("place", [STORE, "run/containers/storage"], ids=["--rm", "transient store"])
    def test_a_volatile_container_is_found_in_either_place(self, rooted: Path, place: str) -> None:
        entry = {"id": "d" * 64, "names": ["gone-soon"], "metadata": '{"name": "gone-soon", "created-at": 1}'}
        (rooted / place / "overlay-containers/volatile-containers.json").write_text(json.dumps([entry]))
        assert _by_id(_read(rooted))["d" * 64].name == "gone-soon"

    def test_the_roots_of_storage_conf_count(self, rooted: Path) -> None:
        shutil.move(rooted / STORE, rooted / "srv-store")
        (rooted / "etc/containers").mkdir(parents=True)
        (rooted / "etc/containers/storage.conf").write_text('[storage]\ndriver = "overlay"\ngraphroot = "/srv-store"\n')
        reading = _read(rooted)
        assert "/srv-store" in reading.status.state_roots
        assert len(reading.records) == 9

    def test_files_beside_storage_conf_count_as_they_do_with_podman_6(self, rooted: Path) -> None:
        shutil.move(rooted / STORE, rooted / "srv-store")
        for path, graphroot in {
            "etc/containers/storage.conf": "/main",
            "etc/containers/storage.conf.d/10-roots.conf": "/ten",
            "usr/share/containers/storage.conf.d/50-roots.conf": "/shipped",
            "etc/containers/storage.rootful.conf.d/50-roots.conf": "/srv-store",
            "etc/containers/storage.conf.d/90-roots.conf.bak": "/backup",
            "etc/containers/storage.rootless.conf.d/60-roots.conf": "/rootless",
        }.items():
            (rooted / path).parent.mkdir(parents=True, exist_ok=True)
            (rooted / path).write_text(f'[storage]\ngraphroot = "{graphroot}"\n')
        reading = _read(rooted)
        assert "/srv-store" in reading.status.state_roots
        assert (len(reading.records), reading.gaps) == (9, ())

    @needs_owners
    @pytest.mark.parametrize(("owner", "count"), [(1000, 3), (0, 0)], ids=["hers", "root's"])
    def test_files_beside_a_users_storage_conf_count_where_they_are_hers(
        self, copy: Callable[..., Path], owner: int, count: int
    ) -> None:
        root = copy(ALICES_STORE)
        shutil.move(root / ALICES_STORE, root / "home/alice/store")
        path = root / "home/alice/.config/containers/storage.conf.d/roots.conf"
        path.parent.mkdir(parents=True)
        path.write_text('[storage]\ngraphroot = "$HOME/store"\n')
        os.chown(path, owner, owner)
        assert len([record for record in _read(root, ALICE).records if record.owner_uid == 1000]) == count

    def test_a_malformed_file_beside_storage_conf_is_a_gap_and_the_others_count(self, rooted: Path) -> None:
        shutil.move(rooted / STORE, rooted / "srv-store")
        (rooted / "etc/containers/storage.conf.d").mkdir(parents=True)
        (rooted / "etc/containers/storage.conf.d/10.conf").write_text('[storage]\ngraphroot = "/srv-store"\n')
        (rooted / "etc/containers/storage.conf.d/20.conf").write_text("[storage\n")
        reading = _read(rooted)
        assert [(gap.reason, gap.source) for gap in reading.gaps] == [
            (Reason.MALFORMED, "/etc/containers/storage.conf.d/20.conf")
        ]
        assert len(reading.records) == 9

    def test_a_malformed_storage_conf_is_a_gap_and_the_usual_place_is_read(self, rooted: Path) -> None:
        (rooted / "etc/containers").mkdir(parents=True)
        (rooted / "etc/containers/storage.conf").write_text("[storage\n")
        reading = _read(rooted)
        assert [(gap.source, gap.reason) for gap in reading.gaps] == [("/etc/containers/storage.conf", Reason.MALFORMED)]
        assert len(reading.records) == 9

    def test_nothing_at_all_is_an_answer(self, tmp_path: Path) -> None:
        reading = _read(tmp_path, ALICE)
        assert (reading.status.found, reading.records, reading.gaps) == (False, (), ())

    def test_a_store_that_cannot_be_read_is_one_gap(self, v2_root: Path) -> None:
        host = DenyingHostFs(str(v2_root), {"/home/alice": errno.EACCES, f"/{STORE}": errno.EACCES})
        reading = Podman().read_state(_survey(host, ALICE))
        assert [(gap.source, gap.reason) for gap in reading.gaps] == [
            (f"/{STORE}", Reason.DENIED),
            (f"/{ALICES_STORE}", Reason.DENIED),
        ]
        assert reading.records == ()

    @needs_owners
    @pytest.mark.parametrize("name", ["libpod/bolt_state.db", "vfs-containers/containers.json"])
    def test_a_users_link_to_a_file_of_root_is_not_followed(self, copy: Callable[..., Path], name: str) -> None:
        root = copy(ALICES_STORE, STORE)
        path = root / ALICES_STORE / name
        path.unlink()
        path.symlink_to(f"/{STORE}/{name.replace('vfs', 'overlay')}")
        reading = _read(root, ALICE)
        assert [(gap.source, gap.reason) for gap in reading.gaps] == [(f"/{ALICES_STORE}/{name}", Reason.DENIED)]
        assert len([record for record in reading.records if record.owner_uid == 1000]) == 3

    @needs_owners
    def test_a_users_store_with_the_ids_of_root_hides_nothing(self, rooted: Path) -> None:
        fake = rooted / ALICES_STORE
        shutil.copytree(rooted / STORE, fake)
        for path in (fake, *fake.rglob("*")):
            os.lchown(path, 1000, 1000)
        records = _read(rooted, ALICE).records
        assert len(records) == 18
        roots = {record.id: record for record in records if record.owner_uid == 0}
        assert roots[WEB].state_dirs == (f"/run/crun/{WEB}",)
        assert all(record.state_dirs == () for record in records if record.owner_uid == 1000)

    @needs_owners
    def test_a_runtime_state_nested_without_end_is_a_gap(self, copy: Callable[..., Path]) -> None:
        root = copy(ALICES_STORE, "run/user/1000/crun")
        (root / f"run/user/1000/crun/{R_PLAIN}/status").write_text('{"x":' + "[" * 200_000)
        reading = _read(root, ALICE)
        assert [gap.subject for gap in reading.gaps] == [f"container podman@1000/{R_PLAIN}"]
        assert _by_id(reading)[R_PLAIN].pid == 2136


class TestConmon:
    """Stores that only a conmon names."""

    def test_roots_are_those_of_the_exit_command(self) -> None:
        handed = ["/usr/bin/podman", "--root", "/srv/a", "--runroot", "/run/a", "--log-level", "warning"]
        arguments = ["/usr/bin/conmon", "-c", "1", "--exit-command", handed[0]]
        for value in handed[1:]:
            arguments += ["--exit-command-arg", value]
        assert parse_exit_command_roots(tuple(arguments)) == ("/srv/a", "/run/a")

    @pytest.mark.parametrize("arguments", [(), ("conmon", "-c", "1"), ("conmon", "--exit-command-arg", "--root")])
    def test_without_an_exit_command_there_are_none(self, arguments: tuple[str, ...]) -> None:
        assert parse_exit_command_roots(arguments) is None

    @pytest.mark.parametrize("is_claimed", [False, True])
    def test_the_store_of_podman_root_is_found_by_its_conmon(self, rooted: Path, v2_root: Path, is_claimed: bool) -> None:
        shutil.move(rooted / STORE, rooted / "srv-store")
        conmon = rooted / "proc/703"
        conmon.mkdir(parents=True)
        for name in ("stat", "status"):
            (conmon / name).write_bytes((v2_root / "proc/703" / name).read_bytes())
        arguments = (v2_root / "proc/703/cmdline").read_bytes()
        (conmon / "cmdline").write_bytes(arguments.replace(f"\0/{STORE}\0".encode(), b"\0/srv-store\0"))
        survey = _survey(HostFs(str(rooted)))
        assert Podman().read_state(survey).records == ()
        survey.supervisors = (703,)
        if is_claimed:  # by a user's state, which may name anybody's process
            shutil.copytree(v2_root / "proc/705", rooted / "proc/705", symlinks=True)
            status = ContainerStatus.RUNNING
            liar = Record(id="x", name="x", engine=EngineName.PODMAN, owner_uid=1000, status=status, pid=705, monitor_pid=703)
            survey.add((liar,))
        reading = Podman().read_supervisors(survey)
        assert reading is not None
        assert reading.status.state_roots == ("/srv-store", "/run/containers/storage")
        web = _by_id(reading)[WEB]
        assert (web.name, web.pid, web.monitor_pid) == ("p-web", 705, 703)


def _facts(record: Record) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__ if name != "evidence"}


def _bolt_rows(root: Path, bucket: bytes) -> Mapping[str, tuple[dict[str, Any], dict[str, Any]]]:
    def read(top: Bucket) -> Mapping[str, tuple[dict[str, Any], dict[str, Any]]]:
        found = top.bucket(bucket)
        assert found is not None
        rows = {}
        for key, inner in found.buckets():
            config = json.loads(inner.get(b"config") or b"")
            networks = inner.bucket(b"networks")
            if networks is not None:
                # BoltDB keeps them beside the configuration; SQLite does not.
                config["newNetworks"] = {name.decode(): json.loads(value) for name, value in networks.values()}
            rows[key.decode()] = (config, json.loads(inner.get(b"state") or b""))
        return rows

    return read_bolt(HostFs(str(root)), f"/{STORE}/libpod/bolt_state.db", read)


def _move_to_sqlite(root: Path) -> None:
    """What Podman does when it migrates, with the tables of libpod's sqlite_state_internal.go."""
    containers, pods = _bolt_rows(root, b"ctr"), _bolt_rows(root, b"pod")
    with closing(sqlite3.connect(root / STORE / "db.sql")) as connection:
        connection.executescript(
            """
            CREATE TABLE DBConfig(ID INTEGER PRIMARY KEY NOT NULL, SchemaVersion INTEGER NOT NULL, OS TEXT NOT NULL,
                StaticDir TEXT NOT NULL, TmpDir TEXT NOT NULL, GraphRoot TEXT NOT NULL, RunRoot TEXT NOT NULL,
                GraphDriver TEXT NOT NULL, VolumeDir TEXT NOT NULL, CHECK (ID IN (1)));
            CREATE TABLE ContainerConfig(ID TEXT PRIMARY KEY NOT NULL, Name TEXT UNIQUE NOT NULL, PodID TEXT,
                JSON TEXT NOT NULL);
            CREATE TABLE ContainerState(ID TEXT PRIMARY KEY NOT NULL, State INTEGER NOT NULL, ExitCode INTEGER,
                JSON TEXT NOT NULL, CHECK (ExitCode BETWEEN -1 AND 255));
            CREATE TABLE PodConfig(ID TEXT PRIMARY KEY NOT NULL, Name TEXT UNIQUE NOT NULL, JSON TEXT NOT NULL);
            CREATE TABLE PodState(ID TEXT PRIMARY KEY NOT NULL, InfraContainerID TEXT, JSON TEXT NOT NULL);
            """
        )
        connection.execute(
            "INSERT INTO DBConfig VALUES(1, 1, 'linux', ?, '/run/libpod', ?, '/run/containers/storage', 'overlay', ?)",
            (f"/{STORE}/libpod", f"/{STORE}", f"/{STORE}/volumes"),
        )
        for key, (config, state) in containers.items():
            name, pod = config["name"], config.get("pod")
            connection.execute("INSERT INTO ContainerConfig VALUES(?, ?, ?, ?)", (key, name, pod, json.dumps(config)))
            row = (key, state["state"], state.get("exitCode", 0), json.dumps(state))
            connection.execute("INSERT INTO ContainerState VALUES(?, ?, ?, ?)", row)
        for key, (config, state) in pods.items():
            connection.execute("INSERT INTO PodConfig VALUES(?, ?, ?)", (key, config["name"], json.dumps(config)))
            connection.execute("INSERT INTO PodState VALUES(?, ?, ?)", (key, state["InfraContainerID"], json.dumps(state)))
        connection.commit()
    (root / STORE / "libpod/bolt_state.db").rename(root / STORE / "libpod/bolt_state.db-old")


def _change(root: Path, table: str, values: dict[str, object]) -> None:
    if not (root / STORE / "db.sql").exists():
        _move_to_sqlite(root)
    with closing(sqlite3.connect(root / STORE / "db.sql")) as connection:
        (text,) = connection.execute(f"SELECT JSON FROM {table} WHERE ID = ?", (WEB,)).fetchone()
        changed = json.dumps({**json.loads(text), **values})
        connection.execute(f"UPDATE {table} SET JSON = ? WHERE ID = ?", (changed, WEB))
        connection.commit()


def _change_config(root: Path, **values: object) -> None:
    _change(root, "ContainerConfig", values)


def _change_state(root: Path, **values: object) -> None:
    _change(root, "ContainerState", values)


def _add_entry(root: Path, entry: dict[str, object]) -> None:
    path = root / STORE / "overlay-containers/containers.json"
    path.write_text(json.dumps([*json.loads(path.read_text()), entry]))
