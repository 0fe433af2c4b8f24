"""Events as lines: their signs, and which of them match a filter. Pure."""

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from ctrscope.model.event import Event, EventKind
from ctrscope.model.timestamp import unix_time
from ctrscope.render.safe import cell_width, inert
from ctrscope.views.figures import WHEN_CHOSEN, Figure, shown_figures
from ctrscope.views.ordering import Order, ordered
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


def event_columns(events: Iterable[Event], width: int, chosen: Sequence[str] = ()) -> tuple[Column, ...]:
    """Time, sign, subject, some figures, what, and why."""
    names, whats, causes = _SUBJECT_LEAST, _WHAT_LEAST, 0
    for event in events:
        names, whats = max(names, cell_width(inert(event.name))), max(whats, cell_width(inert(event.what)))
        causes = max(causes, cell_width(inert(event.cause)))
    figures = [figure.column for figure in event_figures(width, chosen)]
    subject = min(names, _SUBJECT_MOST, width // 4)
    rest = width - 9 - 3 - subject - 2 - 1 - sum(column.width + column.gap for column in figures)
    columns = (_TIME, _SIGN, _SUBJECT._replace(width=subject), *figures)
    if not has_cause(width, chosen):
        return (*columns, _WHAT._replace(width=max(0, rest), gap=1))
    what = min(whats, max(min(_WHAT_ENOUGH, rest // 2), rest - 2 - causes))
    return (*columns, _WHAT._replace(width=what), _CAUSE._replace(width=max(0, rest - what - 2)))


def event_figures(width: int, chosen: Sequence[str]) -> list[Figure]:
    """The columns between the subject and what happened."""
    return shown_figures(FIGURES, width, width - 15 - width // 4 - _WHAT_LEAST, chosen)


def has_cause(width: int, chosen: Sequence[str]) -> bool:
    """Whether the cause has a column of its own; else it stands after what happened."""
    return "cause" in chosen if chosen else width >= _WIDE


def event_rows(events: Mapping[str, Event], width: int, order: Order, chosen: Sequence[str] = ()) -> list[TableRow]:
    """A line for each, by its key."""
    figures, is_wide = event_figures(width, chosen), has_cause(width, chosen)
    keys = list(events)
    if order.column == "time":  # in which they are kept
        keys = keys[::-1] if order.descending else keys
    else:
        keys = ordered(events, lambda key: _value(events[key], order.column), descending=order.descending)
    return [TableRow(key, partial(_line, events[key], figures, is_wide)) for key in keys]


def _value(event: Event, column: str) -> str | float | None:
    field = {"sign": "kind", "subject": "name"}.get(column, column)
    return event_fields(event, 0.0)[field] or None


def event_fields(event: Event, now: float) -> dict[str, str | float | None]:
    """What a filter may ask of an event."""
    at = unix_time(event.time)
    age = None if at is None else now - at
    return {
        "kind": event.kind.value,
        "name": event.name,
        "what": event.what,
        "cause": event.cause,
        "age": age,
        "pid": None if event.pid is None else float(event.pid),
    }


def _line(event: Event, figures: Sequence[Figure], is_wide: bool) -> tuple[Cell, ...]:
    sign, tone = SIGNS[event.kind]
    at = unix_time(event.time)
    start = (
        Cell("" if at is None else time.strftime("%H:%M:%S", time.localtime(at)), "muted"),
        Cell(sign, tone),
        Cell(inert(event.name), "strong" if tone == "act" else "plain"),
        *(figure.cell(event) for figure in figures),
    )
    what, cause = inert(event.what), inert(event.cause)
    said = "act" if tone == "act" else "plain"
    if is_wide:
        return (*start, Cell(what, said), Cell(cause, "muted"))
    parts = ((what, said), (f": {cause}" if cause else "", "muted"))
    return (*start, Cell(what + parts[1][0], parts=parts))


def _kind(event: Event) -> Cell:
    return Cell(event.kind.value, SIGNS[event.kind][1])


def _pid(event: Event) -> Cell:
    return Cell("" if event.pid is None else str(event.pid), "muted")


_TIME = Column("time", "TIME", "right", 9, "when it happened, by the clock of this terminal")
_SIGN = Column("sign", "", "right", 1)
_SUBJECT = Column("subject", "SUBJECT", "left", _SUBJECT_LEAST, "the container, or what else it is about", 2)
_WHAT = Column("what", "WHAT", "left", _WHAT_LEAST, "what happened", 2)
_CAUSE = Column("cause", "CAUSE", "left", _WHAT_LEAST, "why, as far as somebody knows; else it stands after what happened")
FIGURES = (
    Figure(Column("kind", "KIND", "left", 12, "the word by which a filter knows it", 2), WHEN_CHOSEN, _kind),
    Figure(Column("pid", "PID", "right", 7, "of the process that it is about", 2), WHEN_CHOSEN, _pid),
)
EVENT_COLUMNS = {column.key: column for column in (_TIME, _SUBJECT, *(figure.column for figure in FIGURES), _WHAT, _CAUSE)}
