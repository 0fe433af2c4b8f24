"""Events of live engines: what lives for a moment, and what becomes of a container whose supervisor is killed."""

import os
import signal
from collections.abc import Iterator

import pytest

from ctrscope.model.container import Container
from ctrscope.model.event import Event, EventKind
from tests.kernel.watching import Watching
from tests.live import docker, podman
from tests.live.image import NAME as CONTAINERD_IMAGE
from tests.live.machine import run, wait_for

MARK = f"evl-{os.getpid()}"


@pytest.fixture
def watching(parts: tuple[str, ...]) -> Iterator[Watching]:
    del parts
    made = Watching(MARK)
    yield made
    made.close()


def told(watching: Watching, kind: EventKind) -> Event:
    """Look until an event of that kind was told."""

    def found() -> Event | None:
        watching.sample()
        return next((one for one in watching.told if one.kind is kind), None)

    return wait_for(f"{kind}, told: {watching.told}", found, seconds=90)


def supervised(watching: Watching) -> Container:
    """The container with our mark, as soon as a look shows it with its supervisor."""

    def found() -> Container | None:
        ours = [one for one in watching.sample().containers if one.name == MARK and one.is_running]
        return next((one for one in ours if one.monitor is not None and one.monitor.alive), None)

    return wait_for("the container and its supervisor", found, seconds=90)


_DIES = ("sh", "-c", "sleep 0.3; exit 7")


@pytest.mark.parametrize("engine", ["docker", "podman", "containerd"], indirect=True)
def test_a_container_that_lives_for_a_moment(engine: str, watching: Watching, request: pytest.FixtureRequest) -> None:
    if engine == "docker":
        run("docker", "run", "--rm", "--network", "none", "--name", MARK, docker.IMAGE, *_DIES, check=False)
    elif engine == "podman":
        # With --rm its name would be gone with its state before anybody could read it: podman's database is no file of its own.
        podman.podman("run", "--network", "none", "--name", MARK, podman.IMAGE, *_DIES, check=False)
        request.addfinalizer(lambda: podman.podman("rm", "-f", "-t", "0", MARK, check=False))
    else:
        run("ctr", "-n", "default", "run", "--rm", CONTAINERD_IMAGE, MARK, *_DIES, check=False)
    died = told(watching, EventKind.DIED)
    assert died.what == "died, exit 7"
    started = next(one for one in watching.told if one.kind is EventKind.STARTED)
    assert started.pid == died.pid
    assert started.time < died.time


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_a_conmon_that_is_killed(engine: str, watching: Watching) -> None:
    assert engine
    try:
        podman.podman("run", "-d", "--network", "none", "--name", MARK, podman.IMAGE, "sleep", "1000")
        container = supervised(watching)
        assert container.monitor is not None
        assert container.monitor.pid is not None
        os.kill(container.monitor.pid, signal.SIGKILL)
        lost = told(watching, EventKind.MONITOR_LOST)
        assert lost.what == f"conmon {container.monitor.pid} is gone (died, exit 137)"
        assert all(one.kind is not EventKind.DIED for one in watching.told)
    finally:
        identity = podman.podman("inspect", "--format", "{{.Id}}", MARK, check=False).strip()
        podman.podman("rm", "-f", "-t", "0", MARK, check=False)
        run("runc", "delete", "-f", identity, check=False)  # podman forgets its runtime's state when nobody told it of the exit


@pytest.mark.parametrize("engine", ["containerd"], indirect=True)
def test_a_shim_that_is_killed_takes_its_container_with_it_and_is_named_as_the_cause(engine: str, watching: Watching) -> None:
    assert engine
    try:
        run("ctr", "-n", "default", "run", "-d", CONTAINERD_IMAGE, MARK, "sleep", "1000")
        container = supervised(watching)
        assert container.monitor is not None
        assert container.monitor.pid is not None
        os.kill(container.monitor.pid, signal.SIGKILL)  # containerd kills what it can no longer wait for
        died = told(watching, EventKind.DIED)
        assert died.what == "died, exit 137"
        # Both within one look; or first the one, then the other.
        is_named = f"after containerd-shim {container.monitor.pid} had died, exit 137" in died.cause
        assert is_named or any(one.kind is EventKind.MONITOR_LOST for one in watching.told)
    finally:
        run("ctr", "-n", "default", "task", "rm", "-f", MARK, check=False)
        run("ctr", "-n", "default", "container", "rm", MARK, check=False)
