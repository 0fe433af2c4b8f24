"""Plain-text tables: as wide as they need to be in a pipe, as wide as the screen on a terminal, never wrapped."""

from collections.abc import Sequence
from typing import Literal

from ctrscope.model.value import Value
from ctrscope.render.safe import max_width, pad_all, shorten

_GAP = 2
#: Columns from this rank up are shown only where those of lower rank need not be shortened for them.
EXTRA = 5


class Column(Value, frozen=True):
    """How one column behaves when the screen is too narrow for all of them."""

    title: str
    align: Literal["left", "right"] = "left"
    rank: int = 0  # the highest rank goes first; 0 always stays
    least: int | None = None  # cells it can be shortened to; None: not at all
    good: int | None = None  # cells that usually suffice: more only when every other column has as many


def format_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """Lines of a table, its header first. Cells are inert texts.

    With a *width*, columns are dropped by rank until the least widths fit, EXTRA ones until the others have a good width.
    The room that is left brings those of the lowest rank first to a good width, then to their full one. A column that is
    empty in every row is left out, unless its rank is 0.
    """
    return format_columns(columns, list(zip(*rows, strict=True)) or [()] * len(columns), width)


def format_columns(columns: Sequence[Column], cells_of: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """The same of cells by column."""
    texts = [(column.title, *cells) for column, cells in zip(columns, cells_of, strict=True)]
    widths = natural = [max_width(cells) for cells in texts]
    if width is not None:
        widths = _fit(columns, natural, [any(cells[1:]) for cells in texts], width)
    shown = [
        pad_all(cells if room >= full else [shorten(cell, room) for cell in cells], room, column.align)
        for column, cells, room, full in zip(columns, texts, widths, natural, strict=True)
        if room
    ]
    return [(" " * _GAP).join(cells).rstrip() for cells in zip(*shown, strict=True)]


def _fit(columns: Sequence[Column], natural: Sequence[int], filled: Sequence[bool], width: int) -> list[int]:
    """Widths of the columns on a screen; 0 is a column that is not shown."""
    least = [full if column.least is None else min(full, column.least) for column, full in zip(columns, natural, strict=True)]
    good = [full if column.good is None else min(full, column.good) for column, full in zip(columns, natural, strict=True)]
    roomy = [some if column.rank >= EXTRA else more for column, some, more in zip(columns, least, good, strict=True)]
    order = sorted(range(len(columns)), key=lambda index: (filled[index], -columns[index].rank))
    kept = set(order)
    for index in order:
        needed = roomy if columns[index].rank >= EXTRA else least
        if sum(needed[i] + _GAP for i in kept) - _GAP <= width and filled[index]:
            break
        if columns[index].rank:
            kept.discard(index)
    widths = [least[index] if index in kept else 0 for index in range(len(columns))]
    room = width - sum(widths[index] + _GAP for index in kept) + _GAP
    for wanted in (good, natural):
        for index in sorted(kept, key=lambda index: columns[index].rank):
            more = max(0, min(room, wanted[index] - widths[index]))
            widths[index] += more
            room -= more
    return widths
