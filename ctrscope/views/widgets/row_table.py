"""A table that draws only the lines on the screen, and keeps its cursor on a key while rows come, go and move.

A ScrollView with ``render_line``: a new list of thousands of rows costs what the visible ones cost.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ctrscope.render.safe import cell_width, pad, shorten
from ctrscope.views.actions import MOVES, bindings
from ctrscope.views.links import Links, spans
from ctrscope.views.ordering import Order
from ctrscope.views.row_diff import diff_rows, follow_cursor

#: Tones that tell things apart and mean nothing else; a letter beside them does so too.
SHARED = ("shared-0", "shared-1", "shared-2", "shared-3", "shared-4")
_AS_THEY_COME = Order()


class Column(NamedTuple):
    """One column, at the width it has now."""

    key: str
    title: str
    align: str  # "left" or "right"
    width: int
    tooltip: str = ""
    gap: int = 1  # cells after it; the mark of a cell and the arrow of the sorted column stand in the first


class Cell(NamedTuple):
    """One text of a row. Inert already, and never parsed as markup."""

    text: str
    tone: str = "plain"  # one of RowTable.TONES: a component class of the table
    mark: str = " "  # one character right of it, so that no meaning hangs on colour alone
    parts: tuple[tuple[str, str], ...] = ()  # pieces with a tone each, drawn in place of the text that they make up
    links: Links = MappingProxyType({})  # words of the text that a terminal may open → URL


class TableRow:
    """One line: its key, and a cell for every column, made when the line first comes onto the screen."""

    def __init__(
        self, key: str, make: Callable[[], tuple[Cell, ...]], *, heading: bool = False, runs_over: bool = False
    ) -> None:
        self.key = key
        self.heading = heading
        self.runs_over = runs_over or heading  # texts may run over the empty cells that follow
        self._make = make

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Finished cells."""
        return self._make()


