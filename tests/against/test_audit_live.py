"""Audit of live containers: what it prints, what came after the start, what the host was left."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live import docker as live_docker
from tests.live.defects import bundle_spec
from tests.live.docker import IMAGE
from tests.live.machine import children, end, run, wait_for
from tests.live.podman import IMAGE as PODMAN_IMAGE
from tests.live.podman import podman
from tests.requirements import require, require_root, unmet

_SLEEP = ("sleep", "100000")


def audit(*names: str) -> Any:
    argv = [sys.executable, "-m", "ctrscope", "audit", *names, "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rules(name: str) -> set[str]:
    return {one["rule"].removeprefix("security/") for one in audit(name)["findings"]}


@pytest.fixture(scope="module", autouse=True)
def _as_root() -> None:
    require_root("containers of all users")


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> str:
    require(request.param)
    if request.param == "docker":
        live_docker.start_daemon()
    return str(request.param)


@contextmanager
def started(engine: str, name: str, *arguments: str, command: tuple[str, ...] = _SLEEP) -> Iterator[str]:
    whole = f"au-{engine}-{name}-{os.getpid()}"
    if engine == "docker":
        live_docker.start_container(whole, *arguments, IMAGE, *command)
    else:
        podman("run", "-d", "--name", whole, *arguments, PODMAN_IMAGE, *command)
    try:
        yield whole
    finally:
        if engine == "docker":
            run("docker", "rm", "-f", whole)
        else:
            podman("rm", "-f", "-t", "0", whole)


def test_a_secret_is_not_in_any_output(engine: str) -> None:
    command = ("sh", "-c", "exec sleep 100000", "--password=t0psecret")
    with started(engine, "secret", "--network=none", "-e", "API_TOKEN=t0psecret", command=command) as name:
        for kind in ("table", "json", "sarif", "junit", "markdown", "html"):
            argv = [sys.executable, "-m", "ctrscope", "audit", name, "--format", kind]
            done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
            assert "API_TOKEN" in done.stdout.replace("\\", "")  # Markdown escapes it
            if kind != "html":  # the command line of each container is shown there, as ps shows it
                assert "t0psecret" not in done.stdout


def bundle(directory: Path, **changes: Any) -> Path:
    """A hardened runc bundle over busybox, but for the changes of ``process``."""
    from tests.live.image import ROOTFS

    run("runc", "spec", "-b", str(directory))
    path = directory / "config.json"
    spec = bundle_spec(json.loads(path.read_text()), str(ROOTFS))
    spec["process"] |= changes
    path.write_text(json.dumps(spec))
    return directory


@contextmanager
def runc(directory: Path, **changes: Any) -> Iterator[str]:
    require("runc")
    name = f"au-runc-{os.getpid()}"
    run("runc", "run", "-d", "-b", str(bundle(directory, **changes)), name)
    try:
        yield name
    finally:
        run("runc", "delete", "-f", name)


def test_a_limit_raised_behind_the_engine_is_drift(tmp_path: Path) -> None:
    with runc(tmp_path) as name:
        argv = [sys.executable, "-m", "ctrscope", "limit", name, "--memory", "128m", "--yes"]
        subprocess.run(argv, capture_output=True, check=True, timeout=60)
        assert "drift-limits" in rules(name)


def test_a_limit_raised_by_docker_is_none() -> None:
    require("docker")
    live_docker.start_daemon()
    with started("docker", "updated", "--network=none", "--memory=64m", "--memory-swap=256m", "--cpus=0.5") as name:
        run("docker", "update", "--memory=128m", "--cpus=1", "--pids-limit=40", name)
        assert not [one for one in rules(name) if one.startswith("drift-")]


def test_a_limit_raised_by_podman_is_none_unless_nobody_wrote_it_down() -> None:
    require("podman")
    with started("podman", "updated", "--network=none", "--memory=64m", "--cpus=0.5") as name:
        podman("update", "--memory=128m", "--cpus=1", name)
        drift = [one for one in audit(name)["findings"] if one["rule"].startswith("security/drift-")]
        if podman("inspect", "-f", "{{.OCIRuntime}}", name).strip().endswith("runc"):
            assert drift == []
        else:  # with crun Podman tells nobody before 5
            assert {one["severity"] for one in drift} <= {"low"}


def test_a_limit_raised_by_runc_is_none(tmp_path: Path) -> None:
    with runc(tmp_path) as name:
        run("runc", "update", "--memory", str(128 << 20), "--pids-limit", "40", name)
        assert not [one for one in rules(name) if one.startswith("drift-")]


def test_it_exits_10_when_something_is_that_bad(tmp_path: Path) -> None:
    with runc(tmp_path, user={"uid": 0, "gid": 0}) as name:
        argv = [sys.executable, "-m", "ctrscope", "audit", name, "--fail-on"]
        assert subprocess.run([*argv, "medium"], capture_output=True, check=False, timeout=60).returncode == 10
        assert subprocess.run([*argv, "high"], capture_output=True, check=False, timeout=60).returncode == 0


def test_what_unshare_left_to_the_host_is_found() -> None:
    require("unshare")
    with subprocess.Popen(["unshare", "--pid", "--net", "--fork", "sleep", "100000"]) as process:
        try:
            (init,) = wait_for("its child", lambda: children(process.pid))
            wait_for("the namespace", lambda: os.stat(f"/proc/{init}/ns/net").st_ino != os.stat("/proc/self/ns/net").st_ino)
            assert {"host-mnt", "host-root-shared", "privileged"} <= rules(f"pid:{init}")
        finally:
            process.kill()
            end(init, first=signal.SIGKILL)


#: A FUSE file system at /dev, of the type that it is told, which nobody serves; in namespaces of its own.
_UNSERVED = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None) == 0
fuse = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
assert libc.mount(b"nobody", b"/dev", sys.argv[1].encode(), 0, options) == 0
print("mounted", flush=True)
input()
"""


@pytest.mark.parametrize("kind", ["fuse", "fuse.lxcfs"])  # what the host's own lxcfs is called, too
def test_files_that_never_answer_are_a_gap_and_not_waited_for(kind: str) -> None:
    require("unshare")
    if not os.path.exists("/dev/fuse"):
        unmet("no /dev/fuse")
    argv = ["unshare", "--pid", "--net", "--mount", "--fork", sys.executable, "-c", _UNSERVED, kind]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        (init,) = wait_for("its child", lambda: children(process.pid))
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "mounted\n"
            gaps = {field: gap["detail"] for gap in audit(f"pid:{init}")["gaps"] for field in gap["fields"]}
            for rule in ("host-device", "block-device", "setuid-reachable", "credentials-inside", "password-inside"):
                assert "may never answer" in gaps[f"security/{rule}"]
        finally:
            process.kill()
            end(init, first=signal.SIGKILL)


def test_without_capabilities_it_is_said_what_was_not_looked_at() -> None:
    require("setpriv", "docker")
    live_docker.start_daemon()
    with started("docker", "denied", "--network=none") as name:
        (pid,) = {int(run("docker", "inspect", "-f", "{{.State.Pid}}", name))}
        argv = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
        argv += [sys.executable, "-m", "ctrscope", "audit", f"pid:{pid}", "--json"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        unchecked = {field.removeprefix("security/"): gap for gap in answer["gaps"] for field in gap["fields"]}
        for rule in ("leaked-directory", "route-localnet", "more-rights-than-init", "setuid-reachable"):
            assert unchecked[rule]["reason"] in ("denied", "not_collected"), rule
