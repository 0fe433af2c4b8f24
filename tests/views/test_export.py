"""What is on a screen goes into a file or to the clipboard, as it is filtered and sorted; no file is overwritten unasked."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs
from textual.pilot import Pilot
from textual.widgets import Input

from ctrscope.act.write_file import write_file
from ctrscope.model.sample import Sample
from ctrscope.views.acting import Exists, Refused
from ctrscope.views.screens.export import ExportScreen
from ctrscope.views.screens.sample_screen import SampleScreen
from tests.views.builders import APP, HOSTILE_NAMES, container, sample
from tests.views.driver import app_of, asynchronous, dashboard, press, screen_lines, settle, table_of, until
from tests.views.test_attach import messages
from tests.views.world import events, full

SCREENS = {
    "containers": "1",
    "processes": "2",
    "namespaces": "3",
    "cgroups": "4",
    "network": "5",
    "findings": "6",
    "events": "7",
    "host": "8",
    "storage": "9",
}


def everything() -> Sample:
    return structs.replace(full(), events=events())


def write(path: str, text: str, replace: bool) -> str:
    try:
        return write_file(path, text, replace=replace)
    except FileExistsError as error:
        raise Exists(f"{path} is there already.") from error


async def is_back(pilot: Pilot[None], condition: Callable[[], bool] = lambda: True) -> None:
    """Wait until it is written and the dialog is gone; what is said of it may have been there and gone by then."""
    for _ in range(1000):
        await settle(pilot)
        if isinstance(pilot.app.screen, SampleScreen) and condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("\n".join(screen_lines(pilot)))


async def export(pilot, path: Path) -> None:  # type: ignore[no-untyped-def]
    await press(pilot, "E")
    assert isinstance(pilot.app.screen, ExportScreen)
    pilot.app.screen.query_one(Input).value = str(path)
    await press(pilot, "enter")


@pytest.mark.parametrize("screen", SCREENS)
def test_every_screen_is_exported_as_text_and_as_json(screen: str, tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([everything()], size=(160, 60), write=write) as pilot:
            await press(pilot, SCREENS[screen])
            shown = "\n".join(screen_lines(pilot))
            for name in ("out.txt", "out.json"):
                await export(pilot, tmp_path / name)
                await is_back(pilot, (tmp_path / name).exists)
            lines = (tmp_path / "out.txt").read_text().splitlines()
            assert len(lines) > 5
            word = next(word for line in lines[1:] for word in line.split() if len(word) > 3)
            assert word in shown
            found = json.loads((tmp_path / "out.json").read_text())
            assert found["screen"] == screen
            assert found["taken_at"].startswith("2026-09-21T")
            if screen != "host":
                assert len(found["rows"]) == len(lines) - 1

    run()


@asynchronous
async def test_a_table_is_exported_as_it_is_filtered_and_sorted() -> None:
    texts: list[tuple[str, str]] = []

    def keep(path: str, text: str, replace: bool) -> str:
        texts.append((path, text))
        return path

    async with dashboard([sample()], write=keep) as pilot:
        await press(pilot, "slash", *"engine:containerd", "enter", "s", "S", "E", "enter")
        await is_back(pilot, lambda: len(texts) == 1)
        await press(pilot, "E", *["backspace"] * 3, *"json", "enter")
        await is_back(pilot, lambda: len(texts) == 2)
        assert [path for path, _ in texts] == ["ctrscope-containers.txt", "ctrscope-containers.json"]
        keys = table_of(pilot).row_keys
    text, found = texts[0][1], json.loads(texts[1][1])
    assert text.splitlines()[0].split()[:2] == ["NAME", "ENGINE"]
    assert [f"containerd/{row['is']['engine_namespace']}/{row['is']['id']}" for row in found["rows"]] == list(keys)
    assert [row["shown"]["name"] for row in found["rows"]] == [line.split()[1] for line in text.splitlines()[1:]]
    assert {row["shown"]["engine"] for row in found["rows"]} == {"containerd/k8s.io"}


@asynchronous
async def test_a_page_is_exported_with_the_tab_in_front() -> None:
    texts: list[str] = []

    def keep(path: str, text: str, replace: bool) -> str:
        texts.append(text)
        return path

    async with dashboard([full()], write=keep) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "enter", "g", "m", "E", "enter")
        await is_back(pilot, lambda: len(texts) == 1)
        await press(pilot, "Y")
    assert "app" in texts[0].splitlines()[0]
    assert "Mounts" in texts[0].splitlines()
    assert json.loads(app_of(pilot).clipboard)["container"]["id"] == "3fcac954851d0a7b6c"


@pytest.mark.parametrize("screen", SCREENS)
def test_y_copies_json_on_every_screen(screen: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([everything()], size=(160, 60)) as pilot:
            await press(pilot, SCREENS[screen], "down", "Y")
            if isinstance(pilot.app.screen, SampleScreen):  # a page has no lines
                assert json.loads(app_of(pilot).clipboard)["screen"] == screen
                return
            await press(pilot, "enter")
            assert isinstance(json.loads(app_of(pilot).clipboard), dict)

    run()


@asynchronous
async def test_a_file_that_is_there_is_replaced_only_on_a_yes() -> None:
    asked: list[bool] = []

    def there(path: str, text: str, replace: bool) -> str:
        asked.append(replace)
        if not replace:
            raise Exists(f"{path} is there already.")
        return f"/home/{path}"

    async with dashboard([sample()], write=there) as pilot:
        await press(pilot, "E", "enter")
        await until(pilot, "ctrscope-containers.txt is there already.")
        await press(pilot, "enter", "x", "n")
        await until(pilot, "nothing was written")
        assert asked == [False]
        await press(pilot, "enter")
        await until(pilot, "is there already.")
        await press(pilot, "y")
        await is_back(pilot, lambda: len(asked) == 3)
        assert asked == [False, False, True]


@asynchronous
async def test_what_cannot_be_written_is_said_and_another_name_can_be_typed() -> None:
    def refuses(path: str, text: str, replace: bool) -> str:
        if path.startswith("/"):
            return path
        raise Refused(f"{path} could not be written: Read-only file system; choose another place")

    async with dashboard([sample()], write=refuses) as pilot:
        await press(pilot, "E", "enter")
        await until(pilot, "Read-only file system")
        await press(pilot, "home", "/", "enter")
        await is_back(pilot)
        await press(pilot, "E", "escape")
        assert isinstance(pilot.app.screen, SampleScreen)


@asynchronous
async def test_under_read_only_nothing_is_written_and_the_reason_is_said() -> None:
    async with dashboard([sample()], read_only=True, write=lambda path, text, replace: "never") as pilot:
        await press(pilot, "E")
        assert isinstance(pilot.app.screen, SampleScreen)
        assert "this is --read-only" in messages(pilot)


@asynchronous
async def test_hostile_names_are_inert_in_a_text_and_escaped_in_json() -> None:
    texts: list[str] = []

    def keep(path: str, text: str, replace: bool) -> str:
        texts.append(text)
        return path

    async with dashboard([sample([container(name) for name in HOSTILE_NAMES])], write=keep) as pilot:
        await press(pilot, "E", "enter")
        await is_back(pilot, lambda: len(texts) == 1)
        await press(pilot, "E", *["backspace"] * 3, *"json", "enter")
        await is_back(pilot, lambda: len(texts) == 2)
    assert all(line.isprintable() for line in texts[0].splitlines())
    assert texts[1].isascii()
    assert {row["is"]["name"] for row in json.loads(texts[1])["rows"]} == set(HOSTILE_NAMES)
