"""The 32 containers of the cgroup-v2 + systemd virtual machine (``make test-v2``), and what breaks there.

Nothing here puts anything back: the machine is thrown away afterwards.
"""

import json
import os
import shutil
import signal
import sys

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from tests.live.machine import end, run, start_time, wait_for

pytestmark = pytest.mark.skipif(
    os.environ.get("CTRSCOPE_V2_MACHINE") != "1", reason="runs in the virtual machine: make test-v2"
)


def look() -> Snapshot:
    return discover(HostFs("/"), Plan())


def named(name: str) -> Container:
    (found,) = [container for container in look().containers if container.name == name]
    return found


def test_all_thirty_two_are_there() -> None:
    containers = look().containers
    assert len(containers) == 32, [container.key for container in containers]
    unclaimed = [container for container in containers if container.engine is EngineName.UNCLAIMED]
    commands = {run("ps", "-o", "args=", "-p", str(container.pid)).strip() for container in unclaimed}
    assert (len(unclaimed), commands) == (3, {"sleep 100000", "/usr/bin/sleep 100000"})


def test_a_container_in_anothers_namespaces_names_it() -> None:
    web, side, host = named("d-web"), named("d-side"), named("p-priv")
    assert (side.shares.get("net"), side.shares.get("pid")) == ((web.id,), (web.id,))
    assert (host.shares.get("net"), host.shares.get("pid")) == ("host", "host")


def test_a_user_sees_her_own_containers_and_is_told_what_is_denied() -> None:
    environment = [f"PYTHONPATH={os.environ['PYTHONPATH']}", "PYTHONDONTWRITEBYTECODE=1"]
    text = run("runuser", "-u", "alice", "--", "env", *environment, sys.executable, "-m", "ctrscope", "ps", "-a", "--json")
    answer = json.loads(text)
    hers = {container["name"]: container["status"] for container in answer["containers"] if container["owner_uid"] == 1000}
    assert {name: status for name, status in hers.items() if name.startswith("r-")} == {
        "r-plain": "running",
        "r-lim": "running",
        "r-exit": "stopped",
    }
    assert any(gap["reason"] == "denied" and gap["needs"] for gap in answer["gaps"])


@pytest.mark.parametrize("name", ["p-plain", "r-plain"])
def test_a_container_lives_on_without_its_conmon(name: str) -> None:
    before = named(name)
    assert before.monitor is not None
    assert before.monitor.pid is not None
    end(before.monitor.pid, first=signal.SIGKILL)
    after = named(name)
    assert (after.status, after.pid) == (ContainerStatus.RUNNING, before.pid)
    assert after.monitor is not None
    assert (after.monitor.comm, after.monitor.alive) == ("conmon", False)


def test_answers_about_docker_stay_when_its_daemon_is_killed() -> None:
    before = {c.id: (c.name, c.status, c.pid, c.ports) for c in look().containers if c.engine is EngineName.DOCKER}
    daemon = int(run("systemctl", "show", "-p", "MainPID", "--value", "docker"))
    run("systemctl", "mask", "--runtime", "docker.service", "docker.socket")
    os.kill(daemon, signal.SIGKILL)
    wait_for("end of dockerd", lambda: start_time(daemon) is None)
    after = {c.id: (c.name, c.status, c.pid, c.ports) for c in look().containers if c.engine is EngineName.DOCKER}
    assert len(before) == 8
    assert after == before


@pytest.mark.parametrize(("name", "state"), [("runc-sd", "/run/runc/runc-sd"), ("crun-bare", "/run/crun/crun-bare")])
def test_a_container_whose_state_was_removed_is_still_found(name: str, state: str) -> None:
    pid = named(name).pid
    shutil.rmtree(state)
    (orphan,) = [container for container in look().containers if pid in container.pids]
    assert (orphan.pid, orphan.status) == (pid, ContainerStatus.RUNNING)
