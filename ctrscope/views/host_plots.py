"""The charts of the Host page: the last quarter of an hour of the whole host, and who uses most of each thing now. Pure."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from textual.content import Content

from ctrscope.model.container import Container
from ctrscope.model.rates import Rates
from ctrscope.model.sample import Sample
from ctrscope.render.fields import group_text
from ctrscope.render.safe import cell_width, inert, pad, shorten
from ctrscope.render.units import format_bytes, format_percent
from ctrscope.views.history import History, HostMetric
from ctrscope.views.panes.opened import MARGIN
from ctrscope.views.plots import LimitLine, Plot, bars_high, per_second, plot_width, side_by_side
from ctrscope.views.tones import Part

_NAME = 20  # cells that a name may take below a plot


class Chart(NamedTuple):
    """One thing that a host has only so much of."""

    name: str
    metric: HostMetric
    write: Callable[[float], str]
    share: Callable[[Rates], float | None]  # what a container has of it, where rates tell
    most: float | None = None  # what the scale goes up to

    def plot(self, sample: Sample, history: History) -> Plot:
        """The figure over time, with what there is of it."""
        limits = [LimitLine(value, text) for value, text in _bounds(self.metric, sample)]
        points = history.host_points(self.metric)
        if self.most is not None:
            return Plot(self.name, points, self.write, limits, least=self.most, most=self.most)
        return Plot(self.name, points, self.write, limits)


CHARTS = (
    Chart("cpu %", HostMetric.CPU, format_percent, lambda rates: rates.cpu_percent),
    Chart("memory", HostMetric.MEMORY, format_bytes, lambda rates: None),
    Chart("waited for cpu, %", HostMetric.CPU_STALLED, format_percent, lambda rates: rates.stalled_percent.get("cpu"), 100.0),
    Chart(
        *("waited for memory, %", HostMetric.MEMORY_STALLED, format_percent),
        lambda rates: rates.stalled_percent.get("memory"),
        100.0,
    ),
    Chart("waited for io, %", HostMetric.IO_STALLED, format_percent, lambda rates: rates.stalled_percent.get("io"), 100.0),
    Chart("read", HostMetric.READ, per_second, lambda rates: rates.read_bytes),
    Chart("written", HostMetric.WRITE, per_second, lambda rates: rates.write_bytes),
    Chart("net in", HostMetric.RX, per_second, lambda rates: rates.rx_bytes),
    Chart("net out", HostMetric.TX, per_second, lambda rates: rates.tx_bytes),
)


class User(NamedTuple):
    """Who has how much of it."""

    container: Container
    name: str  # inert
    value: float


def host_plots(sample: Sample, history: History, width: int, height: int) -> list[Content]:
    """The charts of which anything was ever known, who uses most of it below each, as many side by side as fit."""
    room = width - 2 * MARGIN
    cells = plot_width(room)
    drawn = []
    for chart in CHARTS:
        plot = chart.plot(sample, history)
        if any(value is not None for _, value in plot.points):
            lines = plot.lines(sample.snapshot.monotonic_ns, cells, bars_high(height))
            drawn.append([*lines, _who(users_of(chart, sample), chart.write, cells)])
    return side_by_side(drawn, room, MARGIN)


def users_of(chart: Chart, sample: Sample) -> list[User]:
    """The containers that have anything of it, who has most first; those that share a network count once, as their pod."""
    found: dict[object, User] = {}
    for container in sample.snapshot.containers:
        value = _value(chart, sample, container.key)
        if not value:
            continue
        is_net = chart.metric in (HostMetric.RX, HostMetric.TX)
        whose: object = container.namespaces.net or container.key if is_net else container.key
        name = (group_text(container) if is_net and container.pod is not None else "") or inert(container.name)
        found.setdefault(whose, User(container, name, value))
    return sorted(found.values(), key=lambda user: (-user.value, user.name))


def _value(chart: Chart, sample: Sample, key: str) -> float | None:
    if chart.metric is HostMetric.MEMORY:
        stats = sample.snapshot.stats.get(key)
        return stats.memory.current if stats is not None and stats.memory is not None else None
    rates = sample.rates.get(key)
    return chart.share(rates) if rates is not None else None


def _bounds(metric: HostMetric, sample: Sample) -> Iterator[tuple[float, str]]:
    cpus, memory = sample.snapshot.host.cpus, sample.totals.memory_total
    if metric is HostMetric.CPU and cpus:
        yield 100.0, f"all {cpus} CPUs" if cpus > 1 else "the CPU"
    if metric is HostMetric.MEMORY and memory:
        yield float(memory), "all of it"


def _who(users: list[User], write: Callable[[float], str], cells: int) -> list[Part]:
    """As many as fit, and as many cells as a plot takes."""
    parts: list[Part] = []
    for user in users:
        name, figure = shorten(user.name, _NAME), write(user.value)
        needed = cell_width(name) + len(figure) + 3
        if needed > cells:
            break
        cells -= needed
        parts += [(name, "plain"), (f" {figure}  ", "muted")]
    return [*parts, pad("", cells)]
