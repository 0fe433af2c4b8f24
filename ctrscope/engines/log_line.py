"""One line of a log file, in each of the formats in which engines write them. Pure.

*Source:* moby daemon/logger/jsonfilelog/jsonlog; moby api/types/plugins/logdriver/entry.proto, of which its ``local`` driver
writes; kubernetes CRI logging format (``TIME STREAM TAGS TEXT``, tags ``F`` or ``P``: the line goes on in the next record).
"""

from typing import NamedTuple

import msgspec

from ctrscope.engines.protobuf import parse_fields
from ctrscope.model.gap import ParseError
from ctrscope.model.log import LogFormat
from ctrscope.model.timestamp import rfc3339_ns

_STREAMS = (b"stdout", b"stderr")


class LogRecord(NamedTuple):
    """One line of the file; what a container wrote without a newline may take several."""

    text: str
    at: str = ""
    stream: str = ""
    goes_on: bool = False


class _Json(msgspec.Struct):
    log: str = ""
    stream: str = ""
    time: str = ""


_decode = msgspec.json.Decoder(_Json).decode


def parse_record(raw: bytes, format_: LogFormat) -> LogRecord:
    """One record, without its newline. What is not of that format stands as it is: nothing that was written is lost."""
    if format_ is LogFormat.JSON_FILE:
        try:
            record = _decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return LogRecord(_text(raw))
        text = record.log.removesuffix("\n")
        is_whole = text != record.log
        return LogRecord(text.removesuffix("\r") if is_whole else text, record.time, record.stream, not is_whole)
    if format_ is LogFormat.LOCAL:
        try:
            return _parse_entry(raw)
        except ParseError:
            return LogRecord(_text(raw))
    if format_ is LogFormat.CRI:
        parts = raw.split(b" ", 3)
        if len(parts) == 4 and parts[1] in _STREAMS and parts[2][:1] in (b"F", b"P"):
            return LogRecord(_text(parts[3]), _text(parts[0]), _text(parts[1]), parts[2][:1] == b"P")
    return LogRecord(_text(raw))


def _parse_entry(raw: bytes) -> LogRecord:
    """``message LogEntry {source = 1; time_nano = 2; line = 3; partial = 4; partial_log_metadata = 5 {last = 1; …}}``."""
    found = dict(parse_fields(raw))
    source, nanoseconds, line, pieces = found.get(1, b""), found.get(2, 0), found.get(3, b""), found.get(5)
    if source not in _STREAMS or not isinstance(nanoseconds, int) or not isinstance(line, bytes):
        raise ParseError("not an entry")
    # Before metadata of pieces there was only the mark that it is one.
    is_last = (1, 1) in parse_fields(pieces) if isinstance(pieces, bytes) else not found.get(4)
    return LogRecord(_text(line), rfc3339_ns(nanoseconds), _text(source), not is_last)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape").removesuffix("\r")
