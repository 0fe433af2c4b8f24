"""Which directory holds what a container changed: by the kernel while it is mounted, else by its engine's store."""

import json
from pathlib import Path

import pytest

from ctrscope.discovery.writable_layers import find_writable_layer
from ctrscope.model.container import Container, EngineName, Evidence
from ctrscope.model.gap import Reason
from ctrscope.model.storage import WritableLayer
from tests.builders import HostTree
from tests.engines.bolt_file import bolt_file
from tests.views.builders import container, stopped

OWN = "/var/lib/docker/overlay2/ab12"
STORE = "/var/lib/containers/storage"
META = "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db"
HOSTS = "24 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw\n"


@pytest.fixture
def tree(tmp_path: Path) -> HostTree:
    tree = HostTree(tmp_path)
    tree.file("/proc/1/mountinfo", HOSTS)
    return tree


def mounted(options: str, *, fs_type: str = "overlay", device: str = "0:57", point: str = "/") -> str:
    return f"600 500 {device} / {point} rw,relatime - {fs_type} overlay {options}\n601 600 0:60 / /proc rw - proc proc rw\n"


def found(tree: HostTree, one: Container) -> WritableLayer:
    layer, gaps = find_writable_layer(tree.fs, one)
    assert layer is not None, gaps
    assert gaps == ()
    return layer


def why(tree: HostTree, one: Container) -> tuple[Reason, str]:
    layer, (gap,) = find_writable_layer(tree.fs, one)
    assert layer is None
    assert (gap.subject, gap.fields) == (f"container {one.key}", ("layer",))
    return gap.reason, gap.detail


def test_the_kernel_names_the_layers_of_what_runs(tree: HostTree) -> None:
    tree.link("/var/lib/docker/overlay2/l/SHORT", "../cd34/diff")
    options = f"rw,lowerdir=/var/lib/docker/overlay2/l/SHORT:/img/two,upperdir={OWN}/diff,workdir={OWN}/work"
    tree.file("/proc/4711/mountinfo", mounted(options))
    layer = found(tree, container("web"))
    assert (layer.upper, layer.lower) == (f"{OWN}/diff", ("/var/lib/docker/overlay2/cd34/diff", "/img/two"))
    assert (layer.marks, layer.source, layer.containers) == ("kernel", "/proc/4711/mountinfo", (container("web").key,))


def test_what_a_user_mounted_has_marks_of_the_users(tree: HostTree) -> None:
    tree.file("/proc/4711/mountinfo", mounted("rw,lowerdir=/l,upperdir=/u,workdir=/w,userxattr"))
    assert found(tree, container("web", EngineName.PODMAN, owner_uid=1000)).marks == "user"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (mounted("rw,lowerdir=/a:/b"), "without an upper directory"),
        (mounted("rw", fs_type="ext4"), "its root is ext4, no overlay"),
        (mounted("rw", fs_type="btrfs"), "its root is btrfs, no overlay"),
        (HOSTS, "its root is ext4, no overlay"),
    ],
)
def test_a_root_that_keeps_no_changes_says_why(tree: HostTree, line: str, words: str) -> None:
    tree.file("/proc/4711/mountinfo", line)
    reason, detail = why(tree, container("bundle", EngineName.RUNC))
    assert reason is Reason.UNSUPPORTED
    assert words in detail


def test_the_root_of_a_host_that_is_an_overlay_itself_is_no_containers(tree: HostTree) -> None:
    line = mounted("rw,lowerdir=/l,upperdir=/u,workdir=/w", device="0:30")
    tree.file("/proc/1/mountinfo", line)
    tree.file("/proc/4711/mountinfo", line)
    assert why(tree, container("net:[1]", EngineName.UNCLAIMED)) == (Reason.UNSUPPORTED, "its root is the host's own")


def test_a_guest_shows_its_root_to_nobody(tree: HostTree) -> None:
    assert why(tree, container("web", sandbox="kata"))[0] is Reason.UNSUPPORTED


def test_what_is_mounted_and_does_not_run_is_found_among_the_hosts_mounts(tree: HostTree) -> None:
    point = "/run/containerd/io.containerd.runtime.v2.task/default/c\\0401/rootfs"
    tree.file("/proc/1/mountinfo", HOSTS + mounted("rw,lowerdir=/l,upperdir=/u/4/fs,workdir=/w", point=point))
    one = stopped("c1", EngineName.CONTAINERD, rootfs=point.replace("\\040", " "))
    assert found(tree, one).upper == "/u/4/fs"


