"""The structs of listns(2) byte for byte; the call itself came with Linux 6.19."""

import os
import sys

import pytest

from ctrscope.probes import listns, nsfs
from ctrscope.probes.hostfs import HostFs

_LITTLE = pytest.mark.skipif(sys.byteorder != "little", reason="bytes as a little endian machine has them")


@_LITTLE
def test_a_request_is_struct_ns_id_req() -> None:
    assert listns.encode_request(0x0102030405060708) == bytes.fromhex(
        "20000000 00000000 0807060504030201 00000000 00000000 0000000000000000"
    )


@_LITTLE
def test_a_handle_is_struct_file_handle_around_struct_nsfs_file_handle() -> None:
    assert listns.encode_handle(7) == bytes.fromhex("10000000 f1000000 0700000000000000 00000000 00000000")


def test_pages_are_asked_for_until_one_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {listns.encode_request(0): [3, 5], listns.encode_request(5): [8], listns.encode_request(8): []}
    monkeypatch.setattr(listns, "_listns", lambda request: pages[request])
    assert listns.list_namespaces() == (3, 5, 8)


def test_a_kernel_that_has_it_lists_our_namespace() -> None:
    try:
        listed = listns.list_namespaces()
    except OSError as error:
        pytest.skip(f"listns: {error}")
    with HostFs().namespace("/proc/self/ns/net") as handle:
        number = nsfs.read_unique_id(handle)
    assert number in listed
    with listns.opened(number) as handle:
        assert os.fstat(handle).st_ino == os.stat("/proc/self/ns/net").st_ino


def test_a_number_that_no_namespace_has_cannot_be_opened() -> None:
    with pytest.raises(OSError, match=r"Stale|Bad file|not permitted"), listns.opened(2**60):
        pass
