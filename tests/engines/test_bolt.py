import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrscope.engines.bolt import Bucket, read_bolt
from ctrscope.model.gap import ParseError, Reason, TornReadError, gap_of
from ctrscope.probes.hostfs import HostFs

PODMAN = "/var/lib/containers/storage/libpod/bolt_state.db"
DATABASES = {
    PODMAN: b"all-ctrs",
    "/home/alice/.local/share/containers/storage/libpod/bolt_state.db": b"all-ctrs",
    "/var/lib/docker/network/files/local-kv.db": b"libnetwork",
    "/var/lib/docker/volumes/metadata.db": b"volumes",
    "/run/containers/networks/ipam.db": b"podman",
    "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/metadata.db": b"v1",
}
PAGE = 4096
T = TypeVar("T")


class OneFile(HostFs):
    """A host whose every file has that content."""

    def __init__(self, content: bytes) -> None:
        super().__init__("/")
        self.content = content

    def open_file(self, path: str, *, owner: int | None = None) -> int:
        handle = os.memfd_create("bolt")
        os.write(handle, self.content)
        return handle


def of(content: bytes, read: Callable[[Bucket], T]) -> T:
    return read_bolt(OneFile(content), "/bolt.db", read)


def values(content: bytes) -> dict[bytes, bytes]:
    return of(content, lambda root: dict(root.values()))


def get(content: bytes, *keys: bytes) -> list[bytes | None]:
    return of(content, lambda root: [root.get(key) for key in keys])


def everything(content: bytes) -> list[tuple[int, bytes, bytes | None]]:
    return of(content, lambda root: list(walk(root)))


def walk(bucket: Bucket, depth: int = 0) -> Iterator[tuple[int, bytes, bytes | None]]:
    for key, value in bucket.items():
        if isinstance(value, Bucket):
            yield depth, key, None
            yield from walk(value, depth + 1)
        else:
            yield depth, key, value


def fnv64a(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


def meta(number: int, txid: int, root: int, pages: int) -> bytes:
    body = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, PAGE, 0, root, 0, 2, pages, txid)
    return (struct.pack("<QHHI", number, 4, 0, 0) + body + struct.pack("<Q", fnv64a(body))).ljust(PAGE, b"\0")


def leaf(number: int, items: list[tuple[bytes, bytes, bool]]) -> bytes:
    elements, data = b"", b""
    for index, (key, value, is_bucket) in enumerate(items):
        position = (len(items) - index) * 16 + len(data)
        elements += struct.pack("<IIII", int(is_bucket), position, len(key), len(value))
        data += key + value
    body = elements + data
    overflow = (16 + len(body) - 1) // PAGE
    return (struct.pack("<QHHI", number, 2, len(items), overflow) + body).ljust((overflow + 1) * PAGE, b"\0")


def branch(number: int, items: list[tuple[bytes, int]]) -> bytes:
    elements, data = b"", b""
    for index, (key, child) in enumerate(items):
        elements += struct.pack("<IIQ", (len(items) - index) * 16 + len(data), len(key), child)
        data += key
    return (struct.pack("<QHHI", number, 1, len(items), 0) + elements + data).ljust(PAGE, b"\0")


def database(*pages: bytes, root: int = 3, txid: int = 8) -> bytes:
    free = struct.pack("<QHHI", 2, 16, 0, 0).ljust(PAGE, b"\0")
    return meta(0, txid, root, 3 + len(pages)) + meta(1, txid - 1, root, 3) + free + b"".join(pages)


@pytest.mark.parametrize("path", DATABASES)
def test_a_database_of_a_real_engine_is_read(v2_host: HostFs, path: str) -> None:
    found = read_bolt(v2_host, path, lambda root: list(walk(root)))
    assert (0, DATABASES[path], None) in found
    assert len(found) > 1


def test_podmans_database_names_its_containers(v2_host: HostFs, v2_root: Path) -> None:
    import json

    def names(root: Bucket) -> dict[bytes, bytes]:
        registry = root.bucket(b"name-registry")
        assert registry is not None
        return dict(registry.values())

    found = read_bolt(v2_host, PODMAN, names)
    said = {entry["Name"]: entry["Id"] for entry in json.loads((v2_root / "cmd/podman-inspect.json").read_text())}
    assert said
    for name, container_id in said.items():
        assert found[name.encode()] == container_id.encode()


@pytest.mark.parametrize("path", DATABASES)
def test_every_key_is_found_by_look_up_as_well(v2_host: HostFs, path: str) -> None:
    def check(bucket: Bucket) -> None:
        for key, value in bucket.items():
            if isinstance(value, Bucket):
                assert bucket.get(key) is None
                below = bucket.bucket(key)
                assert below is not None
                check(below)
            else:
                assert bucket.get(key) == value
                assert bucket.bucket(key) is None

    read_bolt(v2_host, path, check)


