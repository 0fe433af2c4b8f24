"""The log from before a start, on one key: which attempt it is, how that one ended, and back to the present."""

from pathlib import Path
from typing import Any

import pytest

from ctrscope.discovery.log_reader import LogReader
from ctrscope.engines.log_source import find_earlier_log, find_log
from ctrscope.model.container import Container, EngineName, Pod
from ctrscope.model.log import LogSource
from ctrscope.probes.hostfs import HostFs
from ctrscope.views.acting import Refused
from ctrscope.views.asking import Asked, Log
from ctrscope.views.attempts import attempt_words
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.containers import ContainersScreen
from tests.views.builders import NOW, ago, container, sample, stopped
from tests.views.driver import asked_of, asynchronous, dashboard, press, screen_lines, show, table_of, until

_POD = Pod(name="web-0", namespace="shop", uid="6f1c")


def _asked() -> Asked:
    host = HostFs()

    def earlier(one: Container, back: int) -> Log:
        source = find_earlier_log(host, one, back)
        if not source.paths:
            raise Refused(source.elsewhere)
        return LogReader(host, source)

    return asked_of(log=lambda one: LogReader(host, find_log(host, one)), earlier=earlier)


def _pod(root: Path) -> list[Container]:
    """An app in its third attempt; of the one before the engine kept how it ended, of the first it did not."""
    for attempt in range(3):
        (root / f"{attempt}.log").write_text(f"2026-09-21T12:0{attempt}:00Z stdout F this is attempt {attempt}\n")
    facts: dict[str, Any] = {"engine": EngineName.CONTAINERD, "pod": _POD}
    return [
        container("app", **facts, log_path=str(root / "2.log")),
        stopped("app", **facts, id="00aa", log_path=str(root / "1.log"), exit_code=137, oom_killed=True, finished_at=ago(200)),
    ]


@asynchronous
async def _through(found: list[Container]) -> None:
    async with dashboard([sample(found)], asked=_asked()) as pilot:
        table_of(pilot).stand_on(found[0].key)
        await press(pilot, "enter", "g", "l")
        text = await until(pilot, "this is attempt 2")
        assert "attempt 1" not in text
        await press(pilot, "P")
        text = await until(pilot, "this is attempt 1")
        assert " attempt 1, before attempt 2: exit 137, OOM-killed, 3m ago" in text
        assert "this is attempt 2" not in text
        await show(pilot, sample(found, second=2))
        assert "following" not in "\n".join(screen_lines(pilot))
        await press(pilot, "P")
        text = await until(pilot, "this is attempt 0")
        assert " attempt 0, before attempt 2: how it ended is not kept" in text
        await press(pilot, "P")
        text = await until(pilot, "this is attempt 2")
        assert "before attempt" not in text
        await press(pilot, "P")
        await until(pilot, "this is attempt 1")
        await press(pilot, "escape")
        await until(pilot, "this is attempt 2")
        assert isinstance(pilot.app.screen, ContainerScreen)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, ContainersScreen)


def test_one_key_goes_through_the_attempts_and_back_to_the_present(tmp_path: Path) -> None:
    _through(_pod(tmp_path))


def test_without_an_attempt_before_it_is_said_and_the_log_stays(tmp_path: Path) -> None:
    (tmp_path / "0.log").write_text("2026-09-21T12:00:00Z stdout F the only one\n")
    one = container("app", EngineName.CONTAINERD, pod=_POD, log_path=str(tmp_path / "0.log"))

    @asynchronous
    async def run() -> None:
        async with dashboard([sample([one])], asked=_asked()) as pilot:
            table_of(pilot).stand_on(one.key)
            await press(pilot, "enter", "g", "l")
            await until(pilot, "the only one")
            await press(pilot, "P")
            text = await until(pilot, "nothing earlier: ")
            assert "has no log of an attempt before that" in text
            assert "the only one" in text

    run()


def test_lines_that_an_engine_kept_from_before_a_restart_are_shown_alone(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    path.write_text("2026-09-21T12:00:00Z stdout F before\n2026-09-21T12:00:09.9Z stdout F after\n")
    times = {"started_at": "2026-09-21T12:00:10Z", "finished_at": "2026-09-21T12:00:05Z"}
    one = container("web", EngineName.PODMAN, log_path=str(path), **times)

    @asynchronous
    async def run() -> None:
        async with dashboard([sample([one])], asked=_asked()) as pilot:
            table_of(pilot).stand_on(one.key)
            await press(pilot, "enter", "g", "l")
            await until(pilot, "after")
            await press(pilot, "P")
            text = await until(pilot, "before the start of 09-21 12:00:10: ended 12:00:05, exit status not kept")
            assert "12:00:00   before" in text
            assert "  after" not in text

    run()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"exit_code": 1}, "exit 1, 3m ago"),
        ({"exit_code": None}, "with what status it ended is not kept, 3m ago"),
        ({"exit_code": 0, "finished_at": None}, "exit 0"),
        ({"engine": EngineName.CRI_O, "exit_code": 1}, "how it ended is not kept"),  # a log of that name, and another engine's
    ],
)
def test_how_an_attempt_ended_is_what_the_engine_kept(facts: dict[str, Any], words: str) -> None:
    present = container("app", EngineName.CONTAINERD, pod=_POD, log_path="/x/3.log")
    before = stopped(**({"name": "app", "engine": EngineName.CONTAINERD, "log_path": "/x/2.log"} | facts))
    said = attempt_words(LogSource(paths=("/x/2.log.1", "/x/2.log")), present, [present, before], NOW)
    assert said == f"attempt 2, before attempt 3: {words}"
