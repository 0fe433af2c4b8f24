"""The 32 containers of the cgroup-v2 + systemd virtual machine (``make test-v2``), and what breaks there.

Nothing here puts anything back: the machine is thrown away afterwards.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from tests.against.test_attach_live import LOOK
from tests.live.machine import end, run, start_time, wait_for

pytestmark = pytest.mark.skipif(
    os.environ.get("CTRSCOPE_V2_MACHINE") != "1", reason="runs in the virtual machine: make test-v2"
)


CTRSCOPE = (sys.executable, "-m", "ctrscope")


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


def as_alice(*argv: str, check: bool = True) -> str:
    """Output of a command in her session, where podman and ctrscope work."""
    session = ("systemd-run", "--quiet", "--wait", "--pipe", "--collect", "-M", "alice@", "--user")
    where = ("-p", "WorkingDirectory=/home/alice", "env", "-u", "INVOCATION_ID", "PYTHONDONTWRITEBYTECODE=1")
    return run(*session, *where, f"PYTHONPATH={os.environ['PYTHONPATH']}:{os.getcwd()}", *argv, check=check)


def test_a_user_sees_her_own_containers_and_is_told_what_is_denied() -> None:
    answer = json.loads(as_alice(*CTRSCOPE, "ps", "-a", "--json"))
    hers = {container["name"]: container["status"] for container in answer["containers"] if container["owner_uid"] == 1000}
    assert {name: status for name, status in hers.items() if name.startswith("r-")} == {
        "r-plain": "running",
        "r-lim": "running",
        "r-exit": "stopped",
    }
    assert any(gap["reason"] == "denied" and gap["needs"] for gap in answer["gaps"])


def test_a_user_sees_every_namespace_that_lsns_shows_her() -> None:
    def table(*command: str) -> set[tuple[str, ...]]:
        rows = (line.split() for line in as_alice(*command).splitlines())
        return {tuple(row) for row in rows if row and row[0].isdecimal()}

    columns = "NS,TYPE,NPROCS,PID"
    for _ in range(5):
        said = table("lsns", "-n", "-r", "-o", columns)
        ours = table(*CTRSCOPE, "ns", "-o", columns)
        # The initial ones hold the commands themselves.
        initial = {str(os.stat(f"/proc/1/ns/{name}").st_ino) for name in os.listdir("/proc/1/ns")}
        missing = {row for row in said - ours if row[0] not in initial}
        if not missing:
            break
    assert missing == set()
    assert len(said) > 20


@pytest.mark.parametrize("user", [run, as_alice], ids=["root", "owner"])
def test_confined_in_a_rootless_container_is_what_podman_exec_makes(user: Callable[..., str]) -> None:
    theirs = as_alice("podman", "exec", "r-plain", "sh", "-c", LOOK)
    mine = user(*CTRSCOPE, "attach", "r-plain", "--confined", "--", "sh", "-c", LOOK)
    assert sorted(mine.splitlines()) == sorted(theirs.splitlines())
    assert len(mine.splitlines()) > 40


@pytest.mark.parametrize("user", [run, as_alice], ids=["root", "owner"])
@pytest.mark.parametrize("tools", [(), ("--tools",)], ids=["", "tools"])
def test_a_rootless_container_is_entered_as_its_root(user: Callable[..., str], tools: tuple[str, ...]) -> None:
    pid = named("r-plain").pid
    script = "id -u; readlink /proc/self/ns/net; readlink /proc/self/ns/pid"
    text = user(*CTRSCOPE, "attach", "r-plain", *tools, "--", "sh", "-c", script)
    assert text.split() == ["0", os.readlink(f"/proc/{pid}/ns/net"), os.readlink(f"/proc/{pid}/ns/pid")]


@pytest.fixture(scope="module")
def published() -> Iterator[str]:
    """A rootless container with a port: slirp4netns and rootlessport."""
    as_alice("podman", "run", "-d", "--name", "r-port", "-p", "8085:80", "localhost/bb", "httpd", "-f", "-p", "80")
    yield "r-port"
    as_alice("podman", "rm", "-f", "--time", "0", "r-port")


def test_a_rootless_port_leads_through_rootlessport_to_the_service(published: str) -> None:
    hops = json.loads(run(*CTRSCOPE, "net", published, "--path", "8085", "--json"))["path"]["hops"]
    assert [(hop["kind"], hop["is_ok"]) for hop in hops] == [("wire", True), ("proxy", True), ("listener", True)]


@pytest.mark.parametrize("user", [run, as_alice], ids=["root", "owner"])
def test_a_rootless_port_is_found_to_be_its_containers_alone(published: str, user: Callable[..., str]) -> None:
    found = json.loads(user(*CTRSCOPE, "find", "8085", "--json"))["matches"]
    assert [(match["kind"], match["container"]) for match in found] == [("port", named(published).key)]


def test_the_helpers_of_rootless_podman_are_not_containers(published: str) -> None:
    assert "rootlessport-child" in run("ps", "-eo", "args")
    unclaimed = [one.name for one in look().containers if one.engine is EngineName.UNCLAIMED]
    assert sorted(unclaimed) == ["handu", "sandboxed", "sleep"]


def test_the_dashboard_opens_in_a_terminal_of_80_by_24_and_closes() -> None:
    tmux = ("tmux", "-L", "ctrscope")
    run(*tmux, "new-session", "-d", "-s", "box", "-x", "80", "-y", "24", *CTRSCOPE)
    text = wait_for(
        "a table", lambda: text if "d-web" in (text := run(*tmux, "capture-pane", "-p", "-t", "box")) else "", seconds=120
    )
    assert "docker" in text
    run(*tmux, "send-keys", "-t", "box", "q")
    wait_for("its end", lambda: "box" not in run(*tmux, "list-sessions", check=False), seconds=60)


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
