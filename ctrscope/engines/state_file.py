"""What engines share in reading state: JSON of a known shape, bounds on what a user may put there, one path that moved."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from ctrscope.model.gap import Gap, ParseError, Reason

T = TypeVar("T")
#: What is read of one directory, or list, of a user: anybody may make a hundred thousand, for root to read one by one.
USER_LIMIT = 1000


def first_of(
    entries: list[T], owner: int | None, subject: str, path: str, fields: Iterable[str] = ("containers",)
) -> tuple[list[T], tuple[Gap, ...]]:
    """The entries of *path*; of a user's no more than USER_LIMIT, with a Gap for the rest. *owner*: None or 0 is root."""
    if not owner or len(entries) <= USER_LIMIT:
        return entries, ()
    detail = f"{len(entries)} entries of uid {owner}: {USER_LIMIT} were read"
    gap = Gap(subject=subject, fields=tuple(fields), source=path, reason=Reason.TRUNCATED, detail=detail)
    return entries[:USER_LIMIT], (gap,)


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
