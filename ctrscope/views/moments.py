"""A moment as somebody types it: a time of the day, a date, or how long ago. Pure."""

import re
import time
from datetime import datetime

_AGO = re.compile(r"-?\s*(\d{1,6})\s*([smhd])(?:\s+ago)?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
MOMENT_HINT = "12:04, 12:04:30, 2026-09-21 12:04, 10m ago"


def parse_moment(text: str, now: float) -> float:
    """Unix time of ``12:04`` (the last one, in local time), ``2026-09-21 12:04``, RFC 3339, ``10m``. Errors: ValueError."""
    text = text.strip()
    if (ago := _AGO.fullmatch(text)) is not None:
        return now - int(ago[1]) * _SECONDS[ago[2].lower()]
    if (clock := _CLOCK.fullmatch(text)) is not None:
        today = datetime.fromtimestamp(now).astimezone()
        moment = today.replace(hour=int(clock[1]), minute=int(clock[2]), second=int(clock[3] or 0), microsecond=0).timestamp()
        return moment - 86400 if moment > now else moment
    return datetime.fromisoformat(text).timestamp()  # local time, unless it says otherwise


def stamp(moment: float, *, with_date: bool) -> str:
    """``12:04:31``, or ``09-21 12:04:31``, in local time."""
    return time.strftime("%m-%d %H:%M:%S" if with_date else "%H:%M:%S", time.localtime(moment))
