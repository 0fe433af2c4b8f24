"""Dumps over nfnetlink, by which nf_tables is asked.

*Source:* netlink(7), kernel include/uapi/linux/netfilter/nfnetlink.h: every message begins with ``nfgenmsg`` (family, version,
resource); numbers in attributes are big endian.
*Needs:* CAP_NET_ADMIN in the user namespace that owns the network namespace of the thread that asks.
"""

import errno
from collections.abc import Iterator
from struct import Struct

from ctrscope.model.gap import ParseError, TornReadError
from ctrscope.probes.netlink import Connection, attribute

NETLINK_NETFILTER = 12
_FAMILY = Struct(">BBH")  # nfgenmsg
_ATTRIBUTE = Struct("=HH")
_ATTEMPTS = 4
#: A node of a large cluster has 30,000 rules.
_MOST = 200_000


def dump(
    connection: Connection, kind: int, family: int = 0, attributes: bytes = b"", most: int = _MOST
) -> list[tuple[int, bytes]]:
    """Family and attributes of every message of the answer.

    Errors: OSError with the kernel's errno (EPERM; ENOENT when the table or set is gone; EFBIG); TornReadError when what is
    listed changed during each of four attempts; ParseError.
    """
    for _ in range(_ATTEMPTS):
        answer = connection.dump(kind, _FAMILY.pack(family, 0, 0) + attributes, most)
        if answer.is_truncated:
            raise OSError(errno.EFBIG, f"more than {most} rules, chains or messages of elements")
        if not answer.is_interrupted:
            if any(len(message) < _FAMILY.size for message in answer.messages):
                raise ParseError("netfilter: a message without a family")
            return [(message[0], message[_FAMILY.size :]) for message in answer.messages]
    raise TornReadError(f"netfilter: rules changed during each of {_ATTEMPTS} readings")


def list_of(data: bytes) -> Iterator[bytes]:
    """Values of attributes in order, whatever their type: of a list all have the same. Errors: ParseError."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, _ = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size or at + length > len(data):
            raise ParseError(f"netfilter: a list item of {length} bytes, where {len(data) - at} are left")
        yield data[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3


def text_attribute(kind: int, value: str) -> bytes:
    """One attribute that is a string, to ask with."""
    return attribute(kind, value.encode("utf-8", "surrogateescape") + b"\0")


def text(value: bytes | None) -> str:
    """A string attribute; "" when it is missing."""
    return (value or b"").split(b"\0")[0].decode("utf-8", "surrogateescape")


def number(value: bytes | None, default: int = 0) -> int:
    """A big-endian number of any size; *default* when it is missing."""
    return int.from_bytes(value, "big") if value else default


def signed(value: bytes | None) -> int:
    """A big-endian number of 32 bits that may be negative; 0 when it is missing."""
    return int.from_bytes(value[:4], "big", signed=True) if value else 0
