"""Storage: one list for each kind, who uses what, what nobody uses, and everything about one of them."""

import threading

from msgspec import structs
from textual.pilot import Pilot

from ctrscope.model.gap import Gap, Reading, Reason
from ctrscope.model.storage import HistoryStep, ImageConfig, Kind, Measured, Storage, Volume
from ctrscope.views.ordering import Order
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.network import NetworkScreen
from ctrscope.views.screens.storage import KeptScreen, StorageScreen
from ctrscope.views.storage_rows import TITLES, items_of, note_of, shown_items, sign_of
from ctrscope.views.widgets.row_table import RowTable
from tests.views.builders import NOW, containers, sample
from tests.views.driver import app_of, asked_of, asynchronous, dashboard, press, screen_lines, settle, show, table_of, until
from tests.views.world import full, storage


def on(pilot: Pilot[None]) -> RowTable:
    return pilot.app.screen.query_one(RowTable)


def key_of(name: str) -> str:
    return next(one.key for one in items_of(storage(), containers(), {}) if one.name == name)


def line_of(pilot: Pilot[None], word: str) -> str:
    return next(line for line in screen_lines(pilot) if word in line)


def body(pilot: Pilot[None]) -> str:
    return "\n".join(screen_lines(pilot)[3:-3])


@asynchronous
async def test_each_kind_is_a_list_that_says_how_much_of_it_is_used() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "9")
        assert "Images  6   5 used · 848M on disk, layers that are shared once · 12M in unused ones only" in body(pilot)
        assert "Volumes  4   3 used · z counts 4" in body(pilot)
        places = [body(pilot).index(f"{title}  ") for title in TITLES.values()]
        assert places == sorted(places)


def test_the_sign_says_who_uses_it_and_the_note_what_is_wrong() -> None:
    said = {one.name: (sign_of(one)[0], note_of(one)[0]) for one in items_of(storage(), containers(), {})}
    assert said["postgres:16"] == ("●", "")
    assert said["jobs/batch:7"] == ("◌", "")
    assert said["<none>"] == ("○", "dangling: nothing names it")
    assert said["pgdata"] == ("●", "")
    assert said["cache"] == ("!", "not mounted in d-paused, though its engine says so")
    assert said["b1" * 32] == ("○", "anonymous; unused")
    assert said["media"] == ("◌", "type=nfs o=addr=10.0.0.9,ro")
    assert said["shop"] == ("○", "bridge 172.18.0.0/16 on br-5f1c")


def names_for(words: str, order: str = "name", *, descending: bool = False) -> list[str]:
    from ctrscope.views.filtering import parse_filter

    items = items_of(storage(), containers(), {key_of("pgdata"): Measured(3 << 30, 1000, True)})
    return [one.name for one in shown_items(items, parse_filter(words), Order(order, descending=descending), now=NOW)]


def test_a_filter_asks_for_the_kind_the_size_the_age_and_who_uses_it() -> None:
    assert names_for("kind:image used=0") == ["<none>"]
    assert names_for("kind:image size>150m", "size", descending=True) == ["postgres:16", "nginx:1.27", "fedora:41"]
    assert names_for("size>1g") == ["pgdata"]
    assert names_for("engine:podman@1000 kind:image") == ["fedora:41"]
    assert names_for("by:d-db") == ["postgres:16", "d-db", "pgdata", "bridge"]
    assert names_for("kind:image age>10d") == ["docker.io/shop/web:1.4", "fedora:41", "<none>"]
    assert names_for("dangling") == ["<none>"]


def test_what_has_no_value_stands_last_whichever_way_a_column_is_sorted() -> None:
    for descending in (False, True):
        found = names_for("kind:volume", "size", descending=descending)
        assert found[0] == "pgdata"
        assert len(found) == 4


@asynchronous
async def test_enter_has_the_layers_the_history_and_who_shares_them() -> None:
    config = ImageConfig(
        os="linux",
        architecture="amd64",
        command=("postgres",),
        environment=("PGDATA=/var/lib/postgresql", "POSTGRES_PASSWORD=***"),
        history=(HistoryStep(created_by="ADD rootfs.tar /", size=74 << 20), HistoryStep(created_by='CMD ["postgres"]', size=0)),
    )
    async with dashboard([full()], size=(120, 50), asked=asked_of(image=lambda image: Reading(config))) as pilot:
        await press(pilot, "9")
        on(pilot).stand_on(key_of("postgres:16"))
        await press(pilot, "enter")
        text = await until(pilot, "ADD rootfs.tar")
        assert isinstance(pilot.app.screen, KeptScreen)
        assert "POSTGRES_PASSWORD=***" in text
        assert "nginx:1.27: 1 of them" in text
        assert "425M (445644800 bytes), 74M of it in layers" in text
        assert "d-db" in text
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, StorageScreen)


