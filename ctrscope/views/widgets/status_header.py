"""The first line of every screen: which host, how we look at it, how fresh the answer is. It never lies.

What does not fit is dropped in a fixed order; the age of the sample and the warnings never are.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content
from textual.widget import Widget

from ctrscope.model.finding import Finding, Severity
from ctrscope.model.host import Host
from ctrscope.model.sample import HostTotals, Sample
from ctrscope.render.safe import cell_width, inert
from ctrscope.render.units import format_bytes, format_duration
from ctrscope.views.history import MINUTE_NS, History, HostMetric, sparkline, spread
from ctrscope.views.tones import Part, line

_ALWAYS = 0  # rank of what is never dropped


class HeaderState(NamedTuple):
    """Everything the header speaks of."""

    sample: Sample | None = None
    age: float = 0.0  # seconds since the sample was taken
    now: float = 0.0  # unix time
    interval: float = 2.0  # seconds between samples, as asked for
    history: History = History()
    error: str = ""  # why the last sample failed
    paused: bool = False
    read_only: bool = False
    badge: str = ""  # what the screen leaves out, in capitals


class _Piece(NamedTuple):
    rank: int
    parts: tuple[Part, ...]

    @property
    def width(self) -> int:
        return sum(cell_width(part if isinstance(part, str) else part[0]) for part in self.parts)


class StatusHeader(Widget):
    """Draws a HeaderState."""

    state = HeaderState()

    def show(self, state: HeaderState) -> None:
        """Draw another state."""
        self.state = state
        self.refresh()

    def render(self) -> Content:
        """Draw what fits into the width."""
        return header_line(self.state, self.size.width)


def header_line(state: HeaderState, width: int) -> Content:
    """The header in *width* cells."""
    left, right = _host_pieces(state), _figure_pieces(state)
    gap = 2
    while True:
        widths = [piece.width for piece in (*left, *right)]
        used = sum(widths) + gap * len(widths) + 1
        droppable = [piece for piece in (*left, *right) if piece.rank]
        if used <= width or not droppable:
            break
        worst = max(droppable, key=lambda piece: piece.rank)
        left = [piece for piece in left if piece is not worst]
        right = [piece for piece in right if piece is not worst]
    space = max(gap, width - used + gap)
    parts: list[Part] = [" "]
    for index, piece in enumerate(left):
        parts += [" " * gap if index else "", *piece.parts]
    for index, piece in enumerate(right):
        parts += [" " * (gap if index else space), *piece.parts]
    return line(*parts)


def privileges_text(host: Host) -> str:
    """``root``, ``root without CAP_SYS_PTRACE``, ``uid 1000``."""
    held = host.privileges.capabilities
    if host.privileges.euid != 0:
        return f"uid {host.privileges.euid}" + (", sees other users' processes" if "CAP_SYS_PTRACE" in held else "")
    return "root" if "CAP_SYS_PTRACE" in held else "root without CAP_SYS_PTRACE"


def is_late(state: HeaderState) -> bool:
    """Whether the figures are older than they should be."""
    return state.sample is not None and state.age > 2 * state.interval + 1


def _host_pieces(state: HeaderState) -> list[_Piece]:
    pieces = [_Piece(7, (("ctrscope", "title"),))]
    if state.sample is None:
        return [*pieces, _Piece(_ALWAYS, (("no sample" if state.error else "reading the host …", "muted"),))]
    host = state.sample.snapshot.host
    pieces.append(_Piece(_ALWAYS, ((inert(host.hostname or "?"), "strong"),)))
    if host.root != "/":
        pieces.append(_Piece(_ALWAYS, ((f"--root {inert(host.root)}", "watch"),)))
    pieces.append(_Piece(4, ((inert(host.kernel or "kernel ?"), "muted"),)))
    pieces.append(_Piece(3, ((f"cgroup {host.cgroup_version or '?'}", "muted"),)))
    text = privileges_text(host)
    pieces.append(_Piece(_ALWAYS if text != "root" else 2, ((text, "muted" if text == "root" else "watch"),)))
    if host.privileges.host_pid_namespace is False:
        pieces.append(_Piece(_ALWAYS, (("not the host's PID namespace", "watch"),)))
    return pieces


def _figure_pieces(state: HeaderState) -> list[_Piece]:
    pieces = [*_totals(state), *_counts(state.sample.findings or ())] if state.sample else []
    if state.read_only:
        pieces.append(_Piece(_ALWAYS, ((" READ-ONLY ", "badge"),)))
    if state.badge:
        pieces.append(_Piece(_ALWAYS, ((f" {state.badge} ", "badge"),)))
    if state.paused:
        pieces.append(_Piece(_ALWAYS, ((" PAUSED ", "badge"),)))
    if state.error:
        pieces.append(_Piece(_ALWAYS, ((" FAILED ", "alarm"),)))
    elif is_late(state):
        pieces.append(_Piece(_ALWAYS, ((" LATE ", "badge"),)))
    if state.sample:
        pieces.append(_Piece(5, ((time.strftime("%H:%M:%S", time.localtime(state.now)), "muted"),)))
        tone = "watch" if state.error or is_late(state) else "muted"
        pieces.append(_Piece(_ALWAYS, ((f"{format_duration(state.age)} old", tone),)))
    return pieces


def _totals(state: HeaderState) -> list[_Piece]:
    assert state.sample is not None
    totals, host, pieces = state.sample.totals, state.sample.snapshot.host, []
    if totals.cpu_percent is not None:
        drawn = sparkline(
            spread(state.history.host_points(HostMetric.CPU, MINUTE_NS), state.sample.snapshot.monotonic_ns, 6, MINUTE_NS),
            100.0,
        )
        of = f" of {host.cpus}" if host.cpus else ""
        pieces.append(_Piece(6, (("cpu ", "muted"), f"{totals.cpu_percent:.0f} %", (of, "muted"))))
        if drawn.strip():
            pieces.append(_Piece(9, ((drawn, "accent"),)))
    if totals.memory_used is not None and totals.memory_total is not None:
        used, total = format_bytes(totals.memory_used), format_bytes(totals.memory_total)
        pieces.append(_Piece(8, (("mem ", "muted"), used, (f"/{total}", "muted"))))
    own = _own(totals)
    if own:
        pieces.append(_Piece(10, (("self ", "muted"), (own, "muted"))))
    return pieces


def _counts(findings: Sequence[Finding]) -> list[_Piece]:
    """How much is wrong: what somebody has to act on, and what is worth a look."""
    act = sum(finding.severity.rank <= Severity.HIGH.rank for finding in findings)
    watch = sum(finding.severity is Severity.MEDIUM for finding in findings)
    pieces = [_Piece(1, ((f"{act} ●", "act"),))] if act else []
    return [*pieces, _Piece(1, ((f"{watch} ▲", "watch"),))] if watch else pieces


def _own(totals: HostTotals) -> str:
    parts: Sequence[str] = [
        f"{totals.self_cpu_percent:.1f} %" if totals.self_cpu_percent is not None else "",
        format_bytes(totals.self_rss) if totals.self_rss is not None else "",
    ]
    return " ".join(part for part in parts if part)
