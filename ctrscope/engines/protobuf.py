"""Protocol buffers, as far as engines keep them in files: the fields of one message.

*Source:* protobuf.dev/programming-guides/encoding. Wire types 0 (a varint) and 2 (bytes) are all that those messages have.
"""

from collections.abc import Iterator

from ctrscope.model.gap import ParseError

_VARINT, _BYTES = 0, 2


def parse_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field in the order in which they were written. Errors: ParseError."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == _VARINT:
            yield tag >> 3, value
        elif tag & 7 != _BYTES:
            raise ParseError(f"protobuf: wire type {tag & 7}")
        elif at + value > len(data):
            raise ParseError("protobuf: a field leaves the message")
        else:
            yield tag >> 3, data[at : at + value]
            at += value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for index in range(at, min(at + 10, len(data))):
        value |= (data[index] & 0x7F) << shift
        if data[index] < 0x80:
            return value, index + 1
        shift += 7
    raise ParseError("protobuf: a number does not end")
