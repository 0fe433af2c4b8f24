"""What the screens look like, picture by picture. ``CTRSCOPE_UPDATE_PICTURES=1`` writes what is drawn now."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import textual
from msgspec import structs
from textual.color import Color

from ctrscope.discovery.log_reader import LogReader
from ctrscope.discovery.merged_log import open_logs
from ctrscope.model.container import EngineName
from ctrscope.model.log import LogFormat, LogSource
from ctrscope.model.namespace import NamespaceSet
from ctrscope.model.network import NetworkTopology
from ctrscope.model.preferences import Preferences
from ctrscope.model.sample import Sample
from ctrscope.probes.hostfs import HostFs
from tests.make_screenshots import FOLDER, SHOTS, draw
from tests.views.builders import APP, container, containers, denied, detail, host, minute, quarter, sample
from tests.views.changes import piece, told
from tests.views.driver import asked_of, asynchronous, dashboard, press, settle, show, table_of, until
from tests.views.pictures import picture
from tests.views.world import cgroups, events, forest, full, namespaces, nothing, sources, topology

#: Another version may draw a cell differently without anything being wrong.
TEXTUAL = "8.2.8"
SNAPSHOTS = Path(__file__).parent / "__snapshots__"
UPDATE = os.environ.get("CTRSCOPE_UPDATE_PICTURES") == "1"
SIZES = [(80, 24), (120, 40), (200, 50)]

pytestmark = pytest.mark.skipif(textual.__version__ != TEXTUAL, reason=f"the pictures were drawn by textual {TEXTUAL}")


def compare(path: Path, drawn: str) -> None:
    if UPDATE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(drawn)
    # Line by line: a difference is then shown as the line that differs.
    assert path.read_text().splitlines() == drawn.splitlines()


def unprivileged() -> Sample:
    found = containers()
    gaps = [denied(f"container {one.key}", "stats", source="/sys/fs/cgroup") for one in found if one.is_running]
    return sample(found, on=host(euid=1000, capabilities=()), gaps=gaps, with_figures=False)


SITUATIONS: dict[str, tuple[Sequence[Sample], Sequence[str]]] = {
    "normal": (minute(), ()),
    "grouped": (minute(), ("t", "t")),
    "paused": (minute(), ("space",)),
    "unprivileged": ([unprivileged()], ()),
    "empty": ([sample([])], ()),
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("situation", SITUATIONS)
@asynchronous
async def test_the_containers_look_like_their_picture(situation: str, size: tuple[int, int]) -> None:
    samples, keys = SITUATIONS[situation]
    async with dashboard(samples, size=size) as pilot:
        if samples[-1].snapshot.containers:
            table_of(pilot).stand_on(APP)
        await press(pilot, *keys)
        await settle(pilot)
        compare(SNAPSHOTS / f"containers-{situation}-{size[0]}x{size[1]}.svg", picture(pilot))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@asynchronous
async def test_the_page_of_a_container_looks_like_its_picture(size: tuple[int, int]) -> None:
    async with dashboard(minute(), size=size) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "enter")
        await show(pilot, sample(details={APP: detail()}))
        compare(SNAPSHOTS / f"container-{size[0]}x{size[1]}.svg", picture(pilot))


def without_rights() -> Sample:
    """What somebody without rights sees of everything else: links of namespaces and figures that could not be read."""
    seen = unprivileged()
    found = [structs.replace(one, namespaces=NamespaceSet()) if one.owner_uid == 0 else one for one in seen.snapshot.containers]
    gaps = [denied(f"container {one.key}", "namespaces", source=f"/proc/{one.pid}/ns") for one in found if one.is_running]
    mine = [one for one in found if one.owner_uid != 0]
    return structs.replace(
        seen,
        snapshot=structs.replace(seen.snapshot, containers=tuple(found), gaps=(*seen.snapshot.gaps, *gaps)),
        namespaces=namespaces(mine),
        cgroups=structs.replace(cgroups(), stats=None, effective=None),
        topology=NetworkTopology(network_namespaces=topology().network_namespaces[:1]),
        processes=forest(mine),
        sources=sources(held=False),
        event_gaps=(denied("host", "events.exit_status", source="process connector", needs="CAP_NET_ADMIN"),),
        gaps=tuple(gaps),
    )


OTHER_SCREENS = [
    ("2", "processes"),
    ("3", "namespaces"),
    ("4", "cgroups"),
    ("5", "network"),
    ("6", "findings"),
    ("8", "host"),
    ("9", "storage"),
]
#: Situation → the latest sample.
OTHERS = {"normal": full(), "empty": nothing(), "unprivileged": without_rights()}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("situation", OTHERS)
@pytest.mark.parametrize(("key", "name"), OTHER_SCREENS)
@asynchronous
async def test_a_screen_looks_like_its_picture(key: str, name: str, situation: str, size: tuple[int, int]) -> None:
    latest = OTHERS[situation]
    async with dashboard([latest], size=size) as pilot:
        await press(pilot, key)
        await show(pilot, latest)
        if name == "host":
            await pilot.pause()
            pilot.app.screen.refresh(layout=True)  # the scroll bar of a page lags behind the text it is about
            await pilot.pause()
        else:
            await press(pilot, *["down"] * 3)
        compare(SNAPSHOTS / f"{name}-{situation}-{size[0]}x{size[1]}.svg", picture(pilot))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("situation", OTHERS)
@asynchronous
async def test_the_events_look_like_their_picture(situation: str, size: tuple[int, int]) -> None:
    happened = () if situation == "empty" else events()
    async with dashboard([structs.replace(OTHERS[situation], events=happened)], size=size) as pilot:
        await press(pilot, "7")
        compare(SNAPSHOTS / f"events-{situation}-{size[0]}x{size[1]}.svg", picture(pilot))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@asynchronous
async def test_the_plots_of_a_container_look_like_their_picture(size: tuple[int, int]) -> None:
    async with dashboard(quarter(), size=size) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "enter", *["right"] * 3)
        await show(pilot, sample(details={APP: detail()}))
        compare(SNAPSHOTS / f"plots-{size[0]}x{size[1]}.svg", picture(pilot))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@asynchronous
async def test_the_changes_of_a_container_look_like_their_picture(size: tuple[int, int]) -> None:
    async with dashboard(minute(), size=size, asked=told(piece())[1]) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "enter", "g", "h")
        await until(pilot, "written")
        compare(SNAPSHOTS / f"changes-{size[0]}x{size[1]}.svg", picture(pilot))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@asynchronous
async def test_the_charts_of_the_host_look_like_their_picture(size: tuple[int, int]) -> None:
    async with dashboard(quarter(), size=size) as pilot:
        await press(pilot, "8")
        await show(pilot, full())
        await pilot.pause()
        pilot.app.screen.refresh(layout=True)  # the scroll bar of a page lags behind the text it is about
        await pilot.pause()
        compare(SNAPSHOTS / f"host-charts-{size[0]}x{size[1]}.svg", picture(pilot))


#: Name → the keys that open a box.
BOXES = {
    "picked": ("3", "down", "x", "right", "x"),
    "who": ("3", "down", "enter"),
    "owners": ("3", "down", "o"),
    "limit": ("enter", "L"),
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", BOXES)
@asynchronous
async def test_a_box_looks_like_its_picture(name: str, size: tuple[int, int]) -> None:
    async with dashboard([full()], size=size) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, *BOXES[name])
        await settle(pilot)
        compare(SNAPSHOTS / f"{name}-{size[0]}x{size[1]}.svg", picture(pilot))


@pytest.mark.parametrize("name", SHOTS)
@asynchronous
async def test_the_pictures_of_the_readme_are_up_to_date(name: str) -> None:
    compare(FOLDER / f"{name}.svg", await draw(SHOTS[name]))


@asynchronous
async def test_a_picture_is_the_same_twice() -> None:
    async with dashboard([sample()]) as pilot:
        first = picture(pilot)
    async with dashboard([sample()]) as pilot:
        assert picture(pilot) == first


def test_without_colour_there_is_none_and_every_sign_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    @asynchronous
    async def run() -> None:
        async with dashboard([sample([*containers(), container("x")])]) as pilot:
            strips = pilot.app.screen._compositor.render_strips()
            drawn = [segment for strip in strips for segment in strip.apply_filter(pilot.app._filters[-1], Color(0, 0, 0))]
            colours = {colour for segment in drawn if segment.style for colour in (segment.style.color, segment.style.bgcolor)}
            assert all(colour is None or colour.is_default for colour in colours)
            assert any(segment.style is not None and segment.style.reverse for segment in drawn)  # the cursor
            text = "".join(segment.text for segment in drawn)
            for sign in "●◐◌○!?▲":
                assert sign in text

    run()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_log_looks_like_its_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    stamps = [f"2026-09-21T14:{10 + number // 60:02}:{number % 60:02}.5Z" for number in range(180)]
    words = (
        "GET /cart 200 12 ms",
        "GET /health 200 0 ms",
        "error: upstream db:5432 refused the connection",
        "\x1b[2J日本語 \u202e",
    )
    path = tmp_path / "0.log"
    path.write_text(
        "".join(f"{at} {'stderr' if number % 4 == 2 else 'stdout'} F {words[number % 4]}\n" for number, at in enumerate(stamps))
    )

    class Named(LogReader):
        """The same file under a name that is always the same."""

        def __init__(self) -> None:
            super().__init__(HostFs(), LogSource(paths=(str(path),), format=LogFormat.CRI))
            self.source = LogSource(paths=("/var/log/pods/shop_web-0_6f1c/app/0.log",), format=LogFormat.CRI)

        def notice_rotation(self) -> None:
            """Nobody rotates it."""

    @asynchronous
    async def run() -> None:
        asked = asked_of(log=lambda container: Named(), files=lambda container, secrets: ())
        async with dashboard(minute(), size=size, asked=asked) as pilot:
            table_of(pilot).stand_on(APP)
            await press(pilot, "enter", "g", "l")
            await until(pilot, "following")
            await press(pilot, "slash", *"refused", "enter")
            await until(pilot, "match 45 of 45")
            compare(SNAPSHOTS / f"log-{size[0]}x{size[1]}.svg", picture(pilot))

    run()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_merged_log_looks_like_its_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    found = []
    for name, step, words in (("shop-web-1", 2, "GET /cart 200 12 ms"), ("shop-db-1", 3, "checkpoint complete 日本語")):
        path = tmp_path / name
        stamps = [f"2026-09-21T14:{10 + second // 60:02}:{second % 60:02}.5Z" for second in range(0, 180, step)]
        lines = (f"{at} {'stderr' if at[18] == '4' else 'stdout'} F {words}\n" for at in stamps)
        path.write_text("".join(lines))
        found.append(container(name, EngineName.PODMAN, group="shop", log_path=str(path)))
    found.append(container("shop-vm", EngineName.NSPAWN, group="shop"))

    @asynchronous
    async def run() -> None:
        asked = asked_of(logs=lambda containers: open_logs(HostFs(), containers))
        async with dashboard([sample(found)], size=size, asked=asked) as pilot:
            table_of(pilot).stand_on(found[0].key)
            await press(pilot, "m")
            await until(pilot, "following")
            await settle(pilot)
            compare(SNAPSHOTS / f"merged-{size[0]}x{size[1]}.svg", picture(pilot))

    run()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@asynchronous
async def test_the_ways_on_look_like_their_picture(size: tuple[int, int]) -> None:
    async with dashboard([full()], size=size) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "g")
        compare(SNAPSHOTS / f"jump-{size[0]}x{size[1]}.svg", picture(pilot))


@pytest.mark.parametrize("theme", ["light", "ansi"])
@asynchronous
async def test_a_theme_looks_like_its_picture(theme: str) -> None:
    async with dashboard(minute(), preferences=Preferences(theme=theme)) as pilot:
        table_of(pilot).stand_on(APP)
        await settle(pilot)
        compare(SNAPSHOTS / f"containers-{theme}-120x40.svg", picture(pilot))
