"""Images, volumes and secrets as engines write them down: literal files of each store, and hostile ones."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ctrscope.engines.containerd_images import parse_varint, read_containerd_images
from ctrscope.engines.containers_storage import Store
from ctrscope.engines.containers_storage_images import read_stored_images
from ctrscope.engines.docker_images import read_docker_images
from ctrscope.engines.kept import KeptReader
from ctrscope.engines.kept_secrets import read_podman_secrets
from ctrscope.engines.volumes import read_docker_volumes, read_podman_volumes
from ctrscope.model.container import EngineName
from ctrscope.model.gap import Gap, Reason
from ctrscope.model.storage import ImageLayer
from tests.builders import HostTree
from tests.engines.bolt_file import bolt_file, varint

BASE, TOP, APP, OLD = "aa" * 32, "bb" * 32, "cc" * 32, "dd" * 32
STORE = Store("/var/lib/containers/storage", "/run/containers/storage", 0)
#: Go's binary time: version 1, 2026-11-22T11:44:03Z in seconds since the year 1, no nanoseconds, UTC.
CREATED = b"\x01" + (1795347843 + 62135596800).to_bytes(8, "big") + bytes(4) + b"\xff\xff"


def sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def reader(tree: HostTree, gaps: list[Gap], engine: str = "docker", owner: int | None = None) -> KeptReader:
    return KeptReader(tree.fs, engine, owner, gaps)


def docker_store(tmp_path: Path) -> HostTree:
    """Two images, of which one has a layer more than the other, and no name."""
    tree, store = HostTree(tmp_path), "/var/lib/docker/image/overlay2"
    base, top = f"sha256:{BASE}", f"sha256:{TOP}"
    for image, layers in ((APP, [base]), (OLD, [base, top])):
        config: dict[str, Any] = {"created": "2026-11-22T11:44:04Z", "config": {"Labels": {"a": "b"}}}
        tree.file(f"{store}/imagedb/content/sha256/{image}", json.dumps(config | {"rootfs": {"diff_ids": layers}}))
    chain = sha256(f"{base} {top}")
    tree.file(f"{store}/layerdb/sha256/{BASE}/size", "1000")
    tree.file(f"{store}/layerdb/sha256/{chain.removeprefix('sha256:')}/size", "234")
    names = {"shop": {"shop:1": f"sha256:{APP}", "shop:latest": f"sha256:{APP}", "shop@sha256:00": f"sha256:{APP}"}}
    tree.file(f"{store}/repositories.json", json.dumps({"Repositories": names}))
    return tree


def test_a_layer_of_docker_is_found_by_the_chain_of_those_below_it(tmp_path: Path) -> None:
    gaps: list[Gap] = []
    named, dangling = read_docker_images(reader(docker_store(tmp_path), gaps), "/var/lib/docker")
    assert (named.names, named.digests, named.size) == (("shop:1", "shop:latest"), ("shop@sha256:00",), 1000)
    assert named.labels == {"a": "b"}
    assert (dangling.names, dangling.size) == ((), 1234)
    assert dangling.layers == (
        ImageLayer(f"sha256:{BASE}", 1000),
        ImageLayer(sha256(f"sha256:{BASE} sha256:{TOP}"), 234),
    )
    assert gaps == []


def test_a_layer_without_a_size_leaves_the_image_without_one_and_says_why(tmp_path: Path) -> None:
    tree, gaps = docker_store(tmp_path), list[Gap]()
    (tmp_path / f"var/lib/docker/image/overlay2/layerdb/sha256/{BASE}/size").unlink()
    assert [image.size for image in read_docker_images(reader(tree, gaps), "/var/lib/docker")] == [None, None]
    assert [(gap.reason, gap.source.rpartition("/")[2]) for gap in gaps] == [(Reason.UNAVAILABLE, "size")]


def test_an_image_that_is_cut_off_is_a_gap_and_the_others_stand(tmp_path: Path) -> None:
    tree, gaps = docker_store(tmp_path), list[Gap]()
    tree.file(f"/var/lib/docker/image/overlay2/imagedb/content/sha256/{APP}", '{"rootfs": {"diff_ids": ["')
    assert [image.id for image in read_docker_images(reader(tree, gaps), "/var/lib/docker")] == [f"sha256:{OLD}"]
    assert [gap.reason for gap in gaps] == [Reason.MALFORMED]


def test_a_diff_id_that_is_a_path_leads_nowhere(tmp_path: Path) -> None:
    tree, gaps = docker_store(tmp_path), list[Gap]()
    config = {"rootfs": {"diff_ids": ["sha256:../../../../../../etc"]}}
    tree.file(f"/var/lib/docker/image/overlay2/imagedb/content/sha256/{APP}", json.dumps(config))
    tree.file("/etc/size", "666")
    images = {image.id: image for image in read_docker_images(reader(tree, gaps), "/var/lib/docker")}
    assert images[f"sha256:{APP}"].size is None
    assert gaps[0].reason is Reason.MALFORMED


def test_an_image_of_containers_storage_is_its_layers_and_what_is_kept_beside_them(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    images = [
        {
            "id": APP,
            "digest": "sha256:ff",
            "names": ["localhost/shop:1", "localhost/shop@sha256:ff"],
            "layer": TOP,
            "big-data-names": ["manifest", f"sha256:{APP}"],
            "big-data-sizes": {"manifest": 30, f"sha256:{APP}": 4},
            "created": "2026-11-22T11:44:03Z",
        },
        {"id": OLD, "layer": "gone"},
    ]
    layers = [
        {"id": BASE, "diff-size": 1000},
        {"id": TOP, "parent": BASE, "diff-size": 200},
        {"id": "container", "parent": TOP},
    ]
    tree.file("/var/lib/containers/storage/overlay-images/images.json", json.dumps(images))
    tree.file("/var/lib/containers/storage/overlay-layers/layers.json", json.dumps(layers))
    app, old = read_stored_images(reader(tree, gaps, "podman"), STORE, EngineName.PODMAN)
    assert (app.names, app.digests) == (("localhost/shop:1",), ("localhost/shop@sha256:ff", "sha256:ff"))
    assert app.size == 1000 + 200 + 30 + 4
    assert app.layers == (ImageLayer(BASE, 1000), ImageLayer(TOP, 200))
    assert app.config_path is not None
    assert app.config_path.startswith(f"/var/lib/containers/storage/overlay-images/{APP}/=")
    assert (old.size, old.layers, old.config_path) == (None, (), None)
    assert gaps == []


def test_layers_that_are_their_own_parents_are_counted_once(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    layers = [{"id": BASE, "parent": TOP, "diff-size": 1}, {"id": TOP, "parent": BASE, "diff-size": 2}]
    tree.file("/var/lib/containers/storage/overlay-layers/layers.json", json.dumps(layers))
    tree.file("/var/lib/containers/storage/overlay-images/images.json", json.dumps([{"id": APP, "layer": TOP}]))
    (image,) = read_stored_images(reader(tree, []), STORE, EngineName.PODMAN)
    assert [layer.size for layer in image.layers] == [1, 2]


def test_an_id_that_is_a_path_is_no_image(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    tree.file("/var/lib/containers/storage/overlay-images/images.json", json.dumps([{"id": "../../../etc/shadow"}]))
    tree.file("/var/lib/containers/storage/overlay-layers/layers.json", "[]")
    assert read_stored_images(reader(tree, gaps), STORE, EngineName.PODMAN) == ()
    assert [gap.reason for gap in gaps] == [Reason.MALFORMED]


def test_a_user_who_has_too_many_is_read_in_part(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    store = Store("/home/alice/.local/share/containers/storage", "/run/user/1000/containers", 1000)
    many = [{"id": f"{number:064x}"} for number in range(1001)]
    images = tree.file(f"{store.graphroot}/vfs-images/images.json", json.dumps(many))
    tree.file(f"{store.graphroot}/vfs-layers/layers.json", "[]")
    owner = images.stat().st_uid
    found = read_stored_images(KeptReader(tree.fs, "podman", owner or None, gaps), store, EngineName.PODMAN)
    if owner:
        assert len(found) == 1000
        assert [gap.reason for gap in gaps] == [Reason.TRUNCATED]
    else:  # root's files are not a user's
        assert len(found) == 1001


def blob(size: int, **leads_to: str) -> dict[str, Any]:
    labels = {f"containerd.io/gc.ref.content.{key.replace('_', '.')}": value for key, value in leads_to.items()}
    return {"size": varint(size), "labels": labels}


def name(target: str) -> dict[str, Any]:
    return {"createdat": CREATED, "target": {"digest": target, "size": varint(7)}}


def containerd_meta(tmp_path: Path, images: dict[str, Any], blobs: dict[str, Any]) -> HostTree:
    tree = HostTree(tmp_path)
    content = {"v1": {"k8s.io": {"images": images, "content": {"blob": blobs}}, "empty": {"containers": {}}}}
    tree.file("/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db", bolt_file(content))
    return tree


def test_names_of_containerd_that_lead_to_one_manifest_are_one_image(tmp_path: Path) -> None:
    manifest, config, layer = (f"sha256:{one}" for one in (APP, TOP, BASE))
    tree = containerd_meta(
        tmp_path,
        {"shop:1": name(manifest), config: name(manifest), "shop@sha256:ff": name(manifest), "gone:1": name("sha256:00")},
        {manifest: blob(400, config=config, l_0=layer), config: blob(50), layer: blob(3000)},
    )
    gaps: list[Gap] = []
    gone, image = sorted(read_containerd_images(reader(tree, gaps), "/var/lib/containerd"), key=lambda one: one.names)
    assert (image.names, image.digests) == (("shop:1",), ("shop@sha256:ff", config))
    assert (image.id, image.engine_namespace, image.size) == (manifest, "k8s.io", 3450)
    assert image.created_at == "2026-11-22T11:44:03Z"
    assert image.layers == (ImageLayer(layer, 3000),)
    assert image.config_path == f"/var/lib/containerd/io.containerd.content.v1.content/blobs/sha256/{TOP}"
    assert (gone.names, gone.size) == (("gone:1",), None)
    assert gaps == []


def test_an_index_leads_to_the_manifests_that_are_there_and_no_round_is_gone_twice(tmp_path: Path) -> None:
    index, here, layer = (f"sha256:{one}" for one in (APP, TOP, BASE))
    tree = containerd_meta(
        tmp_path,
        {"shop:1": name(index)},
        {index: blob(1, m_0=here, m_1="sha256:elsewhere", m_2=index), here: blob(20, l_0=layer), layer: blob(300)},
    )
    (image,) = read_containerd_images(reader(tree, []), "/var/lib/containerd")
    assert (image.size, image.layers) == (321, (ImageLayer(layer, 300),))


def test_numbers_are_gos() -> None:
    for value in (0, 1, 63, 64, 417, 2426880, 2**40, -1, -65):
        assert parse_varint(varint(value)) == value


def docker_volumes(tmp_path: Path) -> HostTree:
    tree, root = HostTree(tmp_path), "/var/lib/docker"
    anonymous = "ab" * 32
    volumes = {
        "data": '{"Name":"data","Driver":"local","Labels":{"a":"b"},"Options":{"type":"nfs"}}',
        anonymous: json.dumps({"Name": anonymous, "Driver": "local"}),
        "far": '{"Name":"far","Driver":"rexray"}',
    }
    tree.file(f"{root}/volumes/metadata.db", bolt_file({"volumes": volumes}))
    for name in ("data", anonymous):
        tree.file(f"{root}/volumes/{name}/_data/file", "x")
    points = {"/v": {"Name": "data", "Type": "volume"}, "/etc": {"Name": "", "Type": "bind"}}
    tree.file(f"{root}/containers/c1/config.v2.json", json.dumps({"MountPoints": points}))
    return tree


def test_a_volume_of_docker_has_a_directory_a_driver_and_the_containers_that_are_to_have_it(tmp_path: Path) -> None:
    gaps: list[Gap] = []
    configs = {"/var/lib/docker/containers/c1/config.v2.json": "c1"}
    found = read_docker_volumes(reader(docker_volumes(tmp_path), gaps), "/var/lib/docker", configs)
    by_name = {one.volume.name: one for one in found}
    data, far, anonymous = by_name["data"], by_name["far"], by_name["ab" * 32]
    assert (data.volume.mount_point, data.container_ids) == ("/var/lib/docker/volumes/data/_data", ("c1",))
    assert (data.volume.options, data.volume.is_anonymous) == ({"type": "nfs"}, False)
    assert data.volume.created_at is not None
    assert (far.volume.driver, far.volume.mount_point, far.container_ids) == ("rexray", None, ())
    assert anonymous.volume.is_anonymous
    assert gaps == []


def test_without_its_database_the_directories_of_docker_are_still_volumes(tmp_path: Path) -> None:
    tree, gaps = docker_volumes(tmp_path), list[Gap]()
    tree.file("/var/lib/docker/volumes/metadata.db", "torn")
    found = read_docker_volumes(reader(tree, gaps), "/var/lib/docker", {})
    assert {one.volume.name for one in found} == {"data", "ab" * 32}
    assert [gap.reason for gap in gaps] == [Reason.MALFORMED]


def test_a_volume_of_podman_names_the_containers_that_depend_on_it(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    config = {
        "name": "data",
        "volumeDriver": "local",
        "mountPoint": "/var/lib/containers/storage/volumes/data/_data",
        "createdAt": "2026-11-22T11:54:59Z",
        "isAnon": True,
    }
    volume = {"config": json.dumps(config), "vol-dependencies": {APP: APP}}
    bad = {"config": '{"name": "bad", "mountPoint": "relative"}'}
    path = "/var/lib/containers/storage/libpod/bolt_state.db"
    tree.file(path, bolt_file({"vol": {"data": volume, "bad": bad, "torn": {"config": '{"name": "t'}}}))
    relative, data = sorted(read_podman_volumes(reader(tree, gaps, "podman"), STORE), key=lambda one: one.volume.name)
    assert (data.volume.mount_point, data.container_ids) == (config["mountPoint"], (APP,))
    assert (data.volume.created_at, data.volume.is_anonymous) == ("2026-11-22T11:54:59Z", True)
    assert relative.volume.mount_point is None
    assert [gap.reason for gap in gaps] == [Reason.MALFORMED]


def test_of_a_secret_only_its_name_is_read(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    record = {"name": "db", "id": "0d9b", "createdAt": "2026-11-22T11:55:00Z", "updatedAt": "0001-01-01T00:00:00Z"}
    tree.file(
        "/var/lib/containers/storage/secrets/secrets.json", json.dumps({"secrets": {"0d9b": record | {"driver": "file"}}})
    )
    (found,) = read_podman_secrets(reader(tree, gaps, "podman"), STORE)
    assert (found.name, found.id, found.driver, found.updated_at) == ("db", "0d9b", "file", None)
    assert gaps == []
