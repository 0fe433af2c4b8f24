"""One line of a log file, in each of the formats in which engines write them. Pure.

*Source:* moby daemon/logger/jsonfilelog/jsonlog; kubernetes CRI logging format (``TIME STREAM TAGS TEXT``, tags ``F`` or
``P``: the line goes on in the next record).
"""

from typing import NamedTuple

import msgspec

from ctrscope.model.log import LogFormat

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
    if format_ is LogFormat.CRI:
        parts = raw.split(b" ", 3)
        if len(parts) == 4 and parts[1] in _STREAMS and parts[2][:1] in (b"F", b"P"):
            return LogRecord(_text(parts[3]), _text(parts[0]), _text(parts[1]), parts[2][:1] == b"P")
    return LogRecord(_text(raw))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape").removesuffix("\r")
