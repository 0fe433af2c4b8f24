"""The structs of listmount(2) and statmount(2) byte for byte; tests/kernel lists a real mount namespace."""

import struct
import sys

import pytest

from ctrscope.probes.listmount import NsfsMount, encode_request, parse_statmount

_NSFS, _TMPFS = 0x6E736673, 0x01021994


@pytest.mark.skipif(sys.byteorder != "little", reason="bytes as a little endian machine has them")
def test_a_request_is_struct_mnt_id_req() -> None:
    assert encode_request(0xFFFFFFFFFFFFFFFF, 9, 0x100000005) == bytes.fromhex(
        "20000000 00000000 ffffffffffffffff 0900000000000000 0500000001000000"
    )


def answer(magic: int, root: bytes, point: bytes) -> bytes:
    fixed = bytearray(512)
    struct.pack_into("=Q", fixed, 24, magic)  # sb_magic
    struct.pack_into("=II", fixed, 104, 0, len(root) + 1)  # mnt_root, mnt_point: offsets of strings
    return bytes(fixed) + root + b"\0" + point + b"\0" + bytes(64)


def test_a_bind_mount_of_a_namespace_has_its_name_and_path() -> None:
    found = parse_statmount(answer(_NSFS, b"net:[4026532281]", b"/run/net ns/a\xff"))
    assert found == NsfsMount("net:[4026532281]", "/run/net ns/a\udcff")


def test_any_other_mount_is_passed_over() -> None:
    assert parse_statmount(answer(_TMPFS, b"/", b"/run")) is None