class RowTable(ScrollView, can_focus=True):
    """Rows under fixed column titles, with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(MOVES)]
    TONES: ClassVar[tuple[str, ...]] = ("plain", "strong", "muted", "idle", "watch", "act", "accent", "picked", *SHARED)
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"row-table--{tone}" for tone in TONES),
        "row-table--title",
        "row-table--sorted",
        "row-table--cursor",
        "row-table--cell",
        "row-table--heading",
    }

    class CursorMoved(Message):
        """The cursor stands on another row. Key None: there are no rows."""

        def __init__(self, key: str | None) -> None:
            super().__init__()
            self.key = key

    class RowOpened(Message):
        """A row was clicked twice."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class CellClicked(Message):
        """A cell was clicked; the cursor stands on its row already."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class TitleClicked(Message):
        """A column title was clicked."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, *, empty: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.empty = empty  # said in place of rows when there are none
        self.cursor: str | None = None
        self.was_moved = False  # whether somebody put the cursor somewhere
        self.cell_cursor: str | None = None  # key of a column: the cursor is on one cell of its row
        self._columns: tuple[Column, ...] = ()
        self._rows: dict[str, TableRow] = {}
        self._keys: tuple[str, ...] = ()
        self._order = _AS_THEY_COME

    # What is shown

    def show_rows(self, columns: tuple[Column, ...], rows: Sequence[TableRow], order: Order = _AS_THEY_COME) -> None:
        """Show *rows*, which stand in that order."""
        same_frame = (columns, order) == (self._columns, self._order)
        before, seen = self._keys, self._on_screen()
        self._rows = {row.key: row for row in rows}
        self._columns, self._keys, self._order = columns, tuple(self._rows), order
        self.virtual_size = Size(self.size.width, len(rows) + 1)
        self._stand_on(follow_cursor(before, self._keys, self.cursor))
        diff = diff_rows(seen, self._on_screen())
        if same_frame and seen and diff.keeps_places:
            for key in diff.changed:
                self._refresh_row(self._keys.index(key))
        else:
            self.refresh()

    def _on_screen(self) -> dict[str, tuple[Cell, ...]]:
        top = self.scroll_offset.y
        return {key: self._rows[key].cells for key in self._keys[top : top + max(0, self.size.height - 1)]}

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns as they are drawn."""
        return self._columns

    @property
    def row_keys(self) -> tuple[str, ...]:
        """Keys of all rows, in order."""
        return self._keys

    def row(self, key: str) -> TableRow | None:
        """The row with that key."""
        return self._rows.get(key)

    def stand_on(self, key: str) -> None:
        """Move the cursor to a row, if it is there, and scroll it into view: somebody wants it there."""
        self.was_moved = True
        self.rest_on(key)

    def rest_on(self, key: str) -> None:
        """The same, while nobody has said where it should be."""
        if key in self._rows:
            self._stand_on(key)
            self._scroll_to_cursor()

    def stand_on_cell(self, key: str) -> None:
        """Move the cursor to a column of its row."""
        if key != self.cell_cursor:
            self.cell_cursor = key
            if self.cursor in self._rows:
                self._refresh_row(self._keys.index(self.cursor))
            self.post_message(self.CursorMoved(self.cursor))

    def _stand_on(self, key: str | None) -> None:
        if key == self.cursor:
            return
        before, self.cursor = self.cursor, key
        for moved in (before, key):
            if moved in self._rows:
                self._refresh_row(self._keys.index(moved))
        self.post_message(self.CursorMoved(key))

    def _scroll_to_cursor(self) -> None:
        if self.cursor is None:
            return
        line, top, height = self._keys.index(self.cursor), self.scroll_offset.y, max(1, self.size.height - 1)
        if line < top:
            self.scroll_to(y=line, animate=False, immediate=True)
        elif line >= top + height:
            self.scroll_to(y=line - height + 1, animate=False, immediate=True)

    def _refresh_row(self, line: int) -> None:
        y = line + 1 - self.scroll_offset.y
        if 1 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    # Keys and mouse

    def action_move(self, lines: int) -> None:
        """Move the cursor by *lines*."""
        if self.cursor is not None:
            line = self._keys.index(self.cursor) + lines
            self.stand_on(self._keys[max(0, min(len(self._keys) - 1, line))])

    def action_page(self, direction: int) -> None:
        """Move the cursor by a screen."""
        self.action_move(direction * max(1, self.size.height - 2))

    def action_end(self, direction: int) -> None:
        """Move the cursor to the first or the last row."""
        if self._keys:
            self.stand_on(self._keys[0 if direction < 0 else -1])

    def on_click(self, event: events.Click) -> None:
        """Select a row, open it at the second click, sort by a title."""
        if event.y == 0:
            key = self._column_at(event.x)
            if key:
                self.post_message(self.TitleClicked(key))
            return
        line = event.y - 1 + self.scroll_offset.y
        if line < len(self._keys):
            self.was_moved = True
            self._stand_on(self._keys[line])
            self.post_message(self.CellClicked(self._column_at(event.x)))
            if event.chain == 2:
                self.post_message(self.RowOpened(self._keys[line]))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Explain the column whose title the pointer is on."""
        key = self._column_at(event.x) if event.y == 0 else ""
        self.tooltip = next((column.tooltip for column in self._columns if column.key == key), None)

    def _column_at(self, x: int) -> str:
        left = 0
        for column in self._columns:
            left += column.width + column.gap
            if x < left:
                return column.key
        return ""

    # Drawing

    def on_resize(self, event: events.Resize) -> None:
        """Keep the cursor in sight."""
        self.call_after_refresh(self._bring_into_sight)

    def _bring_into_sight(self) -> None:
        self._scroll_to_cursor()
        self.post_message(self.CursorMoved(self.cursor))  # another line of the screen, which words may be about

    def render_line(self, y: int) -> Strip:
        """Draw line *y* of the widget: the titles, a row, or nothing."""
        width = self.size.width
        if y == 0:
            return self._titles(width)
        line = y - 1 + self.scroll_offset.y
        if line < len(self._keys):
            row = self._rows[self._keys[line]]
            return self._draw(row, width)
        text = f"  {self.empty}" if not self._keys and y == 2 else ""
        return _strip([Segment(text, self._style("muted"))], width, self._style("plain"))

    def _titles(self, width: int) -> Strip:
        plain, chosen = self._style("title"), self._style("sorted")
        segments = []
        for column in self._columns:
            is_sorted = column.key == self._order.column
            title = shorten(column.title, column.width)
            arrow = self._order.arrow if is_sorted else " "
            if column.align == "left":
                text = pad(title + arrow, column.width + column.gap)
            else:
                text = pad(pad(title, column.width, "right") + arrow, column.width + column.gap)
            segments.append(Segment(text, chosen if is_sorted else plain))
        return _strip(segments, width, plain)

    def _draw(self, row: TableRow, width: int) -> Strip:
        under = self._style("cursor") if row.key == self.cursor else self._style("heading") if row.heading else None
        segments = []
        cells = list(zip(self._columns, row.cells, strict=True))
        at = 0
        while at < len(cells):
            column, cell = cells[at]
            room, gap = column.width, column.gap
            at += 1
            while row.runs_over and cell.text and column.align == "left" and at < len(cells) and not cells[at][1].text:
                room, gap = room + gap + cells[at][0].width, cells[at][0].gap
                at += 1
            text = pad(pad(shorten(cell.text, room), room, column.align) + cell.mark, room + gap)
            style = self._style(cell.tone)
            is_cell = column.key == self.cell_cursor and row.key == self.cursor
            over = self._style("cell") if is_cell else under
            if cell.parts:
                segments += self._pieces(cell.parts, room + gap, over)
                continue
            segments += _linked(text, style + over if over else style, cell.links)
        return _strip(segments, width, under or self._style("plain"))

    def _pieces(self, parts: Sequence[tuple[str, str]], room: int, over: Style | None) -> list[Segment]:
        segments = []
        for number, (text, tone) in enumerate(parts):
            text = shorten(text, room) if number < len(parts) - 1 else pad(shorten(text, room), room)
            room -= cell_width(text)
            style = self._style(tone)
            segments.append(Segment(text, style + over if over else style))
        return segments

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"row-table--{name}", partial=name in ("cursor", "cell", "heading"))


def _linked(text: str, style: Style, links: Links) -> Iterator[Segment]:
    """One segment, and one more for each link in it."""
    at = 0
    for first, last, url in spans(text, links):
        yield Segment(text[at:first], style)
        yield Segment(text[first:last], style + _link(url))
        at = last
    yield Segment(text[at:], style)


@lru_cache(maxsize=1024)  # each has a number of its own, by which a terminal tells the links of one page apart
def _link(url: str) -> Style:
    return Style(link=url)


def _strip(segments: list[Segment], width: int, style: Style) -> Strip:
    return Strip(segments).adjust_cell_length(width, style)
