"""Numbers as text: bytes, percent, durations, limits, and the two signs for what is not there.

Units are those of the model: bytes, seconds, percent.
"""

from typing import Literal

from ctrscope.model.quantity import format_bytes as format_bytes

NOT_APPLICABLE = "–"  # there is no such thing here
NOT_PERMITTED = "·"  # it exists, and we could not read it; a Gap says why


def format_limit(value: int | Literal["max"] | None) -> str:
    """A limit in bytes; ``max`` is the kernel's own word for none."""
    return "max" if value == "max" else NOT_PERMITTED if value is None else format_bytes(value)


def format_percent(value: float) -> str:
    """One decimal below a hundred: ``0.1``, ``48.1``, ``1600``. The column says of what."""
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def format_duration(seconds: float) -> str:
    """The largest whole unit: ``3s``, ``12m``, ``19h``, ``4d``. A clock that ran backwards gives ``0s``."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds))}s"
