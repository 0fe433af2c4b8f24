"""LXC: configuration, and the monitors of those that run."""

import errno
import os
from pathlib import Path

import pytest

from ctrscope.engines.lxc import Lxc, LxcConfig, parse_lxc_config, parse_monitor
from ctrscope.model.container import ContainerStatus
from ctrscope.model.gap import ParseError, Reason
from ctrscope.probes.hostfs import HostFs
from tests.builders import HostTree
from tests.engines.surveys import add_status, read_both, survey_of
from tests.hostfs import DenyingHostFs
from tests.requirements import require_root

OWN = {"pid": 4026532002, "mnt": 4026532001}
CONFIG = "lxc.rootfs.path = dir:/var/lib/lxc/web/rootfs\nlxc.uts.name = web\n"


def add_running(host: HostTree, monitor: int, name: str, *, title: str = "", uid: int = 0) -> None:
    """A monitor, and its init the PID after it."""
    host.process(monitor, comm="lxc-start")
    (host.path / f"proc/{monitor}/cmdline").write_bytes((title or f"[lxc monitor] /var/lib/lxc {name}").encode() + b"\0\0\0")
    add_status(host, monitor, uid)
    host.process(monitor + 1, ppid=monitor, comm="init", cmdline="/sbin/init", cgroup=f"/lxc.payload.{name}", namespaces=OWN)


def test_the_running_container_is_the_one_that_lxc_info_describes(v2_root: Path, v2_host: HostFs) -> None:
    said = dict(line.split(":", 1) for line in (v2_root / "cmd/lxc-info.txt").read_text().splitlines() if ":" in line)
    first, more = read_both(Lxc(), survey_of(v2_host))
    assert more is not None
    (before,), (after,) = first.records, more.records
    assert after.name == said["Name"].strip()
    assert after.pid == int(said["PID"])
    assert after.status is ContainerStatus.RUNNING
    assert after.monitor_pid == 2237
    assert (before.status, before.pid) == (ContainerStatus.STOPPED, None)
    assert (before.id, before.owner_uid, before.engine_namespace) == (after.id, after.owner_uid, after.engine_namespace)
    assert after.command == ("/bin/sleep", "100000")
    assert after.rootfs == "/var/lib/lxc/lx1/rootfs"
    assert after.networks == ("lxcbr0",)


def test_a_configuration_is_read() -> None:
    text = (
        b"# comment\nlxc.include = /x\n\nlxc.rootfs.path = overlay:/lower:/upper\nlxc.init.cmd = /bin/sh -c x\nlxc.uts.name=w\n"
    )
    text += b'lxc.net.0.link = br0\nlxc.net.1.link = br0\nlxc.net.2.link = "br1"\n'
    assert parse_lxc_config(text, "c") == LxcConfig("/lower", ("/bin/sh", "-c", "x"), "w", ("br0", "br1"))


def test_the_keys_before_lxc_2_1_are_read() -> None:
    text = b"lxc.rootfs = /var/lib/lxc/a/rootfs\nlxc.init_cmd = /init\nlxc.utsname = a\nlxc.network.link = br0\n"
    assert parse_lxc_config(text, "c") == LxcConfig("/var/lib/lxc/a/rootfs", ("/init",), "a", ("br0",))


@pytest.mark.parametrize("text", [b"lxc.rootfs.pa", b"\0\0\0\0", b"\xff\xfe", b"a = b\nnonsense\n"])
def test_a_configuration_that_makes_no_sense_is_a_parse_error(text: bytes) -> None:
    with pytest.raises(ParseError, match="/c/config"):
        parse_lxc_config(text, "/c/config")


def test_a_user_who_names_no_lxcpath_means_the_users_own(tmp_path: Path) -> None:
    require_root("files of another user")
    host = HostTree(tmp_path)
    host.file("/etc/passwd", "u:x:1000:1000::/home/u:/bin/sh\n")
    host.file("/var/lib/lxc/web/config", CONFIG)
    os.chown(host.file("/home/u/.local/share/lxc/web/config", "lxc.uts.name = mine\n"), 1000, 1000)
    add_running(host, 30, "web", title="lxc-start\0-F\0-n\0web", uid=1000)
    _, more = read_both(Lxc(), survey_of(host.fs))
    assert more is not None
    assert [(record.owner_uid, record.engine_namespace, record.pid) for record in more.records] == [(1000, None, 31)]


