"""Namespaces of hosts written by hand; tests/kernel makes real ones, tests/against compares with lsns(8)."""

import errno
from pathlib import Path

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.namespace_census import answers as does_answer
from ctrscope.discovery.namespaces import MOST_PROCESSES, _is_before_listns, read_namespaces
from ctrscope.discovery.plan import Plan
from ctrscope.model.gap import Gap, Reason
from ctrscope.model.namespace import Holder, HolderKind, Leader, Namespace
from tests.builders import HOST_NAMESPACES, HostTree
from tests.hostfs import DenyingHostFs

_NET, _MNT = 4026532281, 4026532280
_MOUNTS = """\
21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 21 0:4 net:[4026532999] /run/netns/a\\040b rw shared:7 - nsfs nsfs rw
31 21 0:4 / /run/odd rw - nsfs nsfs rw
"""


@pytest.fixture
def host(tmp_path: Path) -> HostTree:
    return HostTree(tmp_path)


def read(host: HostTree, *, deep: bool = True) -> tuple[dict[str, Namespace], tuple[Gap, ...]]:
    namespaces, gaps = read_namespaces(host.fs, discover(host.fs, Plan(addresses=False)), deep=deep)
    assert namespaces is not None
    return {str(one.id): one for one in namespaces}, gaps


def test_the_lowest_pid_leads_and_every_process_is_counted(host: HostTree) -> None:
    for pid in (110, 90, 100):
        host.process(pid, comm=f"c{pid}", namespaces={"net": _NET, "mnt": _MNT})
    namespaces, _ = read(host)
    net = namespaces[f"net:[{_NET}]"]
    assert (net.nprocs, net.leader) == (3, Leader(pid=90, comm="c90"))
    assert [(held.kind, held.pid, held.path) for held in net.held_by] == [
        (HolderKind.PROCESS, pid, f"/proc/{pid}/ns/net") for pid in (90, 100, 110)
    ]


def test_for_the_hosts_own_the_leader_stands(host: HostTree) -> None:
    host.process(50)
    namespaces, _ = read(host)
    net = namespaces[f"net:[{HOST_NAMESPACES['net']}]"]
    assert (net.is_initial, net.nprocs) == (True, 2)
    assert net.held_by == (Holder(kind=HolderKind.PROCESS, pid=1, path="/proc/1/ns/net"),)


def test_of_very_many_processes_some_are_listed_and_all_are_counted(host: HostTree) -> None:
    for pid in range(1000, 1000 + MOST_PROCESSES + 20):
        host.process(pid, namespaces={"net": _NET})
    namespaces, _ = read(host)
    net = namespaces[f"net:[{_NET}]"]
    assert (net.nprocs, len(net.held_by)) == (MOST_PROCESSES + 20, MOST_PROCESSES)


def test_namespaces_name_the_containers_that_have_a_process_in_them(host: HostTree) -> None:
    host.process(90, namespaces={"net": _NET, "pid": 4026532300})
    host.process(95, ppid=90, namespaces={"net": _NET, "pid": 4026532300, "user": 4026532301})
    namespaces, _ = read(host)
    (id_,) = namespaces[f"net:[{_NET}]"].containers
    assert namespaces["user:[4026532301]"].containers == (id_,)
    assert namespaces[f"uts:[{HOST_NAMESPACES['uts']}]"].containers == (id_,)


def test_namespaces_come_in_the_order_of_types_and_numbers(host: HostTree) -> None:
    host.process(90, namespaces={"uts": 5, "net": 7, "cgroup": 6})
    host.process(91, namespaces={"net": 4})
    namespaces, _ = read(host)
    assert [name for name in namespaces if len(name) < 12] == ["cgroup:[6]", "net:[4]", "net:[7]", "uts:[5]"]


def test_a_bind_mount_is_found_in_the_mount_namespace_that_has_it(host: HostTree) -> None:
    host.process(90, namespaces={"mnt": _MNT})
    host.process(91, namespaces={"mnt": _MNT})
    host.file("/proc/90/mountinfo", _MOUNTS)
    namespaces, _ = read(host, deep=False)
    blue = namespaces["net:[4026532999]"]
    assert (blue.nprocs, blue.leader, blue.containers) == (0, None, ())
    assert blue.held_by == (Holder(kind=HolderKind.BIND_MOUNT, pid=90, path="/run/netns/a b", mnt=_MNT),)


@pytest.mark.parametrize(("fs_type", "answers"), [("tmpfs", True), ("fuse.sshfs", False), ("nfs4", False)])
def test_no_path_is_walked_through_a_file_system_that_may_never_answer(host: HostTree, fs_type: str, *, answers: bool) -> None:
    mounts = (
        "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"22 21 0:999 / /mnt rw - {fs_type} x rw\n"
        "23 22 0:4 net:[5] /mnt/a rw - nsfs nsfs rw\n"
    )
    host.process(90, namespaces={"mnt": _MNT})
    host.file("/proc/90/mountinfo", mounts)
    assert does_answer(host.fs, 90, "/mnt/a") is answers
    assert not does_answer(host.fs, 90, "/mnt/b")
    assert not does_answer(host.fs, 91, "/mnt/a")


