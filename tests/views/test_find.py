"""The find box: asks aside, lists what answers, goes to the container, and never holds up a key."""

import threading

import pytest
from textual.widgets import Input

from ctrscope.model.gap import Gap, Reading, Reason
from ctrscope.model.match import Match, MatchKind
from ctrscope.model.snapshot import Snapshot
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.containers import ContainersScreen
from ctrscope.views.screens.find import FindScreen
from tests.views.builders import APP, HOSTILE_NAMES, sample
from tests.views.driver import asynchronous, dashboard, press, screen_lines, settle
from tests.views.world import full

OURS = Match(kind=MatchKind.PROCESS, what="process 25130", container=APP, detail="node, pid 12 inside")
HOSTS = Match(kind=MatchKind.PORT, what="tcp/22", container=None, detail="the host's: sshd 812 listens")


class Answering:
    """Answers from a table, when it may; remembers what it was asked."""

    def __init__(self, *matches: Match, gaps: tuple[Gap, ...] = (), error: Exception | None = None) -> None:
        self.matches, self.gaps, self.error = matches, gaps, error
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, snapshot: Snapshot, query: str) -> Reading[tuple[Match, ...]]:
        self.asked.append(query)
        self.may_answer.wait(10)
        if self.error is not None:
            raise self.error
        return Reading(self.matches, self.gaps)


async def wait_for(pilot, word: str) -> str:  # type: ignore[no-untyped-def]
    """The screen, as soon as *word* is on it: the answer comes from another thread."""
    for _ in range(2000):
        await settle(pilot)
        text = "\n".join(screen_lines(pilot))
        if word in text:
            return text
    raise AssertionError(f"{word!r} never came:\n{text}")


@pytest.mark.parametrize("way", ["1", "3", "4", "5", "6", "enter"])
def test_it_opens_from_every_screen_and_goes_to_the_container(way: str) -> None:
    @asynchronous
    async def run() -> None:
        find = Answering(OURS, HOSTS)
        async with dashboard([full()], find=find) as pilot:
            await press(pilot, way, "f", *"25130", "enter")
            text = await wait_for(pilot, "2 answers")
            assert find.asked == ["25130"]
            assert "process 25130" in text
            assert "app (containerd/k8s.io)" in text
            assert "sshd 812 listens" in text
            await press(pilot, "enter")
            assert isinstance(pilot.app.screen, ContainerScreen)
            assert pilot.app.screen.key == APP

    run()


@asynchronous
async def test_what_is_the_hosts_is_said_to_be_the_hosts() -> None:
    async with dashboard([full()], find=Answering(OURS, HOSTS)) as pilot:
        await press(pilot, "f", *"22", "enter")
        await wait_for(pilot, "2 answers")
        await press(pilot, "down", "enter")
        assert isinstance(pilot.app.screen, ContainersScreen)
        assert any("sshd 812" in note.message for note in pilot.app._notifications)


@asynchronous
async def test_nothing_found_and_what_could_not_be_read_are_said() -> None:
    gap = Gap(subject="host", fields=("x",), source="/proc/7/ns/net", reason=Reason.DENIED, needs="CAP_SYS_PTRACE")
    async with dashboard([full()], find=Answering(gaps=(gap,))) as pilot:
        await press(pilot, "f", *"zz", "enter")
        text = await wait_for(pilot, "nothing on this host answers")
        assert "needs CAP_SYS_PTRACE" in text
        await press(pilot, "enter", "down", "up")
        assert isinstance(pilot.app.screen, FindScreen)


@asynchronous
async def test_keys_go_on_while_it_looks_and_an_old_answer_is_not_shown() -> None:
    find = Answering(OURS)
    find.may_answer.clear()
    async with dashboard([full()], find=find) as pilot:
        await press(pilot, "f", *"one", "enter")
        assert "looking" in "\n".join(screen_lines(pilot))
        await press(pilot, *"x")
        assert pilot.app.screen.query_one(Input).value == "onex"
        await press(pilot, "enter")
        find.may_answer.set()
        await wait_for(pilot, "1 answer")
        assert find.asked == ["one", "onex"]


@asynchronous
async def test_it_can_be_left_while_it_looks() -> None:
    find = Answering(OURS)
    find.may_answer.clear()
    async with dashboard([full()], find=find) as pilot:
        await press(pilot, "f", *"one", "enter", "escape")
        assert isinstance(pilot.app.screen, ContainersScreen)
        find.may_answer.set()
        await press(pilot, "q")
        assert pilot.app._exit


@asynchronous
async def test_an_error_is_said() -> None:
    async with dashboard([full()], find=Answering(error=OSError("[Errno 24] Too many open files"))) as pilot:
        await press(pilot, "f", *"one", "enter")
        await wait_for(pilot, "OSError: [Errno 24] Too many open files")


@asynchronous
async def test_keys_are_letters_while_one_types() -> None:
    async with dashboard([sample()]) as pilot:
        await press(pilot, "f", *"q13a?")
        assert pilot.app.screen.query_one(Input).value == "q13a?"
        assert not pilot.app._exit


@asynchronous
async def test_hostile_answers_are_text() -> None:
    matches = [Match(kind=MatchKind.IMAGE, what=name, container=None, detail=name) for name in HOSTILE_NAMES]
    async with dashboard([full()], find=Answering(*matches)) as pilot:
        await press(pilot, "f", *"x", "enter")
        text = await wait_for(pilot, "[red]markup[/red]")
        assert "\x1b" not in text
        assert "\u202e" not in text
        await press(pilot, "down", "enter")
        assert not pilot.app._exit
