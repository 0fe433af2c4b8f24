"""Events: what happened since the dashboard was opened, the latest below; it follows until somebody scrolls."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content

from ctrscope.model.container import Container
from ctrscope.model.event import Event
from ctrscope.model.sample import Sample
from ctrscope.model.value import Value
from ctrscope.render.gaps import describe_gap
from ctrscope.render.safe import inert, shorten
from ctrscope.views.actions import COLUMNS, EVENTS, SELECTED, TABLE, Action, bindings
from ctrscope.views.event_rows import EVENT_COLUMNS, SIGNS, event_columns, event_fields, event_rows
from ctrscope.views.filtering import matches
from ctrscope.views.ordering import Order
from ctrscope.views.screens.filtered import FilteredScreen
from ctrscope.views.tones import Part, line
from ctrscope.views.widgets.row_table import Column


class EventsScreen(FilteredScreen):
    """The log, and below it what the line under the cursor had no room for."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (*EVENTS, *TABLE, *COLUMNS)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS), *bindings(SELECTED)]
    TITLE_TEXT = "Events"
    FILTER_HINT = "words that must match: kind:died name:web age<1m !kind:joined"
    ORDER = Order("time")
    COLUMNS: ClassVar[Mapping[str, Column]] = EVENT_COLUMNS
    SIGN = "KIND"
    STAYING = frozenset({"time", "subject", "what"})

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[str, Event] = {}  # by the key of its row
        self._drawn: tuple[int, object] | None = None  # number of the latest event, and how the rows were drawn

    def selected(self) -> Container | None:
        """Get the container that the event is about, while there is one."""
        event = self._shown.get(self.table.cursor or "")
        if event is None or event.container is None or self.sample is None:
            return None
        return self.sample.snapshot.container(event.container)

    def value_of(self, key: str) -> Value | None:
        """The event."""
        return self._shown.get(key)

    def offers(self, action: Action) -> bool:
        """Opening takes a container that is still there."""
        if action.id == "events.open" and self.focused is self.table:
            return self.selected() is not None
        if action.id == "events.follow" and self.focused is self.table:
            return bool(self._shown) and not self._follows()
        return super().offers(action)

    def point_at(self, place: str) -> None:
        """Show only what happened to the container of that name."""
        self.filter = f"name:{place}"
        self.call_after_refresh(self._show_filter)

    def _show_filter(self) -> None:
        self.field.value, self.field.display = self.filter, True

    def explained(self) -> Sequence[tuple[str, str]]:
        """Explain the columns and the signs."""
        return (*super().explained(), *((sign, kind.value) for kind, (sign, _) in SIGNS.items()))

    # Drawing

    def draw_rows(self, sample: Sample) -> None:
        """Draw what matches now, and stay at the end if it was there."""
        log = self.ctrscope.events
        drawn: tuple[int, object] = (log.last, (self.filter, self.size.width, self.order, self.chosen))
        if self.ctrscope.paused and self._drawn is not None and drawn[1:] == self._drawn[1:]:
            drawn = self._drawn
        if drawn != self._drawn:
            follows = self._follows()
            conditions, now = self.conditions, self.ctrscope.clock()
            self._shown = {
                str(number): event
                for number, event in log.numbered()
                if not conditions or matches(conditions, event_fields(event, now))
            }
            rows = event_rows(self._shown, self.size.width, self.order, self.chosen)
            nothing = "Nothing happened since the dashboard was opened."
            self.table.empty = self.nothing_matches("event") if log.last else nothing
            self.table.show_rows(event_columns(self._shown.values(), self.size.width, self.chosen), rows, self.order)
            self._drawn = drawn
            if follows:
                self.action_follow()

    def _follows(self) -> bool:
        """Whether the latest comes last, the cursor is on it, and it is in sight."""
        keys, table = self.table.row_keys, self.table
        if self.order != self.ORDER:
            return False
        return not keys or (table.cursor == keys[-1] and table.scroll_offset.y >= table.max_scroll_y)

    def row_text(self, sample: Sample, room: int) -> Content:
        """Say of the event what its line has no room for, or what cannot be noticed here."""
        event, gaps = self._shown.get(self.table.cursor or ""), sample.event_gaps
        if event is None:
            return line(" ", (shorten(f"· {describe_gap(gaps[0])}", room), "watch")) if gaps else line()
        text = f"{event.name}: {event.what}" + (f": {event.cause}" if event.cause else "")
        return line(" ", (shorten(inert(text), room), SIGNS[event.kind][1]))

    def total_text(self) -> Content:
        """Count them, and say whether it follows."""
        if self.sample is None:
            return line((" reading …", "muted"))
        total = len(self.ctrscope.events)
        parts: list[Part] = [f" {total} event{'s' if total != 1 else ''}"]
        if self.filter:
            parts.append((f"  {len(self._shown)} shown", "strong"))
        gaps = self.sample.event_gaps
        if gaps:
            needs = ", ".join(dict.fromkeys(gap.needs for gap in gaps if gap.needs))
            parts.append((f"  · not everything is noticed{f': needs {needs}' if needs else ''}", "watch"))
        if self.order != self.ORDER:
            return self.spread(parts, (f"{self.sort_words()}   G follows ", "muted"))
        right: Part = ("following ", "muted") if self._follows() else (" not following: end goes on ", "badge")
        return self.spread(parts, right)

    # Keys

    def action_follow(self) -> None:
        """Go to the end, and stay there; what comes later is below again."""
        if self.order != self.ORDER:
            self.order = self.ORDER
            self.draw()
        self.table.action_end(1)
        self.call_after_refresh(self.draw_words)

    def open_row(self, key: str) -> None:
        """Open the container that the event is about."""
        event = self._shown.get(key)
        if event is None:
            return
        if event.container is None:
            self.notify(f"{inert(event.name)} is no container", markup=False)
        else:
            self.ctrscope.open_container(event.container)