def test_branch_pages_lead_to_every_key() -> None:
    content = database(
        branch(3, [(b"b", 4), (b"m", 5), (b"t", 6)]),
        leaf(4, [(b"b", b"1", False), (b"c", b"2", False)]),
        leaf(5, [(b"m", b"3", False), (b"p", b"4", False)]),
        leaf(6, [(b"t", b"5", False)]),
    )
    assert values(content) == {b"b": b"1", b"c": b"2", b"m": b"3", b"p": b"4", b"t": b"5"}
    assert get(content, b"b", b"c", b"m", b"p", b"t") == [b"1", b"2", b"3", b"4", b"5"]
    assert get(content, b"", b"a", b"d", b"n", b"z") == [None] * 5


def test_a_value_longer_than_a_page_is_whole() -> None:
    long = bytes(range(256)) * 50
    assert get(database(leaf(3, [(b"k", long, False)])), b"k") == [long]


def test_an_inline_bucket_is_a_bucket() -> None:
    inline = struct.pack("<QQ", 0, 0) + leaf(0, [(b"in", b"side", False)])[:64]

    def read(root: Bucket) -> tuple[bytes | None, list[bytes]]:
        below = root.bucket(b"bucket")
        assert below is not None
        return below.get(b"in"), [key for key, _ in root.buckets()]

    assert of(database(leaf(3, [(b"bucket", inline, True)])), read) == (b"side", [b"bucket"])


def test_the_newer_of_two_valid_meta_pages_counts() -> None:
    old, new = leaf(3, [(b"k", b"old", False)]), leaf(4, [(b"k", b"new", False)])
    for first, second in ((meta(0, 5, 3, 5), meta(1, 6, 4, 5)), (meta(0, 6, 4, 5), meta(1, 5, 3, 5))):
        content = first + second + bytes(PAGE) + old + new
        assert get(content, b"k") == [b"new"]


def test_a_torn_meta_page_leaves_the_other_one() -> None:
    content = bytearray(database(leaf(3, [(b"k", b"v", False)])))
    content[40] ^= 0xFF
    assert get(bytes(content), b"k") == [b"v"]
    content[PAGE + 40] ^= 0xFF
    with pytest.raises(ParseError, match="no valid meta"):
        values(bytes(content))


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"SQLite format 3\0" + b"\0" * 9000], ids=["empty", "short", "sqlite"])
def test_what_is_no_database_is_malformed(content: bytes) -> None:
    with pytest.raises(ParseError):
        values(content)


def test_a_cycle_of_branch_pages_ends() -> None:
    content = database(branch(3, [(b"a", 4)]), branch(4, [(b"a", 3)]))
    with pytest.raises(ParseError):
        get(content, b"a")
    with pytest.raises(ParseError):
        everything(content)


def test_buckets_that_hold_themselves_end() -> None:
    itself = struct.pack("<QQ", 3, 0)
    content = database(leaf(3, [(bytes([key]), itself, True) for key in range(100)]))

    def visit(bucket: Bucket, depth: int) -> None:
        for _, below in bucket.buckets():
            if depth:
                visit(below, depth - 1)

    with pytest.raises(ParseError, match="refer to each other"):
        of(content, lambda root: visit(root, 3))


@pytest.mark.parametrize("root", [0, 1, 4, 2**40, 2**64 - 1])
def test_a_root_page_that_is_not_there_is_malformed(root: int) -> None:
    with pytest.raises(ParseError):
        everything(database(leaf(3, []), root=root))


