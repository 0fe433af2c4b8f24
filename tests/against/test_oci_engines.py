"""Engines with ``ctrscope-oci`` as their runtime: podman, Docker with a daemon of its own, and a bundle as umoci unpacks it."""

import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.kernel.bundles import PATIENCE, Bundle, done, oci, program
from tests.requirements import require, require_root

#: Above what this process may have no limit can be raised without CAP_SYS_RESOURCE.
_LIMITS = ("--ulimit", "nofile=512:512", "--ulimit", "nproc=512:512")
NAME = f"oci-engine-{os.getpid()}"


def run(*argv: str, status: int = 0) -> str:
    """What a command writes that ends with that status."""
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ended.returncode == status, ended.stderr
    return ended.stdout + (ended.stderr if status else "")


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tar archive of a root file system."""
    require_root("engines make containers")
    require("busybox")
    directory = tmp_path_factory.mktemp("image")
    with tarfile.open(directory / "rootfs.tar", "w") as tar:
        tar.add(Bundle(directory).rootfs, arcname=".")
    return directory / "rootfs.tar"


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory, rootfs: Path) -> Iterator[tuple[str, ...]]:
    require("podman", "conmon")
    here = tmp_path_factory.mktemp("podman")
    command = (
        "podman", "--root", str(here / "root"), "--runroot", str(here / "run"), "--tmpdir", str(here / "tmp"),
        "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", program(here),
    )  # fmt: skip
    run(*command, "import", "-q", str(rootfs), "image")
    yield command
    run(*command, "rm", "--all", "--force")
    for mounted in (here / "root/vfs", here / "root"):
        subprocess.run(["umount", mounted], capture_output=True, check=False)


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory, rootfs: Path) -> Iterator[tuple[str, ...]]:
    require("dockerd", "docker", "containerd")
    here = tmp_path_factory.mktemp("d")
    socket = f"unix://{here}/s"
    daemon = (
        "unshare", "--net",  # without a bridge of its own, it would remove docker0, which is another daemon's
        "dockerd", "--data-root", str(here / "data"), "--exec-root", str(here / "exec"), "--pidfile", str(here / "pid"),
        "--host", socket, "--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false",
        "--add-runtime", f"ctrscope={program(here)}", "--default-ulimit", "nofile=512:512",
    )  # fmt: skip
    with (here / "log").open("wb") as log, subprocess.Popen(daemon, stdout=log, stderr=log) as process:
        command = ("docker", "--host", socket)
        try:
            deadline = time.monotonic() + PATIENCE
            while subprocess.run([*command, "version"], capture_output=True, check=False).returncode:
                assert time.monotonic() < deadline, (here / "log").read_text()[-2000:]
                time.sleep(0.2)
            run(*command, "import", str(rootfs), "image")
            yield command
            for name in run(*command, "ps", "-aq").split():
                run(*command, "rm", "--force", name)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
            with suppress(OSError):
                shutil.rmtree(here / "exec")


def test_podman_runs_and_ends_containers(podman: tuple[str, ...]) -> None:
    new = (*podman, "run", "--rm", "--network", "none", *_LIMITS)
    options = ("--memory", "32m", "--pids-limit", "33", "--hostname", "web", "--user", "5:6", "--read-only", "--tmpfs", "/here")
    files = (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes" if Path("/sys/fs/cgroup/memory").is_dir() else "/sys/fs/cgroup/memory.max"
    )
    script = (
        f"hostname; id -u; id -g; cat {files}; touch /here/x; ls /here; grep -c Seccomp:.2 /proc/1/status; cat /proc/1/comm; :"
    )
    said = run(*new, *options, "image", "sh", "-c", script)
    assert said.split() == ["web", "5", "6", str(32 << 20), "x", "1", "sh"]
    run(*new, "image", "sh", "-c", "exit 5", status=5)
    assert "executable file not found" in run(*new, "image", "no-such-program", status=127)
    assert "permission denied" in run(*new, "image", "/etc/os-release", status=126)
    assert run(*new, "-t", "image", "tty").strip() == "/dev/pts/0"
    assert "leads to" not in run(*new, "--init", "image", "cat", "/proc/1/comm")


def test_podman_enters_pauses_stops_and_starts_a_container(podman: tuple[str, ...]) -> None:
    run(
        *podman,
        "run",
        "-d",
        "--name",
        NAME,
        "--network",
        "none",
        *_LIMITS,
        "image",
        "sh",
        "-c",
        "trap 'exit 3' TERM; sleep 1000 & wait",
    )
    try:
        run(*podman, "exec", NAME, "sh", "-c", "exit 9", status=9)
        assert run(*podman, "exec", "-t", NAME, "tty").strip() == "/dev/pts/0"
        run(*podman, "exec", NAME, "no-such-program", status=127)
        for verb, status in (("pause", "paused"), ("unpause", "running")):
            run(*podman, verb, NAME)
            assert run(*podman, "inspect", NAME, "--format", "{{.State.Status}}").strip() == status
        assert "sleep 1000" in run(*podman, "top", NAME)
        run(*podman, "stop", "--time", "60", NAME)
        assert run(*podman, "inspect", NAME, "--format", "{{.State.ExitCode}}").strip() == "3"
        run(*podman, "start", NAME)
        run(*podman, "kill", NAME)
        assert run(*podman, "wait", NAME).strip() == "137"
    finally:
        run(*podman, "rm", "--force", NAME)


def test_docker_runs_and_ends_containers(docker: tuple[str, ...]) -> None:
    new = (*docker, "run", "--rm", "--runtime", "ctrscope", "--network", "none")
    said = run(
        *new,
        "--hostname",
        "web",
        "--user",
        "5:6",
        "--tmpfs",
        "/here",
        "image",
        "sh",
        "-c",
        "hostname; id -u; ls -d /here; cat /proc/1/comm; :",
    )
    assert said.split() == ["web", "5", "/here", "sh"]
    run(*new, "image", "sh", "-c", "exit 5", status=5)
    assert "executable file not found" in run(*new, "image", "no-such-program", status=127)
    run(*new, "image", "/etc/os-release", status=126)
    assert run(*new, "-t", "image", "tty").strip() == "/dev/pts/0"
    assert run(*new, "--privileged", "image", "grep", "CapEff", "/proc/self/status").split()[1] != "0000000000000000"


def test_docker_enters_pauses_limits_stops_and_starts_a_container(docker: tuple[str, ...]) -> None:
    run(
        *docker,
        "run",
        "-d",
        "--name",
        NAME,
        "--runtime",
        "ctrscope",
        "--network",
        "none",
        "--memory",
        "32m",
        "image",
        "sleep",
        "1000",
    )
    run(*docker, "exec", NAME, "sh", "-c", "exit 9", status=9)
    assert "sleep 1000" in run(*docker, "top", NAME)
    for verb, status in (("pause", "paused"), ("unpause", "running")):
        run(*docker, verb, NAME)
        assert run(*docker, "inspect", NAME, "--format", "{{.State.Status}}").strip() == status
    run(*docker, "update", "--memory", "48m", "--memory-swap", "48m", NAME)
    state = json.loads(run(*docker, "inspect", NAME))[0]["State"]
    found = [
        path for path in ("memory/memory.limit_in_bytes", "memory.max") if (limit := _limit_of(state["Pid"], path)) == 48 << 20
    ]
    assert found, limit
    run(*docker, "stop", "--time", "1", NAME)
    run(*docker, "start", NAME)
    run(*docker, "kill", NAME)
    run(*docker, "rm", "--force", NAME)


def _limit_of(pid: int, path: str) -> int | None:
    file = Path(f"/proc/{pid}/root/sys/fs/cgroup/{path}")
    return int(file.read_text()) if file.exists() else None


def test_what_umoci_unpacks_is_run(rootfs: Path, tmp_path: Path, podman: tuple[str, ...]) -> None:
    require("umoci")
    run(*podman, "save", "-q", "--format", "oci-archive", "-o", str(tmp_path / "image.tar"), "image")
    (tmp_path / "layout").mkdir()
    with tarfile.open(tmp_path / "image.tar") as tar:
        tar.extractall(tmp_path / "layout", filter="data")
    tag = run("umoci", "ls", "--layout", str(tmp_path / "layout")).split()[0]
    bundle = tmp_path / "bundle"
    run("umoci", "unpack", "--image", f"{tmp_path}/layout:{tag}", str(bundle))
    spec = json.loads((bundle / "config.json").read_text())
    spec["process"].update(terminal=False, args=["sh", "-c", "hostname; ulimit -n; exit 6"])
    spec["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 333, "hard": 333}]
    (bundle / "config.json").write_text(json.dumps(spec))
    state = tmp_path / "state"
    ended = oci("--root", str(state), "run", "--bundle", str(bundle), NAME)
    assert (ended.returncode, ended.stdout.split()) == (6, [spec["hostname"], "333"]), ended.stderr
    assert done("--root", str(state), "list", "--quiet") == ""
