"""Overview: how it does, who keeps it, what it shares, how it is reached, where it comes from."""

from collections.abc import Sequence

from textual.content import Content

from ctrscope.model.container import ContainerStatus
from ctrscope.render.fields import ports_text
from ctrscope.render.gaps import summarise_gaps
from ctrscope.render.safe import inert, inert_command
from ctrscope.render.units import NOT_PERMITTED, format_bytes, format_percent
from ctrscope.render.wording import joined_text, runtime_text, supervision_text
from ctrscope.views.history import MINUTE_NS, Metric, bar_graph, spread
from ctrscope.views.links import linked, port_links
from ctrscope.views.panes.opened import MARGIN, Opened, facts, gap_lines, wrapped
from ctrscope.views.rows import cpu_top
from ctrscope.views.tones import Part, line

_HEIGHT = 4  # lines of a graph


def draw(opened: Opened) -> list[Content]:
    """Draw the tab."""
    container = opened.container
    lines: list[Content] = []
    if container.is_running:
        # Without a cgroup of its own there is no figure to draw, and the gap says why.
        drawn = _graphs(opened) if container.has_own_cgroup else _no_figures(opened)
        lines += [*drawn, Content("")] if drawn else []
    lines += _supervision(opened)
    lines += _shares(opened)
    lines += _reach(opened)
    lines.append(Content(""))
    lines += facts("id", inert(container.id), opened.width)
    lines += facts("image", inert(container.image or ""), opened.width)
    lines += facts("command", inert_command(container.command or ()), opened.width)
    lines += facts("runtime", runtime_text(container), opened.width)
    lines += facts("created", inert(container.created_at or ""), opened.width)
    lines += facts("started", inert(container.started_at or ""), opened.width)
    lines += _end(opened)
    lines += facts("bundle", inert(container.bundle or ""), opened.width)
    lines += facts("root", inert(container.rootfs or ""), opened.width)
    lines += facts("log", inert(container.log_path or ""), opened.width)
    for index, (key, value) in enumerate(sorted(container.labels.items())):
        lines += facts("" if index else "labels", f"{inert(key)}={inert(value)}", opened.width)
    if opened.gaps:
        lines += [Content(""), *wrapped(f"· {summarise_gaps(opened.gaps)}", opened.width, "watch")]
    return lines


def _no_figures(opened: Opened) -> list[Content]:
    return [content for gap in opened.gaps_about(("stats",)) for content in gap_lines(gap, opened.width)]


def _graphs(opened: Opened) -> list[Content]:
    stats, now_ns = opened.stats, opened.snapshot.monotonic_ns
    inner = (opened.width - 2 * MARGIN - 5) // 2
    top = cpu_top(stats)
    limit = stats.cpu.limit_cpus if stats and stats.cpu else None
    used = opened.rates.cpu_percent if opened.rates else None
    cpu = _Graph(
        "cpu % of one",
        "no limit" if limit == "max" else f"limit {limit * 100:g}" if limit else "",
        NOT_PERMITTED if used is None else format_percent(used),
        opened.points(Metric.CPU, MINUTE_NS),
        top,
    )
    memory = stats.memory if stats else None
    most = memory.limit if memory and isinstance(memory.limit, int) else None
    values = opened.points(Metric.MEMORY, MINUTE_NS)
    known = [value for _, value in values if value is not None]
    mem = _Graph(
        "memory",
        f"limit {format_bytes(most)}" if most else "no limit" if memory and memory.limit == "max" else "",
        NOT_PERMITTED if memory is None or memory.current is None else format_bytes(memory.current),
        values,
        float(most) if most else max(known, default=1.0) * 1.25,
    )
    left, right = cpu.lines(now_ns, inner), mem.lines(now_ns, inner)
    return [line(" " * MARGIN, *one, " ", *other) for one, other in zip(left, right, strict=True)]


class _Graph:
    """The last minute of one figure in a box: its name, its limit, and what it is now."""

    def __init__(self, name: str, limit: str, current: str, points: Sequence[tuple[int, float | None]], top: float) -> None:
        self.name, self.limit, self.current, self.points, self.top = name, limit, current, points, top

    def lines(self, now_ns: int, inner: int) -> list[list[Part]]:
        rule = "─" * max(0, inner - len(self.name) - len(self.current) - len(self.limit) - (6 if self.limit else 5))
        limit: list[Part] = [(f" {self.limit} ", "muted")] if self.limit else []
        title: list[Part] = [("┌ ", "idle"), (f"{self.name} ", "muted"), (self.current, "strong"), (f" {rule}", "idle")]
        graph = bar_graph(spread(self.points, now_ns, inner, MINUTE_NS), self.top, _HEIGHT)
        body: list[list[Part]] = [[("│", "idle"), (text, "graph"), ("│", "idle")] for text in graph]
        foot = "a minute ago"
        return [
            [*title, *limit, ("─┐" if self.limit else "──┐", "idle")],
            *body,
            [("└ ", "idle"), (foot, "idle"), (f" {'─' * (inner - len(foot) - 7)} now ┘", "idle")],
        ]


def _supervision(opened: Opened) -> list[Content]:
    container = opened.container
    if container.pid is None:
        return []
    processes = opened.detail.processes if opened.detail else ()
    orphaned = container.monitor is not None and not container.monitor.alive
    joined = joined_text(processes)
    return [
        *facts("supervision", supervision_text(container, processes), opened.width, "act" if orphaned else "plain"),
        *facts("joined", joined and f"from outside: {joined}", opened.width, "watch"),
    ]


def _shares(opened: Opened) -> list[Content]:
    if opened.container.pid is None:
        return []
    hosts = [type_ for type_, whose in opened.container.shares.items() if whose == "host"]
    others: dict[tuple[str, ...], list[str]] = {}
    for type_, whose in opened.container.shares.items():
        if whose != "host" and whose:
            others.setdefault(tuple(whose), []).append(type_)
    words = [f"{', '.join(types)} with {', '.join(map(opened.name_of, ids))}" for ids, types in others.items()]
    if hosts:
        words.append(f"{', '.join(hosts)} with the host")
    return facts("shares", inert(" · ".join(words)) if words else "nothing: every namespace its own", opened.width)


def _reach(opened: Opened) -> list[Content]:
    container = opened.container
    return [
        *facts("addresses", inert(", ".join(container.addresses)), opened.width),
        *linked(facts("ports", ports_text(container.ports), opened.width), port_links(container, opened.here)),
        *facts("networks", inert(", ".join(container.networks)), opened.width),
    ]


def _end(opened: Opened) -> list[Content]:
    container = opened.container
    if container.is_running:
        return []
    lines = facts("finished", inert(container.finished_at or ""), opened.width)
    if container.exit_code is not None and container.status is ContainerStatus.STOPPED:
        killed = ", killed for memory" if container.oom_killed else ""
        lines += facts("exit status", f"{container.exit_code}{killed}", opened.width, "act" if killed else "plain")
    return lines
