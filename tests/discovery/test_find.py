"""The reverse look-up, on the captured host and on one written by hand."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.find import find
from ctrscope.discovery.plan import Plan
from ctrscope.model.gap import Reason
from ctrscope.model.match import Match, MatchKind
from ctrscope.probes.hostfs import HostFs
from tests.builders import HostTree
from tests.hostfs import DenyingHostFs

#: Whose state a container of runc is in is part of its key: the files of these trees belong to whoever runs the tests.
BOX = f"runc{f'@{os.geteuid()}' if os.geteuid() else ''}/box"

PLAN = Plan(namespaces=True, addresses=False, stats=False, stopped=True)
Ask = Callable[[str], tuple[Match, ...]]
OWN = {"mnt": 4026532001, "pid": 4026532002, "net": 4026532003}


def asking(host: HostFs) -> Ask:
    snapshot = discover(host, PLAN)

    def ask(query: str) -> tuple[Match, ...]:
        value = find(host, snapshot, query).value
        assert value is not None
        return value

    return ask


@pytest.fixture(scope="module")
def captured(v2_root: Path) -> Ask:
    return asking(HostFs(str(v2_root)))


def found(matches: tuple[Match, ...]) -> set[tuple[MatchKind, str | None]]:
    return {(match.kind, match.container) for match in matches}


def test_docker_containers_of_the_capture_by_pid_namespace_layer_and_cgroup(captured: Ask, v2_root: Path) -> None:
    said = [one for one in json.loads((v2_root / "cmd/docker-inspect.json").read_text()) if one["State"]["Pid"]]
    assert said
    for one in said:
        key, pid = f"docker/{one['Id']}", one["State"]["Pid"]
        assert (MatchKind.PROCESS, key) in found(captured(str(pid)))
        assert found(captured(one["Id"])) == {(MatchKind.CONTAINER, key)}
        assert (MatchKind.CGROUP, key) in found(captured(f"/sys/fs/cgroup/system.slice/docker-{one['Id']}.scope/below"))
        upper = one["GraphDriver"]["Data"]["UpperDir"]
        assert (MatchKind.OVERLAY, key) in found(captured(f"{upper}/etc/passwd"))
        assert (MatchKind.IMAGE, key) in found(captured(one["Config"]["Image"]))


def test_published_ports_of_the_capture(captured: Ask, v2_root: Path) -> None:
    checked = 0
    for one in json.loads((v2_root / "cmd/docker-inspect.json").read_text()):
        for inside, bindings in (one["HostConfig"]["PortBindings"] or {}).items():
            for binding in bindings:
                proto = inside.partition("/")[2]
                matches = captured(f"{proto}/{binding['HostPort']}")
                assert (MatchKind.PORT, f"docker/{one['Id']}") in found(matches)
                checked += 1
    assert checked


@pytest.fixture
def host(tmp_path: Path) -> HostTree:
    """One runc container with two processes, a volume, a pod's annotation; a daemon and a stray namespace of the host."""
    tree = HostTree(tmp_path)
    state = {
        "id": "box",
        "init_process_pid": 40,
        "init_process_start": 5000,
        "cgroup_paths": {"": "/sys/fs/cgroup/box"},
        "config": {"rootfs": "/b/box/rootfs", "labels": ["bundle=/b/box"]},
    }
    tree.file("/run/runc/box/state.json", json.dumps(state))
    tree.process(40, starttime=5000, cgroup="/box", namespaces=OWN, cmdline="httpd -f")
    tree.process(41, ppid=40, cgroup="/box", namespaces={**OWN, "net": 4026532009})
    tree.process(50, comm="sshd", cgroup="/system.slice/ssh.service", cmdline="sshd -D")
    tree.process(60, comm="sleep", cgroup="/system.slice/ns.service", namespaces={"mnt": 4026532050})
    for pid, nspid in ((40, "40\t1"), (41, "41\t7"), (50, "50"), (60, "60"), (1, "1")):
        status(tree, pid, pid, nspid)
    status(tree, 43, 41, "43\t9")
    tree.file(
        "/proc/1/mountinfo",
        "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 8:2 /vol /srv rw - ext4 /dev/sda2 rw\n"
        "22 20 0:4 net:[4026532003] /run/netns/box rw - nsfs nsfs rw\n",
    )
    tree.file(
        "/proc/40/mountinfo",
        "30 1 8:1 /b/box/rootfs / rw - ext4 /dev/sda1 rw\n31 30 8:2 /vol/data /data rw - ext4 /dev/sda2 rw\n",
    )
    tree.file("/srv/data/file", "x")
    tree.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    title = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    rest = "00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0"
    tree.file("/proc/1/net/tcp", f"{title}   0: 00000000:0016 {rest} 500 1\n")
    tree.file("/proc/40/net/tcp", f"{title}   0: 00000000:0050 {rest} 400 1\n")
    tree.link("/proc/50/fd/3", "socket:[500]")
    tree.link("/proc/40/fd/3", "socket:[400]")
    return tree


