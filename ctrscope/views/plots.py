"""A plot in a box of characters: the last quarter of an hour of one figure, its limits as lines. Pure.

Now is at the right edge, 15 minutes ago at the left; the left margin carries the scale. A limit that would press the curve
flat against the ground stays off the plot, and the title says what it is.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from textual.content import Content

from ctrscope.render.safe import cell_width, pad, shorten
from ctrscope.render.units import NOT_PERMITTED, format_bytes
from ctrscope.views.history import SPAN_NS, bar_graph, spread
from ctrscope.views.tones import Part, line

SCALE = 8  # cells of the left margin
_FLAT = 0.1  # of a limit: where everything is below that, the limit is off the plot
_AIR = 1.15  # between what is highest and the top
_WIDE, _WIDER = 70, 178  # of the room: from these widths on two, then three plots stand beside each other
_HIGH = 40  # a screen of that many lines has room for higher plots
_GAP = 2  # cells between two plots


class LimitLine(NamedTuple):
    """One limit of a plot."""

    value: float
    name: str  # who sets it, inert: "limit", "by kubepods-burstable.slice"


class Plot(NamedTuple):
    """One figure over time."""

    name: str
    points: Sequence[tuple[int, float | None]]
    write: Callable[[float], str]
    limits: Sequence[LimitLine] = ()
    least: float = 1.0  # what the scale goes up to at least
    most: float = float("inf")  # and at most
    remark: str = ""  # inert, beside the present value

    def lines(self, now_ns: int, width: int, height: int) -> list[list[Part]]:
        """The plot in *width* cells: a title, *height* lines of bars, the axis."""
        inner = max(1, width - SCALE - 1)
        values = spread(self.points, now_ns, inner, SPAN_NS)
        known = [value for value in values if value is not None]
        highest = max(known, default=0.0)
        drawn = [limit for limit in self.limits if highest >= _FLAT * limit.value]
        top = min(self.most, max(self.least, highest * _AIR, *(limit.value * _AIR for limit in drawn), 0.0))
        rows: dict[int, LimitLine] = {}
        for limit in sorted(drawn, key=lambda limit: limit.value):
            at = _row(limit.value, top, height)
            already = rows.get(at)
            if already is not None:  # the tighter one has the line, the other is named on it
                limit = already._replace(name=f"{already.name}, {limit.name} {self.write(limit.value)}")
            rows[at] = limit
        body = [self._row(text, rows.get(at), at, top) for at, text in enumerate(bar_graph(values, top, height))]
        return [self._title(width, [limit for limit in self.limits if limit not in drawn]), *body, _axis(width, inner)]

    def _title(self, width: int, off: Sequence[LimitLine]) -> list[Part]:
        latest = next((value for _, value in reversed(self.points)), None)
        now = NOT_PERMITTED if latest is None else self.write(latest)
        left = f"{self.name} {now}" + (f" {self.remark}" if self.remark else "")
        # The tightest. An arrow is for limits that a cgroup above imposes.
        far = min(off, key=lambda limit: limit.value) if off else None
        beyond = f"{far.name} {self.write(far.value)}, off the top" if far is not None else ""
        room = width - cell_width(left) - 1
        right = shorten(beyond, room) if beyond and room > 8 else ""
        return [
            (f"{self.name} ", "muted"),
            (now, "strong"),
            (f" {self.remark}" if self.remark else "", "muted"),
            pad("", room - cell_width(right)) + " ",
            (right, "muted"),
        ]

    def _row(self, bars: str, limit: LimitLine | None, at: int, top: float) -> list[Part]:
        if limit is None:
            label = self.write(top) if at == 0 else ""
            return [(pad(label, SCALE, "right"), "idle"), ("│", "idle"), (bars, "graph")]
        label = pad(shorten(self.write(limit.value), SCALE), SCALE, "right")
        name = shorten(f" {limit.name} ", len(bars))
        # The name stands on the oldest part of the line, the bars go on behind it.
        rest = bars[len(name) :]
        parts: list[Part] = [(label, "watch"), ("┤", "watch"), (name, "watch")]
        run, blank = "", None
        for char in rest:
            if (char == " ") is not blank and run:
                parts.append(_piece(run, blank))
                run = ""
            blank = char == " "
            run += char
        return [*parts, _piece(run, blank)] if run else parts


def _piece(run: str, blank: bool | None) -> Part:
    return ("╌" * len(run), "watch") if blank else (run, "act")


def _row(value: float, top: float, height: int) -> int:
    """Line, from the top, in which a value falls."""
    return max(0, min(height - 1, height - 1 - int(value / top * height - 1e-9)))


def _axis(width: int, inner: int) -> list[Part]:
    left, right = "−15 min", "now"
    rule = "─" * max(0, inner - len(left) - len(right) - 2)
    return [(pad("0", SCALE, "right"), "idle"), ("└", "idle"), (left, "idle"), (f" {rule} ", "idle"), (right, "idle")]


def bars_high(screen: int) -> int:
    """Lines that the bars of a plot take on a screen of that many lines."""
    return 5 if screen >= _HIGH else 3


def plot_width(room: int) -> int:
    """Cells that one plot takes where as many stand beside each other as fit into *room*."""
    count = _beside(room)
    return (room - _GAP * (count - 1)) // count


def side_by_side(drawn: Sequence[Sequence[Sequence[Part]]], room: int, margin: int) -> list[Content]:
    """Plots of one width and height, as many beside each other as fit into *room*."""
    count = _beside(room)
    lines = []
    for first in range(0, len(drawn), count):
        for row in zip(*drawn[first : first + count], strict=True):
            parts: list[Part] = []
            for cells in row:
                parts += [" " * (_GAP if parts else margin), *cells]
            lines.append(line(*parts))
    return lines


def _beside(room: int) -> int:
    return 3 if room >= _WIDER else 2 if room >= _WIDE else 1


def per_second(value: float) -> str:
    """Bytes a second."""
    return f"{format_bytes(value)}/s"
