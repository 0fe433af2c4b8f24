"""Reads a BoltDB file without its lock: containerd's ``meta.db``, Podman's ``bolt_state.db``, netavark's ``ipam.db``.

*Source:* go.etcd.io/bbolt ``internal/common`` (page.go, meta.go, bucket.go): fixed-size pages; pages 0 and 1 hold the two
meta records, of which the valid one with the higher transaction id names the root bucket; branch and leaf pages are a
B+tree; a leaf value may itself be a bucket, small ones inline.
*Versions:* format version 2, the only one there is. Numbers are in the byte order of the machine that wrote the file;
every machine we run on is little endian.

The daemon keeps an exclusive flock on its file as long as it runs; it is never touched. A committed transaction leaves the
pages of the one before intact, so what was read is consistent when the transaction id has not moved at the end of it.
*Cost:* only the pages that lead to what is asked for are read. A file only ever grows: that of a Podman with ten containers
may have 4 MB, and to read those twice would be 5 ms.
"""

import errno
import os
from collections.abc import Callable, Iterator
from struct import Struct
from typing import TypeVar

from ctrscope.model.gap import ParseError, TornReadError
from ctrscope.probes.hostfs import HostFs

T = TypeVar("T")
_Piece = Callable[[int, int], bytes]  # so many bytes from there on; fewer at the end
_Leaf = tuple[bool, int, int, int]  # whether it is a bucket, where its key and its value start, where it ends
#: A busy node's meta.db has some 10 MiB.
BOLT_LIMIT = 256 * 1024 * 1024
_ATTEMPTS = 3  # with a copy
_MAGIC = 0xED0CDAED
_VERSION = 2
_BRANCH, _LEAF, _IS_BUCKET = 0x01, 0x02, 0x01
_META = Struct("<IIIIQQQQQQ")  # magic version page_size flags root sequence freelist high_water txid checksum
_PAGE = Struct("<QHHI")  # id flags count overflow
_BRANCH_ELEMENT = Struct("<IIQ")  # position from here, key size, page id
_LEAF_ELEMENT = Struct("<IIII")  # flags, position from here, key size, value size
_BUCKET = Struct("<QQ")  # root page id (0: inline, the page follows), sequence
_ELEMENT_SIZE = 16
_PAGE_SIZES = tuple(1024 << shift for shift in range(7))
#: A tree of 2^64 keys is not deeper; a cycle of page ids is.
_MAX_DEPTH = 64
#: Elements that all iterations over one file may decode: about a second. Buckets of a hostile file may hold each other.
_MAX_ELEMENTS = 2_000_000
#: How often all iterations together may go over the bytes of one file, small files apart: each engine does so twice or thrice.
_MAX_PASSES, _SMALL = 8, 1024 * 1024


def read_bolt(host: HostFs, path: str, read: Callable[["Bucket"], T], owner: int | None = None) -> T:
    """What *read* makes of the root bucket of a BoltDB file.

    Pages are read when they are asked for: no bucket is of any use once *read* has returned. Where a transaction was committed
    meanwhile it is called again, with a copy of the whole file: to decode takes longer than to copy.
    Errors: OSError as from ``HostFs.open_file``, EFBIG; TornReadError when it changed on every attempt; ParseError.
    """
    handle = host.open_file(path, owner=owner)

    def piece(at: int, size: int) -> bytes:
        return os.pread(handle, size, at)

    try:
        for attempt in range(1 + _ATTEMPTS):
            page_size, transaction, root = _find_meta(piece)
            size = os.fstat(handle).st_size  # looked at last: it grows before a transaction is committed
            if size > BOLT_LIMIT:
                raise OSError(errno.EFBIG, f"longer than {BOLT_LIMIT} bytes", path)
            if attempt > 0:
                copy = piece(0, size)
                if _find_meta(piece)[1] == transaction:
                    return read(Bucket(_File(_pieces_of(copy), len(copy), page_size), root))
                continue
            try:
                found = read(Bucket(_File(piece, size, page_size), root))
            except ParseError:  # torn, or like that
                if _find_meta(piece)[1] == transaction:
                    raise
                continue
            if _find_meta(piece)[1] == transaction:
                return found
    finally:
        os.close(handle)
    raise TornReadError(f"{path}: a transaction was committed during each of {1 + _ATTEMPTS} readings")


def _pieces_of(content: bytes) -> _Piece:
    return lambda at, size: content[at : at + size]


