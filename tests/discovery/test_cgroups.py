"""The cgroup tree, against what systemd-cgls said of the captured host, and of hosts written by hand."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrscope.discovery.cgroups import read_cgroup_tree
from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.model.cgroup import CgroupNode, EffectiveLimit
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroupfs import seen_from
from ctrscope.probes.hostfs import HostFs
from tests.builders import HostTree
from tests.requirements import require_root


def walk(node: CgroupNode) -> Iterator[CgroupNode]:
    yield node
    for child in node.children:
        yield from walk(child)


@pytest.fixture(scope="module")
def captured(v2_root: Path) -> tuple[HostFs, Snapshot]:
    require_root("the capture has files of several users")
    host = HostFs(str(v2_root))
    return host, discover(host, Plan(stopped=False))


def tree(host: HostFs, snapshot: Snapshot, below: str | None = None) -> dict[str, CgroupNode]:
    root = read_cgroup_tree(host, snapshot, below=below).value
    assert root is not None
    return {node.path: node for node in walk(root)}


def test_every_cgroup_with_processes_is_there(v2_root: Path, captured: tuple[HostFs, Snapshot]) -> None:
    directory = v2_root / "sys/fs/cgroup"
    populated = {
        "/" + str(file.parent.relative_to(directory)): len(file.read_text().split())
        for file in directory.glob("*/**/cgroup.procs")
        if file.read_text().strip()
    }
    found = {path: node.nprocs for path, node in tree(*captured).items() if node.nprocs and path != "/"}
    assert found == populated
    # systemd-cgls draws the same ones; it shortens nothing but the lines of processes.
    text = (v2_root / "cmd/systemd-cgls.txt").read_text()
    assert [path for path in found if path.rpartition("/")[2] not in text] == []


def test_every_running_container_with_a_cgroup_is_one_node(captured: tuple[HostFs, Snapshot]) -> None:
    _, snapshot = captured
    expected = {one.cgroup.path: one.id for one in snapshot.containers if one.cgroup is not None and one.has_own_cgroup}
    assert len(expected) > 15
    assert {path: node.container for path, node in tree(*captured).items() if node.container is not None} == expected


def test_empty_cgroups_without_limits_are_only_counted(captured: tuple[HostFs, Snapshot]) -> None:
    nodes = tree(*captured)
    assert "/dev-hugepages.mount" not in nodes
    assert nodes["/"].nr_empty >= 1


def test_a_limit_of_a_slice_is_named_below_it(v2_root: Path, captured: tuple[HostFs, Snapshot]) -> None:
    nodes = tree(*captured)
    slice_ = "/user.slice/user-1000.slice"
    said = int((v2_root / f"sys/fs/cgroup{slice_}/pids.max").read_text())
    service = nodes[f"{slice_}/user@1000.service"]
    assert service.stats is not None
    assert service.stats.pids is not None
    assert service.stats.pids.limit == "max"
    assert service.effective is not None
    assert service.effective.pids == EffectiveLimit(value=said, limited_by=slice_)


def test_of_one_container_there_is_the_way_to_it_and_what_is_below(captured: tuple[HostFs, Snapshot]) -> None:
    web = next(one for one in captured[1].containers if one.name == "p-web")
    assert web.cgroup is not None
    nodes = tree(*captured, below=web.cgroup.path)
    assert list(nodes) == ["/", "/machine.slice", web.cgroup.path, f"{web.cgroup.path}/container"]
    assert nodes[web.cgroup.path].inside == "/.."  # crun puts init, and so the namespace, one level below
    assert nodes[f"{web.cgroup.path}/container"].inside == "/"
    assert nodes["/machine.slice"].inside is None


def test_kinds_controllers_and_the_hosts_pressure_are_told(v2_root: Path, captured: tuple[HostFs, Snapshot]) -> None:
    nodes = tree(*captured)
    directory = v2_root / "sys/fs/cgroup"
    for path, node in nodes.items():
        if path != "/":
            assert node.kind == (directory / path[1:] / "cgroup.type").read_text().strip()
        assert list(node.controllers) == (directory / path[1:] / "cgroup.controllers").read_text().split()
    root = nodes["/"].stats
    assert root is not None
    assert root.pressure is not None
    assert f"total={root.pressure['cpu'].some.total}" in (v2_root / "proc/pressure/cpu").read_text()


def test_a_delegated_cgroup_has_its_owner(tmp_path: Path) -> None:
    require_root("gives a directory away")
    host = HostTree(tmp_path)
    os.chown(host.file("/sys/fs/cgroup/alice/cgroup.procs", "9\n").parent, 1000, 1000)
    nodes = tree(host.fs, discover(host.fs, Plan()))
    assert (nodes["/alice"].owner_uid, nodes["/"].owner_uid) == (1000, 0)


def test_a_threaded_cgroup_has_no_processes_of_its_own(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/sys/fs/cgroup/app/cgroup.type", "domain threaded\n")
    host.file("/sys/fs/cgroup/app/cgroup.procs", "1\n")
    host.file("/sys/fs/cgroup/app/pool/cgroup.type", "threaded\n")
    host.file("/sys/fs/cgroup/app/pool/memory.max", "max\n")
    nodes = tree(host.fs, discover(host.fs, Plan()), below="/app")
    assert (nodes["/app"].kind, nodes["/app"].nprocs) == ("domain threaded", 1)
    assert (nodes["/app/pool"].kind, nodes["/app/pool"].nprocs) == ("threaded", None)


def test_hierarchies_of_v1_are_laid_over_each_other(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/proc/mounts", "".join(f"cgroup /sys/fs/cgroup/{name} cgroup rw,{name} 0 0\n" for name in ("memory", "pids")))
    host.file("/sys/fs/cgroup/memory/docker/web/memory.limit_in_bytes", "67108864\n")
    host.file("/sys/fs/cgroup/memory/docker/web/memory.usage_in_bytes", "4096\n")
    host.file("/sys/fs/cgroup/memory/docker/web/cgroup.procs", "7\n8\n")
    host.file("/sys/fs/cgroup/pids/docker/web/pids.max", "10\n")
    host.file("/sys/fs/cgroup/pids/only-here/cgroup.procs", "9\n")
    nodes = tree(host.fs, discover(host.fs, Plan()))
    assert list(nodes) == ["/", "/docker", "/docker/web", "/only-here"]
    web = nodes["/docker/web"]
    assert (web.controllers, web.nprocs, web.kind) == (("memory", "pids"), 2, None)
    assert web.stats is not None
    assert web.stats.memory is not None
    assert web.stats.pids is not None
    assert (web.stats.memory.limit, web.stats.pids.limit) == (67108864, 10)
    assert nodes["/only-here"].controllers == ("pids",)


def test_a_tree_without_end_is_cut_and_says_so(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file(f"/sys/fs/cgroup{'/d' * 80}/cgroup.procs", "9\n")
    root, gaps = read_cgroup_tree(host.fs, discover(host.fs, Plan()), below="/d")
    assert root is not None
    assert len(list(walk(root))) == 65
    assert "truncated" in [gap.reason for gap in gaps]


@pytest.mark.parametrize(
    ("path", "root", "seen"),
    [
        ("/docker/web", "/docker/web", "/"),
        ("/docker/web/a/b", "/docker/web", "/a/b"),
        ("/docker", "/docker/web", "/.."),
        ("/docker/db", "/docker/web", "/../db"),
        ("/", "/docker/web", "/../.."),
        ("/docker/web", "/", "/docker/web"),
        ("/docker/website", "/docker/web", "/../website"),
    ],
)
def test_a_path_is_seen_from_a_cgroup_namespace_as_the_kernel_tells_it(path: str, root: str, seen: str) -> None:
    assert seen_from(path, root) == seen
