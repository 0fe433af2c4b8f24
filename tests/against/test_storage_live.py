"""Images, volumes, networks and secrets, as the engines themselves list them at the same moment."""

import json
import subprocess
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.measure import measure_volume
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.storage import read_storage
from ctrscope.model.container import EngineName
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.storage import Storage
from ctrscope.probes.hostfs import HostFs
from tests.live.docker import IMAGE, LABEL, start_container
from tests.live.machine import removed, run, wait_for
from tests.live.podman import IMAGE as PODMAN_IMAGE
from tests.live.podman import podman

#: A name of its own for each thing that these tests make.
NAME = "cs-kept"


class Seen(NamedTuple):
    """One look."""

    snapshot: Snapshot
    storage: Storage

    def names(self, keys: tuple[str, ...]) -> set[str]:
        """Names of containers by their keys."""
        return {found.name for key in keys if (found := self.snapshot.container(key)) is not None}


def look() -> Seen:
    snapshot = discover(HostFs(), Plan(namespaces=True, stopped=True))
    found = read_storage(HostFs(), snapshot).value
    assert found is not None
    return Seen(snapshot, found)


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_images_of_docker_have_its_names_sizes_and_layers(engine: str) -> None:
    """With one that is made from another, has its layer, and one that has no name."""
    with ExitStack() as stack:
        stack.enter_context(removed("docker", "rmi", "-f", f"{NAME}:2", f"{NAME}:3"))
        stack.enter_context(removed("docker", "rm", "-f", NAME))
        start_container(NAME, IMAGE, "sh", "-c", "head -c 70000 /dev/urandom > /more; sleep 1000")
        wait_for("it wrote", lambda: "/more" in run("docker", "diff", NAME))
        made = run("docker", "commit", NAME, f"{NAME}:2").strip()
        run("docker", "tag", f"{NAME}:2", f"{NAME}:3")

        said = json.loads(run("docker", "image", "inspect", made, IMAGE))
        seen = look()
        ours = {one.id: one for one in seen.storage.images if one.engine is EngineName.DOCKER}
        for one in said:
            assert (set(ours[one["Id"]].names), ours[one["Id"]].size) == (set(one["RepoTags"]), one["Size"])
            assert len(ours[one["Id"]].layers) == len(one["RootFS"]["Layers"])
        image, base = ours[made], ours[next(one["Id"] for one in said if one["Id"] != made)]
        assert image.layers[:-1] == base.layers
        assert image.shared_size == base.size
        assert image.containers == ()
        assert NAME in seen.names(base.containers)


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_volume_of_docker_is_mounted_where_the_kernel_says_and_holds_what_du_counts(engine: str) -> None:
    with ExitStack() as stack:
        stack.enter_context(removed("docker", "volume", "rm", "-f", NAME, f"{NAME}-unused"))
        stack.enter_context(removed("docker", "rm", "-f", "-v", NAME, f"{NAME}-stopped"))
        for name in (NAME, f"{NAME}-unused"):
            run("docker", "volume", "create", "--label", LABEL, name)
        start_container(NAME, "-v", f"{NAME}:/v", "-v", "/anonymous", IMAGE, "sh", "-c", "echo x > /v/file; sleep 1000")
        run("docker", "create", "--name", f"{NAME}-stopped", "--label", LABEL, "-v", f"{NAME}:/v", IMAGE, "true")

        said = json.loads(run("docker", "volume", "inspect", NAME, f"{NAME}-unused"))
        seen = look()
        volumes = {one.name: one for one in seen.storage.volumes if one.engine is EngineName.DOCKER}
        for one in said:
            ours = volumes[one["Name"]]
            assert (ours.driver, ours.mount_point, ours.labels) == (one["Driver"], one["Mountpoint"], one["Labels"])
        assert seen.names(volumes[NAME].containers) == {NAME}
        assert seen.names(volumes[NAME].declared) == {NAME, f"{NAME}-stopped"}
        assert volumes[f"{NAME}-unused"].declared == volumes[f"{NAME}-unused"].containers == ()
        (anonymous,) = [one for one in volumes.values() if one.is_anonymous and seen.names(one.containers) == {NAME}]
        assert anonymous.mount_point is not None
        path = volumes[NAME].mount_point or ""
        wait_for("it wrote", lambda: subprocess.run(["test", "-s", f"{path}/file"], check=False).returncode == 0)
        measured = measure_volume(HostFs(), volumes[NAME]).value
        assert measured is not None
        assert measured.size == int(run("du", "-sx", "--block-size=1", path).split()[0])


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_networks_of_docker_have_its_subnets_and_members(engine: str) -> None:
    with removed("docker", "network", "rm", NAME):
        run("docker", "network", "create", "--internal", "--subnet", "172.29.11.0/24", NAME)

        seen = look()
        networks = {one.name: one for one in seen.storage.networks if one.engine is EngineName.DOCKER}
        for one in json.loads(run("docker", "network", "inspect", NAME, "bridge", "host", "none", "cs-shop")):
            ours = networks[one["Name"]]
            assert (ours.id, ours.driver, ours.is_internal) == (one["Id"], one["Driver"], one["Internal"])
            assert list(ours.subnets) == [pool["Subnet"] for pool in one["IPAM"]["Config"] or ()]
        members = json.loads(run("docker", "network", "inspect", "cs-shop"))[0]["Containers"].values()
        assert {one["Name"] for one in members} <= seen.names(networks["cs-shop"].containers)


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_images_of_podman_have_its_names_and_sizes(engine: str) -> None:
    listed = json.loads(podman("images", "-a", "--format", "json"))
    ours = {one.id: one for one in look().storage.images if one.engine is EngineName.PODMAN and not one.owner_uid}
    said = [one for one in listed if PODMAN_IMAGE in (one.get("Names") or ())]
    assert len(said) == 1
    for one in said:
        assert (list(ours[one["Id"]].names), ours[one["Id"]].size) == (one["Names"], one["Size"])


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_volumes_secrets_and_networks_of_podman_are_its_own(engine: str) -> None:
    with ExitStack() as stack:
        for what in ("volume", "secret", "network"):
            stack.enter_context(removed("podman", what, "rm", NAME))
        podman("volume", "create", "--label", "a=b", NAME)
        subprocess.run(["podman", "secret", "create", NAME, "-"], input=b"hunter2", check=True, capture_output=True)
        podman("network", "create", "--subnet", "10.89.77.0/24", NAME)

        seen = look()
        (volume,) = [one for one in seen.storage.volumes if one.name == NAME and one.engine is EngineName.PODMAN]
        (said,) = json.loads(podman("volume", "inspect", NAME))
        assert (volume.mount_point, volume.labels, volume.is_anonymous) == (said["Mountpoint"], said["Labels"], False)
        (network,) = [one for one in seen.storage.networks if one.name == NAME]
        (said,) = json.loads(podman("network", "inspect", NAME))
        assert (network.id, network.subnets, network.bridge) == (said["id"], ("10.89.77.0/24",), said["network_interface"])
        (secret,) = [one for one in seen.storage.secrets if one.name == NAME]
        (said,) = json.loads(podman("secret", "inspect", NAME))
        assert (secret.id, secret.driver) == (said["ID"], said["Spec"]["Driver"]["Name"])
        assert "hunter2" not in repr(seen.storage)


@pytest.mark.parametrize("engine", ["containerd"], indirect=True)
def test_images_of_containerd_have_every_name_that_ctr_lists(engine: str) -> None:
    ours = {
        (one.engine_namespace, name): one.id
        for one in look().storage.images
        if one.engine is EngineName.CONTAINERD
        for name in (*one.names, *one.digests)
    }
    lines = [line.split() for line in run("ctr", "-n", "default", "image", "ls").splitlines()[1:]]
    assert lines
    for name, _, digest, *_ in lines:
        assert ours["default", name] == digest


@pytest.mark.parametrize("engine", ["containerd"], indirect=True)
def test_the_size_of_an_image_of_containerd_is_that_of_its_blobs_on_disk(engine: str) -> None:
    images = [one for one in look().storage.images if one.engine is EngineName.CONTAINERD and one.engine_namespace == "default"]
    assert images
    for image in images:
        manifest = json.loads(run("ctr", "-n", "default", "content", "get", image.id))
        blobs = [image.id, manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]
        paths = [f"{image.store}/io.containerd.content.v1.content/blobs/{blob.replace(':', '/')}" for blob in blobs]
        assert image.size == sum(int(run("stat", "-c", "%s", path)) for path in paths)
