"""State files of runc, crun and youki."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrscope.engines.oci_state import parse_crun_status, parse_runc_state, read_oci_state
from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs
from tests.builders import HostTree

RUNC = b"""{"id":"web","init_process_pid":4711,"init_process_start":81723,"created":"2026-11-22T01:57:47.160124301Z",
"config":{"rootfs":"/b/rootfs","labels":["org.example=a=b","bundle=/b","odd"]},"cgroup_paths":{"":"/sys/fs/cgroup/web"},
"external_descriptors":["/dev/null"],"a key of tomorrow":{"x":[1]}}"""
YOUKI = b"""{"ociVersion":"v1.0.2","id":"web","status":"%s","pid":4711,"bundle":"/b","annotations":{"k":"v"},
"created":"2026-11-22T01:57:47.160124301Z","creator":0,"useSystemd":false,"cleanUpIntelRdtSubdirectory":false}"""


def test_runc_state_is_what_runc_says(v2_root: Path, v2_host: HostFs) -> None:
    for said in json.loads((v2_root / "cmd/runc-list.json").read_text()):
        state = read_oci_state(v2_host, f"/run/runc/{said['id']}")
        assert state is not None
        found = (state.id, state.pid, state.bundle, state.rootfs, state.created_at)
        assert found == tuple(said[key] for key in ("id", "pid", "bundle", "rootfs", "created"))
        assert state.annotations == said.get("annotations", {})
        assert not state.awaits_start


def test_crun_status_is_what_crun_says(v2_root: Path, v2_host: HostFs) -> None:
    for said in json.loads((v2_root / "cmd/crun-list.json").read_text()):
        state = read_oci_state(v2_host, f"/run/crun/{said['id']}")
        assert state is not None
        assert (state.id, state.pid, state.bundle, state.created_at) == tuple(
            said[key] for key in ("id", "pid", "bundle", "created")
        )


def test_start_times_are_those_of_the_processes(v2_root: Path, v2_host: HostFs) -> None:
    for path in ("/run/runc/runc-bare", "/run/runc/runc-sd", "/run/crun/crun-bare"):
        state = read_oci_state(v2_host, path)
        assert state is not None
        stat = (v2_root / f"proc/{state.pid}/stat").read_text()
        assert state.starttime_ticks == int(stat.rpartition(")")[2].split()[19])


def test_runc_labels_are_annotations_and_the_bundle() -> None:
    state = parse_runc_state(RUNC, "/run/runc/web", "f", awaits_start=False)
    assert state.annotations == {"org.example": "a=b"}
    assert state.bundle == "/b"


def test_the_id_is_the_name_of_the_directory_whatever_the_file_says() -> None:
    assert parse_runc_state(RUNC, "/run/runc/other", "f", awaits_start=False).id == "other"


def test_a_start_time_from_before_runc_1_is_a_string() -> None:
    state = parse_runc_state(RUNC.replace(b"81723", b'"81723"'), "/run/runc/web", "f", awaits_start=False)
    assert state.starttime_ticks == 81723


def test_a_pid_that_cannot_be_is_none() -> None:
    state = parse_runc_state(RUNC.replace(b"4711", b"-1"), "/run/runc/web", "f", awaits_start=False)
    assert state.pid is None


@pytest.mark.parametrize(
    ("status", "awaits_start", "has_stopped"),
    [("created", True, False), ("running", False, False), ("stopped", False, True)],
)
def test_youki_writes_its_status_down(status: str, awaits_start: bool, has_stopped: bool) -> None:
    state = parse_runc_state(YOUKI % status.encode(), "/run/youki/web", "f", awaits_start=False)
    assert (state.runtime, state.pid, state.starttime_ticks, state.bundle) == ("youki", 4711, None, "/b")
    assert (state.awaits_start, state.has_stopped) == (awaits_start, has_stopped)


def test_an_old_crun_status_has_no_start_time() -> None:
    state = parse_crun_status(
        b'{"pid":7,"cgroup-path":"/x","rootfs":"rootfs","bundle":"/b"}', "/run/crun/x", "f", awaits_start=True
    )
    assert state.starttime_ticks is None
    assert state.rootfs == "/b/rootfs"
    assert state.awaits_start


def test_exec_fifo_means_created_and_is_not_opened(tmp_path: Path) -> None:
    import os

    host = HostTree(tmp_path)
    host.file("/run/runc/web/state.json", RUNC)
    os.mkfifo(tmp_path / "run/runc/web/exec.fifo")
    state = read_oci_state(host.fs, "/run/runc/web")
    assert state is not None
    assert state.awaits_start


def test_a_directory_without_state_is_no_container(tmp_path: Path) -> None:
    HostTree(tmp_path).file("/run/crun/.cache/seccomp/x", "")
    assert read_oci_state(HostFs(str(tmp_path)), "/run/crun/.cache") is None
    assert read_oci_state(HostFs(str(tmp_path)), "/run/crun/gone") is None


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b'{"id":1}', b"{}", RUNC[:200], RUNC[:-2], b'{"x":' + b"[" * 100_000]
)
def test_what_makes_no_sense_is_a_parse_error_that_names_the_file(text: bytes) -> None:
    for parse in (parse_runc_state, parse_crun_status):
        with pytest.raises(ParseError, match="/run/x/state"):
            parse(text, "/run/x", "/run/x/state", awaits_start=False)


@given(
    st.binary() | st.recursive(st.integers() | st.text() | st.none(), st.lists).map(lambda value: json.dumps(value).encode())
)
def test_no_content_raises_anything_else(text: bytes) -> None:
    for parse in (parse_runc_state, parse_crun_status):
        try:
            parse(text, "/run/x", "/run/x/state", awaits_start=False)
        except ParseError:
            continue


def test_the_launchers_own_state_is_read_where_an_engine_drives_it() -> None:
    text = b"""{"id":"web","bundle":"/b","rootfs":"/b/rootfs","created":"2026-01-01T00:00:00Z","annotations":{"a":"b"},
      "pid":4711,
      "starttime_ticks":5000,"cgroups":{"directories":{"":"/sys/fs/cgroup/ctrscope/web"}},"exit_status":null,"finished":null}"""
    state = parse_runc_state(text, "/run/ctrscope/containers/web", "state.json", awaits_start=True)
    assert (state.id, state.runtime, state.pid, state.starttime_ticks) == ("web", "ctrscope-oci", 4711, 5000)
    assert (state.bundle, state.rootfs, state.annotations) == ("/b", "/b/rootfs", {"a": "b"})
    assert state.cgroup_paths == {"": "/sys/fs/cgroup/ctrscope/web"}
    assert (state.awaits_start, state.has_stopped) == (True, False)
    ended = text.replace(b'"finished":null', b'"finished":"2026-01-01T00:01:00Z"')
    assert parse_runc_state(ended, "/run/ctrscope/containers/web", "state.json", awaits_start=False).has_stopped