class Bucket:
    """A bucket: keys in byte order, each with a value or with a bucket. Every method may raise ParseError."""

    __slots__ = ("_file", "_inline", "_root")

    def __init__(self, file: "_File", root: int, inline: "_Page | None" = None) -> None:
        self._file = file
        self._root = root
        self._inline = inline  # the page inside the value, when root is 0

    def get(self, key: bytes) -> bytes | None:
        """Value of a key; None when there is none, or when it is a bucket."""
        found = self._find(key)
        if found is None:
            return None
        page, (is_bucket, _, value_at, end) = found
        return None if is_bucket else page.content[value_at:end]

    def bucket(self, *keys: bytes) -> "Bucket | None":
        """The bucket below this one that the keys lead to; None when any of them is missing or is a value."""
        here = self
        for key in keys:
            found = here._find(key)
            if found is None or not found[1][0]:
                return None
            page, (_, _, value_at, end) = found
            here = here._file.bucket(page, value_at, end)
        return here

    def items(self) -> Iterator[tuple[bytes, "bytes | Bucket"]]:
        """Keys with their value or bucket, in byte order."""
        for page in self._leaf_pages():
            for is_bucket, key_at, value_at, end in page.leaves():
                key = page.content[key_at:value_at]
                yield key, self._file.bucket(page, value_at, end) if is_bucket else page.content[value_at:end]

    def buckets(self) -> Iterator[tuple[bytes, "Bucket"]]:
        """Keys that hold a bucket, with it."""
        for page in self._leaf_pages():
            for is_bucket, key_at, value_at, end in page.leaves():
                if is_bucket:
                    yield page.content[key_at:value_at], self._file.bucket(page, value_at, end)

    def values(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys that hold a value, with it."""
        for page in self._leaf_pages():
            for is_bucket, key_at, value_at, end in page.leaves():
                if not is_bucket:
                    yield page.content[key_at:value_at], page.content[value_at:end]

    def _top(self) -> "_Page":
        return self._inline or self._file.page(self._root)

    def _find(self, key: bytes) -> "tuple[_Page, _Leaf] | None":
        """The leaf page that has it, and where."""
        page = self._top()
        for _ in range(_MAX_DEPTH):
            if page.is_leaf:
                index = page.position(key)
                if index == page.count:
                    return None
                leaf = page.leaf(index)
                return (page, leaf) if page.content[leaf[1] : leaf[2]] == key else None
            index = page.position(key)
            # A branch element carries the first key below it: the one before the first greater key leads there.
            if index == page.count or (index > 0 and page.key(index) != key):
                index -= 1
            page = self._file.page(page.child(index))
        raise ParseError("bolt: page ids form a cycle")

    def _leaf_pages(self) -> "Iterator[_Page]":
        """Leaf pages, in the order of their keys."""
        waiting = [self._top()]
        while waiting:
            page = waiting.pop()
            self._file.spend(page.count, page.size)
            if page.is_leaf:
                yield page
            else:
                waiting.extend(self._file.page(page.child(index)) for index in reversed(range(page.count)))


class _File:
    """Pages of a file; each is read once, when it is asked for."""

    __slots__ = ("_bytes_left", "_elements_left", "_page_size", "_pages", "_piece", "_size", "_unread")

    def __init__(self, piece: _Piece, size: int, page_size: int) -> None:
        self._piece = piece
        self._size = size
        self._page_size = page_size
        self._pages: dict[int, _Page] = {}
        self._unread = size
        self._elements_left = _MAX_ELEMENTS
        self._bytes_left = _MAX_PASSES * size + _SMALL

    def spend(self, elements: int, size: int) -> None:
        self._elements_left -= elements + 1
        self._bytes_left -= size
        if self._elements_left < 0 or self._bytes_left < 0:
            raise ParseError(f"bolt: more than {_MAX_ELEMENTS} elements or {_MAX_PASSES} passes; pages refer to each other")

    def page(self, number: int) -> "_Page":
        found = self._pages.get(number)
        if found is None:
            found = self._pages[number] = self._read_page(number)
        return found

    def _read_page(self, number: int) -> "_Page":
        offset = number * self._page_size
        if number < 2 or offset + self._page_size > self._size:
            raise ParseError(f"bolt: no page {number} in {self._size} bytes")
        content = self._piece(offset, self._page_size)
        if len(content) < self._page_size:
            raise ParseError(f"bolt: no page {number}: the file became shorter")
        name, _, _, overflow = _PAGE.unpack_from(content)
        length = (overflow + 1) * self._page_size
        if name != number or offset + length > self._size:
            raise ParseError(f"bolt: page {number} says that it is page {name} with {overflow} overflow pages")
        self._unread -= length
        if self._unread < 0:
            raise ParseError("bolt: pages lie in each other")
        if overflow:
            content = self._piece(offset, length)
        return _page_at(content, 0, len(content))

    def bucket(self, page: "_Page", start: int, end: int) -> Bucket:
        """The bucket that a value of *page* is."""
        if end - start < _BUCKET.size:
            raise ParseError(f"bolt: a bucket of {end - start} bytes")
        root, _ = _BUCKET.unpack_from(page.content, start)
        return Bucket(self, root, None if root else _page_at(page.content, start + _BUCKET.size, end))


class _Page:
    """Elements of one branch or leaf page."""

    __slots__ = ("_end", "_first", "content", "count", "is_leaf")

    def __init__(self, content: bytes, first: int, end: int, count: int, is_leaf: bool) -> None:
        self.content = content
        self._first = first
        self._end = end
        self.count = count
        self.is_leaf = is_leaf

    @property
    def size(self) -> int:
        """Bytes of its elements with their keys and values."""
        return self._end - self._first

    def leaf(self, index: int) -> _Leaf:
        """Whether the value is a bucket, where the key and the value start, where the value ends."""
        at = self._first + index * _ELEMENT_SIZE
        flags, position, key_size, value_size = _LEAF_ELEMENT.unpack_from(self.content, at)
        key_at = at + position
        value_at = key_at + key_size
        if value_at + value_size > self._end:
            raise ParseError(f"bolt: an element at byte {at} leaves its page")
        return flags & _IS_BUCKET != 0, key_at, value_at, value_at + value_size

    def leaves(self) -> Iterator[_Leaf]:
        """What ``leaf`` says of every element."""
        at, end = self._first, self._end
        left = self.size
        elements = memoryview(self.content)[at : at + self.count * _ELEMENT_SIZE]
        for flags, position, key_size, value_size in _LEAF_ELEMENT.iter_unpack(elements):
            key_at = at + position
            value_at = key_at + key_size
            stop = value_at + value_size
            if stop > end:
                raise ParseError(f"bolt: an element at byte {at} leaves its page")
            left -= key_size + value_size
            if left < 0:
                raise ParseError(f"bolt: elements up to byte {at} share keys or values")
            yield flags & _IS_BUCKET != 0, key_at, value_at, stop
            at += _ELEMENT_SIZE

    def child(self, index: int) -> int:
        """Page id that a branch element leads to."""
        number: int = _BRANCH_ELEMENT.unpack_from(self.content, self._first + index * _ELEMENT_SIZE)[2]
        return number

    def key(self, index: int) -> bytes:
        at = self._first + index * _ELEMENT_SIZE
        if self.is_leaf:
            _, key_at, value_at, _ = self.leaf(index)
            return self.content[key_at:value_at]
        position, key_size, _ = _BRANCH_ELEMENT.unpack_from(self.content, at)
        if at + position + key_size > self._end:
            raise ParseError(f"bolt: an element at byte {at} leaves its page")
        return self.content[at + position : at + position + key_size]

    def position(self, key: bytes) -> int:
        """Index of the first element whose key is not less than *key*; ``count`` when there is none."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self.key(middle) < key:
                low = middle + 1
            else:
                high = middle
        return low


def _page_at(content: bytes, offset: int, end: int) -> _Page:
    if offset + _PAGE.size > end:
        raise ParseError("bolt: a bucket is shorter than a page header")
    _, flags, count, _ = _PAGE.unpack_from(content, offset)
    first = offset + _PAGE.size
    if flags not in (_BRANCH, _LEAF) or first + count * _ELEMENT_SIZE > end or (flags == _BRANCH and count == 0):
        raise ParseError(f"bolt: a page has flags {flags:#x} and {count} elements")
    return _Page(content, first, end, count, flags == _LEAF)


def _find_meta(piece: _Piece) -> tuple[int, int, int]:
    """Page size, transaction id and root page of the valid meta record with the higher transaction id."""
    first = _parse_meta(piece, 0)
    sizes = (first[0],) if first is not None else _PAGE_SIZES  # where page 0 is torn, nothing says where page 1 starts
    seconds = (found for size in sizes if (found := _parse_meta(piece, size)) is not None and found[0] == size)
    valid = [meta for meta in (first, next(seconds, None)) if meta is not None]
    if not valid:
        raise ParseError("bolt: no valid meta page")
    return max(valid, key=lambda meta: meta[1])


def _parse_meta(piece: _Piece, offset: int) -> tuple[int, int, int] | None:
    content = piece(offset + _PAGE.size, _META.size)
    if len(content) < _META.size:
        return None
    magic, version, page_size, _, root, _, _, _, txid, checksum = _META.unpack(content)
    if magic != _MAGIC or version != _VERSION or page_size not in _PAGE_SIZES:
        return None
    return (page_size, txid, root) if _fnv64a(content[:-8]) == checksum else None


def _fnv64a(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value