def test_mounts_that_cannot_be_parsed_are_a_gap_and_the_rest_stands(host: HostTree) -> None:
    host.process(90, namespaces={"mnt": _MNT})
    host.file("/proc/90/mountinfo", "30 21 net:[4026532999] - nsfs nsfs rw\n")
    namespaces, gaps = read(host)
    assert f"mnt:[{_MNT}]" in namespaces
    assert [gap.reason for gap in gaps if gap.source == "/proc/PID/mountinfo"] == [Reason.MALFORMED]


def test_threads_descriptors_and_links_for_children_hold_too(host: HostTree) -> None:
    host.process(90)
    host.link("/proc/90/ns/pid_for_children", "pid:[4026532500]")
    for name, ino in {**HOST_NAMESPACES, "net": 4026532501}.items():
        host.link(f"/proc/90/task/91/ns/{name}", f"{name}:[{ino}]")
    host.file("/proc/90/task/90/comm", "sleep\n")
    host.link("/proc/90/fd/7", "uts:[4026532502]")
    host.link("/proc/90/fd/8", "socket:[77]")
    host.link("/proc/90/fd/9", "/dev/null")
    namespaces, gaps = read(host)

    def held(name: str) -> list[tuple[HolderKind, int | None, str | None]]:
        return [(one.kind, one.pid, one.path) for one in namespaces[name].held_by]

    assert held("pid:[4026532500]") == [(HolderKind.PROCESS, 90, "/proc/90/ns/pid_for_children")]
    assert held("net:[4026532501]") == [(HolderKind.THREAD, 90, "/proc/90/task/91/ns/net")]
    assert held("uts:[4026532502]") == [(HolderKind.FD, 90, "/proc/90/fd/7")]
    # A copy cannot be asked who owns what.
    assert [gap.reason for gap in gaps if "owner" in gap.fields] == [Reason.UNSUPPORTED]
    assert not [gap for gap in gaps if {"held_by", "namespaces"}.intersection(gap.fields)]


def test_processes_that_are_not_for_us_are_one_gap(host: HostTree) -> None:
    for pid in (90, 91):
        host.process(pid, namespaces={"net": _NET + pid})
    host.file("/proc/1/mountinfo", _MOUNTS)
    denied = DenyingHostFs(str(host.path), {f"/proc/{pid}/ns": errno.EACCES for pid in (90, 91)})
    snapshot = discover(host.fs, Plan(addresses=False))
    namespaces, gaps = read_namespaces(denied, snapshot, deep=False)
    (blue,) = [one for one in namespaces or () if not one.is_initial]
    assert (blue.ino, blue.nprocs) == (4026532999, None), "one of the others may be in it"
    (gap,) = [gap for gap in gaps if gap.source == "/proc/PID/ns" and gap.reason is Reason.DENIED]
    assert (gap.fields, gap.needs, gap.detail) == (("namespaces",), "CAP_SYS_PTRACE", "2 times: Permission denied")


def test_a_zombie_and_a_process_that_is_gone_are_no_gap(host: HostTree) -> None:
    host.process(90, state="Z")
    (host.path / "proc/91").mkdir()
    _, gaps = read(host)
    assert not [gap for gap in gaps if {"held_by", "namespaces"}.intersection(gap.fields)]


def test_a_link_that_is_no_namespace_is_a_gap_and_the_rest_stands(host: HostTree) -> None:
    host.process(90, namespaces={"net": _NET})
    link = host.path / "proc/90/ns/uts"
    link.unlink()
    link.symlink_to("uts of\x1b[31m mine")
    namespaces, gaps = read(host)
    assert f"net:[{_NET}]" in namespaces
    assert [gap.source for gap in gaps if gap.reason is Reason.MALFORMED] == ["/proc/PID/ns"]


def test_a_copy_of_proc_may_hold_anything(host: HostTree) -> None:
    host.process(90, namespaces={"net": _NET, "mnt": _MNT})
    host.file("/proc/90/mountinfo", _MOUNTS.replace("net:[4026532999]", "mnt:[evil]").replace("0:4 / ", "0:4 net:[9e9 "))
    host.link("/proc/90/ns/pid_for_children", "pid:[" + "9" * 40 + "]")
    host.link("/proc/90/fd/x", "net:[4026532281]")
    for number, target in enumerate(("socket:[x]", "socket:[", "net:[", "mnt:[]", "uts:[1]2", "x" * 300, "socket:[²]")):
        host.link(f"/proc/90/fd/{number}", target)
    host.link("/proc/90/task/me/ns/mnt", "mnt:[4026532777]")
    host.link("/proc/90/task/91/ns/mnt", "mnt:[\x1b[31m]")
    namespaces, gaps = read(host)
    assert f"net:[{_NET}]" in namespaces
    assert Reason.MALFORMED in {gap.reason for gap in gaps}
    assert all(one.ino < 2**32 for one in namespaces.values())


@pytest.mark.parametrize(
    ("release", "before"),
    [("6.18.44-fc", True), ("5.10", True), ("6.19.0-rc1", False), ("6.19-rc1", False), ("7.0.1", False), ("custom", False)],
)
def test_only_kernels_that_have_listns_are_asked(release: str, *, before: bool) -> None:
    assert _is_before_listns(release) is before
