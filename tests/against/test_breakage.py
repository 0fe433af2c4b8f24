"""Engines that break while their containers live on: the answers stay right, and say so."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ctrscope.discovery.detail import read_processes
from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.gap import Reason
from ctrscope.model.process import Role
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from tests.live import containerd, docker, oci, podman
from tests.live.machine import Background, end, processes, run, start_time, wait_for

# Every test here stops what it starts, and puts back what it broke, also when it fails.
pytestmark = pytest.mark.usefixtures("started")


def look() -> Snapshot:
    return discover(HostFs("/"), Plan())


def named(snapshot: Snapshot, name: str) -> Container:
    (found,) = [container for container in snapshot.containers if container.name == name]
    return found


def holding(snapshot: Snapshot, pid: int) -> Container:
    (found,) = [container for container in snapshot.containers if pid in container.pids]
    return found


@contextmanager
def docker_container(name: str, *command: str) -> Iterator[str]:
    """A container of docker for one test: its id."""
    docker.start_daemon()
    run("docker", "rm", "-f", name, check=False)
    try:
        yield docker.start_container(name, docker.IMAGE, *(command or ("sleep", "100000")))
    finally:
        docker.start_daemon()
        run("docker", "rm", "-f", name)


@contextmanager
def runc_container(name: str, *command: str) -> Iterator[int]:
    """A container of runc for one test: the PID of its init."""
    bundle = oci.make_bundle(name, args=command or ("/bin/sleep", "100000"))
    run("runc", "delete", "-f", name, check=False)
    run("runc", "run", "-d", "-b", str(bundle), name)
    pid = int(json.loads(run("runc", "state", name))["pid"])
    try:
        yield pid
    finally:
        run("runc", "delete", "-f", name, check=False)
        end(pid, first=signal.SIGKILL)


@contextmanager
def aside(*paths: str) -> Iterator[None]:
    """Directories taken away for the length of a test."""
    taken = []
    try:
        for number, path in enumerate(paths):
            # On the same file system, and where no engine's state is looked for.
            away = Path("/", *Path(path).parts[1 : 2 if path.startswith("/run/") else 4], f"cs-aside-{number}")
            os.rename(path, away)
            taken.append((away, path))
        yield
    finally:
        for away, path in taken:
            os.rename(away, path)


@contextmanager
def made(path: Path, text: bytes) -> Iterator[Path]:
    """A state directory with one file in it."""
    path.parent.mkdir(parents=True)
    try:
        path.write_bytes(text)
        yield path
    finally:
        shutil.rmtree(path.parent)


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_answers_about_docker_stay_when_its_daemon_is_killed(engine: str) -> None:
    with docker_container("cs-brk-daemon"):
        before = look()
        daemon = docker.daemon_pid()
        if daemon is None:
            pytest.skip("this machine's own dockerd runs, and is not ours to kill")
        docker.kill_daemon()
        try:
            after = look()
        finally:
            docker.start_daemon()

    def told(snapshot: Snapshot) -> dict[str, tuple[object, ...]]:
        return {
            container.id: (container.name, container.status, container.pid, container.image, container.ports, container.monitor)
            for container in snapshot.containers
            if container.engine is EngineName.DOCKER
        }

    assert start_time(daemon) is None
    assert len(told(before)) >= 4
    assert told(after) == told(before)


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_docker_container_that_ended_behind_its_daemons_back_is_stale(engine: str) -> None:
    with docker_container("cs-brk-stale") as identity:
        pid = named(look(), "cs-brk-stale").pid
        assert pid is not None
        if docker.daemon_pid() is None:
            pytest.skip("this machine's own dockerd runs, and is not ours to kill")
        docker.kill_daemon()
        try:
            end(pid, first=signal.SIGKILL)
            state = json.loads(Path(f"/var/lib/docker/containers/{identity}/config.v2.json").read_text())["State"]
            assert (state["Running"], state["Pid"]) == (True, pid)
            container = named(look(), "cs-brk-stale")
        finally:
            docker.start_daemon()
    assert (container.status, container.pid) == (ContainerStatus.STALE, None)
    assert container.note is not None
    assert str(pid) in container.note


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_docker_container_whose_state_was_removed_is_still_found(engine: str) -> None:
    with docker_container("cs-brk-orphan") as identity:
        pid = named(look(), "cs-brk-orphan").pid
        assert pid is not None
        with aside(
            f"/var/lib/docker/containers/{identity}",
            f"/run/docker/runtime-runc/moby/{identity}",
            f"/run/containerd/io.containerd.runtime.v2.task/moby/{identity}",
        ):
            orphan = holding(look(), pid)
    assert orphan.pid == pid
    assert orphan.status is ContainerStatus.RUNNING
    assert orphan.engine is EngineName.DOCKER
    assert orphan.id == identity
    assert orphan.note is not None


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_a_podman_container_lives_on_without_its_conmon(engine: str) -> None:
    podman.podman("rm", "-f", "--time", "0", "--ignore", "cs-brk-conmon")
    identity = podman.start_container("cs-brk-conmon", podman.IMAGE, "sleep", "100000")
    try:
        before = named(look(), "cs-brk-conmon")
        assert before.monitor is not None
        assert before.monitor.alive
        assert before.monitor.pid is not None
        end(before.monitor.pid, first=signal.SIGKILL)
        after = named(look(), "cs-brk-conmon")
    finally:
        podman.podman("rm", "-f", "--time", "0", "cs-brk-conmon")
        run("runc", "delete", "-f", identity, check=False)  # podman forgets its runtime's state when nobody told it of the exit
    assert (after.status, after.pid) == (ContainerStatus.RUNNING, before.pid)
    assert after.monitor is not None
    assert (after.monitor.comm, after.monitor.alive) == ("conmon", False)
    assert after.note is not None
    assert "conmon" in after.note


@pytest.mark.parametrize("engine", ["containerd"], indirect=True)
def test_a_containerd_container_lives_on_without_its_shim(engine: str) -> None:
    # containerd notices a dead shim and ends what it held; stopped, it cannot.
    daemon = next(int(line) for line in run("pgrep", "-x", "containerd").split())
    containerd.start_container("default", "cs-brk-shim")
    try:
        before = named(look(), "cs-brk-shim")
        assert before.monitor is not None
        assert before.monitor.pid is not None
        assert before.pid is not None
        os.kill(daemon, signal.SIGSTOP)
        try:
            end(before.monitor.pid, first=signal.SIGKILL)
            after = named(look(), "cs-brk-shim")
        finally:
            os.kill(daemon, signal.SIGCONT)
        wait_for("containerd has noticed", lambda: start_time(before.pid or 0) is None)
    finally:
        containerd.ctr("default", "task", "rm", "-f", "cs-brk-shim", check=False)
        containerd.ctr("default", "container", "rm", "cs-brk-shim")
    assert (after.status, after.pid) == (ContainerStatus.RUNNING, before.pid)
    assert after.monitor is not None
    assert (after.monitor.comm, after.monitor.alive) == ("containerd-shim", False)
    assert after.note is not None


@pytest.mark.parametrize("engine", ["runc"], indirect=True)
def test_a_runc_container_whose_state_was_removed_is_still_found(engine: str) -> None:
    with runc_container("cs-brk-orphan") as pid, aside("/run/runc/cs-brk-orphan"):
        orphan = holding(look(), pid)
    assert (orphan.pid, orphan.status) == (pid, ContainerStatus.RUNNING)
    assert orphan.cgroup is not None
    assert orphan.cgroup.path == "/cs-oci/cs-brk-orphan"


@pytest.mark.parametrize("engine", ["runc"], indirect=True)
def test_a_container_whose_init_was_killed_is_as_runc_says(engine: str) -> None:
    with runc_container("cs-brk-dead") as pid:
        end(pid, first=signal.SIGKILL)
        said = json.loads(run("runc", "state", "cs-brk-dead"))
        container = named(look(), "cs-brk-dead")
    assert said["status"] == "stopped"
    assert (container.status, container.pid) == (ContainerStatus.STOPPED, None)


@pytest.mark.parametrize("engine", ["runc"], indirect=True)
def test_a_pid_that_was_reused_is_not_believed(engine: str) -> None:
    with runc_container("cs-brk-real") as pid:
        state = json.loads(Path("/run/runc/cs-brk-real/state.json").read_text())
        state["id"] = "cs-brk-reused"
        state["init_process_start"] -= 1
        with made(Path("/run/runc/cs-brk-reused/state.json"), json.dumps(state).encode()):
            snapshot = look()
    assert (named(snapshot, "cs-brk-reused").status, named(snapshot, "cs-brk-reused").pid) == (ContainerStatus.STALE, None)
    assert (named(snapshot, "cs-brk-real").status, named(snapshot, "cs-brk-real").pid) == (ContainerStatus.RUNNING, pid)


@pytest.mark.parametrize("engine", ["runc", "crun", "docker", "podman"], indirect=True)
@pytest.mark.parametrize(
    "text",
    [b"", b'{"id": "', b"[]", b"\xff\xfe\0", b"[" * 5000],
    ids=["empty", "cut off", "a list", "binary", "deep"],
)
def test_a_state_file_that_makes_no_sense_costs_only_itself(engine: str, text: bytes) -> None:
    paths = {
        "runc": "/run/runc/cs-brk-torn/state.json",
        "crun": "/run/crun/cs-brk-torn/status",
        "docker": f"/var/lib/docker/containers/{'cb' * 32}/config.v2.json",
        "podman": f"/run/crun/{'cb' * 32}/status",
    }
    before = look()
    with made(Path(paths[engine]), text):
        after = look()
    others = {c.key: c.pid for c in before.containers if c.name.startswith("cs")}
    assert len(others) > 3
    assert others.items() <= {c.key: c.pid for c in after.containers}.items()
    gaps = [gap for gap in after.gaps if gap.source == paths[engine]]
    assert [gap.reason for gap in gaps] == [Reason.MALFORMED], after.gaps


@pytest.mark.parametrize("engine", ["runc"], indirect=True)
def test_a_process_that_nsenter_brought_in_has_joined(engine: str) -> None:
    joined = Background("brk-nsenter", [])
    with runc_container("cs-brk-joined") as pid:
        joined.argv = ["nsenter", "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "/bin/sleep", "100007"]
        joined.start()
        try:
            inside = wait_for("nsenter's command", lambda: _with_arguments(["/bin/sleep", "100007"]))
            container = named(look(), "cs-brk-joined")
            roles = {process.pid: process.role for process in read_processes(HostFs("/"), container)}
        finally:
            joined.stop()
    assert roles.get(pid) is Role.INIT
    assert roles.get(inside or 0) is Role.JOINED


@pytest.mark.parametrize("engine", ["runc"], indirect=True)
def test_a_zombie_is_shown_as_one(engine: str) -> None:
    with runc_container("cs-brk-zombie", "/bin/sh", "-c", "/bin/true & exec /bin/sleep 100000") as pid:
        zombie = wait_for("a zombie", lambda: _zombie_of(pid))
        container = named(look(), "cs-brk-zombie")
        states = {process.pid: process.state for process in read_processes(HostFs("/"), container)}
    assert states.get(zombie or 0) == "Z"
    assert states.get(pid) == "S"


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_without_root_the_answer_says_what_it_lacks(engine: str) -> None:
    look()  # imports what is imported late, which nobody may not be able to read
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer = b"failed"
        with suppress(BaseException):
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            snapshot = look()
            answer = json.dumps([[gap.source, gap.reason, gap.needs] for gap in snapshot.gaps]).encode()
        with os.fdopen(writer, "wb") as file:
            file.write(answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        text = file.read()
    os.waitpid(child, 0)
    gaps = json.loads(text)
    denied = {source: needs for source, reason, needs in gaps if reason == Reason.DENIED}
    assert any(source.startswith("/var/lib/docker") for source in denied)
    assert all(denied.values())


def _with_arguments(wanted: list[str]) -> int | None:
    return next(iter(processes(lambda argv: argv == wanted)), None)


def _zombie_of(pid: int) -> int | None:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return int(child)
    return None
