"""What a container wrote: where its log is, and lines of it."""

from enum import StrEnum
from typing import Any, NamedTuple

from ctrscope.model.value import Value


class LogFormat(StrEnum):
    """How a line of the file is written."""

    JSON_FILE = "json-file"  # Docker, nerdctl: {"log": "…\n", "stream": "stdout", "time": "…"}
    LOCAL = "local"  # Docker's driver of that name: protocol buffers between their lengths
    CRI = "cri"  # Kubernetes, Podman's k8s-file: 2026-09-21T14:13:20.1Z stdout F …
    PLAIN = "plain"  # what a console or a file took, as it came


class LogSource(Value, frozen=True, kw_only=True):
    """Where the log of a container is; without files, where it is read instead."""

    paths: tuple[str, ...] = ()  # oldest first; the last is the one that is written to
    format: LogFormat = LogFormat.PLAIN
    owner: int | None = None  # uid that the files have to belong to
    until: float | None = None  # unix time; the lines from then on are those of a later start
    elsewhere: str = ""  # "journald: journalctl CONTAINER_ID=3fca…"


class LogPlace(NamedTuple):
    """A place between two lines, in the order in which they were written."""

    file: int  # number of the file, the oldest first
    offset: int  # bytes from its beginning, uncompressed


#: Where a line begins: in one log a ``LogPlace``, in several that are read as one a tuple of them, one for each. Whoever is
#: told a place hands it back as it is.
Place = Any


class LogLine(NamedTuple):
    """One line as the container wrote it, without the newline; bytes that are not UTF-8 are surrogates."""

    place: Place
    text: str
    at: str = ""  # RFC 3339, as the file has it; "": the format has no times
    stream: str = ""  # "stdout", "stderr"
    whose: str = ""  # where logs are read as one: the name under which its log was asked for


class LogPage(NamedTuple):
    """Lines that follow each other, or those among them that were asked for."""

    lines: tuple[LogLine, ...]
    start: Place  # nothing between here and ``end`` was left out that was asked for
    end: Place
    is_first: bool  # nothing is older
    is_last: bool  # nothing is newer, as yet
    unfinished: LogLine | None = None  # behind the end, a line that is still being written
    looked_through: int = 0  # bytes
    remarks: tuple[str, ...] = ()  # what could not be read, and why
