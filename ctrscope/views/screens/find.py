"""Find: whose is this? A PID, a namespace, a link, an address, a port, a path, an image; answered with the container."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from ctrscope.model.container import Container
from ctrscope.model.gap import Reading
from ctrscope.model.match import Match
from ctrscope.model.snapshot import Snapshot
from ctrscope.render.fields import engine_text, status_sign
from ctrscope.render.gaps import summarise_gaps
from ctrscope.render.safe import cell_width, inert
from ctrscope.views.acting import Done, reason_text, run_aside
from ctrscope.views.rows import status_tone
from ctrscope.views.tones import line
from ctrscope.views.widgets.row_table import Cell, Column, RowTable, TableRow

#: Looks something up in what a snapshot describes; may be slow, and is called on a thread of its own.
Find = Callable[[Snapshot, str], Reading[tuple[Match, ...]]]

_EXAMPLES = "PID, net:[4026…], link, MAC, address, port, cgroup, path, image, pod or name"


class FindScreen(ModalScreen[Match | None]):
    """One line to type into, and what answers to it. Dismissed with the match that was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("up", "move(-1)", "up", show=False),
    ]

    def __init__(self, find: Find, snapshot: Snapshot) -> None:
        super().__init__()
        self._find, self._snapshot = find, snapshot
        self._asked = ""
        self._matches: tuple[Match, ...] = ()

    def compose(self) -> ComposeResult:
        """Put the line to type into, a line of words and the answers into a box."""
        with Vertical(id="listed") as box:
            box.border_title = "find"
            box.border_subtitle = Content("enter looks it up, then opens · esc closes")
            yield Input(placeholder=_EXAMPLES, compact=True)
            yield Static(id="found")
            yield RowTable()

    def on_mount(self) -> None:
        """Wait for a query."""
        self.query_one(RowTable).can_focus = False
        self.query_one(Input).focus()

    def on_resize(self) -> None:
        """Draw for another width."""
        self._draw()

    def _draw(self) -> None:
        table, width = self.query_one(RowTable), self.query_one("#listed").content_region.width
        table.display = bool(self._matches)
        table.styles.height = len(self._matches) + 1
        table.show_rows(match_columns(self._matches, width), match_rows(self._matches, self._snapshot))

    def action_move(self, lines: int) -> None:
        """Move the cursor among the answers while the keys go to the line above."""
        self.query_one(RowTable).action_move(lines)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        query = event.value.strip()
        if query and query != self._asked:
            self._ask(query)
        elif self._matches:
            self._choose(self.query_one(RowTable).cursor)

    @on(RowTable.RowOpened)
    def _row_opened(self, event: RowTable.RowOpened) -> None:
        self._choose(event.key)

    def _choose(self, key: str | None) -> None:
        if key is not None:
            self.dismiss(self._matches[int(key)])

    def _ask(self, query: str) -> None:
        self._asked, self._matches = query, ()
        self._say("looking …", "muted")
        self._draw()
        run_aside(self, query, lambda: self._find(self._snapshot, query))

    @on(Done)
    def _answered(self, event: Done) -> None:
        if event.ticket != self._asked:
            return
        if event.error is not None:
            self._say(reason_text(event.error), "act")
            return
        assert isinstance(event.value, Reading)
        self._matches, gaps = event.value.value or (), event.value.gaps
        count = len(self._matches)
        words = f"{count} answer{'s' if count != 1 else ''}" if count else "nothing on this host answers to that"
        self._say(f"{words} · {summarise_gaps(gaps)}" if gaps else words, "muted")
        self._draw()

    def _say(self, text: str, tone: str) -> None:
        self.query_one("#found", Static).update(line((inert(text), tone)))


def match_columns(matches: Sequence[Match], width: int) -> tuple[Column, ...]:
    """What was found, whose it is, and how we know."""
    what = min(34, width // 3, max([8, *(cell_width(inert(match.what)) for match in matches)]))
    whose = min(24, width // 3)
    return (
        Column("what", "WHAT", "left", what, gap=2),
        Column("sign", "", "left", 1),
        Column("whose", "CONTAINER", "left", whose, gap=2),
        Column("detail", "DETAIL", "left", max(0, width - what - whose - 8)),
    )


def match_rows(matches: Sequence[Match], snapshot: Snapshot) -> list[TableRow]:
    """A line for each match."""
    return [
        TableRow(str(number), partial(_line, match, snapshot.container(match.container) if match.container else None))
        for number, match in enumerate(matches)
    ]


def _line(match: Match, container: Container | None) -> tuple[Cell, ...]:
    what, detail = Cell(inert(match.what), "strong"), Cell(inert(match.detail), "muted")
    if container is None:
        return (what, Cell(""), Cell("–", "idle"), detail)
    name = f"{inert(container.name)} ({engine_text(container)})"
    return (what, Cell(status_sign(container), status_tone(container)), Cell(name), detail)