@asynchronous
async def test_a_configuration_that_cannot_be_read_is_said_with_its_file() -> None:
    gap = Gap(subject="image", fields=("history",), source="/var/lib/docker/x", reason=Reason.DENIED, needs="root")
    async with dashboard([full()], size=(120, 50), asked=asked_of(image=lambda image: Reading(None, (gap,)))) as pilot:
        await press(pilot, "9", "down", "enter")
        assert "/var/lib/docker/x" in await until(pilot, "Configuration")


@asynchronous
async def test_of_another_host_the_page_has_what_the_list_knows() -> None:
    async with dashboard([full()], asked=None) as pilot:
        await press(pilot, "9", "down", "enter")
        assert isinstance(pilot.app.screen, KeptScreen)
        assert "Layers" in "\n".join(screen_lines(pilot))


@asynchronous
async def test_u_opens_who_uses_it_and_of_several_lets_one_be_chosen() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "9")
        on(pilot).stand_on(key_of("postgres:16"))
        await press(pilot, "u")
        assert isinstance(pilot.app.screen, ContainerScreen)
        await press(pilot, "escape")
        on(pilot).stand_on(key_of("bridge"))
        await press(pilot, "u", "down", "enter")
        assert isinstance(pilot.app.screen, ContainerScreen)
        assert "d-paused" in screen_lines(pilot)[2]


@asynchronous
async def test_a_container_leads_to_its_image_and_a_network_to_its_link() -> None:
    async with dashboard([full()]) as pilot:
        table_of(pilot).stand_on(next(one.key for one in containers() if one.name == "d-db"))
        await press(pilot, "g", "d")
        await show(pilot, full(second=2))
        assert isinstance(pilot.app.screen, StorageScreen)
        assert on(pilot).cursor == key_of("postgres:16")
        on(pilot).stand_on(key_of("bridge"))
        await settle(pilot)
        await press(pilot, "g", "i")
        await show(pilot, full(second=4))
        assert isinstance(pilot.app.screen, NetworkScreen)
        assert "docker0" in line_of(pilot, "docker0")


@asynchronous
async def test_a_volume_is_counted_when_somebody_asks_and_not_before() -> None:
    counted: list[str] = []

    def measure(volume: Volume) -> Reading[Measured]:
        counted.append(volume.name)
        return Reading(Measured(5 << 20, 12, True))

    async with dashboard([full()], asked=asked_of(measure=measure)) as pilot:
        await press(pilot, "9")
        on(pilot).stand_on(key_of("pgdata"))
        await settle(pilot)
        assert counted == []
        await press(pilot, "z")
        await until(pilot, "5M counted · z counts 3")
        assert counted == ["pgdata"]
        assert line_of(pilot, "pgdata").split()[3] == "5M"


@asynchronous
async def test_on_the_heading_every_volume_is_counted_one_after_the_other() -> None:
    at_once, most, lock = [0], [0], threading.Lock()

    def measure(volume: Volume) -> Reading[Measured]:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        with lock:
            at_once[0] -= 1
        return Reading(Measured(1 << 20, 1, volume.name != "cache", "more than 1 files"))

    async with dashboard([full()], asked=asked_of(measure=measure)) as pilot:
        await press(pilot, "9")
        on(pilot).stand_on(next(key for key in on(pilot).row_keys if key.endswith(Kind.VOLUME)))
        await settle(pilot)
        await press(pilot, "z")
        await until(pilot, "4M counted")
        assert most == [1]
        assert "1M+" in line_of(pilot, "  cache ")


