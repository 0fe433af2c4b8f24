"""One look into a log, whatever it is made of: so many lines, among so many bytes, and how far that went.

Whoever wants a rare line looks again from where the last look ended, and can say how far it got.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ctrscope.model.log import LogLine, Place

#: Bytes that one look goes through.
_AT_ONCE = 4 * 1024 * 1024

Keep = Callable[[LogLine], bool]
#: A line, the place that is reached with it, and the bytes that it takes.
Told = tuple[LogLine, Place, int]


class Look(NamedTuple):
    """Lines in the order in which they were told."""

    lines: tuple[LogLine, ...]
    reached: Place
    is_over: bool  # there is nothing beyond
    looked_through: int  # bytes


def look_through(told: Iterable[Told], place: Place, count: int, keep: Keep | None) -> Look:
    """The first *count* lines that are to be kept of those that are told from *place* on, as far as one look goes."""
    lines: list[LogLine] = []
    reached, looked = place, 0
    for line, following, size in told:
        if len(lines) >= count or looked >= _AT_ONCE:
            return Look(tuple(lines), reached, False, looked)
        looked += size
        reached = following
        if keep is None or keep(line):
            lines.append(line)
    return Look(tuple(lines), reached, True, looked)
