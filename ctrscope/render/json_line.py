"""A line of a log that is a JSON object, laid out: when, how grave, what, then every other field as ``key=value``. Pure.

Names are those that logging libraries write (slog, zap, logrus, zerolog, pino, bunyan, structlog, logback, ECS).
"""

import msgspec

_TIME = ("time", "ts", "timestamp", "@timestamp", "t", "datetime")
_LEVEL = ("level", "lvl", "severity", "levelname", "log.level", "loglevel", "l")
_MESSAGE = ("msg", "message", "event", "m")
#: What stands in a value only between quotes.
_NEEDS_QUOTES = frozenset(" \"'=\\")
#: Longer lines stay as they are: laying out takes as long as reading.
_MOST = 64 * 1024

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


def lay_out(text: str) -> str:
    """``12:00:01 WARN slow query  ms=1200 db="a b"``; a text that is no JSON object stays as it is. Not inert.

    Values stand as they were written: numbers with their digits, what is nested as JSON.
    """
    if not text.lstrip().startswith("{") or len(text) > _MOST:
        return text
    try:
        fields = {key: bytes(value) for key, value in _decode(text).items()}
        first = [_plain(fields.pop(name)) for names in (_TIME, _LEVEL, _MESSAGE) if (name := _first(names, fields))]
        rest = [f"{_key(key)}={_value(value)}" for key, value in fields.items()]
    except (msgspec.MsgspecError, ValueError, RecursionError):  # ValueError: bytes that are not UTF-8
        return text
    return "  ".join(filter(None, (" ".join(first), " ".join(rest)))) or text


def _first(names: tuple[str, ...], fields: dict[str, bytes]) -> str | None:
    return next((name for name in names if name in fields), None)


def _plain(value: bytes) -> str:
    return _decode_text(value) if value.startswith(b'"') else value.decode()


def _value(value: bytes) -> str:
    text = _plain(value)
    if not value.startswith(b'"'):
        return text
    return text if text and _NEEDS_QUOTES.isdisjoint(text) else value.decode()


def _key(key: str) -> str:
    return key if key and _NEEDS_QUOTES.isdisjoint(key) else msgspec.json.encode(key).decode()