def test_a_broken_configuration_is_a_gap_and_the_container_stands(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/var/lib/lxc/web/config", "lxc.rootfs.pa")
    reading = Lxc().read_state(survey_of(host.fs))
    assert [record.id for record in reading.records] == ["web"]
    assert [(gap.reason, gap.source) for gap in reading.gaps] == [(Reason.MALFORMED, "/var/lib/lxc/web/config")]


def test_a_container_that_is_being_created_says_so(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/var/lib/lxc/web/config", CONFIG)
    host.file("/var/lib/lxc/web/partial", "")
    assert [record.status for record in Lxc().read_state(survey_of(host.fs)).records] == [ContainerStatus.CREATING]


def test_a_directory_without_configuration_is_no_container(tmp_path: Path) -> None:
    HostTree(tmp_path).file("/var/lib/lxc/lxc-monitord.log", "")
    (tmp_path / "var/lib/lxc/empty").mkdir()
    assert Lxc().read_state(survey_of(HostFs(str(tmp_path)))).records == ()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("[lxc monitor] /var/lib/lxc web",), ("/var/lib/lxc", "web")),
        (("[lxc monitor] /srv/my containers web",), ("/srv/my containers", "web")),
        (("[lxc monitor] /var/lib/lxc ",), None),
        (("[lxc monitor] nonsense",), None),
        (("lxc-start", "-F", "-n", "101"), (None, "101")),
        (("/usr/bin/lxc-start", "-F", "-P", "/srv/lxc/", "-n101"), ("/srv/lxc", "101")),
        (("lxc-start", "--lxcpath=/srv/lxc", "--name=web", "-F"), ("/srv/lxc", "web")),
        (("lxc-start", "-F", "-l", "debug", "web"), (None, "web")),
        (("lxc-execute", "-n", "job", "--", "sh", "-n", "x"), (None, "job")),
        (("lxc-start", "-n", "../../etc"), None),
        (("lxc-start",), None),
        (("lxc-attach", "-n", "web"), None),
        ((), None),
    ],
)
def test_a_monitor_tells_its_container(arguments: tuple[str, ...], expected: tuple[str | None, str] | None) -> None:
    assert parse_monitor(arguments) == expected


def test_a_container_in_the_foreground_is_found(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/var/lib/lxc/101/config", CONFIG)
    add_running(host, 50, "101", title="/usr/bin/lxc-start\0-F\0-n\x00101")
    _, more = read_both(Lxc(), survey_of(host.fs))
    assert more is not None
    assert [(record.id, record.pid, record.command) for record in more.records] == [("101", 51, ("/sbin/init",))]


def test_a_container_of_another_lxcpath_is_another_one(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/var/lib/lxc/web/config", CONFIG)
    host.file("/srv/lxc/web/config", "lxc.rootfs.path = dir:/srv/lxc/web/rootfs\n")
    add_running(host, 50, "web", title="[lxc monitor] /srv/lxc web")
    _, more = read_both(Lxc(), survey_of(host.fs))
    assert more is not None
    (record,) = more.records
    assert (record.id, record.engine_namespace, record.rootfs) == ("web", "/srv/lxc", "/srv/lxc/web/rootfs")


def test_the_configured_lxcpath_is_the_default(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/etc/lxc/lxc.conf", "lxc.lxcpath = /srv/lxc/\n")
    host.file("/srv/lxc/web/config", CONFIG)
    host.file("/var/lib/lxc/old/config", CONFIG)
    found = Lxc().read_state(survey_of(host.fs)).records
    assert [(record.id, record.engine_namespace) for record in found] == [("web", None), ("old", "/var/lib/lxc")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_a_users_containers_are_theirs(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/etc/passwd", "alice:x:1000:1000::/home/alice:/bin/sh\n")
    os.chown(host.file("/home/alice/.local/share/lxc/mine/config", CONFIG), 1000, 1000)
    add_running(host, 50, "mine", title="[lxc monitor] /home/alice/.local/share/lxc mine", uid=1000)
    first, more = read_both(Lxc(), survey_of(host.fs))
    assert more is not None
    assert [(record.id, record.owner_uid, record.engine_namespace) for record in first.records] == [("mine", 1000, None)]
    assert [(record.id, record.owner_uid, record.pid) for record in more.records] == [("mine", 1000, 51)]


def test_a_process_of_somebody_else_with_that_title_does_not_speak_for_the_container(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/var/lib/lxc/web/config", CONFIG)
    add_running(host, 50, "web", uid=1000)
    first, more = read_both(Lxc(), survey_of(host.fs))
    assert more is not None
    assert [(record.id, record.owner_uid) for record in first.records] == [("web", 0)]
    assert [(record.id, record.owner_uid) for record in more.records] == [("web", 1000)]


def test_a_monitor_without_init_is_starting(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/var/lib/lxc/web/config", CONFIG)
    add_running(host, 50, "web")
    survey = survey_of(host.fs)
    survey.supervisors = (1, 50)
    _, more = read_both(Lxc(), survey)
    assert more is not None
    assert [(record.status, record.pid) for record in more.records] == [(ContainerStatus.CREATING, None)]


def test_where_namespaces_may_not_be_read_the_only_child_is_init(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.file("/var/lib/lxc/web/config", CONFIG)
    add_running(tree, 50, "web")
    host = DenyingHostFs(str(tmp_path), {"/proc/50/ns": errno.EACCES, "/proc/51/ns": errno.EACCES})
    _, more = read_both(Lxc(), survey_of(host))
    assert more is not None
    assert [record.pid for record in more.records] == [51]


def test_without_monitors_there_is_nothing_more(tmp_path: Path) -> None:
    assert Lxc().read_supervisors(survey_of(HostTree(tmp_path).fs)) is None
