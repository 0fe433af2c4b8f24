import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from ctrscope.cli import ns
from ctrscope.discovery.plan import Plan
from ctrscope.export.json_schema import json_schema
from ctrscope.model.gap import Gap, Reading, Reason
from ctrscope.model.namespace import Holder, HolderKind, Leader, Namespace, NamespaceType
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.rtnetlink import NsidQuery
from tests.awkward import HOSTILE, WEB
from tests.builders import HostTree
from tests.cli.conftest import Done, Host

Run = Callable[..., Done]

_BLUE = Holder(kind=HolderKind.BIND_MOUNT, pid=1, path="/run/netns/blue\x1b[31m", mnt=4026531832)
NAMESPACES = (
    Namespace(type=NamespaceType.NET, ino=4026531833, is_initial=True, nprocs=90, leader=Leader(pid=1, comm="systemd"),
              containers=(WEB.id, HOSTILE.id), owner_uid=0),
    Namespace(type=NamespaceType.NET, ino=4026532604, nprocs=3, leader=Leader(pid=999999999, comm="gone\x07"),
              containers=(WEB.id,), owner_uid=0),
    Namespace(type=NamespaceType.NET, ino=4026532977, held_by=(_BLUE,)),
    Namespace(type=NamespaceType.UTS, ino=4026532605, nprocs=3, leader=Leader(pid=999999999, comm="gone\x07"),
              containers=(WEB.id,), owner_uid=0),
)  # fmt: skip
_GAP = Gap(subject="host", fields=("held_by",), source="/proc/PID/fd", reason=Reason.NOT_COLLECTED, needs="--deep")


