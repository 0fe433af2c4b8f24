"""The captured cgroup-v2 + systemd host: all 32 cases, against what every engine said of itself at that moment."""

import json
from pathlib import Path
from typing import Any

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.gap import Reason
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from tests.against.words import (
    Words,
    ctr_words,
    differences,
    docker_words,
    lxc_words,
    nspawn_words,
    oci_words,
    podman_words,
)
from tests.requirements import require_root


class Said:
    """What the capture's ``cmd/`` says."""

    def __init__(self, root: Path) -> None:
        self._directory = root / "cmd"

    def text(self, name: str) -> str:
        return (self._directory / name).read_text()

    def json(self, name: str) -> Any:
        return json.loads(self.text(name))

    def podman(self) -> list[Words]:
        return [
            *podman_words(self.json("podman-inspect.json")),
            *podman_words(self.json("rootless-inspect.json"), owner_uid=1000),
        ]


@pytest.fixture(scope="module")
def said(v2_root: Path) -> Said:
    return Said(v2_root)


@pytest.fixture(scope="module")
def snapshot(v2_root: Path) -> Snapshot:
    require_root("the capture has files of several users")
    return discover(HostFs(str(v2_root)), Plan())


def test_docker_containers_are_as_docker_says(said: Said, snapshot: Snapshot) -> None:
    assert differences(docker_words(said.json("docker-inspect.json")), snapshot.containers, EngineName.DOCKER) == []


def test_podman_containers_of_root_and_of_alice_are_as_podman_says(said: Said, snapshot: Snapshot) -> None:
    assert differences(said.podman(), snapshot.containers, EngineName.PODMAN) == []


def test_containerd_containers_are_as_ctr_says(said: Said, snapshot: Snapshot) -> None:
    pods, decoder, position = said.text("ctr-k8s-info.jsonl"), json.JSONDecoder(), 0
    infos = []
    while position < len(pods.rstrip()):
        info, position = decoder.raw_decode(pods, position)
        infos.append(info)
        position += len(pods[position:]) - len(pods[position:].lstrip())
    words = [
        *ctr_words("default", [said.json("ctr-c1-info.json")], said.text("ctr-tasks.txt")),
        *ctr_words("k8s.io", infos, said.text("ctr-k8s-tasks.txt")),
    ]
    # The capture left out meta.db, which alone knows the image and when the container, not its task, was created.
    words = [
        word._replace(said={key: word.said[key] for key in word.said if key not in ("image", "created")}) for word in words
    ]
    assert differences(words, snapshot.containers, EngineName.CONTAINERD) == []
    assert [(gap.reason, gap.source.endswith("/meta.db")) for gap in snapshot.gaps if "image" in gap.fields] == [
        (Reason.UNAVAILABLE, True)
    ]


def test_runc_containers_are_as_runc_says(said: Said, snapshot: Snapshot) -> None:
    words = oci_words(said.json("runc-list.json"), EngineName.RUNC, without=[other.id for other in said.podman()])
    assert {word.id for word in words} == {"runc-bare", "runc-sd"}
    assert differences(words, snapshot.containers, EngineName.RUNC) == []


def test_crun_containers_are_as_crun_says(said: Said, snapshot: Snapshot) -> None:
    words = oci_words(said.json("crun-list.json"), EngineName.CRUN, without=[other.id for other in said.podman()])
    assert {word.id for word in words} == {"crun-bare"}
    assert differences(words, snapshot.containers, EngineName.CRUN) == []


def test_lxc_containers_are_as_lxc_info_says(said: Said, snapshot: Snapshot) -> None:
    assert differences([lxc_words(said.text("lxc-info.txt"))], snapshot.containers, EngineName.LXC) == []


def test_machines_are_as_machinectl_says(said: Said, snapshot: Snapshot) -> None:
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines())
        for block in said.text("machinectl-show.txt").strip().split("\n\n")
    ]
    assert {block["Name"] for block in blocks} == {machine["machine"] for machine in said.json("machinectl-list.json")}
    words = [nspawn_words(block["Name"], int(block["Leader"])) for block in blocks]
    assert differences(words, snapshot.containers, EngineName.NSPAWN) == []


def test_what_no_engine_claims_is_found(v2_root: Path, said: Said, snapshot: Snapshot) -> None:
    unclaimed = [container for container in snapshot.containers if container.engine is EngineName.UNCLAIMED]
    claimed = {pid for container in snapshot.containers if container not in unclaimed for pid in container.pids}
    # ps(1) says which processes have a PID namespace of their own; of the sandboxed unit, which has none, systemd speaks.
    rows = [line.split(maxsplit=14) for line in said.text("ps.txt").splitlines()[1:]]
    host = next(row[9] for row in rows if row[0] == "1")
    isolated = {int(row[0]) for row in rows if row[9] not in (host, "-") and (v2_root / "proc" / row[0]).is_dir()} - claimed
    assert len(isolated) == 2
    assert isolated <= {container.pid for container in unclaimed}
    assert "sandboxed.service" in {unit["unit"] for unit in said.json("units.json") if unit["sub"] == "running"}
    paths = [container.cgroup.path for container in unclaimed if container.cgroup is not None]
    assert sum("/sandboxed.service" in path for path in paths) == 1
    assert sum("/handu.service" in path for path in paths) == 1
    assert len(unclaimed) == 3, [(container.name, container.pid) for container in unclaimed]


def test_there_are_thirty_two_of_them(snapshot: Snapshot) -> None:
    keys = [container.key for container in snapshot.containers]
    assert len(keys) == len(set(keys)) == 32


def test_no_process_is_in_two_containers(snapshot: Snapshot) -> None:
    seen: dict[int, str] = {}
    for container in snapshot.containers:
        for pid in container.pids:
            assert seen.setdefault(pid, container.key) == container.key


def _named(snapshot: Snapshot, name: str) -> Container:
    (found,) = [container for container in snapshot.containers if container.name == name]
    return found


@pytest.mark.parametrize(("name", "code"), [("d-oom", 137), ("d-exit7", 7), ("p-exit3", 3), ("r-exit", 5)])
def test_an_ended_container_has_its_exit_code(snapshot: Snapshot, name: str, code: int) -> None:
    assert (_named(snapshot, name).status, _named(snapshot, name).exit_code) == (ContainerStatus.STOPPED, code)


def test_a_pod_has_its_infra_container_and_its_member(said: Said, snapshot: Snapshot) -> None:
    pod = said.json("podman-pod-inspect.json")
    members = [container for container in snapshot.containers if container.pod is not None and container.pod.name == "pod1"]
    assert {container.id for container in members} == {member["Id"] for member in pod["Containers"]}
    assert [container.id for container in members if container.is_sandbox] == [pod["InfraContainerID"]]
    assert {container.pod.uid for container in members if container.pod is not None} == {pod["Id"]}


def test_kubernetes_names_come_from_labels(snapshot: Snapshot) -> None:
    pods = [container for container in snapshot.containers if container.engine_namespace == "k8s.io"]
    assert {container.name for container in pods} == {"web-0", "app"}
    assert {(container.pod.name, container.pod.namespace) for container in pods if container.pod} == {("web-0", "shop")}
    assert [container.name for container in pods if container.is_sandbox] == ["web-0"]


def test_nothing_is_malformed_on_a_healthy_host(snapshot: Snapshot) -> None:
    assert [gap for gap in snapshot.gaps if gap.reason == "malformed"] == []
