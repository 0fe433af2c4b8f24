"""Cgroups: the tree from the root down, what each uses, what bounds it, and who imposes that."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec
from textual.binding import BindingType
from textual.content import Content

from ctrscope.model.cgroup import CgroupNode
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap
from ctrscope.model.rates import Rates
from ctrscope.model.sample import Focus, Sample
from ctrscope.model.value import Value
from ctrscope.render.safe import inert, shorten
from ctrscope.views.actions import CGROUPS, COLUMNS, SELECTED, TABLE, Action, bindings
from ctrscope.views.cgroup_tree import (
    CGROUP_COLUMNS,
    Branch,
    branches,
    filtered,
    imposed,
    tree_columns,
    tree_figures,
    tree_rows,
)
from ctrscope.views.jumps import Item
from ctrscope.views.ordering import Order
from ctrscope.views.screens.filtered import FilteredScreen
from ctrscope.views.tones import Part, line, width_of
from ctrscope.views.widgets.row_table import Column


class CgroupsScreen(FilteredScreen):
    """The tree, and two lines of words about the cgroup under the cursor."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (*CGROUPS, *TABLE, *COLUMNS)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS), *bindings(SELECTED)]
    TITLE_TEXT = "Cgroups"
    FILTER_HINT = "words that must match: container:web path:kubepods cpu>10 mem>80% imposed:memory"
    WAITING = "reading the cgroup tree …"
    ORDER = Order("cgroup")
    COLUMNS: ClassVar[Mapping[str, Column]] = CGROUP_COLUMNS
    STAYING = frozenset({"cgroup"})

    def __init__(self) -> None:
        super().__init__()
        self._root: CgroupNode | None = None  # None: not read yet
        self._rates: Mapping[str, Rates] = {}
        self._gaps: Sequence[Gap] = ()  # of reading it
        self._shown: dict[str, Branch] = {}
        self._toggled: dict[str, bool] = {}  # path → folded
        self._wanted = ""  # a path to put the cursor on as soon as it is there

    def focus_of(self) -> Focus:
        """Ask for the tree."""
        return Focus(cgroups=True)

    def is_waiting(self) -> bool:
        """Whether the tree was not read yet."""
        return self._root is None

    def selected(self) -> Container | None:
        """Get the container whose cgroup is under the cursor."""
        branch = self._shown.get(self.table.cursor or "")
        return branch.container if branch else None

    def value_of(self, key: str) -> Value | None:
        """The cgroup, without those below it."""
        branch = self._shown.get(key)
        return None if branch is None else msgspec.structs.replace(branch.node, children=())

    def offers(self, action: Action) -> bool:
        """Keys for a tree take a tree."""
        if action.id.startswith("cgroups."):
            return bool(self._shown)
        return super().offers(action)

    def item(self) -> Item:
        """The cgroup under the cursor, and whose it is."""
        return Item(self.selected(), cgroup=self.table.cursor)

    def point_at(self, place: str) -> None:
        """Put the cursor on a cgroup, and unfold what is above it."""
        self._wanted = place
        parts = place.strip("/").split("/")
        self._toggled |= {"/" + "/".join(parts[:count]): False for count in range(len(parts))}
        self.draw()

    # Drawing

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample."""
        if sample.cgroups is not None:
            self._root, self._rates, self._gaps = sample.cgroups, sample.cgroup_rates, sample.gaps
        super().show_sample(sample)

    def draw_rows(self, sample: Sample) -> None:
        """Draw the tree, and go to where somebody pointed."""
        if self._root is not None:
            containers = {
                one.cgroup.path: one
                for one in sample.snapshot.containers
                if one.is_running and one.has_own_cgroup and one.cgroup is not None
            }
            conditions = self.conditions
            found = list(branches(self._root, self._rates, containers, self._toggled, self.order, unfolded=bool(conditions)))
            if conditions:
                found = filtered(found, conditions)
                self.table.empty = self.nothing_matches("cgroup")
            self._shown = {branch.path: branch for branch in found}
        width = self.size.width
        figures = tree_figures(width, self.chosen)
        self.table.show_rows(tree_columns(figures, width), tree_rows(list(self._shown.values()), figures), self.order)
        if self._wanted in self._shown:
            self.table.stand_on(self._wanted)
            self._wanted = ""

    def row_text(self, sample: Sample, room: int) -> Content:
        """Say of the cgroup what its line has no room for: the whole path, and who imposes its limits."""
        branch = self._shown.get(self.table.cursor or "")
        if branch is None:
            return line()
        limits = inert(", ".join(f"{what} bounded by {where}" for what, where in imposed(branch)))
        above = f"↑ {limits}   " if limits else ""
        return line(" ", (shorten(above, room), "watch"), (shorten(inert(branch.path), max(0, room - len(above))), "muted"))

    def total_text(self) -> Content:
        """Count them, and say what could not be read."""
        if self._root is None:
            return line((" reading …", "muted"))
        total, containers = _count(self._root)
        left: list[Part] = [f" {total} cgroups · {containers} of containers"]
        shown = f"{len(self._shown)} shown · " if self.filter else ""
        right = (f"{shown}{self.sort_words()} ", "muted")
        left.append(self.gap_words(self._gaps, width_of([*left, right])))
        return self.spread(left, right)

    # Keys

    def open_row(self, key: str) -> None:
        """Open the container, or fold the cgroup."""
        branch = self._shown.get(key)
        if branch is not None and branch.container is not None:
            self.ctrscope.open_container(branch.container.key)
        elif branch is not None and branch.is_folded is not None:
            self._fold(branch, not branch.is_folded)

    def action_fold(self, folded: bool) -> None:
        """Fold or unfold; on what is folded already, go to the cgroup above."""
        branch = self._shown.get(self.table.cursor or "")
        if branch is None:
            return
        if folded and branch.is_folded is not False:
            self.table.stand_on(branch.path.rpartition("/")[0] or "/")
        elif branch.is_folded is not None:
            self._fold(branch, folded)

    def _fold(self, branch: Branch, folded: bool) -> None:
        self._toggled[branch.path] = folded
        self.draw()


def _count(root: CgroupNode) -> tuple[int, int]:
    total = containers = 0
    waiting = [root]
    while waiting:
        node = waiting.pop()
        total += 1
        containers += node.container is not None
        waiting += node.children
    return total, containers
