"""Probes on namespaces and cgroups made for the purpose, compared with what util-linux and iproute2 say of the same."""

import ctypes
import errno
import gc
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ctrscope.discovery.detail import read_detail
from ctrscope.discovery.processes import read_processes
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.gap import Reason
from ctrscope.model.process import Role
from ctrscope.model.timestamp import unix_time
from ctrscope.probes import proc_pid_net, rtnetlink
from ctrscope.probes.cgroup_stats import read_cgroup_stats
from ctrscope.probes.cgroupfs import CgroupLayout, read_frozen, read_layout, read_members
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.netns import run_in_network_namespace
from ctrscope.probes.proc_pid_mountinfo import parse_overlay, read_mountinfo
from ctrscope.probes.proc_pid_ns import read_namespaces
from ctrscope.probes.proc_pid_stat import read_stat
from ctrscope.probes.proc_pid_status import read_status
from ctrscope.probes.proc_pid_uid_map import read_id_map
from tests.requirements import require, require_root, unmet

HOST = HostFs()


@contextmanager
def running(*command: str, script: str = "", environment: dict[str, str] | None = None) -> Iterator[int]:
    """PID of a process that *command* leads to and that ran *script* in sh; it waits to be killed."""
    process = subprocess.Popen(
        [*command, "sh", "-ec", f"{script}\necho $$; exec sleep 1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        if not process.stdout.readline():
            unmet(f"{' '.join(command)}: {process.stderr.read().strip()}")
        yield process.pid
    finally:
        os.killpg(process.pid, 9)
        process.communicate()


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def ask(*command: str) -> Any:
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout or "[]")


def container(pid: int, **more: Any) -> Container:
    given: dict[str, Any] = {"pids": (pid,), "starttime_ticks": read_stat(HOST, pid).starttime_ticks}
    return Container(id="x", name="x", engine=EngineName.UNCLAIMED, status=ContainerStatus.RUNNING, pid=pid, **(given | more))


_LINKS = """
ip link set lo up
ip link add br0 type bridge
ip link add v0 mtu 1400 type veth peer name v1
ip link set v0 master br0
ip addr add 198.51.100.2/24 dev br0
ip addr add 203.0.113.5/32 dev br0
ip -6 addr add 2001:db8::2/64 dev br0 nodad
ip link set br0 up
ip link set v0 up
ip route add default via 198.51.100.1
ip route add 192.0.2.0/24 via 198.51.100.9
"""


@pytest.fixture(scope="module")
def networked() -> Iterator[int]:
    require_root()
    require("unshare", "ip", "nsenter")
    with running("unshare", "--net", script=_LINKS) as pid:
        yield pid


def test_a_network_namespace_is_what_ip_says(networked: int) -> None:
    inside = ("nsenter", "-t", str(networked), "-n", "ip", "-j")
    network, gaps = rtnetlink.read_network(HOST, networked, "x")
    assert network is not None
    assert not gaps
    links = {link["ifname"]: link for link in ask(*inside, "-d", "-s", "addr")}
    assert {link.name for link in network.links} == set(links)
    names = {link.ifindex: link.name for link in network.links}
    for link in network.links:
        said = links[link.name]
        assert link.ifindex == said["ifindex"]
        assert link.kind == said.get("linkinfo", {}).get("info_kind")
        assert (link.mac, link.mtu, link.state) == (said["address"], said["mtu"], said["operstate"])
        assert list(link.addresses) == [f"{address['local']}/{address['prefixlen']}" for address in said["addr_info"]]
        assert names.get(link.master) == said.get("master")
        assert names.get(link.peer_ifindex) == said.get("link")
        assert (link.rx_bytes is None) == ("stats64" not in said)
    said_routes = [*ask(*inside, "-4", "route"), *ask(*inside, "-6", "route")]
    assert [(r.dst, r.gateway, r.dev, r.src) for r in network.routes] == [
        (
            route["dst"] if "/" in route["dst"] or route["dst"] == "default" else f"{route['dst']}/32",
            route.get("gateway"),
            route.get("dev"),
            route.get("prefsrc"),
        )
        for route in said_routes
    ]


def test_proc_tells_the_same_as_netlink_as_far_as_it_goes(networked: int) -> None:
    over_netlink = rtnetlink.read_network(HOST, networked, "x").value
    from_proc, gaps = proc_pid_net.read_network(HOST, networked, "x")
    assert over_netlink is not None
    assert from_proc is not None
    assert not gaps
    by_name = {link.name: link for link in over_netlink.links}
    for link in from_proc.links:
        if "203.0.113.5/32" not in by_name[link.name].addresses:  # which link that is on, /proc does not say
            assert sorted(link.addresses) == sorted(by_name[link.name].addresses)
        assert link.ifindex in (None, by_name[link.name].ifindex)
    assert {(r.dst, r.gateway, r.dev) for r in from_proc.routes} == {(r.dst, r.gateway, r.dev) for r in over_netlink.routes}


def test_addresses_are_those_of_the_namespace(networked: int) -> None:
    assert proc_pid_net.read_addresses(HOST, networked) == ("198.51.100.2/24", "203.0.113.5/32", "2001:db8::2/64")


def test_the_own_network_namespace_stays_and_nothing_is_left_open(networked: int) -> None:
    rtnetlink.read_network(HOST, networked, "x")  # what the first import opens is not a leak
    before = os.readlink("/proc/self/ns/net"), len(os.listdir("/proc/self/fd")), threading.active_count()
    seen = run_in_network_namespace(networked, lambda: os.readlink("/proc/thread-self/ns/net"))
    rtnetlink.read_network(HOST, networked, "x")
    assert seen == os.readlink(f"/proc/{networked}/ns/net") != before[0]
    assert (os.readlink("/proc/self/ns/net"), len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_what_goes_wrong_inside_is_raised_outside(networked: int) -> None:
    with pytest.raises(ZeroDivisionError):
        run_in_network_namespace(networked, lambda: 1 // 0)


def test_entering_a_network_namespace_again_and_again_leaves_no_classes(networked: int) -> None:
    def functions() -> int:
        return len(ctypes._CFuncPtr.__subclasses__())  # type: ignore[attr-defined]

    run_in_network_namespace(networked, int)
    before = functions()
    gc.disable()
    try:
        for _ in range(3):
            run_in_network_namespace(networked, int)
        assert functions() == before
    finally:
        gc.enable()


def test_a_process_that_is_gone_has_no_network_and_no_gap() -> None:
    assert rtnetlink.read_network(HOST, 2**22 + 1, "x") == (None, ())


def test_mounts_are_what_findmnt_says(tmp_path: Path) -> None:
    require_root()
    require("unshare", "findmnt")
    odd = tmp_path / "a b\\c\t#d"
    odd.mkdir()
    with running("unshare", "--mount", script=f"mount -t tmpfs -o size=1m odd '{odd}'; mount --make-shared '{odd}'") as pid:
        mounts = read_mountinfo(HOST, pid)
        said = ask("findmnt", "-J", "-l", "-N", str(pid), "-o", "ID,TARGET,FSTYPE,MAJ:MIN,PROPAGATION")["filesystems"]
    assert [(m.mount_id, m.mount_point, m.fs_type, m.device) for m in mounts] == [
        (entry["id"], entry["target"], entry["fstype"], entry["maj:min"]) for entry in said
    ]
    mine = next(mount for mount in mounts if mount.mount_point == str(odd))
    assert mine.source == "odd"
    assert mine.propagation[0].startswith("shared:")
    assert "size=1024k" in mine.super_options


def test_layers_with_odd_names_come_back_as_they_were_given(tmp_path: Path) -> None:
    require_root()
    require("unshare", "mount")
    for name in ("a:b", "c,d", "top", "merged"):
        (tmp_path / name).mkdir()
    # The upper layer on a tmpfs: not every file system can be one.
    options = "lowerdir=a\\:b:c\\,d,upperdir=top/upper,workdir=top/work"
    script = (
        f"cd '{tmp_path}'; mount -t tmpfs top top; mkdir top/upper top/work; mount -t overlay -o '{options}' overlay merged"
    )
    with running("unshare", "--mount", script=script) as pid:
        mount = next(mount for mount in read_mountinfo(HOST, pid) if mount.mount_point == f"{tmp_path}/merged")
    overlay = parse_overlay(mount)
    assert overlay is not None
    assert overlay.lower == ("a:b", "c,d")
    assert (overlay.upper, overlay.work) == ("top/upper", "top/work")


def test_namespaces_are_what_lsns_says() -> None:
    require_root()
    require("unshare", "lsns")
    with running("unshare", "--net", "--uts", "--ipc", "--cgroup", "--mount") as pid:
        found = read_namespaces(HOST, pid)
        said = ask("lsns", "-J", "-p", str(pid), "-o", "NS,TYPE")["namespaces"]
    assert {entry["type"]: int(entry["ns"]) for entry in said} == {
        name: ino for name in found.__struct_fields__ if (ino := getattr(found, name)) is not None
    }


def test_confinement_is_what_setpriv_set() -> None:
    require_root()
    require("setpriv")
    with running(
        "setpriv", "--no-new-privs", "--bounding-set=-all,+kill,+chown", "--inh-caps=-all", "--regid=12", "--clear-groups"
    ) as pid:
        status = read_status(HOST, pid)
    assert status.no_new_privs is True
    assert status.capabilities.named().bounding == ("CAP_CHOWN", "CAP_KILL")
    assert (status.uid, status.gid, status.groups) == (0, 12, ())
    assert status.nspid[-1] == pid


def test_ids_are_mapped_as_unshare_was_told() -> None:
    require("unshare")
    with running("unshare", "--user", "--map-root-user") as pid:
        for name, own in (("uid_map", os.geteuid()), ("gid_map", os.getegid())):
            (line,) = read_id_map(HOST, pid, name)  # type: ignore[arg-type]
            assert (line.inside, line.outside, line.count) == (0, own, 1)


@pytest.fixture
def parent() -> Iterator[int]:
    """A process with PID 1 in a PID namespace of its own, and the PID of ``unshare`` that waits for it."""
    require_root()
    require("unshare", "nsenter")
    with running("unshare", "--pid", "--fork", "--mount-proc", script="sleep 1000 &") as pid:
        yield pid


def test_who_came_in_from_outside_is_told_from_who_was_born_inside(parent: int) -> None:
    init = child_of(parent)
    with running("nsenter", "-t", str(init), "-p", "-m") as entering:
        joined = child_of(entering)
        inside = [int(pid) for pid in Path(f"/proc/{init}/task/{init}/children").read_text().split()]
        processes = read_processes(HOST, container(init, pids=(init, *inside, joined)))
        roles = {process.pid: process.role for process in processes}
        assert roles[init] is Role.INIT
        assert {roles[pid] for pid in inside} == {Role.DESCENDANT}
        assert roles[joined] is Role.JOINED
        assert next(process.nspid for process in processes if process.pid == init)[-1] == 1


def test_a_process_started_when_ps_says(parent: int) -> None:
    require("ps")
    (init,) = read_processes(HOST, container(child_of(parent)))
    elapsed = subprocess.run(["ps", "-o", "etimes=", "-p", str(init.pid)], capture_output=True, check=True, text=True).stdout
    started = unix_time(init.started_at)
    assert started is not None
    assert abs(time.time() - int(elapsed) - started) < 2.5


def test_a_detail_of_a_real_process_has_no_gap_but_for_its_cgroup() -> None:
    require_root()
    require("unshare", "ip")
    environment = {"PATH": os.environ["PATH"], "DB_PASSWORD": "hunter2", "APP": "web"}
    with running("unshare", "--net", "--mount", "--uts", script="mount -t tmpfs none /dev", environment=environment) as pid:
        detail = read_detail(HOST, container(pid))
    assert [process.pid for process in detail.processes] == [pid]
    assert detail.environment is not None
    assert (detail.environment["DB_PASSWORD"], detail.environment["APP"]) == ("***", "web")
    assert detail.security is not None
    assert detail.security.devices == ()  # a tmpfs was mounted over /dev
    assert detail.network is not None
    assert [(link.name, link.state) for link in detail.network.links] == [("lo", "DOWN")]
    assert detail.gaps == ()


# cgroups: below the root of each hierarchy, a cgroup of our own with a name of its own.

_NAME = f"ctrscope-test-{os.getpid()}"


@contextmanager
def own_cgroup(layout: CgroupLayout, pid: int) -> Iterator[CgroupMembership]:
    """Put a process into a cgroup of its own in every hierarchy where that is allowed."""
    made: dict[str, str] = {}
    try:
        for controller, mount in layout.mounts.items():
            directory = f"{mount}/{_NAME}"
            try:
                os.makedirs(directory, exist_ok=True)
                if controller == "cpuset":
                    continue  # it takes CPUs to let anybody in
                Path(f"{directory}/cgroup.procs").write_text(str(pid))
            except OSError as error:
                if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                    raise
                continue
            made[controller] = f"/{_NAME}"
        if not made:
            unmet("cgroupfs is read-only here")
        yield layout.membership(made)
    finally:
        for controller, mount in layout.mounts.items():
            directory = f"{mount}/{_NAME}"
            if os.path.isdir(directory):
                if controller in made:
                    Path(f"{mount}/cgroup.procs").write_text(str(pid))
                os.rmdir(directory)


@pytest.fixture
def layout() -> CgroupLayout:
    require_root()
    found = read_layout(HOST)
    if found is None:
        pytest.skip("no cgroups here")
    return found


def _set(layout: CgroupLayout, membership: CgroupMembership, controller: str, **files: str) -> None:
    directory = layout.directory(membership, controller)
    for name, value in files.items():
        Path(f"{directory}/{controller}.{name}").write_text(value)


def test_limits_of_cgroup_v1_are_those_that_were_set(layout: CgroupLayout) -> None:
    if layout.version == "v2" or not {"memory", "pids", "cpu"} <= set(layout.mounts):
        pytest.skip("this host has no v1 controllers")
    with running() as pid, own_cgroup(layout, pid) as membership:
        before = read_cgroup_stats(HOST, layout, membership, "x").value
        _set(layout, membership, "memory", limit_in_bytes="67108864")
        _set(layout, membership, "pids", max="50")
        _set(layout, membership, "cpu", cfs_quota_us="50000", shares="512")
        after = read_cgroup_stats(HOST, layout, membership, "x", full=True).value
    assert before is not None
    assert before.memory is not None
    assert before.cpu is not None
    assert before.pids is not None
    assert (before.memory.limit, before.cpu.limit_cpus, before.pids.limit) == ("max", "max", "max")
    assert after is not None
    assert after.memory is not None
    assert after.cpu is not None
    assert after.pids is not None
    assert (after.memory.limit, after.cpu.limit_cpus, after.pids.limit) == (67108864, 0.5, 50)
    assert after.cpu.weight == 512
    assert after.pids.current == 1


def test_a_real_cgroup_is_read_without_a_gap_that_the_kernel_does_not_justify(layout: CgroupLayout) -> None:
    with running() as pid, own_cgroup(layout, pid) as membership:
        stats, gaps = read_cgroup_stats(HOST, layout, membership, "x")
        directory = layout.own_directory(membership)
        assert directory is not None
        assert read_members(HOST, directory) == [pid]
    assert stats is not None
    for gap in gaps:
        assert gap.reason is Reason.UNSUPPORTED, gap
        assert not os.path.exists(gap.source), gap


def test_a_frozen_process_is_frozen(layout: CgroupLayout) -> None:
    with running() as pid, own_cgroup(layout, pid) as membership:
        is_v1 = "freezer" in layout.mounts
        switch = f"{layout.directory(membership, 'freezer' if is_v1 else '')}/{'freezer.state' if is_v1 else 'cgroup.freeze'}"
        assert read_frozen(HOST, layout, membership) is False
        Path(switch).write_text("FROZEN" if is_v1 else "1")
        try:
            # Freezing is asked for, and takes as long as it takes.
            while read_stat(HOST, pid).state == "R" or not read_frozen(HOST, layout, membership):
                os.sched_yield()
            assert read_frozen(HOST, layout, membership) is True
        finally:
            Path(switch).write_text("THAWED" if is_v1 else "0")


def test_a_cgroup_that_was_removed_is_gone_without_a_gap(layout: CgroupLayout) -> None:
    with running() as pid, own_cgroup(layout, pid) as membership:
        pass
    assert read_cgroup_stats(HOST, layout, membership, "x") == (None, ())
