"""Cgroups: the tree from the root down, what each uses, what bounds it, and who imposes that."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from ctrscope.model.cgroup import CgroupNode
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap
from ctrscope.model.rates import Rates
from ctrscope.model.sample import Focus, Sample
from ctrscope.render.safe import inert, shorten
from ctrscope.views.actions import CGROUPS, SELECTED, Action, bindings
from ctrscope.views.cgroup_tree import FIGURES, Branch, branches, imposed, tree_columns, tree_rows
from ctrscope.views.screens.sample_screen import SampleScreen
from ctrscope.views.tones import Part, line, width_of
from ctrscope.views.widgets.row_table import RowTable

_ORDERS = ("name", "cpu", "memory")


class CgroupsScreen(SampleScreen):
    """The tree, and two lines of words about the cgroup under the cursor."""

    ACTIONS: ClassVar[tuple[Action, ...]] = CGROUPS
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(CGROUPS), *bindings(SELECTED)]
    TITLE_TEXT = "Cgroups"

    def __init__(self) -> None:
        super().__init__()
        self._sample: Sample | None = None
        self._root: CgroupNode | None = None  # None: not read yet
        self._rates: Mapping[str, Rates] = {}
        self._gaps: Sequence[Gap] = ()  # of reading it
        self._shown: dict[str, Branch] = {}
        self._toggled: dict[str, bool] = {}  # path → folded
        self._order = _ORDERS[0]
        self._wanted = ""  # a path to put the cursor on as soon as it is there

    def compose_body(self) -> Iterable[Widget]:
        """Build the tree and the words."""
        yield RowTable(empty="reading the cgroup tree …")
        yield Static(id="why")
        yield Static(id="status")

    def on_mount(self) -> None:
        """Give the keys to the tree."""
        self.table.focus()

    def on_resize(self) -> None:
        """Draw for another width."""
        self._draw()

    @property
    def table(self) -> RowTable:
        """The tree."""
        return self.query_one(RowTable)

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

    def offers(self, action: Action) -> bool:
        """Keys for a tree take a tree."""
        if action in CGROUPS:
            return bool(self._shown)
        return super().offers(action)

    def explained(self) -> tuple[tuple[str, str], ...]:
        """Explain the columns that the screen is wide enough for."""
        return tuple((figure.title, figure.help) for figure in FIGURES if self.size.width >= figure.from_width)

    def point_at(self, path: str) -> None:
        """Put the cursor on a cgroup, now or as soon as it is there, and unfold what is above it."""
        self._wanted = path
        parts = path.strip("/").split("/")
        self._toggled |= {"/" + "/".join(parts[:count]): False for count in range(len(parts))}
        self._draw()

    # Drawing

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample."""
        self._sample = sample
        if sample.cgroups is not None:
            self._root, self._rates, self._gaps = sample.cgroups, sample.cgroup_rates, sample.gaps
        self._draw()

    def _draw(self) -> None:
        if self._sample is None or not self.size.width:
            return
        if self._root is not None:
            containers = {
                one.cgroup.path: one
                for one in self._sample.snapshot.containers
                if one.is_running and one.has_own_cgroup and one.cgroup is not None
            }
            found = branches(self._root, self._rates, containers, self._toggled, self._order)
            self._shown = {branch.path: branch for branch in found}
        width = self.size.width
        self.table.show_rows(tree_columns(width), tree_rows(list(self._shown.values()), width))
        if self._wanted in self._shown:
            self.table.stand_on(self._wanted)
            self._wanted = ""
        self._draw_words()

    @on(RowTable.CursorMoved)
    def _draw_words(self) -> None:
        self.query_one("#why", Static).update(self._why())
        self.query_one("#status", Static).update(self._status())
        self.show_actions()

    def _why(self) -> Content:
        """Say of the cgroup what its line has no room for: the whole path, and who imposes its limits."""
        branch, room = self._shown.get(self.table.cursor or ""), self.size.width - 2
        if self.ctrscope.error:
            return line(" ", (shorten(inert(f"the last sample failed: {self.ctrscope.error}"), room), "act"))
        if branch is None:
            return line()
        limits = inert(", ".join(f"{what} bounded by {where}" for what, where in imposed(branch)))
        above = f"↑ {limits}   " if limits else ""
        return line(" ", (shorten(above, room), "watch"), (shorten(inert(branch.path), max(0, room - len(above))), "muted"))

    def _status(self) -> Content:
        if self._root is None:
            return line((" reading …", "muted"))
        total, containers = _count(self._root)
        left: list[Part] = [f" {total} cgroups · {containers} of containers"]
        right = f"sort {self._order} "
        left.append(self.gap_words(self._gaps, width_of(left) + len(right)))
        return line(*left, " " * max(2, self.size.width - width_of(left) - len(right)), (right, "muted"))

    # Keys

    def action_open(self) -> None:
        """Open the container, or fold the cgroup."""
        self._open(self.table.cursor)

    @on(RowTable.RowOpened)
    def _row_opened(self, event: RowTable.RowOpened) -> None:
        self._open(event.key)

    def _open(self, path: str | None) -> None:
        branch = self._shown.get(path or "")
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
        self._draw()

    def action_sort(self) -> None:
        """Sort by the next thing."""
        self._order = _ORDERS[(_ORDERS.index(self._order) + 1) % len(_ORDERS)]
        self._draw()


def _count(root: CgroupNode) -> tuple[int, int]:
    total = containers = 0
    waiting = [root]
    while waiting:
        node = waiting.pop()
        total += 1
        containers += node.container is not None
        waiting += node.children
    return total, containers