@asynchronous
async def test_writable_layers_are_one_line_until_somebody_unfolds_them_and_counted_when_somebody_asks() -> None:
    keys = {one.name: one.key for one in containers()}
    sizes = {keys[name]: Reading(Measured(size, 7, True)) for name, size in (("d-db", 5 << 20), ("batch-7", 1 << 20))}
    counted = structs.replace(full(second=2), layer_sizes=sizes)
    async with dashboard([full()], asked=asked_of()) as pilot:
        await press(pilot, "9")
        heading = next(key for key in on(pilot).row_keys if key.endswith(Kind.LAYER))
        assert "Writable layers  3   2 run · z counts 3" in body(pilot)
        assert "over " not in body(pilot)
        on(pilot).stand_on(heading)
        await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, StorageScreen)
        assert screen.focus_of().layers == ()
        await press(pilot, "z")
        assert set(screen.focus_of().layers) == {keys[name] for name in ("d-db", "d-paused", "batch-7")}
        await show(pilot, counted)
        assert "2 run · 6M counted · 1M in those that do not run · z counts 1" in body(pilot)
        await press(pilot, "right")
        assert line_of(pilot, "d-db  ").split()[3] == "5M"
        on(pilot).stand_on(f"layer {keys['d-paused']}")
        await settle(pilot)
        assert "counting d-paused …" in "\n".join(screen_lines(pilot)[-3:])
        on(pilot).stand_on(f"layer {keys['d-db']}")
        await press(pilot, "enter")
        shown = "\n".join(screen_lines(pilot))
        assert "5M (5242880 bytes) in 7 files and directories" in shown
        assert "/diff" in shown


@asynchronous
async def test_of_a_build_cache_counts_what_no_image_has() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "9")
        assert "Build cache  2   96M that no image has" in body(pilot)
        await press(pilot, "slash", *"kind:build")
        assert line_of(pilot, "fileop target").split()[4:6] == ["2M", "2M"]
        assert "used by 3 builds" in body(pilot)
        await press(pilot, "enter", "end", "enter")
        shown = "\n".join(screen_lines(pilot))
        assert "100663296 bytes" in shown
        assert "/var/lib/docker/buildkit/metadata_v2.db" in shown


@asynchronous
async def test_a_writable_layer_that_cannot_be_counted_says_why() -> None:
    key = next(one.key for one in containers() if one.name == "d-db")
    gap = Gap(subject=f"container {key}", fields=("size",), source="/var/lib/docker/x/diff", reason=Reason.DENIED, needs="root")
    seen = structs.replace(full(second=2), layer_sizes={key: Reading(None, (gap,))})
    async with dashboard([full()], asked=asked_of()) as pilot:
        await press(pilot, "9", "t", "t")
        on(pilot).stand_on(f"layer {key}")
        await press(pilot, "z")
        await show(pilot, seen)
        assert "/var/lib/docker/x/diff" in "\n".join(screen_lines(pilot)[-3:])


@asynchronous
async def test_t_goes_through_the_kinds_and_a_list_can_be_folded() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "9", "t")
        assert "Volumes" not in body(pilot)
        await press(pilot, "t")
        assert "Images" not in body(pilot)
        assert "d-paused" in body(pilot)  # what a filter leaves is not folded
        await press(pilot, "t", "t", "t", "t", "t")
        on(pilot).stand_on(key_of("postgres:16"))
        await press(pilot, "left")
        assert "postgres" not in body(pilot)
        assert "Images  6" in body(pilot)
        await press(pilot, "right")
        assert "postgres" in body(pilot)


@asynchronous
async def test_y_copies_the_id_and_a_container_is_not_touched_from_here() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "9")
        on(pilot).stand_on(key_of("postgres:16"))
        await press(pilot, "y")
        assert app_of(pilot).clipboard == "sha256:01" + "7c" * 31
        await press(pilot, "K", "p", "a")
        assert isinstance(pilot.app.screen, StorageScreen)


@asynchronous
async def test_a_host_on_which_nothing_is_kept_says_so() -> None:
    empty = structs.replace(sample([]), storage=Storage())
    async with dashboard([empty]) as pilot:
        await press(pilot, "9")
        await show(pilot, empty)
        assert "No engine keeps anything on this host" in body(pilot)


@asynchronous
async def test_what_could_not_be_read_is_said_below_the_lists() -> None:
    gap = Gap(subject="engine docker", fields=("storage",), source="/var/lib/docker/image", reason=Reason.DENIED, needs="root")
    seen = structs.replace(full(), gaps=(gap,))
    async with dashboard([seen]) as pilot:
        await press(pilot, "9")
        await show(pilot, seen)
        assert "/var/lib/docker/image" in "\n".join(screen_lines(pilot)[-3:])
