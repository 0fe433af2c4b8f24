"""Attach from the dashboard: asks first, hands the terminal over, comes back, and says why not."""

from collections.abc import Sequence

import pytest

from ctrscope.model.container import Container, ContainerStatus
from ctrscope.model.namespace import NamespaceType
from ctrscope.views.screens.ask import AskScreen
from ctrscope.views.screens.containers import ContainersScreen
from tests.views.builders import APP, containers, sample
from tests.views.driver import app_of, asynchronous, dashboard, press, screen_lines, table_of


class Entered:
    """Stands for attach: remembers, and returns a status or raises."""

    def __init__(self, outcome: int | Exception = 0) -> None:
        self.outcome = outcome
        self.containers: list[Container] = []
        self.types: list[Sequence[NamespaceType]] = []

    def __call__(self, container: Container, types: Sequence[NamespaceType]) -> int:
        self.containers.append(container)
        self.types.append(types)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def messages(pilot) -> str:  # type: ignore[no-untyped-def]
    return "\n".join(f"{notice.title} {notice.message}" for notice in pilot.app._notifications)


@asynchronous
async def test_it_asks_and_yes_enters_and_comes_back() -> None:
    entered = Entered(3)
    async with dashboard([sample()], attach=entered) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "a")
        assert isinstance(pilot.app.screen, AskScreen)
        text = "\n".join(screen_lines(pilot))
        assert "Attach to app (containerd/k8s.io, 3fcac954851d0a7b6c)?" in text
        assert entered.containers == []
        await press(pilot, "y")
        assert [found.key for found in entered.containers] == [APP]
        assert app_of(pilot).suspended == 1
        assert isinstance(pilot.app.screen, ContainersScreen)
        assert "left app, exit status 3" in messages(pilot)


@pytest.mark.parametrize("key", ["n", "escape", "q"])
def test_anything_but_yes_enters_nothing(key: str) -> None:
    @asynchronous
    async def run() -> None:
        entered = Entered()
        async with dashboard([sample()], attach=entered) as pilot:
            await press(pilot, "a", "enter", key)
            assert entered.containers == []
            assert isinstance(pilot.app.screen, ContainersScreen)
            assert not pilot.app._exit

    run()


@asynchronous
async def test_read_only_refuses_and_says_so() -> None:
    entered = Entered()
    async with dashboard([sample()], attach=entered, read_only=True) as pilot:
        await press(pilot, "a")
        assert isinstance(pilot.app.screen, ContainersScreen)
        assert "--read-only" in messages(pilot)
        assert "READ-ONLY" in screen_lines(pilot)[0]
        assert "a attach" not in screen_lines(pilot)[-1]
        assert entered.containers == []


@asynchronous
async def test_what_does_not_run_cannot_be_entered() -> None:
    async with dashboard([sample()]) as pilot:
        table_of(pilot).stand_on(next(found.key for found in containers() if found.name == "batch-7"))
        await press(pilot, "a")
        assert isinstance(pilot.app.screen, ContainersScreen)
        assert "batch-7 does not run: it is stopped" in messages(pilot)
        assert "a attach" not in screen_lines(pilot)[-1]


@asynchronous
async def test_what_is_paused_is_entered_and_stays_paused() -> None:
    entered = Entered()
    async with dashboard([sample()], attach=entered) as pilot:
        paused = next(found for found in containers() if found.status is ContainerStatus.PAUSED)
        table_of(pilot).stand_on(paused.key)
        await press(pilot, "a")
        assert "It stays paused" in "\n".join(screen_lines(pilot))
        await press(pilot, "y")
        assert [container.key for container in entered.containers] == [paused.key]


@asynchronous
async def test_without_a_live_host_there_is_nothing_to_enter() -> None:
    async with dashboard([sample()], attach=None) as pilot:
        await press(pilot, "a")
        assert "not this host" in messages(pilot)


@asynchronous
async def test_an_attach_that_raises_leaves_the_dashboard_alive() -> None:
    async with dashboard([sample()], attach=Entered(OSError("[Errno 1] setns"))) as pilot:
        await press(pilot, "a", "y")
        assert "OSError: [Errno 1] setns" in messages(pilot)
        assert isinstance(pilot.app.screen, ContainersScreen)


def test_what_attach_printed_can_be_read_before_the_dashboard_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return ""

    monkeypatch.setattr("builtins.input", answer)

    @asynchronous
    async def run() -> None:
        async with dashboard([sample()], attach=Entered(127)) as pilot:
            await press(pilot, "a", "y")
            assert len(asked) == 1
            assert "status 127" in asked[0]

    run()


@asynchronous
async def test_the_page_of_a_container_attaches_too() -> None:
    entered = Entered()
    async with dashboard([sample()], attach=entered) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "enter", "a", "y")
        assert [found.key for found in entered.containers] == [APP]
