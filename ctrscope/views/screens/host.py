"""Host: what it is, how busy it is, what we may see of it and what more would take, and what the dashboard itself costs."""

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Static

from ctrscope.model.container import Container
from ctrscope.model.sample import Focus, Sample
from ctrscope.model.source import HostSources
from ctrscope.render.safe import inert
from ctrscope.views.actions import HOST, PAGE, Action, bindings
from ctrscope.views.host_page import host_page
from ctrscope.views.host_plots import CHARTS, User, users_of
from ctrscope.views.screens.container import plain_lines
from ctrscope.views.screens.list import ListScreen
from ctrscope.views.screens.sample_screen import SampleScreen
from ctrscope.views.tones import line
from ctrscope.views.widgets.pane_view import PaneView
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

_LISTED = 5  # users of each thing


class HostScreen(SampleScreen):
    """One page that scrolls."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (*HOST, *PAGE)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS)]
    TITLE_TEXT = "Host"

    def __init__(self) -> None:
        super().__init__()
        self._sample: Sample | None = None
        self._sources: HostSources | None = None  # None: not read yet

    def compose_body(self) -> Iterable[Widget]:
        """Build the page."""
        yield PaneView()

    def on_mount(self) -> None:
        """Give the keys to the page."""
        self.query_one(PaneView).focus()

    def focus_of(self) -> Focus:
        """Ask what the kernel answers to us."""
        return Focus(host=True)

    def is_waiting(self) -> bool:
        """Whether that was not read yet."""
        return self._sources is None

    def selected(self) -> Container | None:
        """No container: the page is about the host."""
        return None

    def shown_value(self) -> object:
        """The host, how busy it is, and what it lets us see."""
        sample = self._sample
        if sample is None:
            return None
        return {
            "screen": "host",
            "taken_at": sample.snapshot.taken_at,
            "host": sample.snapshot.host,
            "totals": sample.totals,
            "sources": self._sources,
        }

    def shown_lines(self) -> Iterable[str]:
        """The page."""
        return plain_lines(self.query_one("#pane", Static))

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample."""
        self._sample = sample
        self._sources = sample.sources or self._sources
        self._draw()
        self.show_actions()

    def on_pane_view_resized(self) -> None:
        """Draw for the new width."""
        self._draw()

    def _draw(self) -> None:
        width = self.query_one(PaneView).scrollable_content_region.width
        if not width:
            return
        if self._sample is None:
            self.query_one("#pane", Static).update(line((" reading the host …", "muted")))
            return
        lines = host_page(self._sample, self._sources, self.ctrscope.header_state(), width, self.size.height)
        self.query_one(PaneView).show(lines)

    # Keys

    def offers(self, action: Action) -> bool:
        """A list of who uses most takes somebody who uses anything."""
        if action.id != "host.who":
            return super().offers(action)
        return self._sample is not None and any(users_of(chart, self._sample) for chart in CHARTS)

    def action_who(self) -> None:
        """List who uses most of what the host has, and open one."""
        users = self._users()
        if not users:
            return
        rows = [TableRow(str(at), partial(_user_cells, *one)) for at, one in enumerate(users)]

        def chosen(place: str | None) -> None:
            if place is not None:
                self.ctrscope.open_container(users[int(place)][2].container.key)

        self.app.push_screen(ListScreen("who uses most", _user_columns, rows, hint="enter opens, esc closes"), chosen)

    def _users(self) -> list[tuple[str, str, User]]:
        """What, how much of it, and who."""
        sample = self._sample
        if sample is None:
            return []
        return [
            (chart.name.removesuffix(", %"), chart.write(user.value), user)
            for chart in CHARTS
            for user in users_of(chart, sample)[:_LISTED]
        ]


def _user_columns(width: int) -> tuple[Column, ...]:
    return (
        Column("what", " OF", "left", 18, gap=2),
        Column("value", "NOW", "right", 8, gap=2),
        Column("name", "CONTAINER", "left", max(0, width - 31)),
    )


def _user_cells(what: str, value: str, user: User) -> tuple[Cell, ...]:
    return (Cell(f" {what}", "muted"), Cell(value, "strong"), Cell(inert(user.container.name)))
