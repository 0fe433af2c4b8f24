"""What engines share in reading a state file: JSON of a known shape, and the one path that distributions moved."""

from typing import TypeVar

import msgspec

from ctrscope.model.gap import ParseError

T = TypeVar("T")


def parse_json(decoder: msgspec.json.Decoder[T], text: bytes, path: str) -> T:
    """Decode JSON; *path* is for the error. Errors: ParseError."""
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # RecursionError: "[[[[…" in a key we skip
        raise ParseError(f"{path}: {error}") from error


def check_path(text: str, path: str) -> str:
    """*text*, which a state file names as an absolute path; *path* is the file's. Errors: ParseError.

    No file has a NUL in its path, JSON and TOML may, and open(2) is never asked: Python raises a ValueError.
    """
    if not text.startswith("/") or "\0" in text:
        raise ParseError(f"{path}: {text[:80]!r} is no absolute path")
    return text


def without_var(path: str) -> str:
    """``/run/docker`` of ``/var/run/docker``, which has been a link to it for longer than any engine exists."""
    return path.removeprefix("/var") if path.startswith("/var/run/") else path
