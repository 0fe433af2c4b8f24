"""Containers: the live table of everything that runs, ran or was left behind on this host."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from msgspec import structs
from textual.binding import BindingType
from textual.content import Content

from ctrscope.model.container import Container
from ctrscope.model.preferences import Preferences
from ctrscope.model.sample import Focus, Sample
from ctrscope.render.fields import Row, status_sign
from ctrscope.render.gaps import summarise_gaps
from ctrscope.render.safe import inert, shorten
from ctrscope.views.actions import COLUMNS, CONTAINERS, SELECTED, TABLE, Action, bindings
from ctrscope.views.ages import ages_text, as_of
from ctrscope.views.columns import EVERY_COLUMN, fit_columns
from ctrscope.views.grouping import GROUP, Group, Grouping, title_of
from ctrscope.views.links import port_links
from ctrscope.views.ordering import Order
from ctrscope.views.rows import INDENT, Look, note_tone, rows_of, shown_groups, table_rows
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.filtered import FilteredScreen
from ctrscope.views.screens.group_log import GroupLogScreen
from ctrscope.views.screens.list import ListScreen
from ctrscope.views.tones import Part, line, width_of
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

_SIGN_TONES = {"●": "accent", "◐": "watch", "◌": "muted", "○": "idle", "!": "act", "?": "accent"}


class ContainersScreen(FilteredScreen):
    """The table, a filter, and below it what the row under the cursor could not tell."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (*CONTAINERS, *TABLE, *COLUMNS)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS), *bindings(SELECTED)]
    TITLE_TEXT = "Containers"
    FILTER_HINT = "words that must match: engine:podman cpu>50 mem>90% age<10m status:stale label:tier=front !note:"
    ORDER = Order("cpu", descending=True)
    COLUMNS: ClassVar[Mapping[str, Column]] = EVERY_COLUMN
    STAYING = frozenset({"sign", "name"})

    def __init__(self) -> None:
        super().__init__()
        self._grouping = Grouping.NONE
        self._folded: frozenset[str] = frozenset()
        self._rows: tuple[Row, ...] = ()
        self._groups: tuple[Group, ...] = ()
        self._had_rates = False  # was sorted by what the containers do
        self._only_running = False

    def kept_in(self, preferences: Preferences, name: str) -> Preferences:
        """Whether what does not run is left out, too."""
        return structs.replace(super().kept_in(preferences, name), only_running=self._only_running)

    def on_mount(self) -> None:
        """Begin with those that were set."""
        self._only_running = self.ctrscope.preferences.only_running

    @property
    def look(self) -> Look:
        """How somebody wants to see the table."""
        return Look(self.order, self._grouping, self._folded, self.filter, self.ctrscope.here, self._only_running)

    def focus_of(self) -> Focus:
        """Ask for the figures of the cgroups that are a group's, and for what is counted only when it is to be seen."""
        levels = tuple(group.cgroup for group in self._groups if group.cgroup is not None)
        wants_sizes = "size" in self.chosen or any(one.field == "size" for one in self.conditions)
        return Focus(levels=levels, layers=tuple(row.container.key for row in self._rows) if wants_sizes else ())

    def selected(self) -> Container | None:
        """Container under the cursor."""
        key = self.table.cursor
        return next((row.container for row in self._rows if row.container.key == key), None)

    def offers(self, action: Action) -> bool:
        """Folding is for groups, opening for rows."""
        if not super().offers(action):
            return False
        if action.id in ("containers.fold", "containers.unfold"):
            return self._grouping is not Grouping.NONE
        if action.id == "containers.logs":
            return self._group_at_cursor() is not None
        if action.id in ("containers.open", "containers.group", "containers.running"):
            return bool(self._rows)
        return True

    def values_of(self, key: str) -> list[tuple[str, str]]:
        """The cells, and where its published ports can be opened."""
        found = [row.container for row in self._rows if row.container.key == key]
        urls = [url for one in found for url in port_links(one, self.ctrscope.here).values()]
        return [*super().values_of(key), *(("URL", url) for url in urls)]

    def badge(self) -> str:
        """Say that what does not run is left out."""
        return "ONLY RUNNING" if self._only_running else ""

    def explained(self) -> Sequence[tuple[str, str]]:
        """Explain the columns that are shown, and what a filter may ask besides."""
        shown = {column.key for column in self.table.columns}
        others = ", ".join(
            sorted(("id", "cgroup", "label", *(key for key in EVERY_COLUMN if key not in shown and key != "id")))
        )
        return (*super().explained(), ("not shown", f"a filter may ask them as well: {others}"))

    # Drawing

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample."""
        self._rows = rows_of(sample)
        super().show_sample(sample)

    def draw_rows(self, sample: Sample) -> None:
        """Draw what matches now, in its order."""
        now, look = self.ctrscope.clock(), self.look
        columns = self._columns()
        self._groups = shown_groups(self._rows, look, now)
        lines = table_rows(self._groups, look, columns, self.ctrscope.history, now, sample)
        table = self.table
        nothing = "No container on this host, and none was left behind."
        if self._only_running and not self.filter:
            nothing = "No container runs; those that do not are left out."
        table.empty = self.nothing_matches("container") if self._rows and self.filter else nothing
        table.show_rows(columns, lines, self.order)
        # The first look has no rates, so that its order means nothing: until there are some, the cursor is on the first row.
        if not self._had_rates and not table.was_moved and table.row_keys:
            table.rest_on(table.row_keys[0])
        self._had_rates = self._had_rates or bool(sample.rates)

    def _columns(self) -> tuple[Column, ...]:
        indent = 0 if self._grouping is Grouping.NONE else INDENT
        without = set() if self.chosen else {self._grouping.column}
        now = self.ctrscope.clock()
        return fit_columns(self.size.width, self._rows, now, indent=indent, without=without, chosen=self.chosen)

    def sortable(self) -> Sequence[str]:
        """Every column but the last minute, which sorts as CPU does."""
        return [column.key for column in self.table.columns if column.key != "last_minute"]

    def sort_by(self, key: str) -> None:
        """Sort by a column; once more turns the order around."""
        super().sort_by("cpu" if key == "last_minute" else key)

    def row_text(self, sample: Sample, room: int) -> Content:
        """Say what the row under the cursor has no room for: why figures are missing, its note in full."""
        gaps, container = sample.snapshot.gaps, self.selected()
        if container is not None:
            about = [gap for gap in gaps if gap.subject == f"container {container.key}"]
            if about:
                return line(" ", (shorten(f"· {inert(container.name)}: {summarise_gaps(about)}", room), "watch"))
            if container.note:
                text = shorten(f"{inert(container.name)}: {inert(container.note)}{_seen(sample, container)}", room)
                return line(" ", (text, note_tone(container)))
        return line(" ", (shorten(f"· {summarise_gaps(gaps)}", room), "muted")) if gaps else line()

    def total_text(self) -> Content:
        """Count them by state, and say how they are sorted."""
        counts: dict[str, int] = {}
        for row in self._rows:
            sign = status_sign(row.container)
            counts[sign] = counts.get(sign, 0) + 1
        total = len(self._rows)
        shown = sum(1 for key in self.table.row_keys if not key.startswith(GROUP))
        parts: list[Part] = [f" {total} container{'s' if total != 1 else ''}"]
        for sign, tone in _SIGN_TONES.items():
            if sign in counts:
                parts += ["  ", (sign, tone), (f" {counts[sign]}", "muted")]
        right: list[Part] = []
        if self.filter or self._only_running:
            right.append((f"{shown} shown · ", "strong"))
        right += [(f"{self._grouping.value} · {self.sort_words()} ", "muted")]
        ages = ages_text(self.sample.ages) if self.sample is not None else ""
        if ages and width_of((*parts, ages, *right)) + 5 <= self.size.width:
            parts.append((f"   {ages}", "muted"))
        return self.spread(parts, *right)

    # Keys

    def open_row(self, key: str) -> None:
        """Open a container, or fold its group."""
        if key.startswith(GROUP):
            self._fold(key, key not in self._folded)
        elif any(row.container.key == key for row in self._rows):
            self.app.push_screen(ContainerScreen(key))

    def action_fold(self, folded: bool) -> None:
        """Fold or unfold the group that the cursor is in."""
        key = self.table.cursor
        if key is None or self._grouping is Grouping.NONE:
            return
        if not key.startswith(GROUP):
            keys = self.table.row_keys
            above = [found for found in keys[: keys.index(key)] if found.startswith(GROUP)]
            row = self.table.row(key)
            inside = row is not None and len(row.cells) > 1 and row.cells[1].text.startswith(" " * INDENT)
            if not (above and inside and folded):
                return
            key = above[-1]
        self._fold(key, folded)

    def _fold(self, key: str, folded: bool) -> None:
        self._folded = self._folded | {key} if folded else self._folded - {key}
        self.draw()
        self.table.stand_on(key)

    def _group_at_cursor(self) -> tuple[Grouping, str] | None:
        """The group whose heading the cursor is on, or the pod or project of its container."""
        group = next((one for one in self._groups if one.key == self.table.cursor and one.title), None)
        if group is not None:
            return self._grouping, group.title
        container = self.selected()
        title = title_of(container, Grouping.POD) if container is not None else ""
        return (Grouping.POD, title) if title else None

    def action_merged(self) -> None:
        """Read the logs of a group as one."""
        found = self._group_at_cursor()
        if found is not None:
            self.app.push_screen(GroupLogScreen(*found))

    def action_running(self) -> None:
        """Leave out what does not run, or show it again."""
        self._only_running = not self._only_running
        self.draw()
        self.refresh_header()

    def action_group(self) -> None:
        """Group by the next thing."""
        self._group(self._grouping.next())

    def action_choose_group(self) -> None:
        """Choose what to group by."""

        def chosen(name: str | None) -> None:
            if name is not None:
                self._group(Grouping[name])

        rows = [TableRow(one.name, partial(_grouping_cells, one, one is self._grouping)) for one in Grouping]
        self.app.push_screen(ListScreen("group", _grouping_columns, rows, hint="enter chooses, esc closes"), chosen)

    def _group(self, grouping: Grouping) -> None:
        self._grouping, self._folded = grouping, frozenset()
        self.draw()
        if self.focus_of() != Focus():
            self.ctrscope.request_sample()


def _seen(sample: Sample, container: Container) -> str:
    """How long ago that was seen which a note says, where it is not of now."""
    is_earlier = any(one.subject.id == container.key and one.title == container.note for one in sample.earlier)
    return as_of(sample.ages.health) if is_earlier else ""


def _grouping_columns(width: int) -> tuple[Column, ...]:
    return (Column("sign", "", "left", 2), Column("name", "GROUPING", "left", max(0, width - 4)))


def _grouping_cells(grouping: Grouping, is_now: bool) -> tuple[Cell, ...]:
    return (Cell(" ●" if is_now else "", "accent"), Cell(grouping.value, "strong" if is_now else "plain"))