def test_a_value_that_leaves_its_page_is_malformed() -> None:
    page = bytearray(leaf(3, [(b"k", b"v", False)]))
    page[28:32] = struct.pack("<I", 2**32 - 1)
    content = database(bytes(page), leaf(4, []))
    with pytest.raises(ParseError):
        get(content, b"k")
    with pytest.raises(ParseError):
        everything(content)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_corrupted_database_raises_nothing_but_parse_errors(v2_root: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([PODMAN, "/var/lib/docker/network/files/local-kv.db"]))
    content = bytearray((v2_root / path.lstrip("/")).read_bytes())
    for offset, value in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=40)):
        content[offset] = value
    page = data.draw(st.integers(0, len(content) // PAGE - 1)) * PAGE
    content[page : page + 32] = data.draw(st.binary(min_size=32, max_size=32))

    def read(root: Bucket) -> None:
        for key, found in root.items():
            root.get(key)
            if isinstance(found, Bucket):
                for _ in found.items():
                    pass

    with suppress(ParseError):
        of(bytes(content[: data.draw(st.integers(0, len(content)))]), read)


def version(txid: int) -> bytes:
    return database(leaf(3, [(b"txid", str(txid).encode(), False)]), txid=txid)


class Busy(OneFile):
    """A host where a transaction is committed after that many looks at the file, each a copy or a piece of it."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, looks: list[int]) -> None:
        super().__init__(version(10))
        self.txid, self.looks, self.since = 10, looks, 0
        self.path = path
        path.write_bytes(version(10))
        monkeypatch.setattr(os, "pread", self.pread)
        self.real = os.preadv

    def open_file(self, path: str, *, owner: int | None = None) -> int:
        return os.open(self.path, os.O_RDONLY)

    def pread(self, handle: int, size: int, at: int) -> bytes:
        buffer = bytearray(size)
        found = bytes(buffer[: self.real(handle, [buffer], at)])
        self.since += 1
        if self.looks and self.since == self.looks[0]:
            self.looks.pop(0)
            self.txid, self.since = self.txid + 1, 0
            self.path.write_bytes(version(self.txid))
        return found


#: Every attempt looks at both meta records, at the page or the whole, and at both meta records again.
META = 2


@pytest.mark.parametrize(
    ("looks", "read"),
    [
        ([META], b"11"),  # the page is already the next transaction's
        ([META + 1], b"11"),
        ([META + 1, META + META], b"12"),
        ([META + 1, META + META + 1, META + META + 1], b"13"),
    ],
)
def test_a_torn_read_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: list[int], read: bytes) -> None:
    host = Busy(tmp_path / "busy.db", monkeypatch, looks)
    assert read_bolt(host, "/busy.db", lambda root: root.get(b"txid")) == read


def test_what_makes_no_sense_while_it_is_written_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "busy.db"
    path.write_bytes(version(10))

    def read(root: Bucket) -> bytes | None:
        if root.get(b"txid") == b"10":
            path.write_bytes(version(11))
            raise ParseError("half of it")
        return root.get(b"txid")

    assert read_bolt(HostFs(), str(path), read) == b"11"


def test_a_database_that_never_stands_still_is_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TornReadError) as caught:
        read_bolt(Busy(tmp_path / "busy.db", monkeypatch, [3] * 20), "/busy.db", lambda root: root.get(b"txid"))
    gap = gap_of(caught.value, "engine containerd", ("image",), "/busy.db")
    assert gap.reason is Reason.TRUNCATED
    assert gap.source == "/busy.db"


def test_only_the_pages_that_are_asked_for_are_read() -> None:
    content = bytearray(database(branch(3, [(b"a", 4), (b"m", 5)]), leaf(4, [(b"a", b"1", False)]), leaf(5, [])))
    content[5 * PAGE : 6 * PAGE] = b"\xff" * PAGE
    assert get(bytes(content), b"a") == [b"1"]
    with pytest.raises(ParseError, match="page 5"):
        get(bytes(content), b"m")


def test_pages_that_lie_in_each_other_are_an_error() -> None:
    # Each says that it goes on to the end of the file.
    pages = [struct.pack("<QHHI", number, 2, 0, 103 - number).ljust(PAGE, b"\0") for number in range(4, 104)]
    content = database(branch(3, [(b"%03d" % number, number) for number in range(4, 104)]), *pages)
    with pytest.raises(ParseError, match="lie in each other"):
        everything(content)


def test_a_user_cannot_pass_off_somebody_elses_database(tmp_path: Path) -> None:
    (tmp_path / "bolt.db").write_bytes(version(10))
    with pytest.raises(PermissionError):
        read_bolt(HostFs(str(tmp_path)), "/bolt.db", lambda root: None, owner=4711)


def test_elements_that_share_their_bytes_are_an_error() -> None:
    # A thousand elements around one long value: each read would be another copy of it.
    size = 200_000
    elements = b"".join(struct.pack("<IIII", 0, (1000 - index) * 16, 1, size) for index in range(1000))
    body = elements + b"k" + bytes(size)
    overflow = (16 + len(body) - 1) // PAGE
    page = (struct.pack("<QHHI", 3, 2, 1000, overflow) + body).ljust((overflow + 1) * PAGE, b"\0")
    with pytest.raises(ParseError, match="share"):
        values(database(page))


def test_pages_that_are_referred_to_again_and_again_are_an_error() -> None:
    large = leaf(4, [(b"k", bytes(1_000_000), False)])
    content = database(branch(3, [(b"k", 4)] * 100), large)
    with pytest.raises(ParseError, match="refer to each other"):
        values(content)
