"""What could not be known, why, and what it would take.

A value that could not be read is ``None`` and has a Gap. A value that does not apply is ``None`` without one.
"""

import errno
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from ctrscope.model.value import Value

T = TypeVar("T")


class Reason(StrEnum):
    """Why a value is missing."""

    DENIED = "denied"  # EACCES, EPERM: the kernel or the file mode said no
    UNSUPPORTED = "unsupported"  # this kernel, or this cgroup, does not have it
    UNAVAILABLE = "unavailable"  # it should be there and is not
    MALFORMED = "malformed"  # it was read and makes no sense
    TRUNCATED = "truncated"  # only part of it was read
    TIMED_OUT = "timed_out"
    NOT_COLLECTED = "not_collected"  # nobody asked for it in this run


class Gap(Value, frozen=True, kw_only=True):
    """One thing that could not be known."""

    subject: str  # "host", "engine docker", "container docker/3fca…", "process 4711"
    fields: tuple[str, ...]  # the keys that are null because of it
    source: str  # the file, link or call that was tried
    reason: Reason
    needs: str | None = None  # what would help: "CAP_SYS_PTRACE", "psi=1"
    detail: str = ""


class Reading(NamedTuple, Generic[T]):
    """What a probe brought back: a value or None, and the reasons for what is missing."""

    value: T | None
    gaps: tuple[Gap, ...] = ()


class ParseError(ValueError):
    """The text of a file is not what its manual page says. Carries the line number, from 1."""

    def __init__(self, what: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {what}" if line else what)
        self.line = line


class TornReadError(ParseError):
    """The file was written while it was read, every time it was tried."""


#: Errno values that mean "it went away between two reads": normal, never a Gap.
#: ENOENT by path, ESRCH through an open /proc/PID handle, ENODEV on a file of a removed cgroup.
VANISHED = frozenset({errno.ENOENT, errno.ESRCH, errno.ENODEV})


def gap_of(error: OSError | ParseError, subject: str, fields: tuple[str, ...], source: str, needs: str | None = None) -> Gap:
    """Turn what reading or parsing raised into a Gap; the errno table of the whole project.

    *needs* is the privilege that would help when the answer was EACCES or EPERM.
    """
    if isinstance(error, ParseError):
        reason = Reason.TRUNCATED if isinstance(error, TornReadError) else Reason.MALFORMED
        return Gap(subject=subject, fields=fields, source=source, reason=reason, detail=str(error))
    number = error.errno
    detail = error.strerror or str(error)
    if number in (errno.EACCES, errno.EPERM):
        return Gap(subject=subject, fields=fields, source=source, reason=Reason.DENIED, needs=needs or "root", detail=detail)
    if number in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
        return Gap(subject=subject, fields=fields, source=source, reason=Reason.UNSUPPORTED, needs=needs, detail=detail)
    if number == errno.EFBIG:
        return Gap(subject=subject, fields=fields, source=source, reason=Reason.TRUNCATED, detail=detail)
    return Gap(subject=subject, fields=fields, source=source, reason=Reason.UNAVAILABLE, detail=detail)
