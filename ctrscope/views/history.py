"""The last quarter of an hour of the host and every container: what the sparklines and the plots are drawn from.

All samples share one ring of moments; the host and each container have one array with a ring for each figure in it. NaN is
unknown.
"""

import math
from array import array
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from ctrscope.model.cgroup import CgroupStats
from ctrscope.model.rates import Rates
from ctrscope.model.sample import HostTotals, Sample

POINTS = 900  # moments that are kept; at one sample a second that is a quarter of an hour
MINUTE_NS = 60_000_000_000
SPAN_NS = 15 * MINUTE_NS  # what the plots show
_SILENCE_NS = 10_000_000_000  # between two points; longer, and nobody knows what was in between

_BARS = "▁▂▃▄▅▆▇█"
_NAN = math.nan


class Metric(IntEnum):
    """What is remembered of a container. Bytes and percent."""

    CPU = 0  # of one CPU
    MEMORY = 1
    THROTTLED = 2  # of the periods
    STALLED = 3  # of the time, by the resource that was waited for most
    READ = 4  # a second
    WRITE = 5
    RX = 6
    TX = 7


class HostMetric(IntEnum):
    """What is remembered of the host. Bytes and percent."""

    CPU = 0  # of all CPUs
    MEMORY = 1
    CPU_STALLED = 2  # of the time
    MEMORY_STALLED = 3
    IO_STALLED = 4
    READ = 5  # a second
    WRITE = 6
    RX = 7
    TX = 8


class Parts(NamedTuple):
    """Where the values are, and which cells each holds for."""

    cells: int
    places: tuple[tuple[int, range], ...]


class History:
    """A bounded ring for each container, 29 kB each. Containers that are gone are forgotten."""

    def __init__(self, points: int = POINTS) -> None:
        self._size = points
        self._moments = array("q", bytes(8 * points))  # nanoseconds; 0: nothing there yet
        self._next = 0
        self._blank = array("f", [_NAN] * (points * len(Metric)))
        self._rings: dict[str, array[float]] = {}
        self._host = array("f", [_NAN] * (points * len(HostMetric)))

    def add(self, sample: Sample) -> None:
        """Remember one sample."""
        at, size = self._next, self._size
        self._next = (at + 1) % size
        self._moments[at] = sample.snapshot.monotonic_ns
        for metric, value in zip(HostMetric, _host_figures(sample.totals), strict=True):
            self._host[metric * size + at] = _number(value)
        rates, stats = sample.rates, sample.snapshot.stats
        rings: dict[str, array[float]] = {}
        for container in sample.snapshot.containers:
            key = container.key
            ring = self._rings.get(key)
            if ring is None:
                ring = self._blank[:]
            rings[key] = ring
            for value in _figures(rates.get(key), stats.get(key)):
                ring[at] = _number(value)
                at += size
            at = self._next - 1 if self._next else size - 1
        self._rings = rings

    def points(self, key: str, metric: Metric, span_ns: int = SPAN_NS) -> list[tuple[int, float | None]]:
        """(moment, value) of one container over the last *span_ns*, and one before, oldest first."""
        ring = self._rings.get(key)
        return [] if ring is None else self._newest(ring, metric * self._size, span_ns)

    def parts(self, metric: Metric, cells: int, span_ns: int, now_ns: int) -> "Parts":
        """How to spread the last *span_ns* of any container over *cells*: worked out once for all of them."""
        places = list(self._places(span_ns))[::-1]
        covered = _covered([moment for _, moment in places], now_ns, cells, span_ns)
        offset = metric * self._size
        return Parts(
            cells, tuple((offset + at, cells_of) for (at, _), cells_of in zip(places, covered, strict=True) if cells_of)
        )

    def highest(self, key: str, parts: "Parts") -> list[float | None]:
        """The highest value of one container in each of these parts, or None."""
        ring = self._rings.get(key)
        values: list[float | None] = [None] * parts.cells
        if ring is None:
            return values
        for at, cells_of in parts.places:
            value = ring[at]
            for cell in cells_of if value == value else ():
                already = values[cell]
                if already is None or value > already:
                    values[cell] = value
        return values

    def host_points(self, metric: HostMetric, span_ns: int = SPAN_NS) -> list[tuple[int, float | None]]:
        """(moment, value) of the host, as ``points`` of a container."""
        return self._newest(self._host, metric * self._size, span_ns)

    def _newest(self, ring: "array[float]", offset: int, span_ns: int) -> list[tuple[int, float | None]]:
        found = [(moment, None if (value := ring[offset + at]) != value else value) for at, moment in self._places(span_ns)]
        return found[::-1]

    def _places(self, span_ns: int) -> Iterator[tuple[int, int]]:
        moments, newest = self._moments, self._moments[self._next - 1]
        for back in range(1, self._size + 1):
            at = (self._next - back) % self._size
            if not moments[at]:
                return
            yield at, moments[at]
            if newest - moments[at] > span_ns:
                return


def _figures(rates: Rates | None, stats: CgroupStats | None) -> tuple[float | None, ...]:
    """One figure for each Metric, in their order."""
    memory = stats.memory.current if stats is not None and stats.memory is not None else None
    if rates is None:
        return (None, memory, None, None, None, None, None, None)
    stalled = rates.stalled_percent
    return (
        rates.cpu_percent,
        memory,
        rates.throttled_percent,
        max(stalled.values()) if stalled else None,
        rates.read_bytes,
        rates.write_bytes,
        rates.rx_bytes,
        rates.tx_bytes,
    )


def _host_figures(totals: HostTotals) -> tuple[float | None, ...]:
    """One figure for each HostMetric, in their order."""
    return (
        totals.cpu_percent,
        totals.memory_used,
        *(totals.stalled_percent.get(name) for name in ("cpu", "memory", "io")),
        totals.read_bytes,
        totals.write_bytes,
        totals.rx_bytes,
        totals.tx_bytes,
    )


def _number(value: float | None) -> float:
    return _NAN if value is None else value


def spread(points: Sequence[tuple[int, float | None]], now_ns: int, cells: int, span_ns: int) -> list[float | None]:
    """Spread (moment, value) pairs over *cells* equal parts of the last *span_ns*: the highest value of each part, or None.

    A value holds for the time since the point before it, for that is what a rate says; after a longer silence it holds
    for its own part only.
    """
    parts: list[float | None] = [None] * cells
    covered = _covered([moment for moment, _ in points], now_ns, cells, span_ns)
    for (_, value), cells_of in zip(points, covered, strict=True):
        if value is None:
            continue
        for cell in cells_of:
            already = parts[cell]
            parts[cell] = value if already is None else max(already, value)
    return parts


def _covered(moments: Sequence[int], now_ns: int, cells: int, span_ns: int) -> Iterator[range]:
    """The cells that each moment's value holds for."""
    before: int | None = None
    for moment in moments:
        last = cells - 1 - (now_ns - moment) * cells // span_ns
        is_alone = before is None or moment - before > _SILENCE_NS
        first = last if is_alone else cells - (now_ns - (before or 0)) * cells // span_ns
        before = moment
        yield range(max(0, min(first, last)), min(cells, last + 1))


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
