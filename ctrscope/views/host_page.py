"""The page about the host, line by line. Pure."""

from collections.abc import Iterable, Sequence

from textual.content import Content

from ctrscope.model.cgroup import Pressure
from ctrscope.model.gap import Gap
from ctrscope.model.sample import Sample
from ctrscope.model.source import HostSources
from ctrscope.model.timestamp import unix_time
from ctrscope.render.gaps import describe_gap
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column
from ctrscope.render.units import NOT_APPLICABLE, NOT_PERMITTED, format_bytes, format_duration, format_percent
from ctrscope.views.host_plots import host_plots
from ctrscope.views.panes.opened import facts, heading, table
from ctrscope.views.tones import line
from ctrscope.views.widgets.status_header import HeaderState, privileges_text

_WATCH_PRESSURE = 10.0  # percent of the last ten seconds
_EXPLAINED = "below: who has most now, CPU in % of one; enter lists them"
#: Kinds of gaps that are listed.
_LISTED = 12


def host_page(sample: Sample, sources: HostSources | None, state: HeaderState, width: int, height: int) -> list[Content]:
    """Everything about the host, what decides first."""
    plots = host_plots(sample, state.history, width, height)
    return [
        heading("Now"),
        *_now(sample, sources, width),
        line(),
        *((heading("Last 15 min", _EXPLAINED), *plots, line()) if plots else ()),
        heading("Host"),
        *_host(sample, state, width),
        line(),
        heading("Dashboard", "what it costs itself, and how it learns of events"),
        *_own(sample, state, width),
        line(),
        heading("Engines"),
        *_engines(sample, width),
        line(),
        *(_missing(sample, sources, width) if sources is not None else [line((" reading what the kernel answers …", "muted"))]),
    ]


def _host(sample: Sample, state: HeaderState, width: int) -> list[Content]:
    host = sample.snapshot.host
    booted = unix_time(host.booted_at)
    unknown = NOT_PERMITTED
    where = {True: "the host's PID namespace", False: "not the host's PID namespace", None: "PID namespace unknown"}
    return [
        *facts("name", inert(host.hostname or unknown), width, "strong"),
        *facts("kernel", f"Linux {inert(host.kernel or unknown)} {inert(host.machine or '')}".rstrip(), width),
        *facts("up", unknown if booted is None else format_duration(state.now - booted), width),
        *facts("cgroup", host.cgroup_version or unknown, width),
        *facts("size", f"{host.cpus or unknown} CPUs, {_bytes(host.memory_total)} memory", width),
        *(facts("read at", inert(host.root), width, "watch") if host.root != "/" else ()),
        *facts("we are", f"{privileges_text(host)}, in {where[host.privileges.host_pid_namespace]}", width),
    ]


def _now(sample: Sample, sources: HostSources | None, width: int) -> list[Content]:
    totals, host = sample.totals, sample.snapshot.host
    running = sum(one.is_running for one in sample.snapshot.containers)
    cpu = NOT_APPLICABLE if totals.cpu_percent is None else f"{format_percent(totals.cpu_percent)} % of {host.cpus or '?'}"
    used = f"{_bytes(totals.memory_used)} of {_bytes(totals.memory_total)}"
    if totals.memory_used is not None and totals.memory_total:
        used += f", {100 * totals.memory_used / totals.memory_total:.0f} %"
    lines = [*facts("cpu", cpu, width), *facts("memory", used, width)]
    if sources is not None and sources.load is not None:
        lines += facts("load", "  ".join(f"{value:.2f}" for value in sources.load) + "   of 1, 5 and 15 minutes", width)
    if sources is not None and sources.pressure is not None:
        for name, pressure in sources.pressure.items():
            lines += facts(f"psi {name}", *_pressure(pressure, width))
    total = len(sample.snapshot.containers)
    return [*lines, *facts("containers", f"{running} of {total} running", width)]


def _pressure(pressure: Pressure, width: int) -> tuple[str, int, str]:
    """``some task waited 12.0 % of 10 s, 3.1 % of 60 s; all of them 2.0 %``."""
    text = f"some task waited {pressure.some.avg10:.1f} % of 10 s, {pressure.some.avg60:.1f} % of 60 s"
    if pressure.full is not None and pressure.full.avg10:
        text += f"; all of them {pressure.full.avg10:.1f} %"
    return text, width, "watch" if pressure.some.avg10 >= _WATCH_PRESSURE else "plain"