@pytest.fixture
def asked(awkward: Host, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each reading was deep."""
    asked: list[bool] = []

    def read(hostfs: HostFs, snapshot: Snapshot, *, deep: bool, **more: object) -> Reading[tuple[Namespace, ...]]:
        asked.append(deep)
        return Reading(NAMESPACES, () if deep else (_GAP,))

    monkeypatch.setattr("ctrscope.discovery.namespaces.read_namespaces", read)
    return asked


def test_the_table_has_a_line_for_each_and_says_what_keeps_the_empty_one(asked: list[bool], run: Run) -> None:
    done = run("ns")
    lines = done.out.splitlines()
    assert lines[0].split() == ["NS", "TYPE", "NPROCS", "PID", "USER", "OWNER", "CONTAINERS", "HELD", "BY", "COMMAND"]
    assert len(lines) == 5
    assert r"bind mount /run/netns/blue\x1b[31m" in lines[3]
    assert r"gone\x07" in lines[2], "a leader that has ended is called by its comm"
    assert "not collected (/proc/PID/fd), needs --deep" in done.err
    assert asked == [False]


def test_deep_is_asked_for(asked: list[bool], run: Run) -> None:
    assert "--deep" not in run("ns", "--deep").err
    assert asked == [True]


def test_an_id_restricts_to_the_namespaces_of_that_container_and_names_who_shares_them(asked: list[bool], run: Run) -> None:
    lines = run("ns", "web").out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["4026531833", "4026532604", "4026532605"]
    assert "host, web, a [bold]b[/]" in lines[0]


def test_types_can_be_chosen(asked: list[bool], run: Run) -> None:
    assert [line.split()[1] for line in run("ns", "--type", "uts").out.splitlines()[1:]] == ["uts"]
    assert len(run("ns", "--type", "uts", "--type", "net").out.splitlines()) == 5
    refused = run("ns", "--type", "network")
    assert refused.status == 2
    assert "invalid choice: 'network'" in refused.err


def test_columns_can_be_chosen_and_lsns_stands_for_its_own(asked: list[bool], run: Run) -> None:
    assert run("ns", "-o", "TYPE,ns,held_by").out.splitlines()[0].split() == ["TYPE", "NS", "HELD", "BY"]
    assert run("ns", "-o", "lsns,nsfs").out.splitlines()[0].split() == [
        "NS",
        "TYPE",
        "NPROCS",
        "PID",
        "USER",
        "COMMAND",
        "NSFS",
    ]
    refused = run("ns", "-o", "ns,colour")
    assert refused.status == 2
    assert "no such column: colour; there are ns, type," in refused.err


def test_the_matrix_has_the_host_every_running_container_and_what_is_empty(asked: list[bool], run: Run, awkward: Host) -> None:
    lines = run("ns", "--matrix").out.splitlines()
    assert lines[0].split() == [str(type_) for type_ in NamespaceType]
    assert lines[1].startswith("host ")
    assert lines[-1].startswith(r"no process: bind mount /run/netns/blue\x1b[31m")
    assert len(lines) == 2 + len([one for one in awkward.snapshot.containers if one.is_running]) + 1
    assert awkward.plans == [Plan(commands=False, cgroups=False, namespaces=True, addresses=False, stats=False, stopped=False)]


def test_the_tree_stands_each_below_its_owner(asked: list[bool], run: Run) -> None:
    lines = run("ns", "--tree").out.splitlines()
    assert lines[0].startswith("net:[4026531833]  90 processes  host, web,")


def test_json_is_the_contract(asked: list[bool], run: Run) -> None:
    done = run("ns", "--json")
    answer = json.loads(done.out)
    jsonschema.validate(answer, json_schema())
    keys = {"type", "ino", "nprocs", "leader", "owner", "parent", "owner_uid", "containers", "held_by"}
    assert all(keys <= one.keys() for one in answer["namespaces"])
    assert answer["namespaces"][2]["held_by"] == [
        {"kind": "bind_mount", "pid": 1, "path": "/run/netns/blue\x1b[31m", "mnt": 4026531832}
    ]
    assert [gap["reason"] for gap in answer["gaps"]][-1] == "not_collected"


def test_what_was_not_asked_for_is_not_incomplete(asked: list[bool], run: Run, awkward: Host) -> None:
    import msgspec

    awkward.snapshot = msgspec.structs.replace(awkward.snapshot, gaps=())
    assert run("ns", "--strict").status == 0


def test_no_such_container_is_an_error(asked: list[bool], run: Run) -> None:
    assert run("ns", "nobody").status == 4


def test_a_hostile_name_stays_on_its_line(asked: list[bool], run: Run) -> None:
    assert "\x1b" not in run("ns").out + run("ns", "--tree").out + run("ns", "--matrix").out


def test_a_stopped_container_has_no_namespaces(asked: list[bool], run: Run) -> None:
    done = run("ns", "batch 7")
    assert done.status == 0
    assert "batch 7 is stopped: it has no namespaces." in done.err


def test_only_one_shape_at_a_time(asked: list[bool], run: Run) -> None:
    assert run("ns", "--tree", "--matrix").status == 2


def test_a_mount_point_of_somebody_else_is_never_taken_for_a_path_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = HostTree(tmp_path)
    tree.file("/proc/90/mountinfo", "21 1 8:1 / / rw - ext4 a rw\n23 21 0:4 net:[5] /net/evil/x rw - nsfs n rw\n")
    asked: list[NsidQuery] = []

    def read_nsids(host: HostFs, queries: list[NsidQuery], most: int) -> list[dict[int, int]]:
        asked.extend(queries)
        return [{}]

    monkeypatch.setattr("ctrscope.probes.rtnetlink.read_nsids", read_nsids)
    mounted = Holder(kind=HolderKind.BIND_MOUNT, pid=90, path="/net/evil/x")
    held = (Holder(kind=HolderKind.PROCESS, pid=7, path="/proc/7/ns/net"), mounted)
    busy = Namespace(type=NamespaceType.NET, ino=4, nprocs=1, held_by=held)
    empty = Namespace(type=NamespaceType.NET, ino=5, nprocs=0, held_by=(mounted,))
    assert ns._netnsids(tree.fs, [busy, empty]) == {}
    assert [door.paths for door in asked[0].others] == [("/proc/7/ns/net",), ("/proc/90/root/net/evil/x",)]
