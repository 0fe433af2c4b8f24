"""Processes: those of every container as trees, each with its number on the host and inside, who it is and what it uses."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content

from ctrscope.model.container import Container
from ctrscope.model.process import ProcessForest, Role
from ctrscope.model.sample import Focus, Sample
from ctrscope.model.value import Value
from ctrscope.render.safe import inert, shorten
from ctrscope.render.trees import command_text
from ctrscope.views.actions import COLUMNS, PROCESSES, SELECTED, TABLE, Action, bindings
from ctrscope.views.figures import shown_figures
from ctrscope.views.grouping import GROUP
from ctrscope.views.jumps import Item
from ctrscope.views.ordering import Order
from ctrscope.views.process_rows import (
    COMMAND_LEAST,
    FIGURES,
    PROCESS_COLUMNS,
    Context,
    Member,
    Tree,
    flat_rows,
    process_columns,
    process_rows,
    remark_text,
    trees,
)
from ctrscope.views.screens.listed import ListedScreen
from ctrscope.views.tones import line
from ctrscope.views.widgets.row_table import Column


class ProcessesScreen(ListedScreen):
    """The trees, a filter, and below it the whole command line of the process under the cursor."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (*PROCESSES, *TABLE, *COLUMNS)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS), *bindings(SELECTED)]
    TITLE_TEXT = "Processes"
    WAITING = "reading the processes …"
    FILTER_HINT = "words that must match: user:root state:Z role:joined container:web cpu>10 age<1m pid:4711 inside:1"
    COLUMNS: ClassVar[Mapping[str, Column]] = PROCESS_COLUMNS
    STAYING = frozenset({"command"})
    LIST_ORDER = Order("cpu", descending=True)

    def __init__(self) -> None:
        super().__init__()
        self._forest: ProcessForest | None = None  # None: not read yet
        self._trees: dict[str, Tree] = {}
        self._members: dict[str, Member] = {}
        self._folded: frozenset[str] = frozenset()
        self._wanted = ""  # a process to put the cursor on as soon as it is there

    def focus_of(self) -> Focus:
        """Ask for the processes of every container."""
        return Focus(processes=True)

    def is_waiting(self) -> bool:
        """Whether they were not read yet."""
        return self._forest is None

    def selected(self) -> Container | None:
        """Get the container that the line under the cursor belongs to."""
        key = self.table.cursor or ""
        if key in self._trees:
            return self._trees[key].container
        return self._members[key].container if key in self._members else None

    def value_of(self, key: str) -> Value | None:
        """The process, or the container of a heading."""
        if key in self._members:
            return self._members[key].process
        return self._trees[key].container if key in self._trees else None

    def offers(self, action: Action) -> bool:
        """Keys for a tree take a tree."""
        if action.id in ("processes.open", "processes.fold", "processes.unfold") and self.focused is self.table:
            return self.selected() is not None
        if action.id == "processes.fold_all" and self.focused is self.table:
            return not self.is_list
        return super().offers(action)

    def item(self) -> Item:
        """The process under the cursor, and the container that it is in."""
        member = self._members.get(self.table.cursor or "")
        return Item(self.selected(), pid=member.process.pid if member is not None else None)

    def point_at(self, place: str) -> None:
        """Put the cursor on a process of a container: its PID, a space, the container's key."""
        self._wanted = place
        self.show_list(False)
        self._folded -= {place.partition(" ")[2]}
        self.draw()

    def explained(self) -> Sequence[tuple[str, str]]:
        """Explain the columns that are shown, and the sign."""
        return (*super().explained(), ("→", "came into the container from outside: exec, nsenter, attach"))

    # Drawing

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample."""
        self._forest = sample.processes or self._forest
        super().show_sample(sample)

    def draw_rows(self, sample: Sample) -> None:
        """Draw what matches now."""
        if self._forest is not None:
            containers = sample.snapshot.containers
            context = Context(self._forest, self.ctrscope.clock())
            found = trees(containers, context, frozenset() if self.is_list else self._folded, self.conditions, self._tree_order)
            self._trees = {tree.key: tree for tree in found}
            self._members = {member.key: member for tree in found for member in tree.members}
            figures = shown_figures(FIGURES, self.size.width, self.size.width - 4 - COMMAND_LEAST, self.chosen)
            if self.is_list:
                rows = list(flat_rows(found, context, figures, self.order))
            else:
                rows = list(process_rows(found, context, figures))
            nothing = "No process runs in any container that we can see."
            self.table.empty = self.nothing_matches("process") if self.filter else nothing
            self.table.show_rows(process_columns(figures, self.size.width), rows, self.order)
            self._go_to_wanted()

    def _go_to_wanted(self) -> None:
        pid, _, key = self._wanted.partition(" ")
        if GROUP + key in self._trees:
            self._wanted = ""
            members = (one.key for one in self._trees[GROUP + key].members if str(one.process.pid) == pid)
            self.table.stand_on(next(members, GROUP + key))

    def row_text(self, sample: Sample, room: int) -> Content:
        """Say what the line had no room for."""
        member = self._members.get(self.table.cursor or "")
        if member is None:
            return line()
        words = remark_text(member.process)
        text = f"{inert(member.container.name)}, {words}: " if words else f"{inert(member.container.name)}: "
        return line(" ", (shorten(text + command_text(member.process), room), "muted"))

    def total_text(self) -> Content:
        """Count them, and those that came in."""
        forest = self._forest
        if forest is None:
            return line((" reading …", "muted"))
        inside = {one.pid for group in forest.processes.values() for one in group if one.role is not Role.MONITOR}
        joined = {one.pid for group in forest.processes.values() for one in group if one.role is Role.JOINED}
        containers = sum(1 for group in forest.processes.values() if group)
        text = f" {len(inside)} processes in {containers} container{'s' if containers != 1 else ''}"
        came = (f"  → {len(joined)} joined from outside" if joined else "", "watch")
        shown = f"{len(self._members)} shown · " if self.filter else ""
        return self.spread([text, came], (f"{shown}{'list' if self.is_list else 'trees'} · {self.sort_words()} ", "muted"))

    # Keys

    def open_row(self, key: str) -> None:
        """Open the container."""
        container = self.selected()
        if container is not None:
            self.ctrscope.open_container(container.key)

    def action_fold(self, folded: bool) -> None:
        """Fold or unfold the container that the cursor is in."""
        container = self.selected()
        if container is not None:
            self._folded = self._folded | {container.key} if folded else self._folded - {container.key}
            self.draw()
            self.table.stand_on(GROUP + container.key)

    def action_fold_all(self) -> None:
        """Fold every container, or unfold every one when all are folded."""
        container = self.selected()
        keys = frozenset(tree.container.key for tree in self._trees.values())
        self._folded = self._folded - keys if keys <= self._folded else self._folded | keys
        self.draw()
        if container is not None:
            self.table.stand_on(GROUP + container.key)

    # Order

    @property
    def _tree_order(self) -> Order:
        return Order() if self.is_list else self.order  # a list has an order of its own

    def sortable(self) -> Sequence[str]:
        """What most is asked for first; trees also as they are at first, by name and as they were started."""
        keys = [key for key in super().sortable() if key not in ("sign", "cpu")]
        return ["cpu", *keys] if self.is_list else ["", "cpu", *keys]

    def falls(self, key: str) -> bool:
        """What uses most, and what is oldest, comes first; numbers are no figures."""
        return key in ("cpu", "age")

    def sort_words(self) -> str:
        """Trees are sorted by name at first."""
        return super().sort_words() if self.order.column else "sort name"
