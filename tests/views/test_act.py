"""Pause, unpause and kill from the dashboard: planned and shown first, done only on a yes, refused under --read-only."""

import pytest

from ctrscope.model.container import Container, ContainerStatus
from ctrscope.views.acting import Proposal, Refused
from ctrscope.views.screens.act import ActScreen
from ctrscope.views.screens.containers import ContainersScreen
from ctrscope.views.screens.list import ListScreen
from tests.views.builders import APP, container, containers, sample
from tests.views.driver import asynchronous, dashboard, press, screen_lines, table_of
from tests.views.test_attach import messages
from tests.views.test_find import wait_for


class Actor:
    """Stands for the part that acts."""

    def __init__(self, *, lines: tuple[str, ...] = ("freezes /box: 3 processes",), refuses: str = "", fails: str = "") -> None:
        self.lines, self.refuses, self.fails = lines, refuses, fails
        self.asked: list[tuple[str, bool | str]] = []
        self.applied = 0

    def __call__(self, container: Container, what: bool | str) -> Proposal:
        self.asked.append((container.key, what))
        if self.refuses:
            raise Refused(self.refuses)
        return Proposal(self.lines, "its engine is not told", self._apply)

    def _apply(self) -> tuple[str, ...]:
        self.applied += 1
        if self.fails:
            raise Refused(self.fails)
        return ("app is paused",)


@asynchronous
async def test_p_shows_what_would_be_frozen_and_only_yes_does_it() -> None:
    actor = Actor()
    async with dashboard([sample()], freeze=actor) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "p")
        text = await wait_for(pilot, "freezes /box: 3 processes")
        assert "Pause app (containerd/k8s.io, 3fcac954851d0a7b6c)?" in text
        assert "its engine is not told" in text
        assert (actor.asked, actor.applied) == ([(APP, True)], 0)
        await press(pilot, "enter", "y", "y")
        await wait_for(pilot, "app is paused")
        assert actor.applied == 1
        assert isinstance(pilot.app.screen, ContainersScreen)


@asynchronous
async def test_the_question_stands_in_the_middle_and_what_it_is_about_stays_in_sight() -> None:
    async with dashboard([sample()], freeze=Actor()) as pilot:
        await press(pilot, "p")
        text = await wait_for(pilot, "freezes /box")
        assert "1 Containers" in text
        box = pilot.app.screen.query_one("#ask").region
        assert abs((box.x + box.right) - pilot.app.size.width) <= 1
        assert abs((box.y + box.bottom) - pilot.app.size.height) <= 1


@pytest.mark.parametrize("key", ["n", "escape", "q"])
def test_anything_but_yes_changes_nothing(key: str) -> None:
    @asynchronous
    async def run() -> None:
        actor = Actor()
        async with dashboard([sample()], freeze=actor) as pilot:
            await press(pilot, "p")
            await wait_for(pilot, "freezes /box")
            await press(pilot, key)
            assert isinstance(pilot.app.screen, ContainersScreen)
            assert actor.applied == 0
            assert not pilot.app._exit

    run()


@asynchronous
async def test_what_is_paused_is_let_run_again() -> None:
    actor = Actor(lines=("thaws /box: 3 processes",))
    paused = container("box", status=ContainerStatus.PAUSED)
    async with dashboard([sample([paused])], freeze=actor) as pilot:
        await press(pilot, "p")
        assert "Unpause box" in await wait_for(pilot, "thaws /box")
        assert actor.asked == [(paused.key, False)]


@asynchronous
async def test_what_is_so_already_offers_no_yes() -> None:
    actor = Actor(lines=())
    async with dashboard([sample()], freeze=actor) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "p")
        await wait_for(pilot, "it is so already")
        await press(pilot, "y")
        assert actor.applied == 0
        assert isinstance(pilot.app.screen, ActScreen)


@asynchronous
async def test_a_refusal_is_said_as_it_stands_and_so_is_a_failure() -> None:
    async with dashboard([sample()], freeze=Actor(refuses="\x1b[31mapp is frozen by a cgroup above")) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "p")
        assert "\x1b" not in await wait_for(pilot, "app is frozen by a cgroup above")
    async with dashboard([sample()], freeze=Actor(fails="app ended meanwhile")) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "p")
        await wait_for(pilot, "freezes /box")
        await press(pilot, "y")
        await wait_for(pilot, "app ended meanwhile")


@asynchronous
async def test_kill_asks_which_signal_and_then_whether() -> None:
    actor = Actor(lines=("goes to its init, process 25112",))
    async with dashboard([sample()], signal=actor) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "K")
        assert isinstance(pilot.app.screen, ListScreen)
        text = "\n".join(screen_lines(pilot))
        assert "TERM" in text
        assert "ends it, whatever it is doing" in text
        await press(pilot, "down", "enter")
        assert "Send SIGKILL to app" in await wait_for(pilot, "goes to its init, process 25112")
        assert (actor.asked, actor.applied) == ([(APP, "KILL")], 0)
        await press(pilot, "y")
        await wait_for(pilot, "app is paused")
        assert actor.applied == 1


@pytest.mark.parametrize("key", ["p", "K", "L"])
def test_read_only_refuses_and_says_so(key: str) -> None:
    @asynchronous
    async def run() -> None:
        actor = Actor()
        async with dashboard([sample()], freeze=actor, signal=actor, read_only=True) as pilot:
            table_of(pilot).stand_on(APP)
            await press(pilot, key)
            assert "this is --read-only" in messages(pilot)
            assert isinstance(pilot.app.screen, ContainersScreen)
            assert actor.asked == []

    run()


@pytest.mark.parametrize("key", ["p", "K"])
def test_what_does_not_run_and_what_is_not_this_host_is_left_alone(key: str) -> None:
    stopped = next(one for one in containers() if not one.is_running)

    @asynchronous
    async def run() -> None:
        async with dashboard([sample([stopped])]) as pilot:
            await press(pilot, key)
            assert "does not run" in messages(pilot)
        async with dashboard([sample()], attach=None) as pilot:
            table_of(pilot).stand_on(APP)
            await press(pilot, key)
            assert "it is not this host, live" in messages(pilot)

    run()
