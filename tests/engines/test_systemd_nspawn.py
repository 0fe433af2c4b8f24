"""systemd-nspawn, with and without systemd-machined."""

import json
from pathlib import Path

import pytest

from ctrscope.engines.systemd_nspawn import Nspawn, parse_arguments, parse_machine
from ctrscope.model.container import ContainerStatus
from ctrscope.model.gap import ParseError, Reason
from ctrscope.probes.hostfs import HostFs
from tests.builders import HostTree
from tests.engines.surveys import add_status, survey_of

OWN = {"pid": 4026532002, "mnt": 4026532001}


def test_machines_are_those_that_machinectl_lists(v2_root: Path, v2_host: HostFs) -> None:
    listed = {entry["machine"] for entry in json.loads((v2_root / "cmd/machinectl-list.json").read_text())}
    shown = [
        dict(line.split("=", 1) for line in block.splitlines())
        for block in (v2_root / "cmd/machinectl-show.txt").read_text().split("\n\n")
        if block.strip()
    ]
    reading = Nspawn().read_state(survey_of(v2_host))
    found = {record.id: record for record in reading.records}
    assert set(found) == listed
    for machine in shown:
        record = found[machine["Name"]]
        assert (record.pid, record.rootfs, record.runtime) == (
            int(machine["Leader"]),
            machine["RootDirectory"],
            machine["Service"],
        )
        day, time = machine["Timestamp"].split()[1:3]
        assert record.created_at is not None
        assert record.created_at.startswith(f"{day}T{time}.")
        assert record.status == machine["State"]
        assert record.command == ("/bin/sleep", "100000")
    assert reading.gaps == ()


def test_without_machined_the_supervisors_tell_the_same(v2_host: HostFs) -> None:
    survey = survey_of(v2_host)
    registered = {(record.id, record.pid) for record in Nspawn().read_state(survey).records}
    more = Nspawn().read_supervisors(survey)
    assert more is not None
    assert {(record.id, record.pid) for record in more.records} == registered
    assert {record.monitor_pid for record in more.records} == {2254, 2266}


def test_a_machine_that_was_found_is_not_found_again(v2_host: HostFs) -> None:
    survey = survey_of(v2_host)
    inside = {record.pid for record in Nspawn().read_state(survey).records}
    survey.supervisors = tuple(pid for pid in survey.supervisors if pid not in inside)
    assert Nspawn().read_supervisors(survey) is None


def test_a_supervisor_without_machine_is_found(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.process(50, comm="systemd-nspawn", cmdline="systemd-nspawn -qD /srv/trees/web --register=no sleep 9")
    add_status(host, 50)
    host.process(51, ppid=50, comm="(sd-proxy)")
    host.process(52, ppid=50, comm="sleep", cmdline="sleep 9", namespaces=OWN)
    more = Nspawn().read_supervisors(survey_of(host.fs))
    assert more is not None
    (record,) = more.records
    assert (record.id, record.rootfs, record.pid, record.monitor_pid) == ("web", "/srv/trees/web", 52, 50)
    assert record.command == ("sleep", "9")


def test_virtual_machines_are_no_containers() -> None:
    assert parse_machine(b"NAME=qemu-1-vm\nCLASS=vm\nLEADER=7\n", "f") is None


def test_values_are_unescaped() -> None:
    record = parse_machine(b'NAME="web"\nCLASS=container\nLEADER=7\nROOT=/srv/my\\x20tree\\\\x\\n\nUID=0\n', "f")
    assert record is not None
    assert (record.name, record.rootfs, record.created_at) == ("web", "/srv/my tree\\x\n", None)


@pytest.mark.parametrize(
    "text", [b"", b"# This is private", b"NAME=web\nLEADER=", b"LEADER=7\n", b"NAME=w\nLEADER=-7\n", b"\0\xff"]
)
def test_a_file_that_makes_no_sense_is_a_parse_error(text: bytes) -> None:
    with pytest.raises(ParseError, match="/run/m"):
        parse_machine(text, "/run/m")


def test_a_moment_that_cannot_be_is_none() -> None:
    for moment in (b"0", b"x", b"9" * 18, b"9" * 400):
        record = parse_machine(b"NAME=w\nLEADER=7\nREALTIME=" + moment, "f")
        assert record is not None
        assert record.started_at is None


def test_one_broken_file_is_one_gap_and_the_others_stand(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/run/systemd/machines/a", "NAME=a\nLEADER=7\nCLASS=container\n")
    host.file("/run/systemd/machines/b", "# This is private da")
    host.link("/run/systemd/machines/unit:machine-a.scope", "a")
    reading = Nspawn().read_state(survey_of(host.fs))
    assert [(record.id, record.status) for record in reading.records] == [("a", ContainerStatus.RUNNING)]
    assert [(gap.reason, gap.source) for gap in reading.gaps] == [(Reason.MALFORMED, "/run/systemd/machines/b")]


def test_the_command_of_a_reused_pid_is_not_the_machines(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.file("/run/systemd/machines/a", "NAME=a\nLEADER=7\nCLASS=container\n")
    host.process(7, comm="sshd", cmdline="sshd -D")
    assert [record.command for record in Nspawn().read_state(survey_of(host.fs)).records] == [None]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("systemd-nspawn --keep-unit -q -M b -D /machines/bb --network-veth /bin/sleep 9", ("b", "/machines/bb")),
        ("systemd-nspawn --machine=web --boot", ("web", None)),
        ("systemd-nspawn --machine web --quiet -b", ("web", None)),
        ("systemd-nspawn -bi /srv/web.raw", ("web", "/srv/web.raw")),
        ("systemd-nspawn -bD/srv/web/", ("web", "/srv/web/")),
        ("systemd-nspawn -D tree", ("tree", None)),
        ("systemd-nspawn --private-users -D /a sh -M x", ("a", "/a")),
        ("systemd-nspawn -u alice -D /a -- sh -D /b", ("a", "/a")),
        ("systemd-nspawn -D /", (None, "/")),
        ("systemd-nspawn -M", (None, None)),
        ("systemd-nspawn", (None, None)),
    ],
)  # fmt: skip
def test_a_command_line_tells_name_and_root(arguments: str, expected: tuple[str | None, str | None]) -> None:
    assert parse_arguments(tuple(arguments.split()))[:2] == expected


def test_two_ephemeral_containers_of_one_directory_are_two(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    for supervisor in (50, 60):
        host.process(supervisor, comm="systemd-nspawn", cmdline="systemd-nspawn -qxD /srv/trees/web --register=no sleep 9")
        add_status(host, supervisor)
        host.process(supervisor + 1, ppid=supervisor, comm="sleep", cmdline="sleep 9", namespaces=OWN)
    more = Nspawn().read_supervisors(survey_of(host.fs))
    assert more is not None
    assert {(record.id, record.name, record.pid) for record in more.records} == {("web-50", "web", 51), ("web-60", "web", 61)}


@pytest.mark.parametrize(
    ("arguments", "is_one_of_many"),
    [
        ("systemd-nspawn -D /a sh -x", False),
        ("systemd-nspawn -xb -D /a", True),
        ("systemd-nspawn --ephemeral -i /a.raw", True),
        ("systemd-nspawn --read-only -D /a", True),
        ("systemd-nspawn -x -M b -D /a", False),
        ("systemd-nspawn --no-ask-password -xD /a", True),
        ("systemd-nspawn -x -D /", False),
    ],
)
def test_a_command_line_tells_whether_others_may_have_that_name(arguments: str, is_one_of_many: bool) -> None:
    assert parse_arguments(tuple(arguments.split()))[2] is is_one_of_many
