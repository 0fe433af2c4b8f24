"""Cgroup: what it used in the last quarter of an hour, where it stands, what it may use, and for what it has to wait."""

from collections.abc import Callable

from textual.content import Content

from ctrscope.model.cgroup import CgroupStats, EffectiveLimit, EffectiveLimits
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column
from ctrscope.render.units import NOT_APPLICABLE, NOT_PERMITTED, format_bytes, format_limit, format_percent
from ctrscope.render.wording import count_text, cpus_text
from ctrscope.views.panes.cgroup_plots import plot_lines
from ctrscope.views.panes.opened import Opened, fact, facts, heading, missing, table


def draw(opened: Opened) -> list[Content]:
    """Draw the tab."""
    membership = opened.container.cgroup
    if membership is None:
        return missing(opened, "cgroup")
    lines = plot_lines(opened)
    lines += [fact("version", membership.version), *facts("path", inert(membership.path), opened.width)]
    for controller, path in membership.paths.items():
        if path != membership.path:
            lines += facts(inert(controller) or "v2", inert(path), opened.width)
    stats = opened.stats or (opened.detail.usage if opened.detail else None)
    if stats is None:
        return [*lines, Content(""), *missing(opened, "interface files")]
    rates = opened.rates
    lines.append(Content(""))
    rows = [*_cpu(stats, rates.cpu_percent if rates else None), *_memory(stats), *_tasks(stats), *_io(stats)]
    lines += _imposed(opened, membership.path)
    lines += table((Column(""), Column("NOW", "right"), Column("LIMIT", "right"), Column("", least=10)), rows, opened.width)
    lines += _pressure(stats, opened.width)
    if stats.frozen:
        lines += [Content(""), fact("freezer", ("frozen", "watch"))]
    return lines


def _imposed(opened: Opened, path: str) -> list[Content]:
    """The limits that a cgroup above imposes: they hold, whatever its own say."""
    effective = opened.effective or EffectiveLimits()
    limits: tuple[tuple[str, EffectiveLimit | None, Callable[[float], str]], ...] = (
        ("cpu", effective.cpus, cpus_text),
        ("memory", effective.memory, format_bytes),
        ("tasks", effective.pids, "{:g}".format),
    )
    lines: list[Content] = []
    for what, limit, write in limits:
        if limit is None or limit.limited_by in (None, path, "host"):
            continue
        if isinstance(limit.value, int | float):
            text = f"{what} at most {write(limit.value)}: set by {inert(str(limit.limited_by))}"
            lines += facts("" if lines else "↑ from above", text, opened.width, "watch")
    return [*lines, Content("")] if lines else []


_Line = tuple[str, str, str, str]


def _cpu(stats: CgroupStats, percent: float | None) -> list[_Line]:
    cpu = stats.cpu
    if cpu is None:
        return [("cpu", NOT_APPLICABLE, NOT_APPLICABLE, "no cpu controller here")]
    used = "" if cpu.usage_usec is None else f"{cpu.usage_usec / 1e6:.1f} s used"
    lines = [("cpu", NOT_PERMITTED if percent is None else f"{format_percent(percent)} %", cpus_text(cpu.limit_cpus), used)]
    if cpu.nr_periods:
        lasted = "" if cpu.throttled_usec is None else f", {cpu.throttled_usec / 1e6:.1f} s in all"
        lines.append(("  throttled", count_text(cpu.nr_throttled), "", f"of {cpu.nr_periods} periods{lasted}"))
    if cpu.weight is not None:
        lines.append(("  weight", str(cpu.weight), "", ""))
    return lines


def _memory(stats: CgroupStats) -> list[_Line]:
    memory = stats.memory
    if memory is None:
        return [("memory", NOT_APPLICABLE, NOT_APPLICABLE, "no memory controller here")]
    share = ""
    if memory.current is not None and isinstance(memory.limit, int) and memory.limit:
        share = f"{100 * memory.current / memory.limit:.0f} %"
    lines = [("memory", _bytes(memory.current), format_limit(memory.limit), share)]
    for label, value in (("  working set", memory.working_set), ("  peak", memory.peak)):
        if value is not None:
            lines.append((label, format_bytes(value), "", ""))
    if memory.high is not None:
        lines.append(("  high", "", format_limit(memory.high), "reclaim starts there"))
    if memory.swap_current is not None or memory.swap_limit is not None:
        lines.append(("  swap", _bytes(memory.swap_current), format_limit(memory.swap_limit), ""))
    if memory.oom_kills is not None:
        lines.append(("  OOM kills", str(memory.oom_kills), "", ""))
    return lines


def _tasks(stats: CgroupStats) -> list[_Line]:
    pids = stats.pids
    if pids is None:
        return [("tasks", NOT_APPLICABLE, NOT_APPLICABLE, "no pids controller here")]
    return [("tasks", count_text(pids.current), count_text(pids.limit), "threads count too")]


def _io(stats: CgroupStats) -> list[_Line]:
    io = stats.io
    if io is None:
        return [("io", NOT_APPLICABLE, NOT_APPLICABLE, "no io controller here")]
    return [("io read", _bytes(io.read_bytes), "", ""), ("io written", _bytes(io.write_bytes), "", "")]


def _pressure(stats: CgroupStats, width: int) -> list[Content]:
    if not stats.pressure:
        return []
    columns = (Column(""), Column("10 s", "right"), Column("1 min", "right"), Column("5 min", "right"))
    rows = []
    for resource, pressure in stats.pressure.items():
        for word, figures in (("some", pressure.some), ("full", pressure.full)):
            if figures is not None:
                averages = (format_percent(value) for value in (figures.avg10, figures.avg60, figures.avg300))
                rows.append((f"{inert(resource)} {word}", *averages))
    return [Content(""), heading("pressure", "% of the time in which tasks waited"), *table(columns, rows, width)]


def _bytes(value: int | None) -> str:
    return NOT_PERMITTED if value is None else format_bytes(value)
