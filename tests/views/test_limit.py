"""The limit dialog: shows what is so, then before → after, asks, and changes nothing without a yes."""

import pytest

from ctrscope.model.container import Container
from ctrscope.views.acting import Limits, Proposal, Refused
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.limit import LimitScreen
from tests.views.builders import APP, HOSTILE_NAMES, container, containers, sample
from tests.views.driver import asynchronous, dashboard, press, screen_lines, table_of
from tests.views.test_find import wait_for
from tests.views.world import full

SCOPE = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod6f1c.slice/cri-containerd-3fca.scope"


class Limiter:
    """Stands for the part that acts."""

    def __init__(self, *, refuses: str = "", fails: str = "", lines: tuple[str, ...] = ("memory  512M → 600M",)) -> None:
        self.refuses, self.fails, self.lines = refuses, fails, lines
        self.asked: list[tuple[str, Limits]] = []
        self.applied = 0

    def __call__(self, container: Container, limits: Limits) -> Proposal:
        self.asked.append((container.key, limits))
        if self.refuses:
            raise Refused(self.refuses)
        return Proposal(self.lines, "containerd is not told: its state keeps the old value", self._apply)

    def _apply(self) -> tuple[str, ...]:
        self.applied += 1
        if self.fails:
            raise Refused(self.fails)
        return self.lines


async def open_dialog(pilot) -> str:  # type: ignore[no-untyped-def]
    table_of(pilot).stand_on(APP)
    await press(pilot, "enter", "L")
    assert isinstance(pilot.app.screen, LimitScreen)
    return "\n".join(screen_lines(pilot))


@asynchronous
async def test_it_shows_what_is_used_what_is_set_and_who_imposes_less() -> None:
    async with dashboard([full()]) as pilot:
        text = await open_dialog(pilot)
        assert "memory  412M used, limit 512M   ↑ 480M by kubepods-burstable-pod6f1c.slice" in text
        assert "cpus    48.1 % of one used, limit 0.5 CPU" in text
        assert "pids    23 tasks, limit max" in text


@asynchronous
async def test_before_and_after_are_shown_and_only_yes_changes_something() -> None:
    limiter = Limiter()
    async with dashboard([full()], limit=limiter) as pilot:
        await open_dialog(pilot)
        await press(pilot, *"600M", "enter")
        text = await wait_for(pilot, "memory  512M → 600M")
        assert "containerd is not told" in text
        assert limiter.asked == [(APP, Limits("600M", "", ""))]
        assert limiter.applied == 0
        await press(pilot, "enter")
        assert limiter.applied == 0
        await press(pilot, "y")
        for _ in range(100):
            await press(pilot)
            if isinstance(pilot.app.screen, ContainerScreen):
                break
        assert limiter.applied == 1
        assert any("512M → 600M" in note.message for note in pilot.app._notifications)


@pytest.mark.parametrize("key", ["n", "escape"])
def test_anything_but_yes_goes_back_to_the_values(key: str) -> None:
    @asynchronous
    async def run() -> None:
        limiter = Limiter()
        async with dashboard([full()], limit=limiter) as pilot:
            await open_dialog(pilot)
            await press(pilot, *"1g", "enter")
            await wait_for(pilot, "y  change it")
            await press(pilot, key)
            assert isinstance(pilot.app.screen, LimitScreen)
            assert "nothing was changed" in "\n".join(screen_lines(pilot))
            await press(pilot, "escape")
            assert isinstance(pilot.app.screen, ContainerScreen)
            assert limiter.applied == 0

    run()


@asynchronous
async def test_all_three_values_are_handed_on() -> None:
    limiter = Limiter()
    async with dashboard([full()], limit=limiter) as pilot:
        await open_dialog(pilot)
        await press(pilot, *"1g", "down", *"1.5", "down", *"max", "enter")
        await wait_for(pilot, "y  change it")
        assert limiter.asked == [(APP, Limits("1g", "1.5", "max"))]


@asynchronous
async def test_a_refusal_is_said_and_the_value_can_be_typed_again() -> None:
    limiter = Limiter(refuses="app uses 412M of memory, more than 1M")
    async with dashboard([full()], limit=limiter) as pilot:
        await open_dialog(pilot)
        await press(pilot, *"1M", "enter")
        await wait_for(pilot, "app uses 412M of memory, more than 1M")
        limiter.refuses = ""
        await press(pilot, *"0", "enter")
        await wait_for(pilot, "y  change it")
        assert [limits.memory for _, limits in limiter.asked] == ["1M", "1M0"]


@asynchronous
async def test_a_failure_while_writing_is_said() -> None:
    limiter = Limiter(fails="cgroup memory.max: Device or resource busy; nothing was changed")
    async with dashboard([full()], limit=limiter) as pilot:
        await open_dialog(pilot)
        await press(pilot, *"1g", "enter")
        await wait_for(pilot, "y  change it")
        await press(pilot, "y")
        await wait_for(pilot, "Device or resource busy")
        assert isinstance(pilot.app.screen, LimitScreen)


@asynchronous
async def test_nothing_to_change_is_said_and_not_asked() -> None:
    async with dashboard([full()], limit=Limiter(lines=())) as pilot:
        await open_dialog(pilot)
        await press(pilot, *"512M", "enter")
        await wait_for(pilot, "it is limited like that already")
        assert "change it" not in "\n".join(screen_lines(pilot))


@pytest.mark.parametrize("way", ["enter", "4"])
def test_read_only_refuses_and_says_so(way: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([full()], read_only=True) as pilot:
            table_of(pilot).stand_on(APP)
            await press(pilot, way)
            if way == "4":
                pilot.app.screen.table.stand_on(SCOPE)  # type: ignore[attr-defined]
            await press(pilot, "L")
            assert not isinstance(pilot.app.screen, LimitScreen)
            assert any("--read-only" in note.message for note in pilot.app._notifications)
            assert "L limits" not in screen_lines(pilot)[-1]

    run()


@asynchronous
async def test_the_cgroup_tree_opens_it_too() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "4")
        pilot.app.screen.table.stand_on(SCOPE)  # type: ignore[attr-defined]
        await press(pilot, "L")
        assert isinstance(pilot.app.screen, LimitScreen)


@asynchronous
async def test_what_does_not_run_has_no_limits_to_change() -> None:
    async with dashboard([sample()]) as pilot:
        table_of(pilot).stand_on(next(found.key for found in containers() if found.name == "batch-7"))
        await press(pilot, "L")
        assert any("batch-7 does not run" in note.message for note in pilot.app._notifications)


@asynchronous
async def test_a_host_that_is_not_live_cannot_be_changed() -> None:
    async with dashboard([sample()], attach=None) as pilot:
        await press(pilot, "L")
        assert any("not this host" in note.message for note in pilot.app._notifications)


@asynchronous
async def test_a_hostile_name_is_text() -> None:
    for name in HOSTILE_NAMES:
        async with dashboard([sample([container(name, id="x")])], limit=Limiter(refuses=name)) as pilot:
            await press(pilot, "L", *"1", "enter")
            text = await wait_for(pilot, "limits of")
            assert "\x1b" not in text
            assert "\u202e" not in text
            await press(pilot, "escape")
            assert not pilot.app._exit
