"""The plots of the Cgroup tab: every figure that was ever known, with the limits that bound it."""

from collections.abc import Sequence

from textual.content import Content

from ctrscope.model.cgroup import EffectiveLimit
from ctrscope.render.safe import inert
from ctrscope.render.units import format_bytes, format_percent
from ctrscope.views.history import Metric
from ctrscope.views.panes.opened import MARGIN, Opened
from ctrscope.views.plots import LimitLine, Plot
from ctrscope.views.tones import Part, line

_WIDE, _WIDER = 72, 180  # from these widths on two, then three plots stand beside each other
_HIGH = 40  # a screen of that many lines has room for higher plots
_GAP = 2  # cells between two plots


def plot_lines(opened: Opened) -> list[Content]:
    """The plots, as many beside each other as fit, and an empty line; nothing when no figure was ever known."""
    plots = [plot for plot in _plots(opened) if any(value is not None for _, value in plot.points)]
    count = 3 if opened.width >= _WIDER else 2 if opened.width >= _WIDE else 1
    width = (opened.width - 2 * MARGIN - _GAP * (count - 1)) // count
    height = 5 if opened.height >= _HIGH else 3
    lines: list[Content] = []
    for first in range(0, len(plots), count):
        drawn = [plot.lines(opened.snapshot.monotonic_ns, width, height) for plot in plots[first : first + count]]
        lines += [_beside(row) for row in zip(*drawn, strict=True)]
    return [*lines, Content("")] if lines else []


def _beside(row: Sequence[Sequence[Part]]) -> Content:
    parts: list[Part] = []
    for cells in row:
        parts += [" " * (_GAP if parts else MARGIN), *cells]
    return line(*parts)


def _plots(opened: Opened) -> tuple[Plot, ...]:
    stats, effective, rates = opened.stats, opened.effective, opened.rates
    cpu, memory = (stats.cpu, stats.memory) if stats is not None else (None, None)
    path = opened.container.cgroup.path if opened.container.cgroup is not None else ""
    stalled = rates.stalled_percent if rates is not None else {}
    for_worst = f"for {inert(max(stalled, key=lambda name: stalled[name]))}" if stalled else ""
    return (
        Plot(
            "cpu %",
            opened.points(Metric.CPU),
            format_percent,
            _limits(cpu.limit_cpus if cpu else None, effective.cpus if effective else None, path, 100),
        ),
        Plot(
            "memory",
            opened.points(Metric.MEMORY),
            format_bytes,
            _limits(memory.limit if memory else None, effective.memory if effective else None, path, 1),
        ),
        Plot("throttled, % of periods", opened.points(Metric.THROTTLED), format_percent, least=100.0, most=100.0),
        Plot("waited, %", opened.points(Metric.STALLED), format_percent, least=100.0, most=100.0, remark=for_worst),
        Plot("read", opened.points(Metric.READ), _per_second),
        Plot("written", opened.points(Metric.WRITE), _per_second),
        Plot("net in", opened.points(Metric.RX), _per_second),
        Plot("net out", opened.points(Metric.TX), _per_second),
    )


def _limits(own: float | str | None, effective: EffectiveLimit | None, path: str, factor: float) -> tuple[LimitLine, ...]:
    """The limit of the cgroup itself, and the tighter one that a cgroup above it imposes."""
    lines = [LimitLine(own * factor, "limit")] if isinstance(own, int | float) else []
    if effective is not None and isinstance(effective.value, int | float) and effective.limited_by not in (None, path, "host"):
        lines.append(LimitLine(effective.value * factor, f"↑ {inert(str(effective.limited_by).rpartition('/')[2]) or '/'}"))
    return tuple(lines)


def _per_second(value: float) -> str:
    return f"{format_bytes(value)}/s"
