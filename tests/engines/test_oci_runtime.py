"""runc and crun, with no engine above them."""

import errno
import json
import os
from pathlib import Path

import pytest

from ctrscope.engines.oci_runtime import Crun, Runc, find_root
from ctrscope.model.container import ContainerStatus, EngineName, Record
from ctrscope.model.gap import Reason
from ctrscope.probes.hostfs import HostFs
from tests.builders import HostTree
from tests.engines.surveys import add_status, read_both, survey_of
from tests.hostfs import DenyingHostFs
from tests.requirements import require_root

FULL_ID = "ab" * 32


def state(name: str, pid: int = 4711) -> str:
    return json.dumps(
        {
            "id": name,
            "init_process_pid": pid,
            "init_process_start": 5000,
            "created": "2026-01-01T00:00:00Z",
            "config": {"rootfs": "/b/rootfs", "labels": ["bundle=/b", "org.example=1"]},
            "cgroup_paths": {"": f"/sys/fs/cgroup/system.slice/{name}"},
        }
    )


def test_runc_containers_are_those_that_runc_lists(v2_root: Path, v2_host: HostFs) -> None:
    reading = Runc().read_state(survey_of(v2_host))
    said = {entry["id"]: entry for entry in json.loads((v2_root / "cmd/runc-list.json").read_text())}
    assert {record.id for record in reading.records} == set(said)
    for record in reading.records:
        entry = said[record.id]
        assert (record.pid, record.bundle, record.rootfs, record.created_at, record.labels) == (
            entry["pid"], entry["bundle"], entry["rootfs"], entry["created"], entry.get("annotations", {}),
        )  # fmt: skip
        assert record.status == entry["status"]
        assert record.state_dirs == (f"/run/runc/{record.id}",)
    assert reading.gaps == ()


def test_crun_containers_are_those_of_the_system_and_of_users(v2_root: Path, v2_host: HostFs) -> None:
    require_root("files of another user")
    reading = Crun().read_state(survey_of(v2_host))
    said = {entry["id"] for entry in json.loads((v2_root / "cmd/crun-list.json").read_text())}
    users = {entry["Id"] for entry in json.loads((v2_root / "cmd/rootless-ps.json").read_text()) if entry["State"] == "running"}
    assert {record.id for record in reading.records if not record.state_dirs[0].startswith("/run/user")} == said
    assert {record.id for record in reading.records if record.owner_uid == 1000} == users
    assert reading.status.state_roots == ("/run/crun", "/run/user/1000/crun")


def test_the_cgroup_is_where_init_is(v2_root: Path, v2_host: HostFs) -> None:
    for engine in (Runc(), Crun()):
        for record in engine.read_state(survey_of(v2_host)).records:
            lines = (v2_root / f"proc/{record.pid}/cgroup").read_text().splitlines()
            assert f"0::{record.cgroup_path}" in lines


