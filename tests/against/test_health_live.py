"""What the last check of health found, as Docker and Podman say it of themselves."""

import json
import os
from collections.abc import Iterator

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.probes.hostfs import HostFs
from tests.live import docker, podman
from tests.live.machine import run, wait_for

NAME = f"health-{os.getpid()}"
_CHECK = "test ! -e /bad"


def ours() -> tuple[str | None, str | None]:
    """Health and note."""
    (found,) = [one for one in discover(HostFs(), Plan(only=NAME)).containers if one.name == NAME]
    return found.health, found.note


@pytest.fixture
def in_docker(engine: str) -> Iterator[None]:
    run("docker", "run", "-d", "--network", "none", "--name", NAME, "--health-cmd", _CHECK, "--health-interval", "1s",
        "--health-retries", "1", docker.IMAGE, "sleep", "100000")  # fmt: skip
    yield
    run("docker", "rm", "-f", NAME, check=False)


@pytest.fixture
def in_podman(engine: str) -> Iterator[None]:
    podman.podman("run", "-d", "--network", "none", "--name", NAME, "--health-cmd", _CHECK, "--health-interval", "disable",
                  "--health-retries", "1", podman.IMAGE, "sleep", "100000")  # fmt: skip
    yield
    podman.podman("rm", "-f", "-t", "0", NAME, check=False)


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_docker(in_docker: None) -> None:
    def agree(word: str) -> bool:
        said: str = json.loads(run("docker", "inspect", NAME))[0]["State"]["Health"]["Status"]
        return said == word == ours()[0]

    wait_for("healthy, said by both", lambda: agree("healthy") or None, seconds=60)
    run("docker", "exec", NAME, "touch", "/bad")
    wait_for("unhealthy, said by both", lambda: agree("unhealthy") or None, seconds=60)
    assert ours() == ("unhealthy", "unhealthy: its engine's check fails")


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_podman(in_podman: None) -> None:
    def said() -> str:
        state = podman.inspect(NAME)[0]["State"]
        word: str = (state.get("Healthcheck") or state["Health"])["Status"]
        return word

    podman.podman("healthcheck", "run", NAME)
    assert ours()[0] == said() == "healthy"
    podman.podman("exec", NAME, "touch", "/bad")
    podman.podman("healthcheck", "run", NAME, check=False)
    assert ours()[0] == said() == "unhealthy"
