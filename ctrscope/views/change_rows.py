"""What a container changed, as lines: filtered, sorted, worded. Pure."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ctrscope.model.changes import Change, ChangeKind, ChangePiece, FileType
from ctrscope.render.safe import inert
from ctrscope.render.units import NOT_APPLICABLE, format_bytes, format_duration
from ctrscope.views.filtering import Condition, matches
from ctrscope.views.ordering import Order, ordered
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

_TONES = {ChangeKind.ADDED: "accent", ChangeKind.CHANGED: "plain", ChangeKind.DELETED: "idle"}
_PATH_LEAST, _NOTE_LEAST = 20, 12


class Field(NamedTuple):
    """One column."""

    title: str
    align: str
    width: int  # 0: it takes what room there is
    from_width: int  # of the screen
    text: Callable[[Change, float], str]  # inert
    value: Callable[[Change, float], str | float | None]
    help: str


def _age(change: Change, now: float) -> float | None:
    return None if change.modified_at is None else max(0.0, now - change.modified_at)


def _path(change: Change) -> str:
    return f"{change.path}/" if change.type is FileType.DIRECTORY else change.path


def _size_text(change: Change, now: float) -> str:
    return NOT_APPLICABLE if change.size is None else format_bytes(change.size)


def _age_text(change: Change, now: float) -> str:
    age = _age(change, now)
    return NOT_APPLICABLE if age is None else format_duration(age)


FIELDS: Mapping[str, Field] = {
    "change": Field(
        "CHANGE",
        "left",
        7,
        0,
        lambda change, now: change.kind.value,
        lambda change, now: change.kind.value,
        "added: the image has no such path. changed: it has another. deleted: it has one that the container has not.",
    ),
    "path": Field(
        "PATH",
        "left",
        0,
        0,
        lambda change, now: inert(_path(change)),
        lambda change, now: change.path,
        "As the container sees it; / at its end is a directory, in which something changed.",
    ),
    "type": Field(
        "TYPE",
        "left",
        9,
        100,
        lambda change, now: change.type.value,
        lambda change, now: change.type.value,
        "What it is; of what was deleted, what it was.",
    ),
    "size": Field(
        "SIZE",
        "right",
        6,
        0,
        _size_text,
        lambda change, now: change.size,
        "Bytes of the file as it is now. A changed file is in the writable layer as a whole.",
    ),
    "age": Field("AGE", "right", 4, 0, _age_text, _age, "Since it was written, as the file says."),
    "note": Field(
        "NOTE",
        "left",
        0,
        120,
        lambda change, now: inert(change.note),
        lambda change, now: change.note or None,
        "replaced: a new directory took the place of the image's, of which nothing shows through.",
    ),
}


def change_fields(change: Change, now: float) -> dict[str, str | float | None]:
    """What a filter may ask of it."""
    return {key: field.value(change, now) for key, field in FIELDS.items()} | {"path": _path(change), "note": change.note}


def change_columns(width: int, changes: Sequence[Change]) -> tuple[Column, ...]:
    """Columns for so many cells; the path gets what is left, beside a note where there is any."""
    has_notes = any(change.note for change in changes)
    fields = {key: one for key, one in FIELDS.items() if width >= one.from_width and (key != "note" or has_notes)}
    room = width - 2 - sum(one.width + 2 for one in fields.values())
    note = max(_NOTE_LEAST, room // 4) if "note" in fields else 0
    widths = {"path": max(_PATH_LEAST, room - note), "note": note}
    return (
        Column("margin", "", "left", 0),
        *(Column(key, one.title, one.align, widths.get(key, one.width), one.help, 2) for key, one in fields.items()),
    )


def shown_changes(changes: Sequence[Change], conditions: Sequence[Condition], order: Order, now: float) -> list[Change]:
    """What is left after filtering, in the order of a column; equal ones by path, those without a value last."""
    wanted = [one for one in changes if matches(conditions, change_fields(one, now))] if conditions else list(changes)
    wanted.sort(key=lambda one: one.path)
    value = FIELDS[order.column].value
    return ordered(wanted, lambda one: value(one, now), descending=order.descending)


def change_rows(changes: Sequence[Change], columns: Sequence[Column], now: float) -> list[TableRow]:
    """A line for each."""
    return [TableRow(change.path, partial(_line, change, columns, now)) for change in changes]


def _line(change: Change, columns: Sequence[Column], now: float) -> tuple[Cell, ...]:
    cells = []
    for column in columns:
        field = FIELDS.get(column.key)
        text = field.text(change, now) if field is not None else ""
        tone = _TONES[change.kind] if column.key in ("change", "path") else "idle" if text == NOT_APPLICABLE else "muted"
        cells.append(Cell(text, tone))
    return tuple(cells)


def totals_text(piece: ChangePiece) -> str:
    """How much of what, and how much that is."""
    words = []
    for kind in ChangeKind:
        size = piece.sizes.get(kind, 0)
        words.append(f"{piece.counts.get(kind, 0)} {kind}{f' {format_bytes(size)}' if size else ''}")
    words.append(f"{format_bytes(piece.size)} written")
    return " · ".join(words)
