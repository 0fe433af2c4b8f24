"""Every process of this machine: no parser fails on a real kernel, and what it returns makes sense."""

import errno
import os
import string
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ctrscope.model.gap import VANISHED
from ctrscope.probes.capability_names import capability_names
from ctrscope.probes.cgroupfs import read_layout, read_members
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_attr import read_label
from ctrscope.probes.proc_pid_cgroup import read_cgroup
from ctrscope.probes.proc_pid_environ import read_environ
from ctrscope.probes.proc_pid_mountinfo import parse_overlay, read_mountinfo
from ctrscope.probes.proc_pid_net import read_addresses, read_network
from ctrscope.probes.proc_pid_ns import read_namespaces
from ctrscope.probes.proc_pid_stat import read_stat
from ctrscope.probes.proc_pid_status import read_status
from ctrscope.probes.proc_pid_uid_map import read_id_map
from ctrscope.probes.process_table import ProcessTable

HOST = HostFs()
#: Names of all capabilities that this kernel can have.
_CAPABILITIES = set(capability_names(2**64 - 1))


#: What a process answers that ended, is not ours, or is a zombie (EINVAL, for its mounts).
_EXPECTED = VANISHED | {errno.EACCES, errno.EPERM, errno.EINVAL}


def each_process() -> Iterator[int]:
    yield from ProcessTable(HOST).pids()


@contextmanager
def tolerant() -> Iterator[None]:
    """Swallow what _EXPECTED says."""
    try:
        yield
    except OSError as error:
        if error.errno not in _EXPECTED:
            raise


def test_stat_of_every_process() -> None:
    looked_at = 0
    for pid in each_process():
        with tolerant():
            stat = read_stat(HOST, pid)
            looked_at += 1
            assert stat.pid == pid
            assert stat.state in "RSDZTtWXxKPI"
            assert 0 < len(stat.comm.encode("utf-8", "surrogateescape")) <= (15 if not stat.is_kernel_thread else 64)
            assert stat.ppid >= 0
            assert stat.starttime_ticks / os.sysconf("SC_CLK_TCK") <= float(HOST.read("/proc/uptime").split()[0]) + 1
    assert looked_at


def test_status_of_every_process() -> None:
    looked_at = 0
    for pid in each_process():
        with tolerant():
            status = read_status(HOST, pid)
            looked_at += 1
            assert status.nspid[0] == pid
            assert all(number >= 0 for number in (status.uid, status.gid, *status.groups, *status.nspid))
            sets = status.capabilities.named()
            assert set(sets.effective) <= set(sets.permitted) <= _CAPABILITIES
            assert set(sets.ambient) <= set(sets.permitted) & set(sets.inheritable)
            assert set(sets.bounding) <= _CAPABILITIES
    assert looked_at


def test_cgroups_of_every_process_exist() -> None:
    layout = read_layout(HOST)
    if layout is None:
        pytest.skip("no cgroups here")
    for pid in each_process():
        with tolerant():
            membership = layout.membership(read_cgroup(HOST, pid))
            assert membership.path.startswith("/")
            directory = layout.own_directory(membership)
            if directory is not None and read_stat(HOST, pid).state not in "ZX" and "/.." not in directory:
                assert pid in read_members(HOST, directory) or not os.path.exists(f"/proc/{pid}")


def test_namespaces_of_every_process_are_those_stat_finds() -> None:
    for pid in each_process():
        with tolerant():
            found = read_namespaces(HOST, pid)
            for name in ("net", "mnt", "pid", "user"):
                ino = getattr(found, name)
                assert ino is None or ino > 0
                if ino is not None and read_stat(HOST, pid).state not in "ZX":
                    assert os.stat(f"/proc/{pid}/ns/{name}").st_ino == ino


def test_mounts_of_every_mount_namespace() -> None:
    seen = set()
    for pid in each_process():
        with tolerant():
            namespace = read_namespaces(HOST, pid).mnt
            if namespace in seen:
                continue
            seen.add(namespace)
            mounts = read_mountinfo(HOST, pid)
            assert len({mount.mount_id for mount in mounts}) == len(mounts)
            for mount in mounts:
                major, minor = mount.device.split(":")
                assert set(major + minor) <= set(string.digits)
                assert mount.mount_point.startswith("/")
                assert mount.fs_type
                assert {"rw", "ro"} & set(mount.options)
                overlay = parse_overlay(mount)
                assert overlay is None or all(overlay.lower)


def test_networks_of_every_network_namespace() -> None:
    seen = set()
    for pid in each_process():
        with tolerant():
            namespace = read_namespaces(HOST, pid).net
            if namespace is None or namespace in seen:
                continue
            seen.add(namespace)
            value, gaps = read_network(HOST, pid, f"process {pid}")
            if value is None:
                continue
            assert all(gap.fields == ("network.links.addresses",) for gap in gaps)
            assert "lo" in [link.name for link in value.links]
            if len(value.links) == 2:  # then each address has its link
                assert set(read_addresses(HOST, pid)) <= {address for link in value.links for address in link.addresses}


def test_maps_labels_and_environments_of_every_process() -> None:
    for pid in each_process():
        with tolerant():
            for line in (*read_id_map(HOST, pid, "uid_map"), *read_id_map(HOST, pid, "gid_map")):
                assert 0 <= line.inside < 2**32
                assert 0 <= line.outside < 2**32
                assert 0 < line.count < 2**32
            label = read_label(HOST, pid)
            assert label.apparmor is None or label.selinux is None
            assert all(name and "=" not in name for name in read_environ(HOST, pid))
