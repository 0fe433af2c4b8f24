"""What gone containers left behind is found where engines put it; what is anybody's is left alone."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from ctrscope.discovery.remnants import find_remnants
from ctrscope.model.gap import Gap, Reason
from ctrscope.model.namespace import NamespaceSet
from ctrscope.model.observed import Remnant
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroupfs import read_layout
from tests.awkward import SNAPSHOT, STOPPED, WEB
from tests.builders import HOST_NAMESPACES, HostTree

READ = replace(SNAPSHOT, gaps=())
GONE = "e" * 64
_LINE = "36 35 0:50 {root} {point} rw,relatime - {kind} {source} rw\n"


def mount(point: str, kind: str = "tmpfs", root: str = "/") -> str:
    return _LINE.format(point=point, kind=kind, root=root, source="shm")


@pytest.fixture
def tree(tmp_path: Path) -> HostTree:
    tree = HostTree(tmp_path)
    tree.file("/proc/1/mountinfo", mount("/"))
    return tree


def found(tree: HostTree, snapshot: Snapshot = READ) -> list[tuple[str, str, str | None]]:
    host = replace(snapshot.host, namespaces=NamespaceSet(net=HOST_NAMESPACES["net"]))
    remnants = find_remnants(tree.fs, read_layout(tree.fs), replace(snapshot, host=host))
    assert remnants.gaps == ()
    return [(one.kind, one.what, one.engine) for one in remnants.value]


def test_an_empty_cgroup_of_a_container_that_nobody_knows_is_left_behind(tree: HostTree) -> None:
    tree.file(f"/sys/fs/cgroup/system.slice/docker-{GONE}.scope/cgroup.procs", "")
    assert found(tree) == [("cgroup", f"/system.slice/docker-{GONE}.scope", "docker")]


def test_a_cgroup_with_a_process_in_it_or_below_is_in_use(tree: HostTree) -> None:
    tree.file(f"/sys/fs/cgroup/system.slice/docker-{GONE}.scope/cgroup.procs", "")
    tree.file(f"/sys/fs/cgroup/system.slice/docker-{GONE}.scope/init.scope/cgroup.procs", "77\n")
    assert found(tree) == []


@pytest.mark.parametrize("known", [WEB.id, STOPPED.id])
def test_a_cgroup_of_a_container_that_is_known_is_its_own_business(known: str, tree: HostTree) -> None:
    tree.file(f"/sys/fs/cgroup/docker/{known}/cgroup.procs", "")
    assert found(tree) == []


def test_a_cgroup_that_names_no_container_is_anybodys(tree: HostTree) -> None:
    tree.file("/sys/fs/cgroup/system.slice/cron.service/cgroup.procs", "")
    assert found(tree) == []


@pytest.mark.parametrize(
    ("point", "engine"),
    [
        (f"/run/containerd/io.containerd.runtime.v2.task/moby/{GONE}/rootfs", "docker"),
        ("/run/containerd/io.containerd.runtime.v2.task/default/gone/rootfs", "containerd"),
        (f"/run/containerd/io.containerd.grpc.v1.cri/sandboxes/{GONE}/shm", "containerd"),
        (f"/var/lib/containers/storage/overlay-containers/{GONE}/userdata/shm", "podman"),
        (f"/var/lib/docker/containers/{GONE}/mounts/shm", "docker"),
    ],
)
def test_a_mount_that_carries_the_id_of_nobody_is_left_behind(point: str, engine: str, tree: HostTree) -> None:
    tree.file("/proc/1/mountinfo", mount("/") + mount(point))
    assert found(tree) == [("mount", point, engine)]
    tree.file("/proc/1/mountinfo", mount("/") + mount(point.replace(GONE, WEB.id).replace("/gone/", "/web/")))
    assert found(tree) == []


def test_the_root_of_a_docker_container_is_left_behind_when_no_container_has_it(tree: HostTree) -> None:
    point = f"/var/lib/docker/overlay2/{GONE}/merged"
    tree.file("/proc/1/mountinfo", mount(point, "overlay"))
    assert found(tree) == [("mount", point, "docker")]
    assert found(tree, replace(READ, containers=(replace(WEB, rootfs=point),))) == []


@pytest.mark.parametrize("point", ["/mnt/data", f"/srv/{GONE}", "/run/netns/blue", f"/var/lib/docker/volumes/{GONE}/_data"])
def test_other_mounts_are_anybodys(point: str, tree: HostTree) -> None:
    tree.file("/proc/1/mountinfo", mount(point, "nsfs" if "netns" in point else "ext4", "net:[4026532999]"))
    assert found(tree) == []


DOCKER_NETNS = mount("/run/docker/netns/0123456789ab", "nsfs", "net:[4026532999]")
CNI_NETNS = mount("/run/netns/cni-01234567-89ab-cdef-0123-456789abcdef", "nsfs", "net:[4026532998]")


def test_a_network_namespace_that_only_an_engines_mount_keeps_is_left_behind(tree: HostTree) -> None:
    tree.file("/proc/1/mountinfo", DOCKER_NETNS + CNI_NETNS)
    assert sorted(found(tree)) == [("namespace", "net:[4026532998]", None), ("namespace", "net:[4026532999]", "docker")]


def test_a_network_namespace_with_a_process_in_it_is_in_use(tree: HostTree) -> None:
    tree.file("/proc/1/mountinfo", DOCKER_NETNS)
    tree.process(50, namespaces={"net": 4026532999})
    assert found(tree) == []


def test_a_network_namespace_is_not_given_up_while_a_process_keeps_its_own_from_us(tree: HostTree) -> None:
    tree.file("/proc/1/mountinfo", DOCKER_NETNS)
    tree.file("/proc/50/stat", "50 (secret) S 1 0 0 0 0 0 0 0 0 0 3 4 0 0 20 0 1 0 5000 0 0")
    assert found(tree) == []


def test_a_zombie_is_in_no_namespace(tree: HostTree) -> None:
    tree.file("/proc/1/mountinfo", DOCKER_NETNS)
    tree.process(50, state="Z")
    assert [what for _, what, _ in found(tree)] == ["net:[4026532999]"]


def test_a_pod_that_has_ended_may_keep_its_network_namespace(tree: HostTree) -> None:
    tree.file("/proc/1/mountinfo", CNI_NETNS)
    assert found(tree, replace(READ, containers=(replace(STOPPED, is_sandbox=True),))) == []


def test_of_an_engine_whose_state_was_not_readable_nothing_is_said(tree: HostTree) -> None:
    tree.file("/proc/1/mountinfo", DOCKER_NETNS + CNI_NETNS)
    tree.file(f"/sys/fs/cgroup/docker/{GONE}/cgroup.procs", "")
    tree.file(f"/sys/fs/cgroup/machine.slice/libpod-{GONE}.scope/cgroup.procs", "")
    gap = Gap(subject="engine docker", fields=("containers",), source="/var/lib/docker", reason=Reason.DENIED)
    assert [engine for _, _, engine in found(tree, replace(SNAPSHOT, gaps=(gap,)))] == ["podman"]


def test_mounts_that_cannot_be_read_are_a_gap_and_cgroups_are_told_all_the_same(tree: HostTree) -> None:
    tree.file("/proc/1/mountinfo", "nonsense\n")
    tree.file(f"/sys/fs/cgroup/docker/{GONE}/cgroup.procs", "")
    remnants = find_remnants(tree.fs, read_layout(tree.fs), replace(SNAPSHOT, gaps=()))
    assert [(gap.source, gap.reason) for gap in remnants.gaps] == [("/proc/1/mountinfo", Reason.MALFORMED)]
    assert [one.kind for one in remnants.value] == ["cgroup"]
    assert isinstance(remnants.value[0], Remnant)
