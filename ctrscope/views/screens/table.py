"""What screens of one table have in common: the frame, who has the keys, and the lines of words below."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import ClassVar, TypeVar

from msgspec import structs
from textual import on
from textual.content import Content
from textual.widget import Widget

from ctrscope.model.preferences import Preferences
from ctrscope.model.sample import Sample
from ctrscope.model.value import Value
from ctrscope.render import tables as paper
from ctrscope.render.safe import inert, shorten
from ctrscope.views.actions import Action
from ctrscope.views.ordering import Order
from ctrscope.views.screens.columns import ColumnsScreen
from ctrscope.views.screens.list import ListScreen
from ctrscope.views.screens.sample_screen import SampleScreen, json_text
from ctrscope.views.tones import Part, line, width_of
from ctrscope.views.widgets.row_table import Cell, Column, RowTable, TableRow
from ctrscope.views.widgets.words import Words

T = TypeVar("T")


class TableScreen(SampleScreen):
    """A table, a line about the row under its cursor, and a line about all of it."""

    WAITING: ClassVar[str] = "reading the host …"
    ORDER: ClassVar[Order] = Order()  # to begin with
    COLUMNS: ClassVar[Mapping[str, Column]] = {}  # every column that there is, by key; none: they are always the same
    SIGN: ClassVar[str] = "STATE"  # what the column of signs says; it has no room for a title
    STAYING: ClassVar[frozenset[str]] = frozenset()  # of them, those without which a row would not say what it is about

    def __init__(self) -> None:
        super().__init__()
        self.sample: Sample | None = None  # as it is shown
        self.order = self.ORDER
        self.chosen: tuple[str, ...] = ()  # keys of the columns that somebody chose; none: as many as fit

    # What a screen has to say

    def draw_rows(self, sample: Sample) -> None:
        """Draw the rows; the screen has a width."""
        raise NotImplementedError

    def row_text(self, sample: Sample, room: int) -> Content:
        """Say of the row under the cursor what it has no room for."""
        raise NotImplementedError

    def total_text(self) -> Content:
        """Say what the whole table comes to."""
        raise NotImplementedError

    def open_row(self, key: str) -> None:
        """Go deeper from a row."""
        raise NotImplementedError

    def value_of(self, key: str) -> Value | None:
        """Everything about a row, as the JSON contract has it."""
        return self.sample.snapshot.container(key) if self.sample is not None else None

    def row_value(self) -> Value | None:
        """The same of the row under the cursor."""
        return self.value_of(self.table.cursor or "")

    def sortable(self) -> Sequence[str]:
        """Keys of the columns that rows can be sorted by, in the order in which `s` goes through them."""
        return [column.key for column in self.table.columns if column.title.strip() or column.key == "sign"]

    def falls(self, key: str) -> bool:
        """Whether a column is first sorted downwards: figures and states are, texts are not."""
        columns = (*self.COLUMNS.values(), *self.table.columns)
        return key == "sign" or any(column.key == key and column.align == "right" for column in columns)

    def begin_with(self, order: Order) -> None:
        """Take the order that was set."""
        self.order = order

    def kept_order(self) -> Order:
        """The order to be set; that of no column where it is as at first."""
        return self.order if self.order != self.ORDER else Order()

    # The rest

    def kept_in(self, preferences: Preferences, name: str) -> Preferences:
        """The same settings, with how this screen looks now."""
        if not self.COLUMNS:  # there is nothing that config.toml could name
            return preferences
        order = self.kept_order()
        sort = f"{'' if order.descending is self.falls(order.column) else '-'}{order.column}"
        return structs.replace(
            preferences,
            columns=_with(preferences.columns, name, self.chosen),
            sort=_with(preferences.sort, name, sort if order.column else ""),
        )

    def compose_body(self) -> Iterable[Widget]:
        """Build the table and two lines of words."""
        yield RowTable(empty=self.WAITING)
        yield from self.compose_words()

    def compose_words(self) -> Iterable[Widget]:
        """Build what stands below the table."""
        yield Words(id="why")
        yield Words(id="status")

    def on_mount(self) -> None:
        """Give the keys to the table, and begin with the columns that were set."""
        preferences, name = self.ctrscope.preferences, self.TITLE_TEXT.casefold()
        self.chosen = tuple(preferences.columns.get(name, ()))
        if key := preferences.sort.get(name, "").removeprefix("-"):
            self.begin_with(Order(key, self.falls(key) is not preferences.sort[name].startswith("-")))
        self.table.focus()

    def on_resize(self) -> None:
        """Draw for another width."""
        self.draw()

    @property
    def table(self) -> RowTable:
        """The table."""
        return self.query_one(RowTable)

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample."""
        self.sample = sample
        self.draw()

    def show_failure(self) -> None:
        """Say it on the line below the table."""
        if self.is_mounted:
            self.draw_words()

    def draw(self) -> None:
        """Draw the rows and the words, as soon as there is something to draw and room for it."""
        if self.sample is not None and self.size.width:
            self.draw_rows(self.sample)
        if self.is_mounted:  # somebody may point at a row before there is a table
            self.draw_words()

    def draw_words(self) -> None:
        """Draw what stands below the table, and the keys."""
        self.query_one("#why", Words).say(self._why())
        self.query_one("#status", Words).say(self.total_text())
        self.show_actions()

    def _why(self) -> Content:
        room = self.size.width - 2
        if self.ctrscope.error:
            return line(" ", (shorten(inert(f"the last sample failed: {self.ctrscope.error}"), room), "act"))
        return line() if self.sample is None else self.row_text(self.sample, room)

    def spread(self, left: list[Part], *right: Part) -> Content:
        """One line of the screen's width, with something at each end."""
        return line(*left, " " * max(2, self.size.width - width_of(left) - width_of(right)), *right)

    @on(RowTable.CursorMoved)
    def _cursor_moved(self) -> None:
        self.draw_words()

    def action_open(self) -> None:
        """Go deeper from the row under the cursor."""
        if self.table.cursor is not None:
            self.open_row(self.table.cursor)

    # Order and columns

    def offers(self, action: Action) -> bool:
        """Sorting takes rows, and turning them around an order."""
        if action.id in ("table.sort", "table.reverse", "table.choose_sort"):
            return bool(self.table.row_keys and self.sortable() and (self.order.column or action.id != "table.reverse"))
        return super().offers(action)

    def explained(self) -> Sequence[tuple[str, str]]:
        """Explain the columns that are shown."""
        return tuple((column.title.strip() or self.SIGN, column.tooltip) for column in self.table.columns if column.tooltip)

    def sort_words(self) -> str:
        """Say what the rows are sorted by."""
        titles = {column.key: column.title.strip() for column in (*self.COLUMNS.values(), *self.table.columns)}
        return f"sort {titles.get(self.order.column) or self.SIGN} {self.order.arrow}"

    def sort_by(self, key: str) -> None:
        """Sort by a column whose title was clicked; once more turns the order around."""
        if key == self.order.column:
            self.action_reverse()
        elif key in self.sortable():
            self._sort(key)

    def action_sort(self) -> None:
        """Sort by the next column."""
        keys = self.sortable()
        if keys:
            place = keys.index(self.order.column) if self.order.column in keys else -1
            self._sort(keys[(place + 1) % len(keys)])

    def action_choose_sort(self) -> None:
        """Choose the column to sort by."""
        titles = {column.key: column.title.strip() for column in (*self.COLUMNS.values(), *self.table.columns)}
        keys = self.sortable()
        rows = [TableRow(key, partial(_order_cells, self._title_of(key, titles), key == self.order.column)) for key in keys]

        def chosen(key: str | None) -> None:
            if key is not None:
                self._sort(key)

        self.app.push_screen(ListScreen("sort by", _order_columns, rows, hint="enter chooses, esc closes"), chosen)

    def _title_of(self, key: str, titles: Mapping[str, str]) -> str:
        return (titles.get(key) or self.SIGN) if key else "as they come"

    def _sort(self, key: str) -> None:
        self.order = Order(key, self.falls(key))
        self.draw()

    def action_reverse(self) -> None:
        """Turn the order around, if there is one."""
        if self.order.column:
            self.order = self.order.turned
            self.draw()

    def action_columns(self) -> None:
        """Choose which columns there are."""
        shown = [column.key for column in self.table.columns if column.key in self.COLUMNS]
        keys = [key for key in dict.fromkeys((*shown, *self.COLUMNS)) if key not in self.STAYING]

        def chosen(wanted: tuple[str, ...] | None) -> None:
            if wanted is not None:
                self.chosen = wanted
                self.draw()
                self._say_what_does_not_fit()

        self.app.push_screen(ColumnsScreen([self.COLUMNS[key] for key in keys], shown), chosen)

    def _say_what_does_not_fit(self) -> None:
        shown = {column.key for column in self.table.columns}
        left_out = [self.COLUMNS[key].title for key in self.chosen if key not in shown]
        if left_out:
            text = f"no room for {', '.join(left_out)}: hide another, or move it further left"
            self.notify(text, severity="warning", markup=False)

    # What is on the screen, elsewhere

    def shown_value(self) -> object:
        """The rows with what each column says, and what each is about."""
        return {
            "screen": self.TITLE_TEXT.casefold(),
            "taken_at": self.sample.snapshot.taken_at if self.sample is not None else None,
            "rows": [
                {
                    "shown": {
                        column.key: cell.text.strip() for column, cell in zip(self.table.columns, row.cells, strict=True)
                    },
                    "is": self.value_of(row.key),
                }
                for row in self._rows_shown()
            ],
        }

    def shown_lines(self) -> Sequence[str]:
        """The table, as wide as its texts are."""
        columns = [paper.Column(column.title, "right" if column.align == "right" else "left") for column in self.table.columns]
        return paper.format_table(
            columns, [[f"{one.text}{one.mark}".rstrip() for one in row.cells] for row in self._rows_shown()]
        )

    def _rows_shown(self) -> list[TableRow]:
        rows = (self.table.row(key) for key in self.table.row_keys)
        return [row for row in rows if row is not None]

    def values_of(self, key: str) -> list[tuple[str, str]]:
        """What of a row may be copied: what it is, and its text."""
        row = self.table.row(key)
        cells = zip(self.table.columns, row.cells, strict=True) if row is not None else ()
        return [(column.title.strip() or "sign", cell.text.strip()) for column, cell in cells if cell.text.strip()]

    def action_copy(self) -> None:
        """Ask what of the line, then copy it: everything as JSON, or one value."""
        row, value = self.table.row(self.table.cursor or ""), self.row_value()
        if row is None:
            return
        values = [("JSON", json_text(value))] if value is not None else []
        values += self.values_of(row.key)

        def chosen(place: str | None) -> None:
            if place is not None:
                title, text = values[int(place)]
                self.app.copy_to_clipboard(text)
                self.notify(f"{title} copied", markup=False)

        rows = [TableRow(str(at), partial(_value_cells, *one)) for at, one in enumerate(values)]
        self.app.push_screen(ListScreen("copy", _value_columns, rows, hint="enter copies, esc closes"), chosen)

    @on(RowTable.TitleClicked)
    def _title_clicked(self, event: RowTable.TitleClicked) -> None:
        self.sort_by(event.key)

    @on(RowTable.RowOpened)
    def _row_opened(self, event: RowTable.RowOpened) -> None:
        self.open_row(event.key)


def _with(settings: Mapping[str, T], name: str, value: T) -> dict[str, T]:
    """The same settings with one for a screen, or without one where there is none."""
    others = {one: kept for one, kept in settings.items() if one != name}
    return others | {name: value} if value else others


def _order_columns(width: int) -> tuple[Column, ...]:
    return (Column("sign", "", "left", 2), Column("title", "COLUMN", "left", max(0, width - 4)))


def _order_cells(title: str, is_now: bool) -> tuple[Cell, ...]:
    return (Cell(" ●" if is_now else "", "accent"), Cell(title, "strong" if is_now else "plain"))


def _value_columns(width: int) -> tuple[Column, ...]:
    return (Column("title", " WHAT", "left", 14, gap=2), Column("text", "VALUE", "left", max(0, width - 18)))


def _value_cells(title: str, text: str) -> tuple[Cell, ...]:
    return (Cell(f" {title}", "strong"), Cell(" ".join(text.split()), "muted"))
