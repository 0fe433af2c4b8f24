"""Which hierarchies exist, and who is in a cgroup."""

import errno
import os
from pathlib import Path

import pytest

from ctrscope.probes.cgroupfs import CgroupLayout, parse_layout, parse_procs, read_frozen, read_layout, read_members
from ctrscope.probes.hostfs import HostFs
from tests.builders import HostTree
from tests.hostfs import DenyingHostFs

_HYBRID = b"""\
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0
cgroup /sys/fs/cgroup/freezer cgroup rw,freezer 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
proc /proc proc rw 0 0
"""


def _layout(text: bytes) -> CgroupLayout:
    layout = parse_layout(text.splitlines())
    assert layout is not None
    return layout


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (b"cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "v2"),
        (b"cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n", "v1"),
        (_HYBRID, "hybrid"),
    ],
)
def test_the_version_is_what_is_mounted(text: bytes, version: str) -> None:
    assert _layout(text).version == version


def test_without_cgroups_there_is_no_layout(tmp_path: Path) -> None:
    assert parse_layout([b"proc /proc proc rw 0 0", b"short"]) is None
    assert read_layout(HostFs(str(tmp_path))) is None


def test_what_is_mounted_after_the_last_hierarchy_is_not_read() -> None:
    lines = iter([*_HYBRID.splitlines(), *[b"overlay /merged overlay rw 0 0"] * 300])

    layout = parse_layout(lines, {"cpu", "cpuacct", "memory", "name=systemd", "freezer", ""})

    assert layout == _layout(_HYBRID)
    assert next(lines) == b"proc /proc proc rw 0 0"


