"""The plots of the Cgroup tab: every figure that was ever known, with the limits that bound it."""

from textual.content import Content

from ctrscope.model.cgroup import EffectiveLimit
from ctrscope.render.safe import inert
from ctrscope.render.units import format_bytes, format_percent
from ctrscope.views.history import Metric
from ctrscope.views.panes.opened import MARGIN, Opened
from ctrscope.views.plots import LimitLine, Plot, bars_high, per_second, plot_width, side_by_side


def plot_lines(opened: Opened) -> list[Content]:
    """The plots, as many beside each other as fit, and an empty line; nothing when no figure was ever known."""
    plots = [plot for plot in _plots(opened) if any(value is not None for _, value in plot.points)]
    room, height = opened.width - 2 * MARGIN, bars_high(opened.height)
    drawn = [plot.lines(opened.snapshot.monotonic_ns, plot_width(room), height) for plot in plots]
    return [*side_by_side(drawn, room, MARGIN), Content("")] if drawn else []


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
        Plot("read", opened.points(Metric.READ), per_second),
        Plot("written", opened.points(Metric.WRITE), per_second),
        Plot("net in", opened.points(Metric.RX), per_second),
        Plot("net out", opened.points(Metric.TX), per_second),
    )


def _limits(own: float | str | None, effective: EffectiveLimit | None, path: str, factor: float) -> tuple[LimitLine, ...]:
    """The limit of the cgroup itself, and the tighter one that a cgroup above it imposes."""
    lines = [LimitLine(own * factor, "limit")] if isinstance(own, int | float) else []
    if effective is not None and isinstance(effective.value, int | float) and effective.limited_by not in (None, path, "host"):
        lines.append(LimitLine(effective.value * factor, f"↑ {inert(str(effective.limited_by).rpartition('/')[2]) or '/'}"))
    return tuple(lines)