def test_docker_says_where_the_layer_of_a_stopped_container_is(tree: HostTree) -> None:
    tree.file(f"{OWN}/lower", "l/INIT:l/IMAGE\n")
    layer = found(tree, stopped("old", rootfs=f"{OWN}/merged"))
    assert (layer.upper, layer.source) == (f"{OWN}/diff", f"{OWN}/lower")
    assert layer.lower == ("/var/lib/docker/overlay2/l/INIT", "/var/lib/docker/overlay2/l/IMAGE")


def test_podman_says_it_through_the_list_of_its_containers(tree: HostTree) -> None:
    listing = f"{STORE}/overlay-containers/containers.json"
    one = stopped("old", EngineName.PODMAN, evidence=(Evidence(source=listing, value="name old"),))
    tree.file(listing, json.dumps([{"id": "another", "layer": "no"}, {"id": one.id, "layer": "9f"}]))
    tree.file(f"{STORE}/overlay/9f/lower", "l/IMAGE:/shared/overlay/l/MORE")
    layer = found(tree, one)
    assert (layer.upper, layer.marks) == (f"{STORE}/overlay/9f/diff", "kernel")
    assert layer.lower == (f"{STORE}/overlay/l/IMAGE", "/shared/overlay/l/MORE")
    tree.file(listing, json.dumps([{"id": one.id, "layer": "../../../etc"}]))
    assert why(tree, one)[0] is Reason.UNAVAILABLE


def test_fuse_overlayfs_tells_no_layers_and_the_store_does(tree: HostTree) -> None:
    tree.file("/proc/4711/mountinfo", mounted("rw,user_id=0,group_id=0", fs_type="fuse.fuse-overlayfs"))
    tree.file(f"{STORE}/overlay/9f/lower", "l/IMAGE")
    tree.file(f"{STORE}/overlay/.has-mount-program", "true")
    layer = found(tree, container("web", EngineName.PODMAN, rootfs=f"{STORE}/overlay/9f/merged"))
    assert (layer.upper, layer.marks) == (f"{STORE}/overlay/9f/diff", "fuse")


def test_a_driver_that_copies_keeps_no_changes(tree: HostTree) -> None:
    listing = f"{STORE}/vfs-containers/containers.json"
    one = stopped("old", EngineName.PODMAN, evidence=(Evidence(source=listing, value="name old"),))
    reason, detail = why(tree, one)
    assert (reason, detail.split(":")[0]) == (Reason.UNSUPPORTED, "storage driver vfs")


def test_containerd_says_it_through_two_databases(tree: HostTree) -> None:
    one = stopped(
        "once",
        EngineName.CONTAINERD,
        engine_namespace="k8s.io",
        evidence=(Evidence(source=META, value="k8s.io/once, no task"),),
    )
    snapshots = {"overlayfs": {one.id: {"name": "k8s.io/7/once"}}, "native": {one.id: {"name": "k8s.io/1/once"}}}

    def meta(snapshotter: str) -> None:
        containers = {one.id: {"snapshotKey": one.id, "snapshotter": snapshotter}}
        tree.file(META, bolt_file({"v1": {"k8s.io": {"containers": containers, "snapshots": snapshots}}}))

    directory = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs"
    known = {"k8s.io/7/once": {"id": b"\xac\x02", "parent": "k8s.io/2/image"}, "k8s.io/2/image": {"id": b"\x03"}}
    tree.file(f"{directory}/metadata.db", bolt_file({"v1": {"snapshots": known}}))
    meta("overlayfs")
    layer = found(tree, one)
    assert (layer.upper, layer.lower) == (f"{directory}/snapshots/300/fs", (f"{directory}/snapshots/3/fs",))
    meta("native")
    assert why(tree, one)[1].startswith("snapshotter native")
    tree.file(META, b"torn")
    assert why(tree, one)[0] is Reason.MALFORMED


def test_in_another_container_it_is_in_that_ones_files_unless_looking_might_never_end(tree: HostTree) -> None:
    outer = container("dind", pid=900)
    inner = container("dind/web", outer=outer.key, rootfs="/proc/900/root/run/x/rootfs")
    tree.file("/proc/4711/mountinfo", mounted("rw,lowerdir=/var/l,upperdir=/var/u,workdir=/var/w"))
    tree.file("/proc/900/mountinfo", mounted("rw,lowerdir=/l,upperdir=/u,workdir=/w", device="0:40"))
    layer = found(tree, inner)
    assert (layer.upper, layer.lower) == ("/proc/900/root/var/u", ("/proc/900/root/var/l",))
    tree.file("/proc/900/mountinfo", mounted("rw", device="0:40") + "700 600 0:90 / /mnt rw - fuse.sshfs evil rw\n")
    assert why(tree, inner)[0] is Reason.NOT_COLLECTED


def test_of_what_ended_meanwhile_nothing_is_said(tree: HostTree) -> None:
    assert find_writable_layer(tree.fs, container("gone")) == (None, ())
