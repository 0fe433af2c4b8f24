"""One container, opened: compared with what docker inspect and podman inspect said at that moment."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from ctrscope.discovery.confinement import find_devices, find_masked_paths, find_overlay
from ctrscope.discovery.detail import read_detail, read_processes
from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.model.container import Container, ContainerStatus, EngineName, Monitor
from ctrscope.model.detail import Detail
from ctrscope.model.gap import Reason
from ctrscope.model.process import Role
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs, ProcDir
from ctrscope.probes.proc_pid_mountinfo import parse_mountinfo
from tests.hostfs import DenyingHostFs


@pytest.fixture(scope="module")
def snapshot(v2_root: Path) -> Snapshot:
    return discover(HostFs(str(v2_root)), Plan())


def _find(snapshot: Snapshot, name: str) -> Container:
    return next(container for container in snapshot.containers if container.name == name)


def _read(host: HostFs, snapshot: Snapshot, name: str, *, show_secrets: bool = False) -> Detail:
    return read_detail(host, _find(snapshot, name), show_secrets=show_secrets)


def _inspected(root: Path, engine: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((root / f"cmd/{engine}-inspect.json").read_text())
    return [entry for entry in entries if entry["State"]["Pid"]]


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_overlay_layers_are_those_the_engine_tells(v2_root: Path, v2_host: HostFs, snapshot: Snapshot, engine: str) -> None:
    for entry in _inspected(v2_root, engine):
        overlay = _read(v2_host, snapshot, entry["Name"].strip("/")).overlay
        said = entry["GraphDriver"]["Data"]
        assert overlay is not None
        # The capture has no layers, hence not the links that lower ones are mounted by.
        assert (len(overlay.lower), overlay.upper, overlay.work) == (
            said["LowerDir"].count(":") + 1,
            said["UpperDir"],
            said["WorkDir"],
        )


def test_short_links_to_layers_are_followed_to_their_directories(tmp_path: Path) -> None:
    (tmp_path / "store/l").mkdir(parents=True)
    (tmp_path / "store/l/AAA").symlink_to("../0a1b/diff")
    (tmp_path / "store/l/EVIL").symlink_to("/etc")
    (mount,) = parse_mountinfo(
        b"1 0 0:1 / / rw - overlay overlay rw,lowerdir=l/AAA:/store/l/AAA:/store/l/GONE:/store/l/EVIL:/plain,"
        b"upperdir=/store/ff/diff,workdir=/store/ff/work\n"
    )
    overlay = find_overlay(HostFs(str(tmp_path)), (mount,))
    assert overlay is not None
    assert overlay.lower == ("/store/0a1b/diff", "/store/0a1b/diff", "/store/l/GONE", "/store/l/EVIL", "/plain")


def test_capabilities_are_those_podman_tells(v2_root: Path, v2_host: HostFs, snapshot: Snapshot) -> None:
    compared = 0
    for entry in _inspected(v2_root, "podman"):
        security = _read(v2_host, snapshot, entry["Name"]).security
        assert security is not None
        assert security.capabilities is not None
        if entry["EffectiveCaps"] is not None:
            compared += 1
            assert sorted(security.capabilities.effective) == sorted(entry["EffectiveCaps"])
            assert sorted(security.capabilities.bounding) == sorted(entry["BoundingCaps"])
    assert compared > 3


def test_readonly_paths_are_those_docker_tells_and_masked_ones_among_them(
    v2_root: Path, v2_host: HostFs, snapshot: Snapshot
) -> None:
    for entry in _inspected(v2_root, "docker"):
        security = _read(v2_host, snapshot, entry["Name"].strip("/")).security
        assert security is not None
        assert list(security.readonly_paths or ()) == sorted(entry["HostConfig"]["ReadonlyPaths"] or ())
        # Docker masks what this kernel does not have, too.
        assert set(security.masked_paths or ()) <= set(entry["HostConfig"]["MaskedPaths"] or ())
        assert bool(security.masked_paths) is bool(entry["HostConfig"]["MaskedPaths"])


def test_confinement_is_what_docker_tells(v2_root: Path, v2_host: HostFs, snapshot: Snapshot) -> None:
    for entry in _inspected(v2_root, "docker"):
        security = _read(v2_host, snapshot, entry["Name"].strip("/")).security
        assert security is not None
        assert security.apparmor is not None
        # docker inspect leaves the profile empty where the container is privileged.
        assert security.apparmor.removesuffix(" (enforce)") == (entry["AppArmorProfile"] or "unconfined")
        options = entry["HostConfig"]["SecurityOpt"] or ()
        is_open = entry["HostConfig"]["Privileged"] or "seccomp=unconfined" in options
        assert security.seccomp == ("disabled" if is_open else "filter")
        assert security.no_new_privs is any("no-new-privileges" in option for option in options)


def test_limits_and_usage_are_there(v2_host: HostFs, snapshot: Snapshot) -> None:
    detail = _read(v2_host, snapshot, "p-web")
    assert detail.limits is not None
    assert (detail.limits.cpus, detail.limits.memory, detail.limits.pids) == (0.5, 64 * 1024 * 1024, 50)
    assert detail.usage is not None
    assert detail.usage.frozen is False


def test_a_paused_container_is_frozen(v2_host: HostFs, snapshot: Snapshot) -> None:
    usage = _read(v2_host, snapshot, "d-paused").usage
    assert usage is not None
    assert usage.frozen is True


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_the_environment_is_the_one_the_engine_set(v2_root: Path, v2_host: HostFs, snapshot: Snapshot, engine: str) -> None:
    for entry in _inspected(v2_root, engine):
        found = _read(v2_host, snapshot, entry["Name"].strip("/"), show_secrets=True).environment
        assert found is not None
        said = dict(variable.split("=", 1) for variable in entry["Config"]["Env"] or ())
        assert {name: found.get(name) for name in said} == said


def test_secrets_are_hidden_unless_asked_for(v2_host: HostFs, snapshot: Snapshot) -> None:
    hidden, shown = (_read(v2_host, snapshot, "p-web", show_secrets=show).environment for show in (False, True))
    assert hidden is not None
    assert shown is not None
    assert (hidden["DB_PASSWORD"], hidden["APP"]) == ("***", "web")
    assert shown["DB_PASSWORD"] == "not-a-secret"


def test_a_stopped_container_has_the_environment_of_its_bundle(v2_root: Path, v2_host: HostFs, snapshot: Snapshot) -> None:
    detail = _read(v2_host, snapshot, "p-exit3")
    entries = json.loads((v2_root / "cmd/podman-inspect.json").read_text())
    said = next(entry for entry in entries if entry["Name"] == "p-exit3")["Config"]["Env"]
    assert detail.environment == dict(variable.split("=", 1) for variable in said)
    assert (detail.processes, detail.usage, detail.mounts, detail.security, detail.gaps) == ((), None, None, None, ())


def test_a_stopped_docker_container_has_the_environment_of_dockers_own_file(
    v2_root: Path, v2_host: HostFs, snapshot: Snapshot
) -> None:
    stopped = msgspec.structs.replace(_find(snapshot, "d-web"), pid=None)
    detail = read_detail(v2_host, stopped, show_secrets=True)
    entries = json.loads((v2_root / "cmd/docker-inspect.json").read_text())
    said = next(entry for entry in entries if entry["Name"] == "/d-web")["Config"]["Env"]
    assert detail.environment == dict(variable.split("=", 1) for variable in said)
    assert detail.gaps == ()


def test_a_stopped_container_without_a_bundle_says_so(v2_host: HostFs, snapshot: Snapshot) -> None:
    lost = msgspec.structs.replace(_find(snapshot, "p-exit3"), bundle=None)
    detail = read_detail(v2_host, lost)
    assert detail.environment is None
    assert [(gap.fields, gap.reason) for gap in detail.gaps] == [(("environment",), Reason.UNAVAILABLE)]


def test_another_root_is_never_asked_over_netlink(v2_host: HostFs, snapshot: Snapshot) -> None:
    detail = _read(v2_host, snapshot, "d-web")
    assert detail.network is not None
    assert [link.name for link in detail.network.links] == ["lo", "eth0"]
    assert {link.kind for link in detail.network.links} == {None}
    assert Reason.UNSUPPORTED in [gap.reason for gap in detail.gaps if "network.links.kind" in gap.fields]


def test_devices_are_not_looked_up_through_a_captured_link(v2_host: HostFs, snapshot: Snapshot) -> None:
    detail = _read(v2_host, snapshot, "d-web")
    assert detail.security is not None
    assert detail.security.devices is None
    assert ("security.devices",) in [gap.fields for gap in detail.gaps]


def test_what_is_denied_leaves_gaps_and_the_rest_stands(v2_root: Path, snapshot: Snapshot) -> None:
    pid = _find(snapshot, "d-web").pid
    denied = {f"/proc/{pid}/{name}": errno.EACCES for name in ("environ", "mountinfo", "attr/current")}
    detail = _read(DenyingHostFs(str(v2_root), denied), snapshot, "d-web")
    assert (detail.environment, detail.mounts, detail.overlay) == (None, None, None)
    assert detail.security is not None
    assert detail.security.masked_paths is None
    assert detail.security.seccomp == "filter"
    assert detail.processes
    gaps = {gap.fields: (gap.reason, gap.needs) for gap in detail.gaps}
    assert gaps["environment",] == gaps["mounts", "overlay"] == (Reason.DENIED, "CAP_SYS_PTRACE")


def test_an_init_that_ended_meanwhile_leaves_what_is_on_disk(v2_root: Path, v2_host: HostFs, snapshot: Snapshot) -> None:
    container = _find(snapshot, "p-web")
    reused = msgspec.structs.replace(container, starttime_ticks=1)
    detail = read_detail(v2_host, reused)
    assert (detail.processes, detail.mounts) == ((), None)
    assert detail.environment is not None
    gone = DenyingHostFs(str(v2_root), {f"/proc/{container.pid}": errno.ENOENT})
    assert read_detail(gone, container).processes == ()


def test_the_supervisor_comes_first_and_then_init(v2_host: HostFs, snapshot: Snapshot) -> None:
    monitor, init, *_ = read_processes(v2_host, _find(snapshot, "p-web"))
    assert (monitor.comm, monitor.role, monitor.nspid) == ("conmon", Role.MONITOR, (monitor.pid,))
    assert (init.ppid, init.role, init.nspid, init.uid) == (monitor.pid, Role.INIT, (init.pid, 1), 0)
    assert init.cmdline is not None
    assert init.cmdline[0] == "sh"


def test_processes_start_at_boot_plus_their_ticks(family: HostFs) -> None:
    assert [p.started_at for p in read_processes(family, _FAMILY)][:2] == [
        "2023-11-14T22:13:25.100Z",
        "2023-11-14T22:13:25.200Z",
    ]


def _process(root: Path, template: Path, pid: int, ppid: int, nspid: str, *, state: str = "S", start: int = 500) -> None:
    here = root / "proc" / str(pid)
    shutil.copytree(template, here, symlinks=True, ignore=lambda _, names: set(names) - {"status", "cmdline"})
    (here / "stat").write_text(f"{pid} (p{pid}) {state} {ppid} 0 0 0 0 0 0 0 0 0 3 4 0 0 20 0 1 0 {start} 0 0\n")
    status = (here / "status").read_text().splitlines(True)
    (here / "status").write_text("".join(f"NSpid:\t{nspid}\n" if line.startswith("NSpid") else line for line in status))


@pytest.fixture
def family(v2_root: Path, tmp_path: Path) -> HostFs:
    """Monitor 10, init 20, its child 21 and grandchild 22 (a zombie), 30 that came in from outside, its child 31."""
    template = v2_root / "proc/1154"
    for pid, ppid, nspid in (
        (1, 0, "1"),
        (10, 1, "10"),
        (20, 10, "20 1"),
        (21, 20, "21 2"),
        (30, 10, "30 7"),
        (31, 30, "31 8"),
    ):
        _process(tmp_path, template, pid, ppid, nspid.replace(" ", "\t"), start=500 + pid)
    _process(tmp_path, template, 22, 21, "22\t3", state="Z")
    (tmp_path / "proc/22/cmdline").write_text("")
    (tmp_path / "proc/stat").write_text("cpu 1\nbtime 1700000000\n")
    return HostFs(str(tmp_path))


_FAMILY = Container(
    id="c",
    name="c",
    engine=EngineName.PODMAN,
    status=ContainerStatus.RUNNING,
    pid=20,
    starttime_ticks=520,
    pids=(20, 31, 30, 22, 21, 99),
    monitor=Monitor(pid=10, comm="conmon", alive=True),
)


def test_roles_follow_the_chain_of_parents(family: HostFs) -> None:
    assert [(p.pid, p.role) for p in read_processes(family, _FAMILY)] == [
        (10, Role.MONITOR),
        (20, Role.INIT),
        (22, Role.DESCENDANT),
        (21, Role.DESCENDANT),
        (30, Role.JOINED),
        (31, Role.JOINED),
    ]


def test_a_zombie_keeps_its_row(family: HostFs) -> None:
    zombie = next(p for p in read_processes(family, _FAMILY) if p.pid == 22)
    assert (zombie.state, zombie.cmdline) == ("Z", ())


def test_arguments_that_are_denied_are_none(family: HostFs) -> None:
    host = DenyingHostFs(family.root, {"/proc/21/cmdline": errno.EACCES})
    assert next(p for p in read_processes(host, _FAMILY) if p.pid == 21).cmdline is None


def test_an_orphan_in_a_shared_pid_namespace_did_not_come_from_outside(family: HostFs, v2_root: Path) -> None:
    # 20 is PID 5 in a pod whose PID 1 is 15; 40 lost its parent and is 15's child now.
    root = Path(family.root)
    shutil.rmtree(root / "proc/20")
    template = v2_root / "proc/1154"
    _process(root, template, 15, 10, "15\t1")
    _process(root, template, 20, 10, "20\t5", start=520)
    _process(root, template, 40, 15, "40\t9", start=540)
    container = msgspec.structs.replace(_FAMILY, pids=(20, 30, 40))
    assert {p.pid: p.role for p in read_processes(family, container)} == {
        10: Role.MONITOR,
        20: Role.INIT,
        30: Role.JOINED,
        40: Role.DESCENDANT,
    }


def test_a_parent_outside_is_read_once_however_many_came_from_it(family: HostFs, v2_root: Path) -> None:
    class Counting(HostFs):
        opened: ClassVar[list[int]] = []

        @contextmanager
        def process(self, pid: int) -> Iterator[ProcDir]:
            self.opened.append(pid)
            with super().process(pid) as inner:
                yield inner

    for pid in range(50, 60):
        _process(Path(family.root), v2_root / "proc/1154", pid, 10, f"{pid}\t9")
    container = msgspec.structs.replace(_FAMILY, pids=(20, *range(50, 60)), monitor=None)
    assert {p.role for p in read_processes(Counting(family.root), container)} == {Role.INIT, Role.JOINED}
    assert (Counting.opened.count(10), Counting.opened.count(1)) == (1, 1)


def test_parents_that_go_round_in_a_circle_end(family: HostFs, v2_root: Path) -> None:
    for pid, ppid in ((50, 51), (51, 50)):
        _process(Path(family.root), v2_root / "proc/1154", pid, ppid, f"{pid}\t3", start=550)
    container = msgspec.structs.replace(_FAMILY, pids=(20, 50))
    assert {p.pid: p.role for p in read_processes(family, container)}[50] is Role.JOINED


def test_a_file_that_replaces_another_does_not_mask_it() -> None:
    text = (
        b"10 1 0:5 / /proc rw - proc proc rw\n"
        b"11 10 0:9 /.lxc-boot-id /proc/sys/kernel/random/boot_id ro - tmpfs none rw\n"
        b"12 1 0:6 / /sys rw - sysfs sysfs rw\n"
        b"13 12 0:7 / /sys/fs/cgroup ro - tmpfs tmpfs rw\n"
        b"14 13 0:8 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
        b"15 10 0:9 /systemd/inaccessible/reg /proc/kmsg ro - tmpfs tmpfs rw\n"
        b"16 10 0:9 /null /proc/keys rw - devtmpfs devtmpfs rw\n"
        b"17 10 0:20 /proc/meminfo /proc/meminfo rw - fuse.lxcfs lxcfs rw\n"
    )
    assert find_masked_paths(parse_mountinfo(text)) == ("/proc/keys", "/proc/kmsg")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make device nodes")
def test_devices_are_found_also_in_directories(tmp_path: Path) -> None:
    (tmp_path / "dev/net").mkdir(parents=True)
    (tmp_path / "dev/pts").mkdir()
    for name in ("null", "net/tun", "pts/0"):
        os.mknod(tmp_path / "dev" / name, 0o20666, os.makedev(1, 3))
    (tmp_path / "dev/file").write_text("")
    (tmp_path / "dev/link").symlink_to("null")
    assert find_devices(HostFs(str(tmp_path))) == (("net/tun", "null"), True)


def test_a_dev_filled_to_the_brim_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    for number in range(4100):
        (tmp_path / "dev" / str(number)).touch()
    assert find_devices(HostFs(str(tmp_path))) == ((), False)
