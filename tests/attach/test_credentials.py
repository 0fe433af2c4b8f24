"""Who the command runs as, from literal text."""

import pytest

from ctrscope.attach.credentials import PasswdEntry, credentials_of, id_exists_inside, id_inside, parse_passwd
from ctrscope.probes.proc_pid_status import parse_status
from ctrscope.probes.proc_pid_uid_map import parse_id_map

STATUS = b"""Name:\tnginx: (worker
Pid:\t4711
Uid:\t100000\t100033\t100000\t100000
Gid:\t100000\t100044\t100000\t100000
Groups:\t4 100005
Threads:\t1
NoNewPrivs:\t1
CapInh:\t0000000000000000
CapPrm:\t00000000a80425fb
CapEff:\t0000000000000400
CapBnd:\t00000000a80425fb
CapAmb:\t0000000000000001
"""
MAP = parse_id_map(b"         0       1000          1\n         1     100000      65536\n")


def test_the_command_gets_effective_ids_groups_and_masks() -> None:
    found = credentials_of(parse_status(STATUS))
    assert (found.uid, found.gid, found.groups, found.no_new_privs) == (100033, 100044, (4, 100005), True)
    assert found.capabilities is not None
    assert found.capabilities.bounding == 0xA80425FB
    assert found.capabilities.effective == 0x400
    assert found.capabilities.ambient == 1


def test_without_the_line_new_privileges_are_not_ruled_out() -> None:
    assert credentials_of(parse_status(STATUS.replace(b"NoNewPrivs:\t1\n", b""))).no_new_privs is False


def test_ids_are_found_in_every_line_of_a_map() -> None:
    assert [id_inside(MAP, outside) for outside in (1000, 100000, 165535, 165536, 0)] == [0, 1, 65536, None, None]


def test_an_id_exists_inside_when_a_line_covers_it() -> None:
    assert [id_exists_inside(MAP, inside) for inside in (0, 1, 65536, 65537)] == [True, True, True, False]


def test_the_first_good_line_of_passwd_counts() -> None:
    text = b"broken\nweb:x:33:x:::\nweb:x:33:44::/var/www:/bin/sh\nother:x:33:1::/:\nbare:x:5:6:::\n"
    assert parse_passwd(text, 33) == PasswdEntry(33, 44, "/var/www")
    assert parse_passwd(text, 5) == PasswdEntry(5, 6, "/")
    assert parse_passwd(text, "other") == PasswdEntry(33, 1, "/")
    assert parse_passwd(text, "33") is None
    assert parse_passwd(text, 7) is None


@pytest.mark.parametrize(
    "line",
    [
        b"web:x:4294967295:0::/:/bin/sh",  # -1, which setresuid(2) takes for "leave it": the command would stay root
        b"web:x:33:4294967295::/:/bin/sh",
        b"web:x:99999999999999999999:0::/:/bin/sh",
        b"web:x:" + b"7" * 5000 + b":0::/:/bin/sh",  # more digits than Python reads
        b"web:x:33:0::/ro\0ot:/bin/sh",
        b"web:x:33:0::/" + b"a" * 200_000 + b":/bin/sh",  # longer than a variable may be
    ],
    ids=["uid -1", "gid -1", "too large", "endless", "a zero", "a long home"],
)
def test_a_line_that_nobody_can_be_is_passed_over_and_keeps_nobody_out(line: bytes) -> None:
    text = line + b"\nroot:x:0:0::/root:/bin/sh\n"
    assert parse_passwd(text, "web") is None
    assert parse_passwd(text, "root") == parse_passwd(text, 0) == PasswdEntry(0, 0, "/root")
