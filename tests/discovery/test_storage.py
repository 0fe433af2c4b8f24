"""Who uses what engines keep, and what it comes to; on the captured host against what its engines said at that moment."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.image_page import read_image_config
from ctrscope.discovery.measure import measure_volume
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.storage import read_storage, usage_of
from ctrscope.discovery.volume_mounts import find_mounted
from ctrscope.model.container import EngineName
from ctrscope.model.gap import Reason
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.storage import Image, ImageLayer, Kind, Storage, Usage, Volume
from ctrscope.probes.hostfs import HostFs
from tests.builders import HostTree
from tests.views.builders import container, sample

PLAN = Plan(namespaces=True, stopped=True)
STORE = "/var/lib/docker/image/overlay2"
#: An unpacked fixture belongs to whoever unpacked it, unless that was root.
needs_owners = pytest.mark.skipif(os.geteuid() != 0, reason="files of other users need root")


def image(name: str, *layers: tuple[str, int], used: bool, store: str = STORE) -> Image:
    return Image(
        engine=EngineName.DOCKER,
        store=store,
        source=store,
        id=name,
        size=sum(size for _, size in layers) + 1,
        layers=tuple(ImageLayer(*layer) for layer in layers),
        containers=("docker/x",) if used else (),
    )


def test_a_layer_that_two_images_have_is_counted_once_and_goes_only_with_the_last_of_them() -> None:
    base, top, other = ("base", 100), ("top", 20), ("other", 3)
    storage = Storage(
        images=(
            image("a", base, used=True),
            image("b", base, top, used=False),
            image("c", other, used=False),
            image("d", base, used=False, store="/elsewhere"),
        )
    )
    assert usage_of(storage)[Kind.IMAGE] == Usage(4, 1, 100 + 20 + 3 + 100 + 4, 20 + 3 + 100 + 3)


def test_a_size_that_is_not_known_leaves_the_sum_unknown() -> None:
    unknown = Image(engine=EngineName.DOCKER, store=STORE, source=STORE, id="x", layers=(ImageLayer("a", None),))
    assert usage_of(Storage(images=(image("a", used=True), unknown)))[Kind.IMAGE] == Usage(2, 1)


@pytest.fixture(scope="module")
def captured(v2_root: Path) -> tuple[Snapshot, Storage]:
    host = HostFs(str(v2_root))
    snapshot = discover(host, PLAN)
    found, gaps = read_storage(host, snapshot)
    assert found is not None
    # The capture left out the images of Docker and containerd's meta.db; a user's store is believed if it is that user's.
    unread = ("meta.db",) if os.geteuid() == 0 else ("meta.db", "/home/alice/")
    assert [gap for gap in gaps if not any(one in gap.source for one in unread)] == []
    return snapshot, found


def said(v2_root: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((v2_root / f"cmd/{name}.json").read_text())
    return found


@needs_owners
def test_images_are_those_that_podman_listed_with_its_sizes(captured: tuple[Snapshot, Storage], v2_root: Path) -> None:
    _, storage = captured
    ours = {one.id: one for one in storage.images if one.engine is EngineName.PODMAN and one.owner_uid == 0}
    theirs = {one["Id"]: one for one in said(v2_root, "podman-images")}
    assert ours.keys() == theirs.keys() != set()
    for image_id, one in theirs.items():
        assert (list(ours[image_id].names), ours[image_id].size) == (one["Names"], one["Size"])
        assert len(ours[image_id].containers) == one["Containers"]


@needs_owners
def test_an_image_of_a_users_store_is_that_users(captured: tuple[Snapshot, Storage]) -> None:
    snapshot, storage = captured
    (alices,) = [one for one in storage.images if one.owner_uid == 1000]
    assert alices.names == ("localhost/bb:latest",)
    users = [snapshot.container(key) for key in alices.containers]
    assert users
    assert {one.owner_uid for one in users if one is not None} == {1000}


@needs_owners
def test_its_configuration_is_read_when_it_is_opened(captured: tuple[Snapshot, Storage], v2_host: HostFs) -> None:
    for one in captured[1].images:
        config, gaps = read_image_config(v2_host, one)
        assert gaps == ()
        assert config is not None
        assert config.os == "linux"
        assert len([step for step in config.history if step.size != 0]) == len(one.layers)


def test_the_volume_is_mounted_where_docker_said(captured: tuple[Snapshot, Storage], v2_root: Path) -> None:
    snapshot, storage = captured
    (volume,) = [one for one in storage.volumes if one.name == "dbvol"]
    expected = {
        one["Name"].removeprefix("/")
        for one in said(v2_root, "docker-inspect")
        for mount in one["Mounts"]
        if mount.get("Name") == "dbvol" and mount["Source"] == volume.mount_point
    }
    assert {found.name for key in volume.containers if (found := snapshot.container(key))} == expected != set()
    assert volume.declared == volume.containers


def test_networks_are_those_that_docker_and_podman_listed(captured: tuple[Snapshot, Storage], v2_root: Path) -> None:
    ours = {one.name: one for one in captured[1].networks if one.engine is EngineName.DOCKER}
    theirs = {one["Name"]: one for one in said(v2_root, "docker-network")}
    assert ours.keys() == theirs.keys()
    for name, one in theirs.items():
        subnets = [pool["Subnet"] for pool in one["IPAM"]["Config"] or ()]
        assert (ours[name].id, ours[name].driver, list(ours[name].subnets)) == (one["Id"], one["Driver"], subnets)
    podman = [one for one in captured[1].networks if one.engine is EngineName.PODMAN and one.owner_uid == 0]
    assert {one.name for one in podman} == {one["name"] for one in said(v2_root, "podman-network")}


def volume_on(path: str) -> Volume:
    return Volume(engine=EngineName.DOCKER, store="/v", source="/v", name="data", mount_point=path)


def test_a_volume_with_a_disk_of_its_own_is_found_by_that_disk_and_not_in_who_has_the_hosts_mounts(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    own = b"40 20 8:17 / /var/lib/docker/volumes/data/_data rw - ext4 /dev/sdb1 rw\n"
    tree.file("/proc/1/mountinfo", b"20 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + own)
    tree.file("/proc/11/mountinfo", b"90 80 8:17 /sub /data rw - ext4 /dev/sdb1 rw\n")
    tree.file("/proc/12/mountinfo", b"20 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + own)
    tree.file("/proc/13/mountinfo", b"90 80 8:1 /var/lib/docker/volumes/other/_data /data rw - ext4 /dev/sda1 rw\n")
    tree.file("/proc/14/mountinfo", b"no mountinfo at all")
    found = [container(f"c{pid}", pid=pid) for pid in (11, 12, 13, 14, 15)]
    volume = volume_on("/var/lib/docker/volumes/data/_data")
    mounted = find_mounted(tree.fs, sample(found).snapshot, [volume])
    assert mounted == {volume.key: (found[0].key,)}


def test_what_a_volume_holds_is_what_du_counts_or_why_it_is_not(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.file("/v/file", b"x" * 10_000)
    measured, gaps = measure_volume(tree.fs, volume_on("/v"))
    assert measured is not None
    assert (measured.files, measured.is_whole, gaps) == (1, True, ())
    assert measured.size >= 10_000
    nothing, gaps = measure_volume(tree.fs, volume_on("/gone"))
    assert (nothing, [gap.reason for gap in gaps]) == (None, [Reason.UNAVAILABLE])
