"""Questions to the kernel over netlink, and its answers cut into messages and attributes.

*Source:* netlink(7); kernel include/uapi/linux/netlink.h. A message is a header of 16 bytes, a body whose fixed part
depends on its type, and attributes: length and type (two bytes each), then a value padded to four.
*Versions:* strict checking of what is asked, hence filters that the kernel applies itself, since Linux 4.20; older ones answer
with more than was asked for. SO_NETNS_COOKIE since Linux 5.14.
*Cost:* 20 to 60 µs a question. A general decoder takes 5 to 10 ms for what a small namespace answers; here only what is
needed is unpacked.
"""

import errno
import os
import socket
import struct
import time
from collections.abc import Container, Iterator
from contextlib import suppress
from typing import NamedTuple

from ctrscope.model.gap import ParseError

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_ERROR = struct.Struct("=i")
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLM_F_DUMP_INTR = 0x10
_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_SOL_NETLINK, _NETLINK_GET_STRICT_CHK = 270, 12
_SO_NETNS_COOKIE = 71
_BUFFER = 65536  # the kernel fills at most 32 KiB at once
_PATIENCE = 5  # seconds; an answer is ready when it is asked for, this is for a kernel that is not well
_TIMEOUT = struct.pack("ll", _PATIENCE, 0)


class Answer(NamedTuple):
    """The messages of one dump, without their headers."""

    messages: tuple[bytes, ...] = ()
    is_interrupted: bool = False  # something changed meanwhile: messages may be missing or come twice
    is_truncated: bool = False  # there were more than was asked for


class Connection:
    """A netlink socket of the network namespace that the calling thread is in; it stays with that one."""

    def __init__(self, protocol: int = socket.NETLINK_ROUTE) -> None:
        self._protocol = protocol
        self._sequence = 0
        self._socket = self._connected()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *unused: object) -> None:
        self._socket.close()

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, self._protocol)
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEOUT)
            with suppress(OSError):  # ENOPROTOOPT before Linux 4.20
                connection.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def cookie(self) -> int | None:
        """Number of the network namespace that is never used again, unlike its inode; None before Linux 5.14."""
        try:
            return int.from_bytes(self._socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), "little")
        except OSError:
            return None

    def dump(self, kind: int, body: bytes, most: int) -> Answer:
        """All objects of a kind, up to *most* of them. Errors: OSError with what the kernel answered; ParseError."""
        self._send(kind, _NLM_F_REQUEST | _NLM_F_DUMP, body)
        found: list[bytes] = []
        is_interrupted = False
        while True:
            for answered, flags, sequence, payload in messages_of(self._receive()):
                if sequence != self._sequence:
                    continue
                is_interrupted |= bool(flags & _NLM_F_DUMP_INTR)
                if answered in (_NLMSG_ERROR, _NLMSG_DONE):
                    _raise_if_error(payload)
                    return Answer(tuple(found), is_interrupted)
                if len(found) == most:
                    # The rest of the answer goes away with the socket: the kernel refuses a second dump before its end.
                    self._socket.close()
                    self._socket = self._connected()
                    return Answer(tuple(found), is_interrupted, is_truncated=True)
                found.append(payload)

    def ask(self, kind: int, body: bytes) -> bytes:
        """The one answer to one question. Errors: OSError with what the kernel answered; ParseError."""
        self._send(kind, _NLM_F_REQUEST, body)
        while True:
            for answered, _, sequence, payload in messages_of(self._receive()):
                if sequence == self._sequence:
                    if answered == _NLMSG_ERROR:
                        _raise_if_error(payload)
                    return payload

    def _receive(self) -> bytes:
        """What the kernel sent next. Root of a container may send us messages in its own namespace: those are passed over."""
        deadline = None
        while True:
            packet, (sender, _) = self._socket.recvfrom(_BUFFER)
            if sender == 0:
                return packet
            now = time.monotonic()
            deadline = deadline or now + _PATIENCE
            if now > deadline:
                raise OSError(errno.ETIMEDOUT, "the kernel's answer is drowned in messages of others")

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, self._sequence, 0) + body)


def messages_of(packet: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, sequence number and payload of each message of what one recv(2) brought."""
    place, size = 0, len(packet)
    while place < size:
        if place + _HEADER.size > size:
            raise ParseError("a netlink message is cut off")
        length, kind, flags, sequence, _ = _HEADER.unpack_from(packet, place)
        if length < _HEADER.size or place + length > size:
            raise ParseError(f"a netlink message of {length} bytes, where {size - place} are left")
        yield kind, flags, sequence, packet[place + _HEADER.size : place + length]
        place += (length + 3) & ~3


def attributes_of(data: bytes, place: int = 0, wanted: Container[int] | None = None) -> dict[int, bytes]:
    """Type → value of the attributes from *place* on, or of those that are *wanted*; of a type that comes twice the last."""
    found: dict[int, bytes] = {}
    size = len(data)
    unpack = _ATTRIBUTE.unpack_from
    while place + 4 <= size:
        length, kind = unpack(data, place)
        if length < 4 or place + length > size:
            raise ParseError(f"a netlink attribute of {length} bytes, where {size - place} are left")
        kind &= _TYPE_MASK
        if wanted is None or kind in wanted:
            found[kind] = data[place + 4 : place + length]
        place += (length + 3) & ~3
    return found


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, as it is sent."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def address_text(packed: bytes) -> str:
    """``192.0.2.2``, ``fd00::2``. Errors: ValueError unless it is 4 or 16 bytes long."""
    return socket.inet_ntop(socket.AF_INET6 if len(packed) == 16 else socket.AF_INET, packed)


def _raise_if_error(payload: bytes) -> None:
    # NLMSG_DONE carries the error of a dump that failed after its beginning; from old kernels it may be empty.
    if len(payload) >= _ERROR.size and (code := _ERROR.unpack_from(payload)[0]) < 0:
        raise OSError(-code, os.strerror(-code))
