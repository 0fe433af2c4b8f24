"""Runs the dashboard without a terminal: the sampler never answers by itself, a test posts what it would."""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any, ParamSpec

from textual.events import Key
from textual.pilot import Pilot

from ctrscope.model.container import Container
from ctrscope.model.gap import Reading
from ctrscope.model.preferences import Preferences
from ctrscope.model.sample import Focus, Sample
from ctrscope.views.acting import Acts, Attach, Limits, Proposal, SettingsFile, Write
from ctrscope.views.app import CtrscopeApp
from ctrscope.views.asking import Asked
from ctrscope.views.sampling import SampleTaken
from ctrscope.views.screens.containers import ContainersScreen
from ctrscope.views.screens.find import Find
from ctrscope.views.widgets.row_table import RowTable
from tests.views.builders import NOW

P = ParamSpec("P")

#: What the keys type that have a name.
CHARACTERS = {"slash": "/", "colon": ":", "question_mark": "?", "space": " ", "plus": "+", "minus": "-"}
#: From a key to what it changes: app, screen, widget, a message of the widget back up, what a screen that it opened draws.
HOPS = 6
_FRAMES = 60  # at most, for a layout


def unasked(*what: Any) -> Any:
    """Nobody is to come here."""
    raise AssertionError("nobody asked for that")


def asked_of(
    log: Callable[[Container], Any] = unasked,
    files: Callable[[Container, bool], Sequence[Any]] = lambda container, secrets: (),
    image: Callable[[Any], Reading[Any]] = unasked,
    measure: Callable[[Any], Reading[Any]] = unasked,
    changes: Callable[[Container], Reading[Any]] = unasked,
    logs: Callable[[Mapping[str, Container]], Any] = unasked,
    earlier: Callable[[Container, int], Any] = unasked,
) -> Asked:
    """What can be looked up; what a test does not hand in is not to be asked for."""
    return Asked(
        log=lambda container, back: earlier(container, back) if back else log(container),
        logs=logs,
        files=files,
        changes=changes,
        image=image,
        measure=measure,
    )


class SilentSource:
    """Blocks until the test is over, as a host that does not answer would."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.asked = threading.Event()
        self.focus: Focus | None = None

    def sample(self, focus: Focus) -> Sample:
        self.focus = focus
        self.asked.set()
        self.released.wait()
        raise RuntimeError("the test is over")


class DrivenApp(CtrscopeApp):
    """The dashboard, with a terminal that can always be handed over."""

    def suspend(self) -> AbstractContextManager[None]:  # type: ignore[override]
        self.suspended += 1
        return nullcontext()

    suspended = 0


@asynccontextmanager
async def dashboard(
    samples: Sequence[Sample] = (),
    *,
    size: tuple[int, int] = (120, 40),
    attach: Attach | None = lambda container, types: 0,
    limit: Callable[[Container, Limits], Proposal] = lambda container, limits: Proposal((), "", tuple),
    freeze: Callable[[Container, bool], Proposal] = lambda container, frozen: Proposal((), "", tuple),
    signal: Callable[[Container, str], Proposal] = lambda container, name: Proposal((), "", tuple),
    read_only: bool = False,
    write: Write = lambda path, text, replace: path,
    find: Find = lambda snapshot, query: Reading(()),
    asked: Asked | None = None,
    preferences: Preferences | None = None,
    complaints: Sequence[str] = (),
    here: str | None = None,
    keep: SettingsFile | None = None,
    now: float = NOW + 1,
    source: Any = None,
    hook: Callable[[Any], None] | None = None,
) -> AsyncIterator[Pilot[None]]:
    """The dashboard after *samples*: it remembers all of them, and shows the last."""
    silent = SilentSource()
    acts = Acts(attach, limit, freeze, signal) if attach is not None else None
    app = DrivenApp(
        *(source or silent, acts, read_only, find, write),
        asked=asked,
        preferences=preferences or Preferences(theme="dark"),  # and not what the terminal of the tests can do
        complaints=complaints,
        here=here,
        keep=keep,
        clock=lambda: now,
    )
    try:
        async with app.run_test(size=size, message_hook=hook, tooltips=False, notifications=True) as pilot:
            for sample in samples[:-1]:
                app.history.add(sample)
            for sample in samples[-1:]:
                await show(pilot, sample)
            yield pilot
    finally:
        silent.released.set()
        if app.sampler.ident is not None:
            app.sampler.join(timeout=10)
        assert not app.sampler.is_alive()


async def show(pilot: Pilot[None], sample: Sample) -> None:
    """Hand a sample to the dashboard, the way its thread does, and let it draw."""
    pilot.app.post_message(SampleTaken(sample))
    await settle(pilot)


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys, each after what the one before it led to, and let the dashboard draw."""
    for key in keys:
        pilot.app.post_message(Key(key, CHARACTERS.get(key, key if len(key) == 1 else None)))
        await settle(pilot)


async def settle(pilot: Pilot[None]) -> None:
    """Let the dashboard answer and draw.

    Pilot.press and Pilot.pause() wait until the process has been idle for a while, which takes longer than all the rest
    of a test. Here every widget works off what has been posted to it, once for each time that a message may be handed on.
    """
    for _ in range(HOPS):
        await pilot.pause(0)
    # What has another size is laid out by a timer of the screen, sixty times a second.
    for _ in range(_FRAMES):
        if not pilot.app.screen._layout_required:
            return
        await pilot.pause(1 / 60)


async def until(pilot: Pilot[None], text: str) -> str:
    """Wait until *text* is on the screen; the whole screen. For what runs aside."""
    for _ in range(400):
        await settle(pilot)
        shown = "\n".join(screen_lines(pilot))
        if text in shown:
            return shown
        await asyncio.sleep(0.02)
    raise AssertionError(f"{text!r} is not on the screen:\n{shown}")


def app_of(pilot: Pilot[None]) -> DrivenApp:
    """The dashboard itself."""
    assert isinstance(pilot.app, DrivenApp)
    return pilot.app


def table_of(pilot: Pilot[None]) -> RowTable:
    """The table of containers, also when another screen is in front."""
    stack = pilot.app._screen_stacks["containers"]
    screen = next(screen for screen in stack if isinstance(screen, ContainersScreen))
    return screen.table


def names_of(pilot: Pilot[None]) -> list[str]:
    """Second cell of every row: the names of containers and groups, in order."""
    table = table_of(pilot)
    rows = [table.row(key) for key in table.row_keys]
    return [row.cells[1].text for row in rows if row is not None]


def screen_lines(pilot: Pilot[None]) -> list[str]:
    """The screen as plain text, line by line."""
    width, height = pilot.app.size
    return (
        ["".join(segment.text for segment in strip).rstrip() for strip in pilot.app.screen._compositor.render_strips()][:height]
        if width
        else []
    )


def asynchronous(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a test of a coroutine function."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def column_of(pilot: Pilot[None], key: str) -> Sequence[str]:
    """Texts of one column, in order of the rows."""
    table = table_of(pilot)
    index = [column.key for column in table.columns].index(key)
    rows = [table.row(found) for found in table.row_keys]
    return [row.cells[index].text for row in rows if row is not None]
