"""Columns of which a screen shows as many as it is wide enough for, or those that somebody chose. Pure."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ctrscope.views.widgets.row_table import Cell, Column

#: Width of a screen that there is not: such a column is shown when it is chosen.
WHEN_CHOSEN = 10_000


class Figure(NamedTuple):
    """One column beside the one that gets the room that is left."""

    column: Column
    from_width: int  # of the screen, from which on it is shown by itself
    cell: Callable[..., Cell]


def shown_figures(figures: Sequence[Figure], width: int, room: int, chosen: Sequence[str]) -> list[Figure]:
    """Those of a screen of *width* cells, of which they may take *room*; *chosen* ones in their order, as far as they fit."""
    if not chosen:
        return [figure for figure in figures if width >= figure.from_width]
    known = {figure.column.key: figure for figure in figures}
    shown: list[Figure] = []
    for figure in (known[key] for key in chosen if key in known):
        cells = figure.column.width + figure.column.gap
        if cells <= room:
            room -= cells
            shown.append(figure)
    return shown
