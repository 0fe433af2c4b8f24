"""The merged log of a group: from its heading and from a container, with the keys of any log; each line says whose it is."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from ctrscope.discovery.merged_log import open_logs
from ctrscope.model.container import Container, EngineName, Pod
from ctrscope.model.sample import Sample
from ctrscope.probes.hostfs import HostFs
from ctrscope.views.acting import Refused
from ctrscope.views.app import exported
from ctrscope.views.asking import Asked, Log
from ctrscope.views.grouping import GROUP
from ctrscope.views.members import short_names
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.containers import ContainersScreen
from ctrscope.views.screens.group_log import GroupLogScreen
from tests.views.builders import HOSTILE_NAMES, container, sample
from tests.views.driver import asked_of, asynchronous, dashboard, press, screen_lines, settle, show, table_of, until

_START = datetime(2026, 9, 21, 12, tzinfo=UTC)
_BODY = re.compile(r"(app|proxy) +(asks|answers) (\d+)")
_POD = Pod(name="web-0", namespace="shop", uid="6f1c", sandbox_id="5a")


def _line(second: int, text: str, stream: str = "stdout") -> str:
    return f"{(_START + timedelta(seconds=second)).isoformat()} {stream} F {text}\n"


def _member(root: Path, name: str, text: str = "", **changes: Any) -> Container:
    path = root / f"{len(list(root.iterdir()))}.log"
    path.write_text(text)
    values: dict[str, Any] = {"engine": EngineName.CONTAINERD, "pod": _POD, "log_path": str(path)}
    return container(name, **(values | changes))


def _asked() -> Asked:
    def logs(containers: Mapping[str, Container]) -> Log:
        try:
            return open_logs(HostFs(), containers)
        except OSError as error:
            raise Refused(str(error)) from error

    def log(one: Container) -> Log:
        return logs({one.name: one})

    return asked_of(log=log, logs=logs)


@pytest.fixture
def pod(tmp_path: Path) -> Sequence[Container]:
    """Two that take turns, one that writes to a console, and a sandbox."""
    app = "".join(_line(second, f"asks {second}", "stderr" if second == 998 else "stdout") for second in range(0, 1000, 2))
    proxy = "".join(_line(second, f"answers {second}") for second in range(1, 1000, 2))
    return (
        _member(tmp_path, "app", app),
        _member(tmp_path, "proxy", proxy),
        _member(tmp_path, "console", "login:\n", engine=EngineName.LXC),
        container("holder", EngineName.CONTAINERD, pod=_POD, is_sandbox=True),
        _member(tmp_path, "elsewhere", _line(5, "another pod"), pod=None),
    )


async def _open(pilot: Pilot[None]) -> GroupLogScreen:
    await press(pilot, "t", "t")
    table_of(pilot).stand_on(f"{GROUP}pod shop/web-0")
    await press(pilot, "m")
    screen = pilot.app.screen
    assert isinstance(screen, GroupLogScreen)
    return screen


async def _type(pilot: Pilot[None], key: str, text: str) -> None:
    await press(pilot, key, *("space" if char == " " else char for char in text), "enter")


def _bodies(pilot: Pilot[None]) -> list[str]:
    """Name and text of each line that is on the screen."""
    return [" ".join(found.groups()) for line in screen_lines(pilot) if (found := _BODY.search(line)) is not None]


def test_the_heading_of_a_group_leads_to_the_logs_of_all_by_time(pod: Sequence[Container]) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample(pod)], asked=_asked()) as pilot:
            await _open(pilot)
            text = await until(pilot, "answers 999")
            assert "12:16:38 E app   asks 998" in text
            assert "12:16:39   proxy answers 999" in text
            assert "following" in text
            assert "2 logs, " in text
            shown = _bodies(pilot)
            first = 1000 - len(shown)
            assert shown == [f"proxy answers {second}" if second % 2 else f"app asks {second}" for second in range(first, 1000)]
            with open(str(pod[0].log_path), "a", encoding="utf-8") as file:
                file.write(_line(1000, "asks 1000"))
            await show(pilot, sample(pod, second=2))
            await until(pilot, "asks 1000")
            await press(pilot, "escape")
            assert isinstance(pilot.app.screen, ContainersScreen)

    run()


def test_what_has_no_place_among_the_others_is_named_with_the_reason(pod: Sequence[Container]) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample(pod)], asked=_asked()) as pilot:
            await _open(pilot)
            text = await until(pilot, "not here")
            assert f"· not here: console: the lines of {pod[2].log_path} have no times" in text
            assert "holder" not in text  # a sandbox has nothing to say
            assert "another pod" not in text

    run()


def test_the_logs_of_a_container_lead_to_those_of_its_pod_and_back(pod: Sequence[Container]) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample(pod)], asked=_asked()) as pilot:
            table_of(pilot).stand_on(pod[0].key)
            await press(pilot, "enter", "g", "l")
            await until(pilot, "asks 998")
            await press(pilot, "m")
            await until(pilot, "answers 999")
            await press(pilot, "escape")
            assert isinstance(pilot.app.screen, ContainerScreen)
            assert "answers" not in "\n".join(screen_lines(pilot))
            await press(pilot, "escape")
            table_of(pilot).stand_on(pod[4].key)  # it belongs to nothing
            await press(pilot, "m")
            assert isinstance(pilot.app.screen, ContainersScreen)

    run()


def test_the_keys_of_a_log_work_on_all_of_them_at_once(pod: Sequence[Container]) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample(pod)], asked=_asked()) as pilot:
            await _open(pilot)
            await until(pilot, "answers 999")
            await _type(pilot, "slash", "asks 31")
            await until(pilot, "app   asks 318")
            await press(pilot, "N")
            await until(pilot, "match ")
            await press(pilot, "escape")
            await _type(pilot, "ampersand", "(asks|answers) 4.1?$")
            await until(pilot, "filter “(asks|answers) 4.1?$”")
            assert len({line.split()[0] for line in _bodies(pilot)}) == 2
            await press(pilot, "escape")
            await _type(pilot, "t", "12:10:00")
            await until(pilot, "app   asks 600")
            await press(pilot, "T", "home")
            text = await until(pilot, "app   asks 0")
            assert "12:00:00" not in text
            await press(pilot, "G")
            await until(pilot, "answers 999")
            await press(pilot, "w", "question_mark")
            assert "Merged log: help" in "\n".join(screen_lines(pilot))

    run()


def test_whoever_joins_the_group_is_read_too_once_nobody_reads_further_back(pod: Sequence[Container], tmp_path: Path) -> None:
    late = _member(tmp_path, "late", _line(1001, "here I am"))

    def with_late(second: int) -> Sample:
        return sample((*pod, late), second=second)

    @asynchronous
    async def run() -> None:
        async with dashboard([sample(pod)], asked=_asked()) as pilot:
            await _open(pilot)
            await until(pilot, "answers 999")
            await press(pilot, "pageup")
            before = _bodies(pilot)
            await show(pilot, with_late(2))
            for _ in range(5):
                await settle(pilot)
            assert _bodies(pilot) == before
            await press(pilot, "G")
            await until(pilot, "answers 999")
            await show(pilot, with_late(4))
            await until(pilot, "late  here I am")

    run()


def test_what_is_shown_is_written_with_whose_it_is(pod: Sequence[Container]) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample(pod)], asked=_asked()) as pilot:
            screen = await _open(pilot)
            await until(pilot, "answers 999")
            text = exported(screen, as_json=False).splitlines()
            assert text[0] == "pod shop/web-0"
            assert text[1].startswith("not here: console: ")
            assert text[-1].split() == ["09-21", "12:16:39", "proxy", "answers", "999"]
            value = json.loads(exported(screen, as_json=True))
            assert value["group"] == "pod shop/web-0"
            assert value["lines"][-2:] == [
                {"container": "app", "time": "2026-09-21T12:16:38+00:00", "stream": "stderr", "text": "asks 998"},
                {"container": "proxy", "time": "2026-09-21T12:16:39+00:00", "stream": "stdout", "text": "answers 999"},
            ]

    run()


def test_a_group_without_any_log_says_why(tmp_path: Path) -> None:
    found = [container(name, EngineName.NSPAWN, group="shop") for name in ("a", "b")]

    @asynchronous
    async def run() -> None:
        async with dashboard([sample(found)], asked=_asked()) as pilot:
            table_of(pilot).stand_on(found[0].key)
            await press(pilot, "m")
            text = await until(pilot, "a: what its journal took")
            assert "project shop" in text

    run()


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_names_and_lines_are_text_whoever_made_them(tmp_path: Path, size: tuple[int, int]) -> None:
    lines = "".join(_line(second, name.replace("\n", " ")) for second, name in enumerate(HOSTILE_NAMES))
    hostile = Pod(name="\x1b[2J[red]pod", namespace="\u202eshop", uid="6f1c")
    found = [
        _member(tmp_path, name, lines.encode("utf-8", "replace").decode(), pod=hostile, id=f"{number:064x}")
        for number, name in enumerate(HOSTILE_NAMES)
    ]

    @asynchronous
    async def run() -> None:
        async with dashboard([sample(found)], size=size, asked=_asked()) as pilot:
            table_of(pilot).stand_on(found[0].key)
            await press(pilot, "m")
            text = await until(pilot, "following")
            text = await until(pilot, r"zero\u200b")
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert len(screen_lines(pilot)) == size[1]

    run()


def test_a_name_leaves_out_what_is_the_projects_and_is_nobody_elses() -> None:
    found = [
        container("shop-web-1", group="shop"),
        container("shop_db_1", group="shop"),
        container("cache", group="shop"),
        container("shop-", group="shop"),
        container("app", id="3fca95aa", pod=_POD),
        container("app", id="77aa00bb", pod=_POD),
        container("twin", id="1", engine_namespace="a", pod=_POD),
        container("twin", id="1", engine_namespace="b", pod=_POD),
    ]
    names = short_names(found)
    assert list(names)[:6] == ["web-1", "db_1", "cache", "shop-", "app 3fca95", "app 77aa00"]
    assert len(names) == len(found)
