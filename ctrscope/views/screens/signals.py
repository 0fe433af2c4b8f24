"""The signals that can be sent to the init of a container, to choose one."""

from collections.abc import Sequence
from functools import partial

from ctrscope.model.container import Container
from ctrscope.views.rows import row_words
from ctrscope.views.screens.list import ListScreen
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

#: What is offered first, and what it commonly does.
_SIGNALS: Sequence[tuple[str, str]] = (
    ("TERM", "asks it to end"),
    ("KILL", "ends it, whatever it is doing"),
    ("INT", "as ^C does"),
    ("QUIT", "asks it to end; some dump core"),
    ("HUP", "many read their configuration again"),
    ("USR1", "whatever it does then: some reopen their logs"),
    ("USR2", "whatever it does then"),
    ("STOP", "stops init where it is; the rest goes on"),
    ("CONT", "lets a stopped init go on"),
)


class SignalsScreen(ListScreen):
    """Is dismissed with the name of the one that was chosen."""

    def __init__(self, container: Container) -> None:
        rows = [TableRow(name, partial(_cells, name, text)) for name, text in _SIGNALS]
        super().__init__(f"a signal for the init of {row_words(container)}", _columns, rows, hint="enter chooses, esc closes")


def _columns(width: int) -> tuple[Column, ...]:
    return (Column("name", " SIGNAL", "left", 9, gap=2), Column("text", "WHAT IT DOES", "left", max(0, width - 13)))


def _cells(name: str, text: str) -> tuple[Cell, ...]:
    return (Cell(f" {name}", "strong"), Cell(text, "muted"))
