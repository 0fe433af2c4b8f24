"""BoltDB files for tests, as bbolt lays them out: one leaf page for the root, every bucket below it inline."""

import struct
from collections.abc import Mapping
from typing import Any

#: Keys with a value, or with a bucket of the same.
Tree = Mapping[str, Any]

_PAGE = 4096


def bolt_file(tree: Tree) -> bytes:
    """A whole file whose root bucket holds *tree*."""
    body = _leaf(3, tree)
    pages = 3 + len(body) // _PAGE
    free = struct.pack("<QHHI", 2, 16, 0, 0).ljust(_PAGE, b"\0")
    return _meta(0, 8, pages) + _meta(1, 7, pages) + free + body


def varint(value: int) -> bytes:
    """As Go's binary.PutVarint."""
    value = value << 1 if value >= 0 else ~(value << 1)
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _leaf(number: int, tree: Tree) -> bytes:
    body = _elements(tree)
    overflow = (16 + len(body) - 1) // _PAGE
    return (struct.pack("<QHHI", number, 2, len(tree), overflow) + body).ljust((overflow + 1) * _PAGE, b"\0")


def _elements(tree: Tree) -> bytes:
    items = sorted((key.encode(), *_value(value)) for key, value in tree.items())
    elements, data = b"", b""
    for index, (key, value, is_bucket) in enumerate(items):
        elements += struct.pack("<IIII", is_bucket, (len(items) - index) * 16 + len(data), len(key), len(value))
        data += key + value
    return elements + data


def _value(value: Any) -> tuple[bytes, int]:
    if isinstance(value, bytes | str):
        return value if isinstance(value, bytes) else value.encode(), 0
    return struct.pack("<QQ", 0, 0) + struct.pack("<QHHI", 0, 2, len(value), 0) + _elements(value), 1


def _meta(number: int, txid: int, pages: int) -> bytes:
    body = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, _PAGE, 0, 3, 0, 2, pages, txid)
    checksum = 0xCBF29CE484222325
    for byte in body:
        checksum = ((checksum ^ byte) * 0x100000001B3) % 2**64
    return (struct.pack("<QHHI", number, 4, 0, 0) + body + struct.pack("<Q", checksum)).ljust(_PAGE, b"\0")
