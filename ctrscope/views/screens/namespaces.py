"""Namespaces: containers down, types across; who shares what with whom, and what is kept though no process is in it."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content

from ctrscope.model.container import Container
from ctrscope.model.gap import Gap
from ctrscope.model.namespace import Namespace, NamespaceId, NamespaceType
from ctrscope.model.sample import Focus, Sample
from ctrscope.model.value import Value
from ctrscope.render.gaps import summarise_gaps
from ctrscope.render.matrix import MatrixCell, MatrixRow, namespace_matrix
from ctrscope.render.safe import inert, shorten
from ctrscope.views.actions import NAMESPACES, SELECTED, TABLE, Action, bindings
from ctrscope.views.filtering import matches
from ctrscope.views.jumps import Item
from ctrscope.views.namespace_rows import (
    is_alone,
    matrix_columns,
    matrix_line,
    namespace_words,
    row_fields,
    sorted_matrix,
    who_columns,
    who_rows,
)
from ctrscope.views.owners import members_of, owner_lines
from ctrscope.views.screens.filtered import FilteredScreen
from ctrscope.views.screens.list import ListScreen
from ctrscope.views.screens.text import TextScreen
from ctrscope.views.tones import Part, line, width_of
from ctrscope.views.widgets.row_table import RowTable, TableRow


class NamespacesScreen(FilteredScreen):
    """The matrix, with a cursor on one cell, and two lines of words about that cell."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (*NAMESPACES, *TABLE)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS), *bindings(SELECTED)]
    TITLE_TEXT = "Namespaces"
    FILTER_HINT = "words that must match: name:web engine:podman net:host net:4026532281 user:host"

    def __init__(self) -> None:
        super().__init__()
        self._namespaces: dict[NamespaceId, Namespace] | None = None  # None: not read yet
        self._gaps: Sequence[Gap] = ()  # of reading them
        self._rows: dict[str, MatrixRow] = {}
        self._picked: tuple[str, frozenset[NamespaceType]] = ("", frozenset())  # cells of one row
        self._wanted: str = ""  # a namespace to put the cursor on as soon as it is there

    def on_mount(self) -> None:
        """Start at the network."""
        self.table.stand_on_cell(NamespaceType.NET)

    def focus_of(self) -> Focus:
        """Ask for every namespace."""
        return Focus(namespaces=True)

    def is_waiting(self) -> bool:
        """Whether the namespaces were not read yet."""
        return self._namespaces is None

    def selected(self) -> Container | None:
        """Get the container of the row under the cursor."""
        return self.sample.snapshot.container(self.table.cursor) if self.sample and self.table.cursor else None

    def row_value(self) -> Value | None:
        """The namespace under the cursor, or the container of the row."""
        return self._namespace() or super().row_value()

    def value_of(self, key: str) -> Value | None:
        """The container, or the namespace that no process is in."""
        alone = next((one for id_, one in (self._namespaces or {}).items() if str(id_) == key), None)
        return super().value_of(key) or alone

    def offers(self, action: Action) -> bool:
        """A pick is of a container's cells; the rest takes a namespace under the cursor."""
        if action.id == "namespaces.pick":
            return self.selected() is not None
        if action.id == "table.clear" and self._picked[1]:
            return True
        if action.id in ("namespaces.who", "namespaces.owners"):
            return self._namespace() is not None
        return super().offers(action)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is picked is put back first."""
        return True if action == "clear_filter" and self._picked[1] else super().check_action(action, parameters)

    def item(self) -> Item:
        """The namespace under the cursor, and whose row it is."""
        cell = self._cell()
        return Item(self.selected(), namespace=NamespaceId(cell.type, cell.ino) if cell is not None and cell.ino else None)

    def point_at(self, place: str) -> None:
        """Put the cursor on a namespace (``net:[4026532281]``, or the bare number) or on a container's row."""
        self._wanted = place
        self.draw()

    # Drawing

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample."""
        if sample.namespaces is not None:
            self._namespaces = {namespace.id: namespace for namespace in sample.namespaces}
            self._gaps = sample.gaps
        super().show_sample(sample)

    def draw_rows(self, sample: Sample) -> None:
        """Draw the matrix, and go to where somebody pointed."""
        known = tuple((self._namespaces or {}).values())
        rows = namespace_matrix(sample.snapshot.containers, sample.snapshot.host.namespaces, known)
        conditions = self.conditions
        if conditions:
            engines = {one.key: str(one.engine) for one in sample.snapshot.containers}
            rows = tuple(row for row in rows if matches(conditions, row_fields(row, engines.get(row.key, ""))))
            self.table.empty = self.nothing_matches("row")
        rows = tuple(sorted_matrix(rows, self.order))
        self._rows = {row.key: row for row in rows}
        self.table.show_rows(
            matrix_columns(rows, self.size.width),
            [TableRow(row.key, partial(matrix_line, row, self._picked_of(row.key)), runs_over=is_alone(row)) for row in rows],
            self.order,
        )
        self._go_to_wanted()

    def _picked_of(self, key: str) -> frozenset[NamespaceType]:
        return self._picked[1] if self._picked[0] == key else frozenset()

    def _go_to_wanted(self) -> None:
        if self._wanted in self._rows:
            self.table.stand_on(self._wanted)
            self._wanted = ""
        for row in self._rows.values() if self._wanted else ():
            for cell in row.cells:
                if cell.ino is not None and self._wanted in (str(cell.ino), str(NamespaceId(cell.type, cell.ino))):
                    self._wanted = ""
                    self.table.stand_on(row.key)
                    self.table.stand_on_cell(cell.type)
                    return

    def _cell(self) -> MatrixCell | None:
        row = self._rows.get(self.table.cursor or "")
        return next((cell for cell in row.cells if cell.type == self.table.cell_cursor), None) if row else None

    def _namespace(self) -> Namespace | None:
        cell = self._cell()
        if cell is None or cell.ino is None or self._namespaces is None:
            return None
        return self._namespaces.get(NamespaceId(cell.type, cell.ino))

    def row_text(self, sample: Sample, room: int) -> Content:
        """Say of the cell what it has no room for: the whole number, who is in it, what keeps it."""
        cell = self._cell()
        if cell is None:
            return line()
        if cell.ino is None:
            container = self.selected()
            gaps = [gap for gap in sample.snapshot.gaps if container and gap.subject == f"container {container.key}"]
            text = f"· {cell.type}: {summarise_gaps(gaps)}" if gaps else f"{cell.type}: it has none" if not cell.text else ""
            return line(" ", (shorten(text or f"{cell.type}: it could not be read", room), "watch" if gaps else "muted"))
        number = str(NamespaceId(cell.type, cell.ino))
        namespace = self._namespace()
        if namespace is None:
            text = "reading who holds it …" if self.is_waiting() else "gone by the time the namespaces were listed"
            return line(" ", (number, "strong"), (f"  {text}", "muted"))
        words = namespace_words(namespace, [inert(one.name) for one in members_of(namespace, sample.snapshot.containers)])
        return line(" ", (number, "strong"), (shorten(f"  {words}", room - len(number)), "muted"))

    def total_text(self) -> Content:
        """Count them, or say which are picked."""
        key, types = self._picked
        if types and key in self._rows:
            names = ", ".join(type_ for type_ in NamespaceType if type_ in types)
            text = shorten(f"picked: {names} of {self._rows[key].label}", self.size.width - 32)
            return line(" ", (text, "accent"), ("   a enters exactly these", "muted"))
        parts: list[Part] = [
            " reading who holds them …" if self._namespaces is None else f" {len(self._namespaces)} namespaces"
        ]
        alone = sum(map(is_alone, self._rows.values()))
        if alone:
            parts.append((f" · {alone} without a process", "watch"))
        parts.append(self.gap_words(self._gaps, width_of(parts)))
        legend = "   same letter: the same namespace"
        if self.order.column:
            return self.spread(parts, (f"{self.sort_words()} ", "muted"))
        is_shared = any(cell.letter for row in self._rows.values() for cell in row.cells)
        return line(*parts, (legend if is_shared and width_of(parts) + len(legend) < self.size.width else "", "muted"))

    # Keys

    def sortable(self) -> Sequence[str]:
        """As they come, the host first; then every column."""
        return ["", *super().sortable()]

    def action_cell(self, step: int) -> None:
        """Move the cursor to another type."""
        types = list(NamespaceType)
        place = types.index(NamespaceType(self.table.cell_cursor or NamespaceType.NET)) + step
        self.table.stand_on_cell(types[max(0, min(len(types) - 1, place))])

    @on(RowTable.CellClicked)
    def _cell_clicked(self, event: RowTable.CellClicked) -> None:
        if event.key in list(NamespaceType):
            self.table.stand_on_cell(event.key)

    def action_pick(self) -> None:
        """Pick the cell, or put it back. Another row begins a new pick: one enters one container."""
        cell, key = self._cell(), self.table.cursor
        if cell is None or key is None or self.selected() is None:
            return
        if cell.is_host or cell.ino is None:
            reason = "it is the host's: there is nothing to enter" if cell.is_host else "it could not be read"
            self.notify(f"{cell.type}: {reason}", title="Not picked", severity="warning", markup=False)
            return
        self._picked = (key, self._picked_of(key) ^ {cell.type})
        self.draw()

    def action_clear_filter(self) -> None:
        """Put every picked namespace back; when there is none, show everything again."""
        if not self._picked[1] or self.focused is not self.table:
            super().action_clear_filter()
        self._picked = ("", frozenset())
        self.draw()

    def action_attach(self) -> None:
        """Ask, then enter the picked namespaces of the container, or all of them."""
        container = self.selected()
        if container is not None:
            picked = self._picked_of(container.key)
            self.ctrscope.ask_attach(container, tuple(type_ for type_ in NamespaceType if type_ in picked))

    def action_who(self) -> None:
        """List who is in the namespace under the cursor."""
        namespace, sample = self._namespace(), self.sample
        if namespace is None or sample is None:
            return
        rows = who_rows(namespace, sample.snapshot.containers)

        def chosen(key: str | None) -> None:
            if key is not None and sample.snapshot.container(key) is not None:
                self.ctrscope.open_container(key)

        count = len(members_of(namespace, sample.snapshot.containers))
        title = f"{namespace.id}: {count} container{'s' if count != 1 else ''}, {namespace.nprocs} processes"
        self.app.push_screen(ListScreen(title, who_columns, rows, hint="enter opens a container, esc closes"), chosen)

    def open_row(self, key: str) -> None:
        """List who is in the namespace under the cursor."""
        self.action_who()

    def action_owners(self) -> None:
        """Draw the tree of owners."""
        namespace = self._namespace()
        if namespace is not None and self._namespaces is not None and self.sample is not None:
            known, containers = self._namespaces, self.sample.snapshot.containers
            self.app.push_screen(
                TextScreen(f"{namespace.id}: owners", lambda width: owner_lines(namespace, known, containers, width))
            )
