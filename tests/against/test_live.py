"""Every engine at once, really running: what we say against what each engine says of itself."""

from collections.abc import Callable

import pytest

from ctrscope.discovery.detail import read_processes
from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import ContainerStatus, EngineName
from ctrscope.model.process import Role
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from tests.against import ask
from tests.against.words import Words, differences
from tests.live import docker, oci, podman, sandboxes
from tests.live.machine import run

ENGINES: dict[str, tuple[EngineName, Callable[[], list[Words]]]] = {
    "docker": (EngineName.DOCKER, ask.docker),
    "podman": (EngineName.PODMAN, ask.podman_of_everyone),
    "containerd": (EngineName.CONTAINERD, ask.containerd),
    "runc": (EngineName.RUNC, ask.runc),
    "crun": (EngineName.CRUN, ask.crun),
    "lxc": (EngineName.LXC, ask.lxc),
    "nspawn": (EngineName.NSPAWN, ask.nspawn),
}


def look() -> Snapshot:
    return discover(HostFs("/"), Plan())


@pytest.fixture(scope="module")
def snapshot(parts: tuple[str, ...]) -> Snapshot:
    """One look at everything."""
    return look()


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_every_container_is_as_its_engine_says(engine: str, snapshot: Snapshot) -> None:
    name, words = ENGINES[engine]
    said = words()
    assert said
    assert differences(said, snapshot.containers, name) == []


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_the_cgroup_is_the_one_that_the_kernel_says(engine: str, snapshot: Snapshot) -> None:
    checked = 0
    for container in snapshot.containers:
        if container.engine != ENGINES[engine][0] or container.pid is None:
            continue
        with open(f"/proc/{container.pid}/cgroup") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
        assert container.cgroup is not None, container.name
        if container.cgroup.version == "v2":
            (path,) = [path for number, _, path in lines if number == "0"]
            assert f"{path}/".startswith(f"{container.cgroup.path}/"), container.name
        else:
            said = {name: path for _, names, path in lines for name in names.split(",")}
            assert {name: path for name, path in container.cgroup.paths.items() if said.get(name) != path} == {}, container.name
            assert container.cgroup.path in said.values(), container.name
        checked += 1
    assert checked > 0


@pytest.mark.parametrize("engine", ["unclaimed"], indirect=True)
def test_what_no_engine_claims_is_found_once(started: tuple[str, ...], engine: str, snapshot: Snapshot) -> None:
    for name, pid in sandboxes.unclaimed_pids().items():
        found = [container for container in snapshot.containers if pid in container.pids]
        assert [(container.engine, container.pid, container.status) for container in found] == [
            (EngineName.UNCLAIMED, pid, ContainerStatus.RUNNING)
        ], name


def test_no_container_is_there_twice(snapshot: Snapshot) -> None:
    keys = [container.key for container in snapshot.containers]
    assert sorted(keys) == sorted(set(keys))
    inits = [container.pid for container in snapshot.containers if container.pid is not None]
    assert sorted(inits) == sorted(set(inits))


def test_no_process_is_in_two_containers(snapshot: Snapshot) -> None:
    seen: dict[int, str] = {}
    for container in snapshot.containers:
        for pid in container.pids:
            assert seen.setdefault(pid, container.key) == container.key


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_shared_namespaces_name_the_other_container(started: tuple[str, ...], engine: str, snapshot: Snapshot) -> None:
    web, side, host = (
        next(c for c in snapshot.containers if c.name == name and c.engine is EngineName.DOCKER)
        for name in ("cs-web", "cs-side", "cs-host")
    )
    assert side.shares.get("net") == (web.id,)
    assert side.shares.get("pid") == (web.id,)
    assert host.shares.get("net") == host.shares.get("pid") == "host"


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_process_that_docker_execs_in_belongs_to_its_container(started: tuple[str, ...], engine: str) -> None:
    run("docker", "exec", "-d", "cs-db", "sleep", "100003")
    snapshot = look()
    container = next(c for c in snapshot.containers if c.name == "cs-db")
    processes = read_processes(HostFs("/"), container)
    roles = {process.cmdline: process.role for process in processes}
    assert roles[("sleep", "100003")] is Role.JOINED
    assert roles[("sleep", "100000")] is Role.INIT
    assert processes[0].role is Role.MONITOR


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_a_podman_pod_has_all_its_members(started: tuple[str, ...], engine: str, snapshot: Snapshot) -> None:
    members = [container for container in snapshot.containers if container.pod is not None and container.pod.name == "cs-pod"]
    assert {container.name for container in members if not container.is_sandbox} == {"cs-pod-a", "cs-pod-b"}
    assert len(members) == 3


def test_the_tests_started_what_they_say(started: tuple[str, ...], snapshot: Snapshot) -> None:
    names = {container.name for container in snapshot.containers if container.status is ContainerStatus.RUNNING}
    for part, wanted in (("docker", docker.RUNNING), ("podman", podman.RUNNING), ("runc", oci.RUNNING)):
        if part in started:
            assert set(wanted) <= names
