"""Containers: the live table of everything that runs, ran or was left behind on this host."""

from functools import partial
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content

from ctrscope.model.container import Container
from ctrscope.model.sample import Focus, Sample
from ctrscope.render.fields import Row, status_sign
from ctrscope.render.gaps import summarise_gaps
from ctrscope.render.safe import inert, shorten
from ctrscope.views.actions import CONTAINERS, SELECTED, TABLE, Action, bindings
from ctrscope.views.ages import ages_text, as_of
from ctrscope.views.columns import FIELDS, fit_columns, shown_fields
from ctrscope.views.grouping import GROUP, Group, Grouping
from ctrscope.views.rows import INDENT, Look, natural_order, note_tone, rows_of, shown_groups, table_rows
from ctrscope.views.screens.columns import ColumnsScreen
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.filtered import FilteredScreen
from ctrscope.views.screens.list import ListScreen
from ctrscope.views.tones import Part, line, width_of
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

_SIGN_TONES = {"●": "accent", "◐": "watch", "◌": "muted", "○": "idle", "!": "act", "?": "accent"}


class ContainersScreen(FilteredScreen):
    """The table, a filter, and below it what the row under the cursor could not tell."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (*CONTAINERS, *TABLE)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(CONTAINERS), *bindings(TABLE), *bindings(SELECTED)]
    TITLE_TEXT = "Containers"
    FILTER_HINT = "words that must match: engine:podman cpu>50 mem>90% age<10m status:stale !note:"

    def __init__(self) -> None:
        super().__init__()
        self.look = Look()
        self._rows: tuple[Row, ...] = ()
        self._groups: tuple[Group, ...] = ()
        self._had_rates = False  # was sorted by what the containers do

    def on_mount(self) -> None:
        """Begin with the columns that were set."""
        self.look = self.look._replace(columns=tuple(self.ctrscope.preferences.columns.get("containers", ())))

    def focus_of(self) -> Focus:
        """Ask for the figures of the cgroups that are a group's."""
        return Focus(levels=tuple(group.cgroup for group in self._groups if group.cgroup is not None))

    def selected(self) -> Container | None:
        """Container under the cursor."""
        key = self.table.cursor
        return next((row.container for row in self._rows if row.container.key == key), None)

    def offers(self, action: Action) -> bool:
        """Folding is for groups, opening for rows."""
        if not super().offers(action):
            return False
        if action.id in ("containers.fold", "containers.unfold"):
            return self.look.grouping is not Grouping.NONE
        if action.id in ("containers.open", "containers.sort", "containers.reverse", "containers.group"):
            return bool(self._rows)
        return True

    def explained(self) -> tuple[tuple[str, str], ...]:
        """Explain the columns that the screen is wide enough for."""
        return tuple((field.title or "STATE", field.help) for field in shown_fields(self.size.width))

    # Drawing

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample."""
        self._rows = rows_of(sample)
        super().show_sample(sample)

    def draw_rows(self, sample: Sample) -> None:
        """Draw what matches now, in its order."""
        self.look = self.look._replace(filter=self.filter)
        now = self.ctrscope.clock()
        columns = self._columns()
        self._groups = shown_groups(self._rows, self.look, now)
        lines = table_rows(self._groups, self.look, columns, self.ctrscope.history, now, sample)
        table = self.table
        nothing = "No container on this host, and none was left behind."
        table.empty = self.nothing_matches("container") if self._rows else nothing
        table.show_rows(columns, lines, (self.look.sort, "▼" if self.look.descending else "▲"))
        # The first look has no rates, so that its order means nothing: until there are some, the cursor is on the first row.
        if not self._had_rates and not table.was_moved and table.row_keys:
            table.rest_on(table.row_keys[0])
        self._had_rates = self._had_rates or bool(sample.rates)

    def _columns(self) -> tuple[Column, ...]:
        grouping = self.look.grouping
        indent = 0 if grouping is Grouping.NONE else INDENT
        without = set() if self.look.columns else {grouping.column}
        now, chosen = self.ctrscope.clock(), self.look.columns
        return fit_columns(self.size.width, self._rows, now, indent=indent, without=without, chosen=chosen)

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
        if self.look.filter:
            right.append((f"{shown} shown · ", "strong"))
        arrow = "▼" if self.look.descending else "▲"
        right += [(f"{self.look.grouping.value} · sort {FIELDS[self.look.sort].title or 'STATE'} {arrow} ", "muted")]
        ages = ages_text(self.sample.ages) if self.sample is not None else ""
        if ages and width_of((*parts, ages, *right)) + 5 <= self.size.width:
            parts.append((f"   {ages}", "muted"))
        return self.spread(parts, *right)

    # Keys

    def open_row(self, key: str) -> None:
        """Open a container, or fold its group."""
        if key.startswith(GROUP):
            self._fold(key, key not in self.look.folded)
        elif any(row.container.key == key for row in self._rows):
            self.app.push_screen(ContainerScreen(key))

    def action_fold(self, folded: bool) -> None:
        """Fold or unfold the group that the cursor is in."""
        key = self.table.cursor
        if key is None or self.look.grouping is Grouping.NONE:
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
        self.look = self.look._replace(folded=self.look.folded | {key} if folded else self.look.folded - {key})
        self.draw()
        self.table.stand_on(key)

    def action_sort(self) -> None:
        """Sort by the next column that is shown."""
        keys = [column.key for column in self._columns()]
        place = keys.index(self.look.sort) if self.look.sort in keys else -1
        following = keys[(place + 1) % len(keys)]
        if following == "last_minute":  # sorts as CPU does, which was just there
            following = keys[(place + 2) % len(keys)]
        self._sort(following)

    def sort_by(self, key: str) -> None:
        """Sort by a column; once more turns the order around."""
        if key == self.look.sort:
            self.action_reverse()
        else:
            self._sort(key)

    def _sort(self, key: str) -> None:
        self.look = self.look._replace(sort=key, descending=natural_order(key))
        self.draw()

    def action_reverse(self) -> None:
        """Turn the order around."""
        self.look = self.look._replace(descending=not self.look.descending)
        self.draw()

    def action_group(self) -> None:
        """Group by the next thing."""
        self._group(self.look.grouping.next())

    def action_columns(self) -> None:
        """Choose which columns there are."""
        shown = [column.key for column in self._columns()]
        fields = [FIELDS[key] for key in shown] + [field for key, field in FIELDS.items() if key not in shown]
        offered = [field for field in fields if field.key not in ("sign", "name")]

        def chosen(keys: tuple[str, ...] | None) -> None:
            if keys is not None:
                self.look = self.look._replace(columns=keys)
                self.draw()

        self.app.push_screen(ColumnsScreen(offered, shown), chosen)

    def action_choose_group(self) -> None:
        """Choose what to group by."""

        def chosen(name: str | None) -> None:
            if name is not None:
                self._group(Grouping[name])

        rows = [TableRow(one.name, partial(_grouping_cells, one, one is self.look.grouping)) for one in Grouping]
        self.app.push_screen(ListScreen("group", _grouping_columns, rows, hint="enter chooses, esc closes"), chosen)

    def _group(self, grouping: Grouping) -> None:
        self.look = self.look._replace(grouping=grouping, folded=frozenset())
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
