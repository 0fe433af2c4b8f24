"""Host: what it is, how busy it is, what we may see of it and what more would take, and what the dashboard itself costs."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from ctrscope.model.container import Container
from ctrscope.model.sample import Focus, Sample
from ctrscope.model.source import HostSources
from ctrscope.views.actions import PAGE, Action, bindings
from ctrscope.views.host_page import host_page
from ctrscope.views.screens.container import PaneView, plain_lines
from ctrscope.views.screens.sample_screen import SampleScreen
from ctrscope.views.tones import line


class HostScreen(SampleScreen):
    """One page that scrolls."""

    ACTIONS: ClassVar[tuple[Action, ...]] = PAGE
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
        lines = host_page(self._sample, self._sources, self.ctrscope.header_state(), width)
        self.query_one("#pane", Static).update(Content("\n").join(lines))
