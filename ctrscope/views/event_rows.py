"""Events as lines: their signs, and which of them match a filter. Pure."""

import time
from collections.abc import Iterable, Mapping
from functools import partial

from ctrscope.model.event import Event, EventKind
from ctrscope.model.timestamp import unix_time
from ctrscope.render.safe import cell_width, inert
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

#: Sign and tone of each kind; the word stands beside it.
SIGNS: Mapping[EventKind, tuple[str, str]] = {
    EventKind.CREATED: ("◌", "muted"),
    EventKind.STARTED: ("●", "accent"),
    EventKind.STOPPED: ("○", "muted"),
    EventKind.DIED: ("✗", "act"),
    EventKind.OOM_KILLED: ("▲", "act"),
    EventKind.PAUSED: ("◐", "watch"),
    EventKind.UNPAUSED: ("●", "accent"),
    EventKind.LIMIT_CHANGED: ("≠", "watch"),
    EventKind.MONITOR_LOST: ("!", "act"),
    EventKind.NAMESPACE: ("?", "accent"),
    EventKind.JOINED: ("→", "watch"),
    EventKind.REMOVED: ("–", "idle"),
}
_SUBJECT_LEAST, _SUBJECT_MOST = 12, 32
_WHAT_LEAST, _WHAT_ENOUGH = 16, 44  # of more only what the causes leave
#: From this width on the cause has a column of its own.
_WIDE = 110


def event_columns(events: Iterable[Event], width: int) -> tuple[Column, ...]:
    """Time, sign, subject, what, and why."""
    names, whats, causes = _SUBJECT_LEAST, _WHAT_LEAST, 0
    for event in events:
        names, whats = max(names, cell_width(inert(event.name))), max(whats, cell_width(inert(event.what)))
        causes = max(causes, cell_width(inert(event.cause)))
    subject = min(names, _SUBJECT_MOST, width // 4)
    rest = width - 9 - 3 - subject - 2 - 1
    columns = (
        Column("time", "TIME", "right", 9),
        Column("sign", "", "right", 1),
        Column("subject", "SUBJECT", "left", subject, gap=2),
    )
    if width < _WIDE:
        return (*columns, Column("what", "WHAT", "left", max(0, rest)))
    what = min(whats, max(min(_WHAT_ENOUGH, rest // 2), rest - 2 - causes))
    return (*columns, Column("what", "WHAT", "left", what, gap=2), Column("cause", "CAUSE", "left", max(0, rest - what - 2)))


def event_row(number: int, event: Event, is_wide: bool) -> TableRow:
    """One line."""
    return TableRow(str(number), partial(_line, event, is_wide))


def is_wide(width: int) -> bool:
    """Whether the cause has a column of its own."""
    return width >= _WIDE


def event_fields(event: Event, now: float) -> dict[str, str | float | None]:
    """What a filter may ask of an event."""
    at = unix_time(event.time)
    age = None if at is None else now - at
    return {"kind": event.kind.value, "name": event.name, "what": event.what, "cause": event.cause, "age": age}


def _line(event: Event, is_wide: bool) -> tuple[Cell, ...]:
    sign, tone = SIGNS[event.kind]
    at = unix_time(event.time)
    start = (
        Cell("" if at is None else time.strftime("%H:%M:%S", time.localtime(at)), "muted"),
        Cell(sign, tone),
        Cell(inert(event.name), "strong" if tone == "act" else "plain"),
    )
    what, cause = inert(event.what), inert(event.cause)
    said = "act" if tone == "act" else "plain"
    if is_wide:
        return (*start, Cell(what, said), Cell(cause, "muted"))
    parts = ((what, said), (f": {cause}" if cause else "", "muted"))
    return (*start, Cell(what + parts[1][0], parts=parts))
