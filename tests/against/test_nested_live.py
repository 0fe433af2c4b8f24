"""Docker in Docker, runc in that, Podman in Podman, for real: what we find inside against what the inner engines say."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from ctrscope.discovery.detail import read_detail, read_processes
from ctrscope.discovery.discover import discover
from ctrscope.discovery.find import find
from ctrscope.discovery.lookup import find_container
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.match import MatchKind
from ctrscope.model.process import Role
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from ctrscope.render.trees import supervisor_trees
from tests.live import docker, podman
from tests.live.machine import LAB, run, wait_for
from tests.requirements import unmet

_PLAN = Plan(namespaces=True, addresses=True, stats=True, stopped=True)
#: Everything that this machine can give, and the host's programs.
_CAPABLE = ("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE", "--security-opt", "seccomp=unconfined", "-v", "/usr:/usr:ro")
_FOREVER = "/bin/busybox ln -s usr/lib /lib; /bin/busybox ln -s usr/lib64 /lib64; exec /bin/busybox sleep 100000"
_PREPARE = """
export PATH=/usr/sbin:/usr/bin:/bin HOME=/root
for each in /sys/fs/cgroup /sys/fs/cgroup/*; do /usr/bin/mount -o remount,bind,rw $each; done
mkdir -p /run /tmp /var/tmp /img/bin /img/proc /img/sys /img/dev /img/etc /img/run /img/tmp /img/usr
cp /bin/busybox /img/bin/; ln -sf busybox /img/bin/sleep; ln -sf busybox /img/bin/sh
"""
_RUNC = """
mkdir -p /b; cd /b; rm -f config.json; runc spec
sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sleep","100000"/; /"rlimits": \\[/,/\\],/d' config.json
sed -i 's#"rootfs"#"/img"#' config.json
runc run -d NAME </dev/null >/dev/null
"""
_DOCKER = """
containerd >/tmp/containerd.log 2>&1 &
dockerd --containerd /run/containerd/containerd.sock --storage-driver vfs --iptables=false --ip6tables=false --bridge=none \
    -H unix:///run/inner.sock >/tmp/dockerd.log 2>&1 &
export DOCKER_HOST=unix:///run/inner.sock
while ! docker version >/dev/null 2>&1; do sleep 0.1; done
tar -C /img -c . | docker import - inner:1
docker run -d --network none --name deep --cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined \
    --security-opt systempaths=unconfined -v /usr:/usr:ro inner:1 /bin/busybox sh -c \
    '/bin/busybox ln -s usr/lib /lib; /bin/busybox ln -s usr/lib64 /lib64; exec /bin/busybox sleep 100000'
docker create --name never --network none inner:1 /bin/sleep 1
"""
_PODMAN = """
podman --storage-driver vfs run -d --name deep --network none --rootfs /img /bin/sleep 100000
"""


def _inside(engine: str, name: str, script: str) -> str:
    """Run a script of sh in a container; what it says."""
    if engine == "podman":
        return podman.podman("exec", name, "/bin/busybox", "sh", "-c", script)
    return run("docker", "exec", name, "/bin/busybox", "sh", "-c", script)


@pytest.fixture(scope="module")
def docker_in_docker(parts: tuple[str, ...]) -> Iterator[str]:
    if "docker" not in parts:
        unmet("docker is not up")
    with ExitStack() as stack:
        run("docker", "rm", "-f", "fnd-dind", check=False)
        stack.callback(run, "docker", "rm", "-f", "-v", "fnd-dind")
        loose = ("--security-opt", "systempaths=unconfined")
        docker.start_container("fnd-dind", *_CAPABLE, *loose, docker.IMAGE, "/bin/busybox", "sh", "-c", _FOREVER)
        _inside("docker", "fnd-dind", _PREPARE + _DOCKER + _RUNC.replace("NAME", "inner-runc"))
        deeper = _PREPARE + _RUNC.replace("NAME", "deepest")
        _inside("docker", "fnd-dind", "export PATH=/usr/sbin:/usr/bin:/bin; " + _exec_in_deep(deeper))
        yield "fnd-dind"


def _exec_in_deep(script: str) -> str:
    quoted = script.replace("'", "'\\''")
    return f"docker -H unix:///run/inner.sock exec deep /bin/busybox sh -c '{quoted}'"


@pytest.fixture(scope="module")
def podman_in_podman(parts: tuple[str, ...]) -> Iterator[str]:
    if "podman" not in parts:
        pytest.skip("podman is not up")
    with ExitStack() as stack:
        podman.podman("rm", "-f", "--time", "0", "--ignore", "fnd-pinp")
        stack.callback(podman.podman, "rm", "-f", "-v", "--time", "0", "fnd-pinp")
        configuration = ("-v", f"{LAB}/containers.conf:/etc/containers/containers.conf:ro", "--security-opt", "unmask=ALL")
        shell = ("/bin/busybox", "sh", "-c", _FOREVER)
        podman.start_container("fnd-pinp", *_CAPABLE, *configuration, podman.IMAGE, *shell)
        _inside("podman", "fnd-pinp", _PREPARE + _PODMAN)
        yield "fnd-pinp"


class Said(NamedTuple):
    """A container as the inner engine describes it."""

    id: str
    pid: int  # as the outer counts


def look() -> Snapshot:
    return discover(HostFs("/"), _PLAN)


def nspid(pid: int | None) -> list[int]:
    text = Path(f"/proc/{pid}/status").read_text()
    return [int(word) for line in text.splitlines() if line.startswith("NSpid") for word in line.split()[1:]]


def check(found: Container, outer: Container, said: Said) -> None:
    """That a container was found where it is, running, as the process that its engine means."""
    assert (found.id, found.status, found.outer) == (said.id, ContainerStatus.RUNNING, outer.key)
    assert found.key.startswith(f"{outer.key}/")
    assert found.name.startswith(f"{outer.name}/")
    assert nspid(found.pid)[len(nspid(outer.pid)) - 1] == said.pid
    assert found.pid not in outer.pids
    assert os.path.samefile(f"/proc/{found.pid}/root/bin/busybox", f"/proc/{found.pid}/root/bin/sleep")


def test_docker_in_docker(docker_in_docker: str) -> None:
    words = _inside("docker", docker_in_docker, "PATH=/usr/bin; docker -H unix:///run/inner.sock inspect deep never")
    deep, never = json.loads(words)
    snapshot = look()
    outer = find_container(snapshot, "docker/fnd-dind")
    found = find_container(snapshot, "fnd-dind/deep")
    check(found, outer, Said(deep["Id"], deep["State"]["Pid"]))
    assert (found.engine, found.image, found.key) == (EngineName.DOCKER, "inner:1", f"{outer.key}/docker/{deep['Id']}")
    assert found.monitor is not None
    assert found.monitor.comm == "containerd-shim"
    assert found.monitor.pid in outer.pids
    stopped = find_container(snapshot, never["Id"])
    assert (stopped.name, stopped.status, stopped.outer) == ("fnd-dind/never", ContainerStatus.CREATED, outer.key)


def test_runc_in_docker(docker_in_docker: str) -> None:
    said = json.loads(_inside("docker", docker_in_docker, "PATH=/usr/sbin:/usr/bin; runc state inner-runc"))
    snapshot = look()
    outer, found = (find_container(snapshot, name) for name in ("docker/fnd-dind", "fnd-dind/inner-runc"))
    check(found, outer, Said("inner-runc", said["pid"]))
    assert (found.engine, found.monitor, found.has_own_cgroup) == (EngineName.RUNC, None, True)
    assert found.bundle == f"/proc/{outer.pid}/root/b"


def test_runc_in_docker_in_docker(docker_in_docker: str) -> None:
    words = _inside(
        "docker", docker_in_docker, "PATH=/usr/bin; " + _exec_in_deep("PATH=/usr/sbin:/usr/bin; runc state deepest")
    )
    snapshot = look()
    middle, found = (find_container(snapshot, name) for name in ("fnd-dind/deep", "fnd-dind/deep/deepest"))
    check(found, middle, Said("deepest", json.loads(words)["pid"]))
    assert len(nspid(found.pid)) == 4
    assert found.pid not in find_container(snapshot, "docker/fnd-dind").pids


def test_podman_in_podman(podman_in_podman: str) -> None:
    words = _inside("podman", podman_in_podman, "PATH=/usr/sbin:/usr/bin:/bin; podman --storage-driver vfs inspect deep")
    (deep,) = json.loads(words)
    snapshot = look()
    outer, found = (find_container(snapshot, name) for name in ("podman/fnd-pinp", "fnd-pinp/deep"))
    check(found, outer, Said(deep["Id"], deep["State"]["Pid"]))
    assert found.monitor is not None
    assert nspid(found.monitor.pid)[-1] == deep["State"]["ConmonPid"]


def test_keys_and_processes_are_each_once(docker_in_docker: str, podman_in_podman: str) -> None:
    snapshot = look()
    keys = [container.key for container in snapshot.containers]
    assert sorted(keys) == sorted(set(keys))
    pids = [pid for container in snapshot.containers for pid in container.pids]
    assert sorted(pids) == sorted(set(pids))


def test_figures_of_the_outer_container_are_of_all_that_is_inside(docker_in_docker: str) -> None:
    snapshot = look()
    names = ("docker/fnd-dind", "fnd-dind/deep", "fnd-dind/deep/deepest")
    outer, inner, innermost = (find_container(snapshot, name) for name in names)
    of_outer, of_inner = snapshot.stats[outer.key].pids, snapshot.stats[inner.key].pids
    assert of_outer is not None
    assert of_inner is not None
    assert of_outer.current is not None
    assert of_inner.current is not None
    assert of_inner.current == len(inner.pids) + len(innermost.pids) == 2
    assert of_outer.current > of_inner.current


def test_one_tree_has_outer_and_inner_containers(docker_in_docker: str) -> None:
    snapshot = look()
    containers = [one for one in snapshot.containers if one.name.partition("/")[0] == "fnd-dind" and one.is_running]
    assert len(containers) == 4
    (tree,) = supervisor_trees(process for one in containers for process in read_processes(HostFs("/"), one))
    roles = {process.pid: (process.role, process.container) for process in tree}
    for one in containers:
        assert roles[one.pid or 0] == (Role.INIT, one.key)
        if one.monitor is not None:
            assert roles[one.monitor.pid or 0][0] is Role.MONITOR


def test_what_is_inside_is_found_by_its_process(docker_in_docker: str) -> None:
    snapshot = look()
    inner = find_container(snapshot, "fnd-dind/deep/deepest")
    assert next(iter(find(HostFs("/"), snapshot, f"pid:{inner.pid}").value or ())).container == inner.key
    net = find(HostFs("/"), snapshot, f"net:[{inner.namespaces.net}]").value or ()
    assert [(match.kind, match.container) for match in net] == [(MatchKind.NAMESPACE, inner.key)]
    assert read_detail(HostFs("/"), inner).mounts


# A container lies


def _lie(name: str, pid: int, start: int, cgroup: str = "/x") -> str:
    state = {
        "id": name,
        "init_process_pid": pid,
        "init_process_start": start,
        "cgroup_paths": {"pids": f"/sys/fs/cgroup/pids{cgroup}"},
        "config": {"rootfs": "/", "labels": ["bundle=/etc"]},
    }
    return f"mkdir -p /run/runc/{name}; echo '{json.dumps(state)}' > /run/runc/{name}/state.json\n"


def _start(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def test_a_container_can_lie_about_nothing_but_itself(docker_in_docker: str) -> None:
    victim = find_container(look(), "docker/cs-web")
    outer = find_container(look(), "docker/fnd-dind")
    assert victim.pid is not None
    assert outer.pid is not None
    script = (
        _lie("lie-host", victim.pid, _start(victim.pid))  # a process of the host's, by the host's number
        + _lie("lie-outer", 1, _start(outer.pid))  # the outer container itself
        + _lie(victim.id, 1, _start(outer.pid))  # another container's id
        + _lie("lie-cgroup", nspid(find_container(look(), "fnd-dind/inner-runc").pid)[1], 7, "/../..")
    )
    _inside("docker", docker_in_docker, script)
    try:
        snapshot = look()
        for name in ("lie-host", "lie-outer", victim.id, "lie-cgroup"):
            found = find_container(snapshot, f"fnd-dind/{name}")
            assert (found.pid, found.pids, found.outer) == (None, (), outer.key), name
        assert find_container(snapshot, "docker/cs-web").pids == victim.pids
        assert find_container(snapshot, "docker/fnd-dind").pid == outer.pid
        assert find_container(snapshot, "fnd-dind/inner-runc").is_running
    finally:
        _inside("docker", docker_in_docker, f"rm -r /run/runc/lie-* /run/runc/{victim.id}")


def test_a_link_in_a_container_does_not_lead_to_a_file_of_the_host(docker_in_docker: str, tmp_path: Path) -> None:
    secret = tmp_path / "state.json"
    secret.write_text(json.dumps({"id": "secret", "config": {"rootfs": "/", "labels": ["bundle=/b"]}}))
    script = f"mkdir -p /run/runc/link; ln -s {secret} /run/runc/link/state.json; ln -s {tmp_path} /run/runc/dir"
    _inside("docker", docker_in_docker, script)
    try:
        names = [container.name for container in look().containers]
        assert "fnd-dind/link" not in names
        assert "fnd-dind/dir" not in names
        outer = find_container(look(), "docker/fnd-dind")
        with pytest.raises(FileNotFoundError):
            HostFs("/").read(f"/proc/{outer.pid}/root/run/runc/link/state.json")
    finally:
        _inside("docker", docker_in_docker, "rm -r /run/runc/link /run/runc/dir")


def test_of_a_container_that_made_thousands_only_so_many_are_read(docker_in_docker: str) -> None:
    state = '{"id": "f", "config": {"rootfs": "/"}}'
    made = f"mkdir f$i b$i; echo '{state}' > f$i/state.json; echo x > b$i/state.json"
    _inside("docker", docker_in_docker, f"cd /run/runc; i=0; while [ $i -lt 600 ]; do {made}; i=$((i+1)); done")
    try:
        snapshot = wait_for("a look", look)
        gaps = [gap for gap in snapshot.gaps if gap.subject == f"container {find_container(snapshot, 'docker/fnd-dind').key}"]
        assert 0 < len(gaps) <= 50
        assert find_container(snapshot, "docker/cs-web").is_running
        assert len([one for one in snapshot.containers if one.outer is not None]) < 600
    finally:
        _inside("docker", docker_in_docker, "cd /run/runc && rm -r f[0-9]* b[0-9]*")