def test_a_hierarchy_that_is_mounted_nowhere_or_late_is_looked_for_to_the_end(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.file("/proc/self/cgroup", "2:pids:/\n1:name=systemd:/\n0::/\n")
    late = "cgroup /late cgroup rw,pids 0 0\n"
    tree.file("/proc/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n" + "overlay /m overlay rw 0 0\n" * 9999 + late)

    layout = read_layout(tree.fs)

    assert layout is not None
    assert layout.mounts == {"": "/sys/fs/cgroup", "pids": "/late"}


def test_controllers_that_are_mounted_together_have_one_directory() -> None:
    layout = _layout(_HYBRID)
    membership = layout.membership({"cpu": "/c", "cpuacct": "/c", "memory": "/c", "": "/"})
    assert membership.path == "/c"
    assert layout.directory(membership, "cpuacct") == "/sys/fs/cgroup/cpu,cpuacct/c"
    assert layout.directory(membership, "") == "/sys/fs/cgroup/unified"
    assert layout.directory(membership, "pids") is None
    assert layout.own_directory(membership) == "/sys/fs/cgroup/memory/c"


def test_the_stray_line_that_nspawn_leaves_on_v2_hosts_means_nothing() -> None:
    membership = _layout(b"cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n").membership({"name=systemd": "/", "": "/machine.slice/x"})
    assert (membership.path, membership.paths) == ("/machine.slice/x", {})


def test_a_process_in_the_root_has_no_cgroup_of_its_own() -> None:
    layout = _layout(_HYBRID)
    assert layout.own_directory(layout.membership({"memory": "/", "": "/"})) is None


def _cgroup(directory: Path, *pids: int) -> None:
    directory.mkdir(parents=True)
    (directory / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
    (directory / "tasks").write_text("")


def test_members_of_child_cgroups_are_members(tmp_path: Path) -> None:
    _cgroup(tmp_path / "c", 1, 2)
    _cgroup(tmp_path / "c/init.scope", 3)
    _cgroup(tmp_path / "c/system.slice/a.service", 4)
    (tmp_path / "c/system.slice/cgroup.procs").write_text("")
    assert sorted(read_members(HostFs(str(tmp_path)), "/c")) == [1, 2, 3, 4]


def test_a_threaded_cgroup_is_looked_below(tmp_path: Path) -> None:
    _cgroup(tmp_path / "c")
    _cgroup(tmp_path / "c/child", 3)
    host = DenyingHostFs(str(tmp_path), {"/c/cgroup.procs": errno.EOPNOTSUPP})
    assert read_members(host, "/c") == [3]


def test_a_cgroup_that_went_away_has_no_members(tmp_path: Path) -> None:
    assert read_members(HostFs(str(tmp_path)), "/gone") == []


def test_processes_of_another_pid_namespace_and_nonsense_are_left_out() -> None:
    assert parse_procs(b"0\n12\nx\n" + b"9" * 5000 + b"\n7\n") == [12, 7]


@pytest.mark.parametrize(("content", "frozen"), [("populated 1\nfrozen 1\n", True), ("populated 1\nfrozen 0\n", False)])
def test_a_frozen_cgroup_v2_says_so(tmp_path: Path, content: str, frozen: bool) -> None:
    layout = CgroupLayout(version="v2", mounts={"": "/cg"})
    (tmp_path / "cg/c").mkdir(parents=True)
    (tmp_path / "cg/c/cgroup.events").write_text(content)
    assert read_frozen(HostFs(str(tmp_path)), layout, layout.membership({"": "/c"})) is frozen


@pytest.mark.parametrize(("procs", "frozen"), [("", True), ("40\n", False)])
def test_a_cgroup_like_that_of_crun_counts_where_nobody_is_beside_it(tmp_path: Path, procs: str, frozen: bool) -> None:
    layout = CgroupLayout(version="v2", mounts={"": "/cg"})
    host = HostTree(tmp_path)
    host.file("/cg/c.scope/cgroup.events", "populated 1\nfrozen 0\n")
    host.file("/cg/c.scope/cgroup.procs", procs)
    host.file("/cg/c.scope/container/cgroup.events", "populated 1\nfrozen 1\n")
    assert read_frozen(host.fs, layout, layout.membership({"": "/c.scope"})) is frozen


@pytest.mark.parametrize(("content", "frozen"), [("FROZEN\n", True), ("FREEZING\n", False), ("THAWED\n", False)])
def test_a_frozen_cgroup_v1_says_so(tmp_path: Path, content: str, frozen: bool) -> None:
    layout = CgroupLayout(version="v1", mounts={"freezer": "/cg"})
    (tmp_path / "cg/c").mkdir(parents=True)
    (tmp_path / "cg/c/freezer.state").write_text(content)
    assert read_frozen(HostFs(str(tmp_path)), layout, layout.membership({"freezer": "/c"})) is frozen


def test_whether_it_is_frozen_cannot_be_said_of_what_is_gone(tmp_path: Path) -> None:
    layout = CgroupLayout(version="v2", mounts={"": "/cg"})
    assert read_frozen(HostFs(str(tmp_path)), layout, layout.membership({"": "/c"})) is None


def test_paths_told_to_a_cgroup_namespace_are_those_of_the_host() -> None:
    layout = CgroupLayout(
        version="hybrid",
        mounts={"memory": "/sys/fs/cgroup/memory", "cpu": "/sys/fs/cgroup/cpu", "": "/sys/fs/cgroup/unified"},
        roots={"memory": "/docker/scope", "": "/init"},
    )
    membership = layout.membership({"memory": "/../web", "cpu": "/docker/web", "": "/.."})
    assert membership.paths == {"memory": "/docker/web", "cpu": "/docker/web", "": "/"}
    assert membership.path == "/docker/web"
    assert layout.directory(membership, "memory") == "/sys/fs/cgroup/memory/docker/web"


def test_a_cgroup_namespace_names_what_is_beside_above_and_below_its_root() -> None:
    layout = CgroupLayout(version="v2", mounts={"": "/sys/fs/cgroup"}, roots={"": "/system.slice/us.scope"})
    told = {"/": "us.scope", "/a/b": "us.scope/a/b", "/../web.scope": "web.scope", "/..web": "us.scope/..web"}
    assert {path: layout.membership({"": path}).path for path in told} == {
        path: f"/system.slice/{of_the_host}" for path, of_the_host in told.items()
    }
    assert layout.membership({"": "/../../user.slice"}).path == "/user.slice"
    assert layout.membership({"": "/../.."}).path == "/"


@pytest.mark.parametrize(("pid", "root"), [(os.getpid(), "/system.slice/us.scope"), (1, "/?/?")])
def test_the_root_of_a_cgroup_namespace_is_the_cgroup_that_lists_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pid: int, root: str
) -> None:
    host = HostTree(tmp_path)
    host.file("/proc/self/mountinfo", f"31 23 0:28 /../.. {tmp_path}/sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    host.file("/sys/fs/cgroup/system.slice/web.scope/cgroup.procs", "2\n")
    host.file("/sys/fs/cgroup/system.slice/us.scope/cgroup.procs", "")
    host.file("/sys/fs/cgroup/system.slice/us.scope/below/cgroup.procs", f"{pid}\n")
    monkeypatch.setattr("ctrscope.probes.cgroupfs._INITIAL", "cgroup:[1]")
    layout = read_layout(host.fs)
    assert layout is not None
    assert layout.roots == {"": root}


def test_the_directories_below_are_told_to_who_asks(tmp_path: Path) -> None:
    for directory, pid in (("box", 1), ("box/a", 2), ("box/a/b", 3)):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "cgroup.procs").write_text(f"{pid}\n")
    below: list[str] = []
    assert sorted(read_members(HostFs(str(tmp_path)), "/box", below)) == [1, 2, 3]
    assert below == ["/box/a", "/box/a/b"]
