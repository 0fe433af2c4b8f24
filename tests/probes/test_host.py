import errno
import time
from pathlib import Path

import pytest

from ctrscope.model.gap import Reason
from ctrscope.probes.host import read_boot_time, read_host
from ctrscope.probes.hostfs import HostFs
from tests.builders import HOST_NAMESPACES, HostTree
from tests.hostfs import DenyingHostFs


def test_boot_time_of_this_host_is_as_exact_as_uptime() -> None:
    booted_at = read_boot_time(HostFs())

    assert booted_at is not None
    assert time.time() - booted_at == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=0.1)


def test_boot_time_of_another_root_is_its_btime(tmp_path: Path) -> None:
    assert read_boot_time(HostTree(tmp_path).fs) == 1_700_000_000


@pytest.mark.parametrize("content", ["", "cpu 1 2 3\n", "cpu 1\nbtime soon\n", "cpu 1\nbtime 17"])
def test_without_a_btime_the_boot_time_is_unknown(tmp_path: Path, content: str) -> None:
    host = HostTree(tmp_path)
    host.file("/proc/stat", content)

    assert read_boot_time(host.fs) is None


def test_the_hosts_namespaces_are_those_of_pid_1(tmp_path: Path) -> None:
    host = read_host(HostTree(tmp_path).fs, None).value

    assert host is not None
    assert host.namespaces.net == HOST_NAMESPACES["net"]


def test_where_pid_1_is_closed_kthreadd_tells_them(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    for link in (tmp_path / "proc/1/ns").iterdir():
        link.unlink()
    tree.process(2, ppid=0, comm="kthreadd", flags=0x00200000)

    host = read_host(tree.fs, None).value

    assert host is not None
    assert host.namespaces.mnt == HOST_NAMESPACES["mnt"]


def test_where_neither_can_be_read_it_is_a_gap_and_the_fixed_numbers_stand_in(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    for link in (tmp_path / "proc/1/ns").iterdir():
        link.unlink()

    value, gaps = read_host(tree.fs, None)

    assert value is not None
    assert (value.namespaces.user, value.namespaces.mnt) == (0xEFFFFFFD, None)
    assert ("namespaces",) in [gap.fields for gap in gaps]


@pytest.mark.parametrize(("is_initial", "net"), [(True, 4026531840), (False, None)])
def test_our_own_network_is_the_hosts_where_the_kernel_shows_what_only_the_initial_one_has(
    tmp_path: Path, is_initial: bool, net: int | None
) -> None:
    tree = HostTree(tmp_path)
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/self/ns/net").symlink_to("net:[4026531840]")
    if is_initial:
        tree.file("/proc/sys/net/core/netdev_budget", "300\n")
    host = DenyingHostFs(str(tree.path), {"/proc/1/ns": errno.EACCES, "/proc/2/ns": errno.EACCES})
    value = read_host(host, None).value
    assert value is not None
    assert (value.namespaces.net, value.namespaces.user) == (net, 0xEFFFFFFD)


def test_a_root_without_proc_is_unavailable_and_no_matter_of_rights(tmp_path: Path) -> None:
    value, gaps = read_host(HostFs(str(tmp_path)), None)

    assert value is not None
    assert value.privileges.host_pid_namespace is None
    assert {gap.reason for gap in gaps} == {Reason.UNAVAILABLE}


def test_closed_links_are_denied(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    host = DenyingHostFs(str(tree.path), {"/proc/1/ns": errno.EACCES})

    assert [(gap.reason, gap.needs) for gap in read_host(host, None).gaps if gap.fields == ("namespaces",)] == [
        (Reason.DENIED, "CAP_SYS_PTRACE, and the host's own PID namespace")
    ]
