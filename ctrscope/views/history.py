"""The last minute of every container: what the sparklines and the graphs are drawn from."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from ctrscope.model.sample import Sample

POINTS = 60  # of one container; at one sample a second that is a minute
SPAN_NS = 60_000_000_000
_SILENCE_NS = 10_000_000_000  # between two points; longer, and nobody knows what was in between

_BARS = "▁▂▃▄▅▆▇█"


class Point(NamedTuple):
    """Usage at one moment."""

    monotonic_ns: int
    cpu_percent: float | None  # of one CPU
    memory: int | None  # bytes


class History:
    """A bounded ring of points for each container. Containers that are gone are forgotten."""

    def __init__(self) -> None:
        self._rings: dict[str, deque[Point]] = {}
        self.host_cpu: deque[Point] = deque(maxlen=POINTS)

    def add(self, sample: Sample) -> None:
        """Remember one sample."""
        now = sample.snapshot.monotonic_ns
        self.host_cpu.append(Point(now, sample.totals.cpu_percent, sample.totals.memory_used))
        rings: dict[str, deque[Point]] = {}
        for container in sample.snapshot.containers:
            key = container.key
            ring = rings[key] = self._rings.get(key) or deque(maxlen=POINTS)
            rates, stats = sample.rates.get(key), sample.snapshot.stats.get(key)
            if rates or stats:
                memory = stats.memory.current if stats and stats.memory else None
                ring.append(Point(now, rates.cpu_percent if rates else None, memory))
        self._rings = rings

    def points(self, key: str) -> Sequence[Point]:
        """Points of one container, oldest first."""
        return self._rings.get(key, ())


def last_minute(points: Sequence[tuple[int, float | None]], now_ns: int, cells: int) -> list[float | None]:
    """Spread (moment, value) pairs over *cells* equal parts of the last minute: the highest value of each part, or None.

    A value holds for the time since the point before it, for that is what a rate says; after a longer silence it holds
    for its own part only.
    """
    parts: list[float | None] = [None] * cells
    before: int | None = None
    for moment, value in points:
        last = _cell(now_ns - moment, cells)
        first = last if before is None or moment - before > _SILENCE_NS else _cell(now_ns - before, cells) + 1
        before = moment
        if value is None:
            continue
        for cell in range(max(0, min(first, last)), min(cells, last + 1)):
            already = parts[cell]
            parts[cell] = value if already is None else max(already, value)
    return parts


def _cell(age_ns: int, cells: int) -> int:
    return cells - 1 - age_ns * cells // SPAN_NS


def sparkline(values: Sequence[float | None], top: float) -> str:
    """One character a value; *top* is a full block. What is not known is blank, what is known is at least the lowest bar."""
    return "".join(" " if value is None else _BARS[_level(value, top, len(_BARS)) - 1] for value in values)


def bar_graph(values: Sequence[float | None], top: float, height: int) -> list[str]:
    """Columns of *height* lines, eighths of a line fine, highest line first."""
    levels = [0 if value is None else _level(value, top, height * 8) for value in values]
    lines = []
    for line in range(height - 1, -1, -1):
        rests = (min(8, max(0, level - line * 8)) for level in levels)
        lines.append("".join(_BARS[rest - 1] if rest else " " for rest in rests))
    return lines


def _level(value: float, top: float, steps: int) -> int:
    if top <= 0:
        return 1
    return max(1, min(steps, round(value / top * steps)))
