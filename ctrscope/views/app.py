"""CtrscopeApp: keeps the latest sample and the history, and hands them to the screen in front."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

from msgspec import structs
from textual.app import App, SuspendNotSupported
from textual.binding import BindingType
from textual.events import Event, Key
from textual.signal import Signal
from textual.widgets import Input

from ctrscope.model.container import Container, ContainerStatus
from ctrscope.model.finding import Subject
from ctrscope.model.match import Match
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.preferences import Preferences
from ctrscope.model.sample import Focus, Sample
from ctrscope.model.timestamp import unix_time
from ctrscope.render.safe import inert
from ctrscope.views.acting import Acts, SettingsFile, Write
from ctrscope.views.actions import ANYWHERE, CHANGES, LOGS, LONG_TEXT, SCREENS, bindings, keys_of
from ctrscope.views.asking import Asked
from ctrscope.views.commands import ActionCommands
from ctrscope.views.event_log import EventLog
from ctrscope.views.history import History
from ctrscope.views.jumps import Jump, jumps_from
from ctrscope.views.panes import PANES
from ctrscope.views.preferences import find_mistakes
from ctrscope.views.rows import row_words
from ctrscope.views.sampling import SampleFailed, SamplerThread, SampleSource, SampleTaken
from ctrscope.views.screens.act import ActScreen
from ctrscope.views.screens.ask import AskScreen
from ctrscope.views.screens.cgroups import CgroupsScreen
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.containers import ContainersScreen
from ctrscope.views.screens.events import EventsScreen
from ctrscope.views.screens.export import ExportScreen
from ctrscope.views.screens.filtered import FilteredScreen
from ctrscope.views.screens.find import Find, FindScreen
from ctrscope.views.screens.findings import FindingsScreen
from ctrscope.views.screens.group_log import GroupLogScreen
from ctrscope.views.screens.help import HelpScreen
from ctrscope.views.screens.host import HostScreen
from ctrscope.views.screens.jump import JumpScreen
from ctrscope.views.screens.limit import LimitScreen
from ctrscope.views.screens.namespaces import NamespacesScreen
from ctrscope.views.screens.network import NetworkScreen
from ctrscope.views.screens.processes import ProcessesScreen
from ctrscope.views.screens.sample_screen import SampleScreen, json_text
from ctrscope.views.screens.signals import SignalsScreen
from ctrscope.views.screens.storage import StorageScreen
from ctrscope.views.screens.table import TableScreen
from ctrscope.views.themes import THEMES, choose_theme, variables_of
from ctrscope.views.widgets.status_header import HeaderState

_SCREENS: Mapping[str, type[SampleScreen]] = {
    "containers": ContainersScreen,
    "processes": ProcessesScreen,
    "namespaces": NamespacesScreen,
    "cgroups": CgroupsScreen,
    "network": NetworkScreen,
    "findings": FindingsScreen,
    "events": EventsScreen,
    "host": HostScreen,
    "storage": StorageScreen,
}
#: Kind of a finding's subject → the screen that shows it.
_SCREEN_OF = {"cgroup": "cgroups", "namespace": "namespaces", "link": "network", "host": "host"}

#: Own actions of everything that may be in front, and columns that may be chosen, by name.
_ACTIONS = {
    **{name: screen.ACTIONS for name, screen in _SCREENS.items()},
    # Of one tab and of another: what is a key of both is so on purpose.
    "container": [action for action in ContainerScreen.ACTIONS if action not in CHANGES],
    "changes": [action for action in ContainerScreen.ACTIONS if action not in (*LONG_TEXT, *LOGS)],
    "merged": GroupLogScreen.ACTIONS,
}
_COLUMNS = {
    name: tuple(screen.COLUMNS) for name, screen in _SCREENS.items() if issubclass(screen, TableScreen) and screen.COLUMNS
}

INTERVALS = (1.0, 2.0, 5.0, 10.0)  # seconds between two requests for a sample; the first is the default

#: Statuses by which attach says that no command ran; what it wrote on the terminal is the reason.
_ATTACH_FAILED = (125, 126, 127)


class CtrscopeApp(App[None]):
    """The dashboard over a source of samples."""

    TITLE = "ctrscope"
    CSS_PATH = os.path.join(os.path.dirname(__file__), "ctrscope.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(SCREENS), *bindings(ANYWHERE)]
    MODES = dict(_SCREENS)  # noqa: RUF012 - Textual declares it so
    DEFAULT_MODE = "containers"
    COMMANDS = {ActionCommands}  # noqa: RUF012 - Textual declares it so
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        source: SampleSource,
        acts: Acts | None,
        read_only: bool,
        find: Find,
        write: Write,
        *,
        asked: Asked | None = None,
        preferences: Preferences | None = None,
        complaints: Sequence[str] = (),
        here: str | None = None,
        keep: SettingsFile | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # Without colour only the terminal's own are left, and what is bold or reversed; not greys of our own.
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        preferences = preferences or Preferences()
        for theme in THEMES:
            self.register_theme(theme)
        wanted = "none" if self.no_color else preferences.theme
        self.theme = choose_theme(wanted, self.console.color_system, os.environ.get("COLORFGBG", ""))
        self.preferences = preferences
        self.set_keymap({name: keys_of(keys) for name, keys in preferences.bound.items()})
        self.sampled: Signal[Sample] = Signal(self, "sampled")
        self.latest: Sample | None = None
        self.shown: Sample | None = None  # the latest, or the one that was latest when the screen was paused
        self.history = History()
        self.events = EventLog()
        self.paused = False
        self.error = ""  # why the last sample failed; "" when it did not
        self.here = here  # address by which the terminal reaches this host; None: no links
        self.clock = clock
        self.asked = asked  # None: what is shown is not this host, live
        self._acts = acts  # None: what is shown is not this host, live
        self._find = find
        self._write = write
        self._keep = keep  # None: settings cannot be kept
        self._read_only = read_only
        self._interval = preferences.refresh
        self._complaints = complaints  # about what was set; inert
        self._focused = Focus()
        self.sampler = SamplerThread(source, lambda: self._focused, self.post_message)

    def on_mount(self) -> None:
        """Start sampling."""
        self.sampler.start()
        if self.preferences.screen != self.DEFAULT_MODE:
            self.switch_mode(self.preferences.screen)
        for complaint in self._complaints:
            self.notify(complaint, title="config.toml", severity="warning", timeout=15, markup=False)
        self.request_sample()
        self._timer = self.set_interval(self._interval, self.request_sample)
        self.set_interval(1.0, self._refresh_header)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own variables, for themes of others."""
        return variables_of(self.current_theme)

    def on_unmount(self) -> None:
        """Let the sampler go; it is not waited for."""
        self.sampler.stop()

    # Keys

    async def on_event(self, event: Event) -> None:
        """Work off a key before the next one is looked at.

        Textual puts a key into the queue of the widget that has the focus, and looks for what it is bound to when it comes
        back up from there: of keys that are typed fast the second is on its way before the first has moved the focus.
        """
        if isinstance(event, Key) and not event.is_forwarded and self._is_ready and await self._work_off(event):
            return
        await super().on_event(event)

    @property
    def _is_ready(self) -> bool:
        """Whether a screen of ours is in front, and is there. Else a key waits in its queue until it is."""
        return isinstance(self.screen, SampleScreen) and self.screen.is_mounted

    async def _work_off(self, event: Key) -> bool:
        self.screen._clear_tooltip()
        return (
            await self._check_bindings(event.key, priority=True) or self._type(event) or await self._check_bindings(event.key)
        )

    def _type(self, event: Key) -> bool:
        """Put a letter into the line that has the focus; whether there is one."""
        if event.character is None or not event.is_printable or not isinstance(self.focused, Input):
            return False
        self.focused.replace(event.character, *self.focused.selection)
        return True

    def on_key(self, event: Key) -> None:
        """Catch a letter that waited for a screen, on which the key before it opened a line to type into."""
        if self._type(event):
            event.prevent_default()
            event.stop()

    # Samples

    def request_sample(self) -> None:
        """Ask for a sample with the details of what is on the screen. Returns at once."""
        shown = [screen for screen in self.screen_stack if isinstance(screen, SampleScreen)]  # a question may be in front of it
        self._focused = shown[-1].focus_of() if shown else Focus()
        self.sampler.request()

    def on_sample_taken(self, message: SampleTaken) -> None:
        """Keep the sample and tell the screens."""
        self.latest, self.error = message.sample, ""
        self.history.add(message.sample)
        self.events.add(message.sample.events)
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
        for screen in reversed(self.screen_stack):  # also when a question is in front of it
            if isinstance(screen, SampleScreen):
                screen.refresh_header()
                return

    # Actions

    def action_pause(self) -> None:
        """Hold the tables still, or let them go on from the latest sample."""
        self.paused = not self.paused
        self.shown = self.latest
        if isinstance(self.screen, SampleScreen):
            self.screen.on_screen_resume()

    def action_interval(self, step: int) -> None:
        """Take samples more or less often."""
        place = min(range(len(INTERVALS)), key=lambda at: abs(INTERVALS[at] - self._interval))
        self._interval = INTERVALS[max(0, min(len(INTERVALS) - 1, place + step))]
        self._timer.stop()
        self._timer = self.set_interval(self._interval, self.request_sample)
        self.notify(f"a sample every {self._interval:g} s", markup=False)

    def action_show(self, name: str) -> None:
        """Show a screen as it was left, without what was opened on it."""
        self.switch_mode(name)
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_find(self) -> None:
        """Open the find box; what is chosen there is opened."""
        if self.latest is None:
            self.notify("the host is still being read", markup=False)
            return

        def chosen(match: Match | None) -> None:
            if match is not None and match.container is not None:
                self.open_container(match.container)
            elif match is not None:
                self.notify(inert(f"{match.what}: {match.detail}"), title="No container's", markup=False)

        self.push_screen(FindScreen(self._find, self.latest.snapshot), chosen)

    def action_export(self) -> None:
        """Ask for a name, then write what is shown to that file; or say why not."""
        screen = self.screen
        if not isinstance(screen, SampleScreen):
            return
        if self._refuses_to_write("; Y copies to the clipboard"):
            return
        title = screen.TITLE_TEXT.casefold()
        self.push_screen(ExportScreen(f"export {title}", f"ctrscope-{title}.txt", partial(exported, screen), self._write))

    def action_keep(self) -> None:
        """Ask, then write how the screens look now to config.toml; or say why not."""
        keep = self._keep
        if keep is None or self._refuses_to_write():
            return
        text = keep.format(self._as_they_look())
        hint = "columns, order, filters as they are now; what stands in that file is replaced, its comments too; esc leaves"
        self.push_screen(ExportScreen("keep the settings", keep.path, lambda as_json: text, keep.write, hint=hint))

    def _refuses_to_write(self, instead: str = "") -> bool:
        if self._read_only:
            reason = f"that writes a file, and this is --read-only{instead}"
            self.notify(reason, title="Nothing written", severity="warning", markup=False)
        return self._read_only

    def _as_they_look(self) -> Preferences:
        """What was set, and how the screens that were looked at look now."""
        found = self.preferences
        for name, stack in self._screen_stacks.items():
            if name in _SCREENS and stack and isinstance(stack[0], TableScreen):
                found = stack[0].kept_in(found, name)
        return structs.replace(found, refresh=self._interval)

    def action_help(self) -> None:
        """Explain the screen in front."""
        screen = self.screen
        if isinstance(screen, SampleScreen):
            self.push_screen(HelpScreen(screen.TITLE_TEXT, screen.actions(), screen.explained()))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Back leads somewhere only from what was opened."""
        return len(self.screen_stack) > 1 if action == "back" else True

    async def action_back(self) -> None:
        """Go back to where one came from, with the cursor where it was."""
        self.pop_screen()

    def action_jump(self) -> None:
        """Offer the ways on from what the cursor is on."""
        screen = self.screen
        if not isinstance(screen, SampleScreen):
            return
        item = screen.item()
        findings = (*(self.latest.findings or ()), *(self.latest.security or ())) if self.latest is not None else ()
        jumps = jumps_from(item, {finding.subject.id for finding in findings})
        if not jumps:
            self.notify("nothing is related to what the cursor is on", markup=False)
            return

        def chosen(jump: Jump | None) -> None:
            if jump is not None and jump.screen == "container" and item.container is not None:
                self.open_container(item.container.key, jump.place)
            elif jump is not None:
                self.point_at(jump.screen, jump.place)

        self.push_screen(JumpScreen(jumps), chosen)

    def point_at(self, name: str, place: str) -> None:
        """Show a screen over the one in front, with the cursor on something; esc comes back."""
        kind, front = _SCREENS[name], self.screen
        screen = front if isinstance(front, kind) else kind()
        if screen is not front:
            self.push_screen(screen)
        screen.point_at(place)

    def open_subject(self, subject: Subject, tab: str = "Overview") -> None:
        """Go to what a finding is about, on the screen that shows such things; of a container to a tab."""
        if subject.kind == "container":
            self.open_container(subject.id, tab)
            return
        name = _SCREEN_OF.get(subject.kind)
        if name is None:
            self.notify(inert(f"{subject.kind} {subject.name}: there is no screen for it"), markup=False)
            return
        if name == "host":
            self.push_screen(HostScreen())
        else:
            self.point_at(name, subject.name if subject.kind == "link" else subject.id)

    def open_container(self, key: str, tab: str = "Overview") -> None:
        """Open a container over the screen in front, or say that it is gone."""
        index = next(index for index, pane in enumerate(PANES) if pane.title == tab)
        screen = self.screen
        if self.latest is None or self.latest.snapshot.container(key) is None:
            self.notify("that container is gone", severity="warning", markup=False)
        elif isinstance(screen, ContainerScreen) and screen.key == key:
            screen.action_show_tab(index)
        else:
            self.push_screen(ContainerScreen(key, index))

    def copy_id(self, container: Container) -> None:
        """Copy the full id, by the terminal's own means."""
        self.copy_to_clipboard(inert(container.id))
        self.notify(f"id of {inert(container.name)} copied", markup=False)

    def why_not_attach(self, container: Container) -> str:
        """Why one cannot attach to it now; "" when one can."""
        if self._read_only:
            return "attach starts a process, and this is --read-only"
        if self._acts is None:
            return "there is nothing to attach to in what is shown: it is not this host, live"
        if container.pid is None:
            return f"{inert(container.name)} does not run: it is {container.status}"
        return ""

    def ask_attach(self, container: Container, types: Sequence[NamespaceType] = ()) -> None:
        """Ask, then attach to these namespaces of the container, or to all; or say why not."""
        reason = self.why_not_attach(container)
        if reason:
            self.notify(reason, title="Not attached", severity="warning", markup=False)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._enter(container, types)

        self.push_screen(AskScreen(f"Attach to {row_words(container)}?", attach_text(container, types)), answered)

    def why_not_change(self, container: Container) -> str:
        """Why it cannot be limited, paused or killed now; "" when it can."""
        if self._read_only:
            return "that changes the container, and this is --read-only"
        if self._acts is None:
            return "there is nothing to change in what is shown: it is not this host, live"
        return "" if container.is_running else f"{inert(container.name)} does not run: it is {container.status}"

    def ask_limit(self, container: Container) -> None:
        """Open the dialog for its limits, or say why not."""
        if self._refuses(container) or self._acts is None:
            return
        sample, key = self.latest, container.key
        stats = sample.snapshot.stats.get(key) if sample else None
        effective = sample.snapshot.effective.get(key) if sample else None
        rates = sample.rates.get(key) if sample else None
        cpu = rates.cpu_percent if rates is not None else None
        self.push_screen(LimitScreen(self._acts, container, stats, effective, cpu), lambda _: self.request_sample())

    def ask_freeze(self, container: Container) -> None:
        """Ask, then pause it or let it run again; or say why not."""
        acts = self._acts
        if self._refuses(container) or acts is None:
            return
        frozen = container.status is not ContainerStatus.PAUSED
        question = f"{'Pause' if frozen else 'Unpause'} {row_words(container)}?"
        self.push_screen(ActScreen(question, lambda: acts.freeze(container, frozen)), lambda _: self.request_sample())

    def ask_signal(self, container: Container) -> None:
        """Let a signal be chosen, ask, then send it; or say why not."""
        acts = self._acts
        if self._refuses(container) or acts is None:
            return

        def chosen(name: str | None) -> None:
            if name is not None:
                question = f"Send SIG{name} to {row_words(container)}?"
                self.push_screen(ActScreen(question, lambda: acts.signal(container, name)), lambda _: self.request_sample())

        self.push_screen(SignalsScreen(container), chosen)

    def _refuses(self, container: Container) -> bool:
        """Whether it cannot be changed; then it is said why."""
        reason = self.why_not_change(container)
        if reason:
            self.notify(reason, title="Nothing changed", severity="warning", markup=False)
        return bool(reason)

    def _enter(self, container: Container, types: Sequence[NamespaceType]) -> None:
        assert self._acts is not None
        try:
            with self.suspend():
                status = self._acts.attach(container, types)
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


def exported(screen: SampleScreen, as_json: bool) -> str:
    """What a screen shows, as the text of a file."""
    return f"{json_text(screen.shown_value())}\n" if as_json else "".join(f"{line}\n" for line in screen.shown_lines())


def find_mistakes_in(preferences: Preferences) -> list[tuple[str, str]]:
    """(key of config.toml, what is wrong with it) of everything that there is not here."""
    filtered = [name for name, screen in _SCREENS.items() if issubclass(screen, FilteredScreen)]
    return list(find_mistakes(preferences, _ACTIONS, _COLUMNS, filtered))


def attach_text(container: Container, types: Sequence[NamespaceType]) -> str:
    """What attach is about to do."""
    # It is not put into the container's cgroup, so that what holds that one back (freezer, limits) does not hold the shell.
    state = "It stays paused" if container.status is ContainerStatus.PAUSED else "The container goes on"
    if not types:
        return (
            f"Starts a shell in all namespaces of init {container.pid}, as root and outside its cgroup. {state}; "
            "the shell is one more process in it until you leave it."
        )
    whose = "" if NamespaceType.MNT in types else " Without mnt the shell and the files are the host's own."
    return f"Starts a shell in these namespaces of init {container.pid} only: {', '.join(types)}.{whose}"