def status(tree: HostTree, number: int, tgid: int, nspid: str) -> None:
    sets = "".join(f"{name}:\t0\n" for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
    ids = "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\n"
    tree.file(f"/proc/{number}/status", f"Name:\tx\nTgid:\t{tgid}\nPid:\t{number}\n{ids}NSpid:\t{nspid}\n{sets}")


@pytest.mark.parametrize(
    ("query", "answers"),
    [
        ("40", {(MatchKind.PROCESS, BOX)}),
        ("pid:41", {(MatchKind.PROCESS, BOX)}),
        ("43", {(MatchKind.THREAD, BOX)}),
        ("7", {(MatchKind.PID_INSIDE, BOX)}),
        ("50", {(MatchKind.PROCESS, None)}),
        ("net:[4026532003]", {(MatchKind.NAMESPACE, BOX)}),
        ("4026532009", {(MatchKind.NAMESPACE, BOX)}),
        ("4026532050", {(MatchKind.NAMESPACE, None)}),
        ("4026531833", {(MatchKind.NAMESPACE, None)}),
        ("/run/netns/box", {(MatchKind.NAMESPACE, BOX)}),
        ("/var/run/netns/box", {(MatchKind.NAMESPACE, BOX)}),
        ("80", {(MatchKind.PORT, BOX)}),
        ("tcp/22", {(MatchKind.PORT, None)}),
        ("udp/22", set()),
        ("/box", {(MatchKind.CGROUP, BOX)}),
        ("/sys/fs/cgroup/box/cgroup.procs", {(MatchKind.CGROUP, BOX)}),
        ("/sys/fs/cgroup/system.slice", {(MatchKind.CGROUP, None)}),
        ("/srv/data/file", {(MatchKind.MOUNT, BOX)}),
        ("/srv/other", set()),
        ("/data", {(MatchKind.MOUNT, BOX)}),
        ("/b/box/rootfs/bin/sh", {(MatchKind.MOUNT, BOX)}),
        ("/b/box/config.json", {(MatchKind.FILE, BOX)}),
        ("/etc/passwd", {(MatchKind.FILE, None)}),
        ("/proc/40/status", {(MatchKind.PROCESS, BOX)}),
        ("127.0.0.1", {(MatchKind.ADDRESS, None)}),
        ("box", {(MatchKind.CONTAINER, BOX)}),
        ("", set()),
        ("   ", set()),
        ("/", {(MatchKind.CGROUP, None)}),
        ("4194304", set()),
    ],
)
def test_each_kind_of_query(host: HostTree, query: str, answers: set[tuple[MatchKind, str | None]]) -> None:
    assert found(asking(host.fs)(query)) == answers


def test_the_detail_says_what_it_is_to_the_container(host: HostTree) -> None:
    ask = asking(host.fs)
    assert ask("40")[0].detail == "httpd -f, its init"
    assert ask("43")[0].detail == "a thread of process 41 ([sleep])"
    assert ask("50")[0].detail == "sshd -D: a process of the host, in no container"
    assert ask("60")[0].detail.startswith("[sleep]: a process of the host, in no container, with its own mnt")
    assert ask("4026532009")[0].detail == "not the one of its init: process 41 ([sleep]) is in it"
    assert ask("4026532050")[0].detail == "nobody's: no container's, kept by process 60 ([sleep]) of the host"
    assert ask("/srv/data/file")[0].detail == "mounted there at /data; inside: /data/file"
    assert ask("/srv/data/file")[0].what == "/srv/data"
    assert "process 50 (sshd) listens" in ask("tcp/22")[0].detail


def test_a_number_that_means_several_things_has_an_answer_for_each(host: HostTree) -> None:
    status(host, 80, 80, "80")
    host.process(80, comm="cron", cmdline="cron")
    assert found(asking(host.fs)("80")) == {(MatchKind.PROCESS, None), (MatchKind.PORT, BOX)}


def test_what_may_not_be_read_is_a_gap(host: HostTree) -> None:
    denied = DenyingHostFs(str(host.path), {"/proc/40/net": errno.EACCES})
    matches, gaps = find(denied, discover(denied, PLAN), "80")
    assert matches == ()
    assert [(gap.reason, gap.source, gap.needs) for gap in gaps] == [(Reason.DENIED, "/proc/40/net", "CAP_SYS_PTRACE")]
