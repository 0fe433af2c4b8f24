"""Who the command runs as, from literal text."""

import pytest

from ctrscope.attach.credentials import IdRange, id_inside, parse_credentials, parse_id_map, parse_passwd
from ctrscope.model.gap import ParseError

STATUS = b"""Name:\tnginx: (worker
Uid:\t100000\t100033\t100000\t100000
Gid:\t100000\t100044\t100000\t100000
Groups:\t4 100005
NoNewPrivs:\t1
CapInh:\t0000000000000000
CapPrm:\t00000000a80425fb
CapEff:\t0000000000000400
CapBnd:\t00000000a80425fb
CapAmb:\t0000000000000001
"""


def test_effective_ids_groups_and_masks_are_read() -> None:
    found = parse_credentials(STATUS)
    assert (found.uid, found.gid, found.groups, found.no_new_privs) == (100033, 100044, (4, 100005), True)
    assert found.capabilities is not None
    assert found.capabilities.bounding == 0xA80425FB
    assert found.capabilities.effective == 0x400
    assert found.capabilities.ambient == 1


def test_without_the_line_new_privileges_are_not_ruled_out() -> None:
    assert parse_credentials(STATUS.replace(b"NoNewPrivs:\t1\n", b"")).no_new_privs is False


@pytest.mark.parametrize("text", [b"", b"Uid:\t1\n", STATUS.replace(b"CapBnd", b"CapXyz"), STATUS.replace(b"a80425fb", b"zz")])
def test_half_a_status_file_is_an_error(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_credentials(text)


def test_ids_are_found_in_every_line_of_a_map() -> None:
    ranges = parse_id_map(b"         0       1000          1\n         1     100000      65536\n")
    assert ranges == (IdRange(0, 1000, 1), IdRange(1, 100000, 65536))
    assert [id_inside(ranges, outside) for outside in (1000, 100000, 165535, 165536, 0)] == [0, 1, 65536, None, None]


def test_a_map_that_is_none_is_an_error() -> None:
    with pytest.raises(ParseError):
        parse_id_map(b"0 1000\n")


def test_the_first_good_line_of_passwd_counts() -> None:
    text = b"broken\nweb:x:33:x:::\nweb:x:33:44::/var/www:/bin/sh\nother:x:33:1::/:\nbare:x:5:6:::\n"
    assert parse_passwd(text, 33) == (44, "/var/www")
    assert parse_passwd(text, 5) == (6, "/")
    assert parse_passwd(text, 7) is None