def test_command_and_annotations_come_from_the_bundle_and_the_labels(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/run/runc/web/state.json", state("web"))
    host.file("/b/config.json", '{"process":{"args":["sleep","9"],"env":["A=1"]},"linux":{}}')
    (record,) = Runc().read_state(survey_of(host.fs)).records
    assert record.command == ("sleep", "9")
    assert record.labels == {"org.example": "1"}
    assert record.cgroup_path == "/system.slice/web"


@pytest.mark.parametrize("config", [None, "{", '{"process":[]}'])
def test_a_bundle_that_is_gone_or_broken_leaves_the_rest(tmp_path: Path, config: str | None) -> None:
    host = HostTree(tmp_path)
    host.file("/run/runc/web/state.json", state("web"))
    if config:
        host.file("/b/config.json", config)
    reading = Runc().read_state(survey_of(host.fs))
    assert [record.command for record in reading.records] == [None]
    assert reading.gaps == ()


def test_a_container_that_was_not_started_is_created(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/run/runc/web/state.json", state("web"))
    os.mkfifo(tmp_path / "run/runc/web/exec.fifo")
    assert [record.status for record in Runc().read_state(survey_of(host.fs)).records] == [ContainerStatus.CREATED]


def test_youki_is_listed_with_runc(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/run/youki/y1/state.json", '{"id":"y1","status":"stopped","pid":12,"bundle":"/b"}')
    (record,) = Runc().read_state(survey_of(host.fs)).records
    assert (record.engine, record.runtime, record.status) == (EngineName.RUNC, "youki", ContainerStatus.STOPPED)


def test_one_broken_state_is_one_gap_and_the_others_stand(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    for name in ("a", "b", "c"):
        host.file(f"/run/runc/{name}/state.json", state(name))
    host.file("/run/runc/b/state.json", state("b")[:80])
    reading = Runc().read_state(survey_of(host.fs))
    assert sorted(record.id for record in reading.records) == ["a", "c"]
    assert [(gap.reason, gap.source) for gap in reading.gaps] == [(Reason.MALFORMED, "/run/runc/b/state.json")]


def test_one_denied_state_is_one_gap_and_the_others_stand(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    for name in ("a", "b"):
        tree.file(f"/run/crun/{name}/status", '{"pid":1}')
    host = DenyingHostFs(str(tmp_path), {"/run/crun/a/status": errno.EACCES})
    reading = Crun().read_state(survey_of(host))
    assert [record.id for record in reading.records] == ["b"]
    assert [(gap.reason, gap.source) for gap in reading.gaps] == [(Reason.DENIED, "/run/crun/a/status")]


def record_of(engine: EngineName, container_id: str, *directories: str) -> Record:
    """A record of whoever runs the test, whose the files are."""
    owner = os.geteuid()
    return Record(
        id=container_id, name="x", engine=engine, owner_uid=owner, status=ContainerStatus.RUNNING, state_dirs=directories
    )


def test_what_an_engine_above_has_is_not_listed_again(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file(f"/run/runc/{FULL_ID}/state.json", state(FULL_ID))
    host.file("/run/runc/c1/state.json", state("c1"))
    survey = survey_of(host.fs)
    survey.add((record_of(EngineName.PODMAN, FULL_ID), record_of(EngineName.CONTAINERD, "other", "/run/runc/c1")))
    assert Runc().read_state(survey).records == ()


def test_an_engine_with_a_container_of_the_same_free_name_hides_nothing(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/run/runc/web/state.json", state("web"))
    survey = survey_of(host.fs)
    survey.add((record_of(EngineName.LXC, "web"),))
    assert [record.id for record in Runc().read_state(survey).records] == ["web"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_a_users_directory_may_not_name_files_of_others(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/run/runc/secret/state.json", state("secret"))
    mine = host.file("/run/user/1000/runc/mine/state.json", state("mine"))
    os.chown(mine, 1000, 1000)
    host.link("/run/user/1000/runc/theirs", "/run/runc/secret")
    reading = Runc().read_state(survey_of(host.fs))
    assert sorted((record.id, record.owner_uid) for record in reading.records) == [("mine", 1000), ("secret", 0)]
    assert [(gap.reason, gap.source) for gap in reading.gaps] == [(Reason.DENIED, "/run/user/1000/runc/theirs/state.json")]


def test_a_runtime_in_the_foreground_tells_its_root(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/srv/state/job/state.json", state("job"))
    host.process(70, comm="runc", cmdline="runc --root /srv/state run -b /b job")
    add_status(host, 70)
    first, more = read_both(Runc(), survey_of(host.fs))
    assert first.records == ()
    assert more is not None
    assert [(record.id, record.state_dirs) for record in more.records] == [("job", ("/srv/state/job",))]


def test_a_root_beside_the_usual_one_is_not_the_usual_one(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/run/runc-builds/job/state.json", state("job"))
    host.process(70, comm="runc", cmdline="runc --root /run/runc-builds run job")
    add_status(host, 70)
    _, more = read_both(Runc(), survey_of(host.fs))
    assert more is not None
    assert [record.id for record in more.records] == ["job"]


def test_a_users_process_speaks_for_no_files_but_the_users(tmp_path: Path) -> None:
    require_root("files of another user")
    host = HostTree(tmp_path)
    # As in /tmp: the directory is root's, and anybody may write to it.
    host.file("/tmp/job/state.json", state("job"))
    os.chown(host.file("/tmp/own/state.json", state("own")), 1000, 1000)
    host.process(70, comm="runc", cmdline="runc --root /tmp run job")
    add_status(host, 70, uid=1000)
    _, more = read_both(Runc(), survey_of(host.fs))
    assert more is not None
    assert [(record.id, record.owner_uid) for record in more.records] == [("own", 1000)]
    assert [(gap.reason, gap.source) for gap in more.gaps] == [(Reason.DENIED, "/tmp/job/state.json")]


def test_a_runtime_in_the_foreground_of_a_known_root_tells_nothing_new(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/run/runc/job/state.json", state("job"))
    host.process(70, comm="runc", cmdline="runc run job")
    host.process(71, comm="runc", cmdline="runc --root=/run/runc/ run job")
    first, more = read_both(Runc(), survey_of(host.fs))
    assert [record.id for record in first.records] == ["job"]
    assert more is None


def test_the_root_option() -> None:
    assert find_root(("runc", "--root", "/a/", "run", "x")) == "/a"
    assert find_root(("runc", "--debug", "--root=/a", "run", "x")) == "/a"
    assert find_root(("runc", "--root")) is None
    assert find_root(("runc", "--root", "a", "run", "x")) is None
    assert find_root(("runc", "run", "x")) is None
    assert find_root(()) is None
