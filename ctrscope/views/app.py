"""CtrscopeApp: keeps the latest sample and the last minute, and hands them to the screen in front."""

import os
import time
from collections.abc import Callable
from typing import ClassVar

from textual.app import App, SuspendNotSupported
from textual.binding import BindingType
from textual.events import Key
from textual.screen import Screen
from textual.signal import Signal

from ctrscope.model.container import Container, ContainerStatus
from ctrscope.model.sample import Focus, Sample
from ctrscope.model.timestamp import unix_time
from ctrscope.render.safe import inert
from ctrscope.views.actions import ANYWHERE, bindings
from ctrscope.views.commands import ActionCommands
from ctrscope.views.history import History
from ctrscope.views.rows import row_words
from ctrscope.views.sampling import SampleFailed, SamplerThread, SampleSource, SampleTaken
from ctrscope.views.screens.ask import AskScreen
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.containers import ContainersScreen, help_columns
from ctrscope.views.screens.help import HelpScreen
from ctrscope.views.screens.sample_screen import SampleScreen
from ctrscope.views.tones import THEME
from ctrscope.views.widgets.status_header import HeaderState

INTERVAL = 2.0  # seconds between two requests for a sample

#: Statuses by which attach says that no command ran; what it wrote on the terminal is the reason.
_ATTACH_FAILED = (125, 126, 127)


class CtrscopeApp(App[None]):
    """The dashboard over a source of samples."""

    TITLE = "ctrscope"
    CSS_PATH = os.path.join(os.path.dirname(__file__), "ctrscope.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ANYWHERE)]
    COMMANDS = {ActionCommands}  # noqa: RUF012 - Textual declares it so
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        source: SampleSource,
        attach: Callable[[Container], int] | None,
        read_only: bool,
        *,
        clock: Callable[[], float] = time.time,
        interval: float = INTERVAL,
    ) -> None:
        super().__init__()
        self.register_theme(THEME)
        self.theme = THEME.name
        self.sampled: Signal[Sample] = Signal(self, "sampled")
        self.latest: Sample | None = None
        self.shown: Sample | None = None  # the latest, or the one that was latest when the screen was paused
        self.history = History()
        self.paused = False
        self.error = ""  # why the last sample failed; "" when it did not
        self.clock = clock
        self._enter_container = attach
        self._read_only = read_only
        self._interval = interval
        self._focused = Focus()
        self.sampler = SamplerThread(source, lambda: self._focused, self.post_message)

    def get_default_screen(self) -> Screen[None]:
        """Start with the containers."""
        return ContainersScreen()

    def on_mount(self) -> None:
        """Start sampling."""
        self.sampler.start()
        self.request_sample()
        self.set_interval(self._interval, self.request_sample)
        self.set_interval(1.0, self._refresh_header)

    def on_unmount(self) -> None:
        """Let the sampler go; it is not waited for."""
        self.sampler.stop()

    def on_key(self, event: Key) -> None:
        """Catch what is typed right after `/`: a key goes to the widget that had the focus when it arrived."""
        if isinstance(self.screen, ContainersScreen) and self.screen.take_key(event):
            event.prevent_default()
            event.stop()

    # Samples

    def request_sample(self) -> None:
        """Ask for a sample with the details of what is on the screen. Returns at once."""
        keys = [screen.key for screen in self.screen_stack if isinstance(screen, ContainerScreen)]
        self._focused = Focus(container=keys[-1] if keys else None)
        self.sampler.request()

    def on_sample_taken(self, message: SampleTaken) -> None:
        """Keep the sample and tell the screens."""
        self.latest, self.error = message.sample, ""
        self.history.add(message.sample)
        if not self.paused:
            self.shown = message.sample
        self._refresh_header()
        self.sampled.publish(message.sample)

    def on_sample_failed(self, message: SampleFailed) -> None:
        """Say so; the last sample stays."""
        self.error = f"{type(message.error).__name__}: {message.error}"
        self._refresh_header()
        if isinstance(self.screen, SampleScreen):
            self.screen.show_failure()

    def header_state(self) -> HeaderState:
        """What the header speaks of."""
        now = self.clock()
        taken = unix_time(self.latest.snapshot.taken_at) if self.latest else None
        return HeaderState(
            sample=self.latest,
            age=max(0.0, now - taken) if taken is not None else 0.0,
            now=now,
            interval=self._interval,
            history=self.history,
            error=self.error,
            paused=self.paused,
            read_only=self._read_only,
        )

    def _refresh_header(self) -> None:
        if isinstance(self.screen, SampleScreen):
            self.screen.refresh_header()

    # Actions

    def action_pause(self) -> None:
        """Hold the tables still, or let them go on from the latest sample."""
        self.paused = not self.paused
        self.shown = self.latest
        if isinstance(self.screen, SampleScreen):
            self.screen.on_screen_resume()

    def action_help(self) -> None:
        """Explain the screen in front."""
        screen = self.screen
        if isinstance(screen, SampleScreen):
            columns = help_columns(self.size.width) if isinstance(screen, ContainersScreen) else ()
            self.push_screen(HelpScreen(screen.TITLE_TEXT, screen.actions(), columns))

    def copy_id(self, container: Container) -> None:
        """Copy the full id, by the terminal's own means."""
        self.copy_to_clipboard(inert(container.id))
        self.notify(f"id of {inert(container.name)} copied", markup=False)

    def why_not_attach(self, container: Container) -> str:
        """Why one cannot attach to it now; "" when one can."""
        if self._read_only:
            return "attach starts a process, and this is --read-only"
        if self._enter_container is None:
            return "there is nothing to attach to in what is shown: it is not this host, live"
        if container.pid is None:
            return f"{inert(container.name)} does not run: it is {container.status}"
        if container.status is ContainerStatus.PAUSED:
            return f"{inert(container.name)} is paused: a shell in it would hang; unpause it first"
        return ""

    def ask_attach(self, container: Container) -> None:
        """Ask, then attach; or say why not."""
        reason = self.why_not_attach(container)
        if reason:
            self.notify(reason, title="Not attached", severity="warning", markup=False)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._enter(container)

        explanation = (
            f"Starts a shell in all namespaces of init {container.pid}. The container goes on; "
            "the shell is one more process in it until you leave it."
        )
        self.push_screen(AskScreen(f"Attach to {row_words(container)}?", explanation), answered)

    def _enter(self, container: Container) -> None:
        assert self._enter_container is not None
        try:
            with self.suspend():
                status = self._enter_container(container)
                if status in _ATTACH_FAILED:
                    input(f"attach ended with status {status}; press enter to go back to the dashboard ")
        except SuspendNotSupported:
            self.notify("this terminal cannot be handed over", title="Not attached", severity="error", markup=False)
            return
        except EOFError:
            pass
        except Exception as error:  # whatever attach raised, the dashboard lives on and says it
            self.notify(inert(f"{type(error).__name__}: {error}"), title="Not attached", severity="error", markup=False)
            return
        finally:
            self.request_sample()
        self.notify(f"left {inert(container.name)}, exit status {status}", markup=False)
