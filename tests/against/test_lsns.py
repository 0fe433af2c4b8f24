"""Namespaces against lsns(8), on this machine with two hundred more of them, and on the captured host."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.namespaces import read_namespaces
from ctrscope.discovery.plan import Plan
from ctrscope.model.gap import Reason
from ctrscope.probes.hostfs import HostFs
from tests.requirements import require, require_root

_SETS = 26  # of eight
_UNSHARE = ["unshare", "-U", "-r", "-p", "-f", "-m", "-u", "-i", "-n", "-C", "-T"]


class Facts(NamedTuple):
    """What both say of one namespace."""

    nprocs: int
    pid: int | None
    parent: int
    owner: int


Namespaces = dict[tuple[str, int], Facts]


@pytest.fixture(scope="module")
def many() -> Iterator[None]:
    """Two hundred namespaces of all types, each set with a few processes."""
    require_root("makes namespaces of every type")
    require("unshare", "lsns")
    command = [*_UNSHARE, "sh", "-c", "sleep 1000 & sleep 1000 & echo; wait"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) for _ in range(_SETS)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline()
        yield
    finally:
        for process in processes:
            os.killpg(process.pid, 9)
        for process in processes:
            process.communicate()


def lsns() -> Namespaces:
    done = subprocess.run(["lsns", "-J", "-o", "NS,TYPE,NPROCS,PID,PNS,ONS"], capture_output=True, check=True)
    return {
        (one["type"], int(one["ns"])): Facts(
            int(one["nprocs"]), one["pid"] and int(one["pid"]), int(one["pns"]), int(one["ons"])
        )
        for one in json.loads(done.stdout)["namespaces"]
    }


def ctrscope(*options: str) -> Namespaces:
    # A process of its own, as lsns is: each counts itself.
    done = subprocess.run([sys.executable, "-m", "ctrscope", "ns", "--json", *options], capture_output=True, check=True)
    return {
        (one["type"], one["ino"]): Facts(
            one["nprocs"], one["leader"] and one["leader"]["pid"], one["parent"] or 0, one["owner"] or 0
        )
        for one in json.loads(done.stdout)["namespaces"]
    }


@pytest.mark.parametrize("options", [(), ("--deep",)])
def test_every_namespace_of_lsns_has_the_same_processes_and_leader(many: None, options: tuple[str, ...]) -> None:
    # Other processes start and end meanwhile: what lsns says before and after alike has to be so in between.
    for _ in range(8):
        before, ours, after = lsns(), ctrscope(*options), lsns()
        stable = {id_: said for id_, said in before.items() if after.get(id_) == said}
        wrong = {id_: (said, ours.get(id_)) for id_, said in stable.items() if ours.get(id_) != said}
        if not wrong:
            break
    assert wrong == {}
    assert len(stable) >= 200


def test_the_columns_of_lsns_say_the_same(many: None) -> None:
    columns = "NS,TYPE,PATH,NPROCS,PID,PPID,UID,USER,COMMAND"
    initial = {os.stat(f"/proc/2/ns/{name}").st_ino for name in os.listdir("/proc/2/ns")}
    for _ in range(8):
        before = _table("lsns", "-l", "-r", "-n", "-o", columns)
        ours = _table(sys.executable, "-m", "ctrscope", "ns", "-o", columns)
        after = _table("lsns", "-l", "-r", "-n", "-o", columns)
        # Those that we and lsns start ourselves are in the host's own.
        stable = {ino: row for ino, row in before.items() if after.get(ino) == row and ino not in initial}
        wrong = {ino: (row, ours.get(ino)) for ino, row in stable.items() if ours.get(ino) != row}
        if not wrong:
            break
    assert wrong == {}
    assert len(stable) > _SETS


def _table(*command: str) -> dict[int, tuple[str, ...]]:
    """Inode number → the other cells; blanks in a command are not told apart from those between columns."""
    text = subprocess.run(command, capture_output=True, check=True, text=True).stdout.replace("\\x20", " ")
    rows = [line.translate({ord("'"): None, ord("\\"): None}).split() for line in text.splitlines()]  # how each quotes
    return {int(row[0]): tuple(row[1:]) for row in rows if row[0].isdecimal()}


def test_a_network_namespace_has_the_number_that_lsns_says(many: None) -> None:
    def numbers(*command: str) -> dict[str, str]:
        text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        return dict(line.split() for line in text.splitlines() if line.split()[0].isdecimal())

    for _ in range(8):
        before = numbers("lsns", "-n", "-r", "-t", "net", "-o", "NS,NETNSID")
        ours = numbers(sys.executable, "-m", "ctrscope", "ns", "--type", "net", "-o", "ns,netnsid")
        after = numbers("lsns", "-n", "-r", "-t", "net", "-o", "NS,NETNSID")
        stable = {ino: number for ino, number in before.items() if after.get(ino) == number}
        if stable.items() <= ours.items():
            break
    assert stable.items() <= ours.items()
    assert len(stable) > _SETS


def test_the_captured_host_has_the_namespaces_that_lsns_said(v2_root: Path) -> None:
    require_root("the capture has files of several users")
    said: list[dict[str, Any]] = json.loads((v2_root / "cmd/lsns.json").read_text())["namespaces"]
    hostfs = HostFs(str(v2_root))
    namespaces, gaps = read_namespaces(hostfs, discover(hostfs, Plan(addresses=False)))
    ours = {(str(one.type), one.ino): one for one in namespaces or ()}
    # Shells that start one "sleep 5" after the other: files and lsns are not of one moment.
    restless = {os.readlink(link) for pid in (705, 1154, 2172) for link in (v2_root / f"proc/{pid}/ns").iterdir()}
    compared = 0
    for one in said:
        if not (v2_root / "proc" / str(one["pid"])).exists():
            continue  # of the kernel threads only a few were captured
        found = ours[one["type"], one["ns"]]
        if not found.is_initial and str(found.id) not in restless:
            assert (found.nprocs, found.leader and found.leader.pid) == (one["nprocs"], one["pid"]), one
            compared += 1
    assert compared > 50
    # The links of a copy lead nowhere: who owns what cannot be asked.
    assert [gap.reason for gap in gaps if "owner" in gap.fields] == [Reason.UNSUPPORTED]


def test_a_bind_mount_is_in_the_column_that_lsns_has_for_it_and_stays_when_lsns_sees_nobody(tmp_path: Path) -> None:
    require_root("mounts a network namespace")
    require("unshare", "lsns", "umount")
    point = tmp_path / "blue"
    point.touch()
    command = ["unshare", f"--net={point}", "sh", "-c", "echo; exec sleep 1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            ino = str(os.stat(f"/proc/{process.pid}/ns/net").st_ino)

            def row(*command: str) -> list[str]:
                text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
                return next((line.split() for line in text.splitlines() if line.split()[:1] == [ino]), [])

            ours = (sys.executable, "-m", "ctrscope", "ns", "--type", "net", "-o", "ns,nprocs,nsfs")
            assert row("lsns", "-r", "-t", "net", "-o", "NS,NPROCS,NSFS") == row(*ours) == [ino, "1", str(point)]
            process.kill()
            process.wait()
            assert row(*ours) == [ino, "0", str(point)]
        finally:
            process.kill()
            subprocess.run(["umount", str(point)], check=True)
