"""What every screen over samples has in common: the header, the key bar, attach and copy, and when to draw."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

import msgspec
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from ctrscope.model.container import Container
from ctrscope.model.gap import Gap
from ctrscope.model.sample import Focus, Sample
from ctrscope.render.gaps import summarise_gaps
from ctrscope.render.safe import shorten
from ctrscope.views.actions import ANYWHERE, SCREENS, SELECTED, Action, rebound
from ctrscope.views.jumps import Item, jumps_from
from ctrscope.views.tones import Part
from ctrscope.views.widgets.key_bar import KeyBar
from ctrscope.views.widgets.screen_strip import ScreenStrip
from ctrscope.views.widgets.status_header import StatusHeader

if TYPE_CHECKING:
    from ctrscope.views.app import CtrscopeApp


class SampleScreen(Screen[None]):
    """Draws the latest sample when it is in front: at once when it comes to the front, then each time one arrives."""

    ACTIONS: ClassVar[tuple[Action, ...]] = ()
    TITLE_TEXT: ClassVar[str] = ""

    @property
    def ctrscope(self) -> "CtrscopeApp":
        """The app, by its own type."""
        return cast("CtrscopeApp", self.app)

    # What a screen has to say

    def compose_body(self) -> Iterable[Widget]:
        """Widgets between the header and the key bar."""
        raise NotImplementedError

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample."""
        raise NotImplementedError

    def focus_of(self) -> Focus:
        """What this screen needs to be read for it."""
        return Focus()

    def is_waiting(self) -> bool:
        """Whether what this screen is about was in no sample yet. Then even a screen held still takes the next one."""
        return False

    def explained(self) -> Sequence[tuple[str, str]]:
        """Columns and what they mean, for the help."""
        return ()

    def badge(self) -> str:
        """What somebody must not forget about the screen, in capitals."""
        return ""

    def gap_words(self, gaps: Sequence[Gap], used: int) -> Part:
        """What could not be read for this screen, in what *used* cells leave of a line."""
        room = self.size.width - used - 6
        return (shorten(f"   · {summarise_gaps(gaps)}", room), "watch") if gaps and room > 0 else ""

    def show_failure(self) -> None:
        """Say why there is no newer sample, where a screen has a line for that."""

    def selected(self) -> Container | None:
        """Container that attach and copy are about."""
        raise NotImplementedError

    def item(self) -> Item:
        """What the cursor is on: where a jump begins."""
        return Item(self.selected())

    def point_at(self, place: str) -> None:
        """Put the cursor on something, now or as soon as it is there."""
        raise NotImplementedError

    def shown_value(self) -> object:
        """What is shown, to be written as JSON."""
        raise NotImplementedError

    def shown_lines(self) -> Iterable[str]:
        """What is shown, as text."""
        raise NotImplementedError

    # The rest

    def compose(self) -> ComposeResult:
        """Stack the header, the body and the keys."""
        yield StatusHeader()
        yield ScreenStrip()
        yield from self.compose_body()
        yield KeyBar()

    def on_mount(self) -> None:
        """Listen for samples."""
        self.ctrscope.sampled.subscribe(self, self._sampled)
        self.show_actions()

    def on_screen_resume(self) -> None:
        """Catch up with what arrived while another screen was in front."""
        self.refresh_header()
        if self.ctrscope.shown is not None:
            self.show_sample(self.ctrscope.shown)
        if self.focus_of() != Focus():
            self.ctrscope.request_sample()

    def _sampled(self, sample: Sample) -> None:
        # Screens below the one in front are called too; they catch up when they come back.
        if self.is_current and (not self.ctrscope.paused or self.is_waiting()):
            self.show_sample(sample)

    def refresh_header(self) -> None:
        """Draw the header anew; its clock runs also when nothing else does."""
        for header in self.query(StatusHeader):  # none yet, when a tick comes between opening a screen and composing it
            header.show(self.ctrscope.header_state()._replace(badge=self.badge()))

    def show_actions(self) -> None:
        """Draw the key bar anew."""
        self.query_one(KeyBar).show([action for action in self.actions() if self.offers(action)])

    def actions(self) -> tuple[Action, ...]:
        """Every action of this screen."""
        return rebound((*self.ACTIONS, *SELECTED, *SCREENS, *ANYWHERE), self.ctrscope.preferences.bound)

    def offers(self, action: Action) -> bool:
        """Whether the action would do something now. What would not is neither on the bar nor in the palette."""
        if action.id == "container.attach":
            container = self.selected()
            return container is not None and not self.ctrscope.why_not_attach(container)
        if action.id in ("container.limit", "container.pause", "container.kill"):
            container = self.selected()
            return container is not None and not self.ctrscope.why_not_change(container)
        if action.id == "container.copy":
            return self.selected() is not None
        if action.id == "app.jump":
            return bool(jumps_from(self.item()))
        if action.id == "app.back":
            return len(self.app.screen_stack) > 1
        return True

    def action_attach(self) -> None:
        """Ask, then enter the container."""
        container = self.selected()
        if container is not None:
            self.ctrscope.ask_attach(container)

    def action_limit(self) -> None:
        """Open the dialog for its limits."""
        container = self.selected()
        if container is not None:
            self.ctrscope.ask_limit(container)

    def action_freeze(self) -> None:
        """Ask, then pause the container or let it run again."""
        container = self.selected()
        if container is not None:
            self.ctrscope.ask_freeze(container)

    def action_kill(self) -> None:
        """Ask which signal, then send it."""
        container = self.selected()
        if container is not None:
            self.ctrscope.ask_signal(container)

    def action_copy_id(self) -> None:
        """Copy the id."""
        container = self.selected()
        if container is not None:
            self.ctrscope.copy_id(container)

    def action_copy(self) -> None:
        """Copy everything that is shown, as JSON."""
        self.app.copy_to_clipboard(json_text(self.shown_value()))
        self.notify("copied as JSON", markup=False)


def json_text(value: object) -> str:
    """What has records of the model in it, as JSON; what is not printable is escaped, so that it can be pasted anywhere."""
    import json

    return json.dumps(msgspec.to_builtins(value, str_keys=True), indent=2)
