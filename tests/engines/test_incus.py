"""Incus and LXD, by the layout that their sources document."""

import errno
from pathlib import Path

from ctrscope.engines.incus import Incus, Lxd, parse_backup
from ctrscope.model.container import ContainerStatus, EngineName
from ctrscope.model.gap import Reason
from tests.builders import HostTree
from tests.engines.surveys import add_status, read_both, survey_of
from tests.hostfs import DenyingHostFs

OWN = {"pid": 4026532002, "mnt": 4026532001}
BACKUP = """\
container:
  architecture: x86_64
  config:
    image.architecture: amd64
    image.description: Debian bookworm amd64 (20260101_05:24)
    volatile.last_state.power: RUNNING
  devices:
    created_at: 1999-01-01T00:00:00Z
  name: web
  created_at: 2026-01-02T03:04:05.678901234Z
  type: container
snapshots:
- created_at: 2026-02-02T03:04:05Z
pool:
  created_at: 1970-01-01T00:00:00Z
"""


def add_instance(host: HostTree, name: str, root: str = "/var/lib/incus") -> None:
    host.file(f"{root}/storage-pools/default/containers/{name}/backup.yaml", BACKUP)
    host.link(f"{root}/containers/{name}", f"{root}/storage-pools/default/containers/{name}")


def add_monitor(host: HostTree, pid: int, lxcpath: str, name: str, comm: str, uid: int = 0) -> None:
    host.process(pid, comm=comm)
    (host.path / f"proc/{pid}/cmdline").write_bytes(f"[lxc monitor] {lxcpath} {name}".encode())
    add_status(host, pid, uid)
    host.process(pid + 1, ppid=pid, comm="systemd", cmdline="/sbin/init", cgroup=f"/lxc.payload.{name}", namespaces=OWN)


def test_instances_are_found_stopped(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    add_instance(host, "web")
    add_instance(host, "shop_web")
    host.file("/var/lib/incus/virtual-machines/vm/backup.yaml", BACKUP)
    reading = Incus().read_state(survey_of(host.fs))
    found = sorted((record.id, record.name, record.engine_namespace or "") for record in reading.records)
    assert found == [("shop_web", "web", "shop"), ("web", "web", "")]
    assert {record.status for record in reading.records} == {ContainerStatus.STOPPED}
    assert {record.created_at for record in reading.records} == {"2026-01-02T03:04:05.678901234Z"}
    assert {record.image for record in reading.records} == {"Debian bookworm amd64 (20260101_05:24)"}
    assert reading.gaps == ()


def test_a_running_instance_has_its_init_and_its_monitor(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    add_instance(host, "web")
    host.file("/run/incus/web/lxc.conf", "lxc.rootfs.path = dir:/pool/web/rootfs\nlxc.net.0.link = incusbr0\n")
    add_monitor(host, 60, "/var/lib/incus/containers", "web", "incusd")
    host.process(70, comm="incusd", cmdline="incusd --group incus-admin")
    first, more = read_both(Incus(), survey_of(host.fs))
    assert more is not None
    (before,), (after,) = first.records, more.records
    assert (after.status, after.pid, after.monitor_pid, after.monitor_expected) == (ContainerStatus.RUNNING, 61, 60, "incusd")
    assert (after.id, after.engine_namespace, after.owner_uid) == (before.id, before.engine_namespace, before.owner_uid)
    assert after.rootfs == "/pool/web/rootfs"
    assert after.networks == ("incusbr0",)
    assert after.command == ("/sbin/init",)


def test_lxd_of_the_snap_keeps_its_pools_out_of_sight(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    root = "/var/snap/lxd/common/lxd"
    host.link(f"{root}/containers/web", f"{root}/storage-pools/default/containers/web")
    add_monitor(host, 60, f"{root}/containers", "web", "lxd")
    first, more = read_both(Lxd(), survey_of(host.fs))
    assert first.gaps == ()
    assert more is not None
    (record,) = more.records
    assert (record.engine, record.id, record.pid, record.image) == (EngineName.LXD, "web", 61, None)


def test_a_directory_that_was_moved_is_known_from_its_monitors(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    add_instance(host, "web", "/srv/incus")
    add_monitor(host, 60, "/srv/incus/containers", "web", "incusd")
    first, more = read_both(Incus(), survey_of(host.fs))
    assert not first.status.found
    assert more is not None
    assert [(record.id, record.pid, record.created_at) for record in more.records] == [
        ("web", 61, "2026-01-02T03:04:05.678901234Z")
    ]


def test_a_process_of_somebody_else_with_that_title_is_no_instance(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    add_instance(host, "web")
    add_monitor(host, 60, "/var/lib/incus/containers", "web", "incusd", uid=1000)
    assert Incus().read_supervisors(survey_of(host.fs)) is None


def test_what_may_not_be_read_is_a_gap(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    add_instance(tree, "web")
    reading = Incus().read_state(survey_of(DenyingHostFs(str(tmp_path), {"/var/lib/incus/containers": errno.EACCES})))
    assert reading.status.found
    assert {(gap.reason, gap.source) for gap in reading.gaps} == {(Reason.DENIED, "/var/lib/incus/containers")}


def test_a_backup_that_says_nothing_says_nothing() -> None:
    assert parse_backup(b"") == (None, None)
    assert parse_backup(b"\xff\x00\n:\n  created_at: 1\n") == (None, None)
    assert parse_backup(b"instance:\n  created_at: '2026-01-01T00:00:00Z'\n    image.description:\n") == (
        "2026-01-01T00:00:00Z",
        None,
    )
