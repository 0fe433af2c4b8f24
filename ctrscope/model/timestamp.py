"""Moments as RFC 3339 text, the way the contract writes them."""

from datetime import UTC, datetime

from ctrscope.model.gap import ParseError


def rfc3339(unix_time: float) -> str:
    """``2026-11-22T04:05:06.789Z`` of seconds since the epoch."""
    return datetime.fromtimestamp(unix_time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc3339_ns(nanoseconds: int) -> str:
    """``2026-11-22T01:57:33.239364262Z`` of nanoseconds since the epoch, as Go writes it. Errors: ParseError."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise ParseError(f"no such moment: {seconds}") from error
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{digits}Z"


def unix_time(text: str | None) -> float | None:
    """Seconds since the epoch of an RFC 3339 moment (nanoseconds are cut); None for None and for what is not one."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else moment.replace(tzinfo=UTC).timestamp()
