"""Moments as RFC 3339 text, the way the contract writes them."""

from datetime import UTC, datetime


def rfc3339(unix_time: float) -> str:
    """``2026-11-22T04:05:06.789Z`` of seconds since the epoch."""
    return datetime.fromtimestamp(unix_time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_time(text: str | None) -> float | None:
    """Seconds since the epoch of an RFC 3339 moment (nanoseconds are cut); None for None and for what is not one."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else moment.replace(tzinfo=UTC).timestamp()