def _own(sample: Sample, state: HeaderState, width: int) -> list[Content]:
    totals = sample.totals
    cpu = NOT_APPLICABLE if totals.self_cpu_percent is None else f"{totals.self_cpu_percent:.1f} % of one CPU"
    lines = [
        *facts("uses", f"{cpu}, {_bytes(totals.self_rss)} memory", width),
        *facts("samples", f"every {state.interval:g} s, the latest is {format_duration(state.age)} old", width),
    ]
    lines += facts("idle", _ago("memory, tasks and I/O of what used no CPU, and limits", sample.ages.idle), width)
    lines += facts("health", _ago("what the figures tell, with every sample; all else", sample.ages.health), width)
    lines += facts("security", _ago("while somebody looks at it", sample.ages.security), width)
    if not sample.event_gaps:
        return [*lines, *facts("events", "noticed by watching: inotify, process connector", width)]
    for number, gap in enumerate(sample.event_gaps):
        lines += facts("" if number else "events", describe_gap(gap), width, "watch")
    return lines


def _ago(what: str, age: float | None) -> str:
    return f"{what}: {'not looked at yet' if age is None else f'{format_duration(age)} ago'}"


def _engines(sample: Sample, width: int) -> list[Content]:
    found = [one for one in sample.snapshot.engines if one.found]
    absent = ", ".join(one.engine for one in sample.snapshot.engines if not one.found)
    rows = [(one.engine, str(one.containers), inert(" ".join(one.state_roots))) for one in found]
    lines = table([Column("ENGINE"), Column("CONTAINERS", "right"), Column("STATE", least=20)], rows, width) if rows else []
    return [*lines, *(facts("not found", absent, width, "muted") if absent else ())]


def _missing(sample: Sample, sources: HostSources, width: int) -> list[Content]:
    """What cannot be read, and what it would take; what can be read is only counted."""
    closed = [one for one in sources.sources if not one.readable or one.needs]
    lines = [heading("Sources", f"{len(sources.sources) - len(closed)} of {len(sources.sources)} answer in full")]
    rows = [(inert(one.source), one.tells, inert(one.needs or ""), inert(one.detail)) for one in closed]
    columns = [
        Column("SOURCE", least=12),
        Column("TELLS", rank=2, least=16),
        Column("NEEDS", least=20),
        Column("DETAIL", rank=1),
    ]
    lines += table(columns, rows, width, ["watch"] * len(rows)) if rows else []
    lacking = [(one.capability, one.buys) for one in sources.capabilities if not one.held]
    if lacking:
        lines += [line(), heading("Capabilities", "that we do not hold")]
        lines += table([Column("CAPABILITY"), Column("FOR", least=20)], lacking, width, ["watch"] * len(lacking))
    kinds = _kinds((*sample.snapshot.gaps, *sample.gaps))
    lines += [line(), heading("Gaps", f"{len(kinds)} kinds" if kinds else "none: everything could be read")]
    for text in kinds[:_LISTED]:
        lines += [line(" ", (part, "watch" if not number else "plain")) for number, part in enumerate(_wrapped(text, width))]
    if len(kinds) > _LISTED:
        lines.append(line((f" and {len(kinds) - _LISTED} more: ctrscope doctor lists them all", "muted")))
    return lines


def _kinds(gaps: Iterable[Gap]) -> Sequence[str]:
    """One text for all gaps of one kind, with the first of them as the example."""
    kinds: dict[tuple[object, ...], list[Gap]] = {}
    for gap in gaps:
        kinds.setdefault((gap.fields, gap.reason, gap.needs, gap.detail), []).append(gap)
    return [
        describe_gap(kind[0]) + (f" (and {len(kind) - 1} more like it)" if len(kind) > 1 else "") for kind in kinds.values()
    ]


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(20, width - 2), subsequent_indent="  ", break_on_hyphens=False)


def _bytes(value: int | None) -> str:
    return NOT_PERMITTED if value is None else format_bytes(value)
