"""The matrix of namespaces: who shares what, who is in it, and entering a chosen set."""

from collections.abc import Sequence

import pytest
from msgspec import structs

from ctrscope.model.container import Container
from ctrscope.model.namespace import NamespaceType
from ctrscope.views.app import attach_text
from ctrscope.views.screens.ask import AskScreen
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.list import ListScreen
from ctrscope.views.screens.namespaces import NamespacesScreen
from ctrscope.views.screens.text import TextScreen
from ctrscope.views.widgets.row_table import RowTable
from tests.views.builders import APP, containers, denied, own_namespaces, sample
from tests.views.driver import asynchronous, dashboard, press, screen_lines, settle, show
from tests.views.world import BLUE, full


async def text_after(pilot, *keys: str) -> str:  # type: ignore[no-untyped-def]
    await press(pilot, *keys)
    return "\n".join(screen_lines(pilot))


def table(pilot) -> RowTable:  # type: ignore[no-untyped-def]
    assert isinstance(pilot.app.screen, NamespacesScreen)
    return pilot.app.screen.table


def row_of(pilot, label: str) -> str:  # type: ignore[no-untyped-def]
    return next(line for line in screen_lines(pilot)[2:] if label in line)


@asynchronous
async def test_shared_namespaces_have_a_letter_and_the_hosts_are_marked() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "3")
        assert row_of(pilot, "shop/web-0 app").split() == (
            ["shop/web-0", "app", "…920", "…912", "A", "…2921", "…913", "A", "…2922", "host", "host", "…915", "A"]
        )
        assert row_of(pilot, "shop/web-0 pause").count(" A") == 3
        assert row_of(pilot, " legacy").count("host ▲") == 2


@asynchronous
async def test_a_namespace_without_a_process_is_the_last_row_and_says_what_holds_it() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "3", "end")
        assert table(pilot).cursor == f"net:[{BLUE}]"
        assert "bind mount /run/netns/blue" in row_of(pilot, "no process")
        assert f"net:[{BLUE}]  no process" in "\n".join(screen_lines(pilot)[-3:])


@asynchronous
async def test_the_status_line_has_the_whole_number_of_the_cell_under_the_cursor() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "3")
        table(pilot).stand_on(APP)
        await settle(pilot)
        assert "net:[4026532913]  33 processes · leader 25112 app · app, istio-proxy, pause" in screen_lines(pilot)[-3]
        await press(pilot, "right")
        assert "pid:[4026532922]" in screen_lines(pilot)[-3]
        await press(pilot, *["left"] * 9)
        assert "cgroup:[4026532920]" in screen_lines(pilot)[-3]
        await press(pilot, *["l"] * 9)
        assert "uts:[4026532915]" in screen_lines(pilot)[-3]


@asynchronous
async def test_a_click_puts_the_cursor_on_the_cell() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "3")
        lines = screen_lines(pilot)
        y = next(at for at, line in enumerate(lines) if "shop/web-0 pause" in line)
        await pilot.click(table(pilot), offset=(lines[2].index("uts"), y - 2))
        await settle(pilot)
        assert "uts:[4026532915]" in screen_lines(pilot)[-3]


class Entered:
    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[NamespaceType, ...]]] = []

    def __call__(self, container: Container, types: Sequence[NamespaceType]) -> int:
        self.asked.append((container.name, tuple(types)))
        return 0


@asynchronous
async def test_exactly_the_picked_cells_are_entered() -> None:
    entered = Entered()
    async with dashboard([full()], attach=entered) as pilot:
        await press(pilot, "3")
        table(pilot).stand_on(APP)
        text = await text_after(pilot, "x", *["right"] * 4, "x")
        assert "picked: net, uts of shop/web-0 app" in text
        assert "…913 A✓" in row_of(pilot, "shop/web-0 app")
        text = await text_after(pilot, "a")
        assert isinstance(pilot.app.screen, AskScreen)
        assert "only:" in text
        await press(pilot, "y")
        assert entered.asked == [("app", (NamespaceType.NET, NamespaceType.UTS))]


def test_the_question_names_the_picked_ones_and_whose_files_the_shell_sees() -> None:
    found = next(one for one in containers() if one.key == APP)
    some = attach_text(found, (NamespaceType.NET, NamespaceType.UTS))
    assert "these namespaces of init 25112 only: net, uts." in some
    assert "the files are the host's own" in some
    assert "host's own" not in attach_text(found, (NamespaceType.MNT,))
    assert "all namespaces" in attach_text(found, ())


@asynchronous
async def test_without_a_pick_all_of_them_are_entered() -> None:
    entered = Entered()
    async with dashboard([full()], attach=entered) as pilot:
        await press(pilot, "3")
        table(pilot).stand_on(APP)
        await press(pilot, "a", "y")
        assert entered.asked == [("app", ())]


@asynchronous
async def test_a_pick_on_another_row_begins_anew_and_x_twice_picks_nothing() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "3")
        table(pilot).stand_on(APP)
        await press(pilot, "x", "down")
        assert "picked: net of shop/web-0 istio-proxy" in await text_after(pilot, "x")
        assert "picked" not in await text_after(pilot, "x")
        assert "picked" not in await text_after(pilot, "x", "escape")


@asynchronous
async def test_what_is_the_hosts_is_not_picked() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "3")
        table(pilot).stand_on(next(one.key for one in containers() if one.name == "legacy"))
        assert "picked:" not in await text_after(pilot, "x")
        assert any("the host's" in note.message for note in pilot.app._notifications)


@asynchronous
async def test_enter_lists_who_is_in_it_and_opens_a_container() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "3")
        table(pilot).stand_on(APP)
        text = await text_after(pilot, "enter")
        assert isinstance(pilot.app.screen, ListScreen)
        assert "net:[4026532913]: 3 containers, 33 processes" in text
        for name in ("app", "istio-proxy", "pause", "/proc/25112/ns/net"):
            assert name in text
        await press(pilot, "down", "enter")
        assert isinstance(pilot.app.screen, ContainerScreen)
        assert pilot.app.screen.key == "containerd/k8s.io/51710"
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, NamespacesScreen)


@asynchronous
async def test_two_containers_of_one_id_are_told_apart() -> None:
    twin = structs.replace(containers()[0], engine_namespace="default", name="twin", pids=(9,), namespaces=own_namespaces(7))
    async with dashboard([full([*containers(), twin])]) as pilot:
        await press(pilot, "3")
        table(pilot).stand_on(APP)
        assert (
            "twin" not in (await text_after(pilot, "enter")).split("net:[4026532913]: 3 containers")[1].split("esc closes")[0]
        )


@asynchronous
async def test_o_draws_the_owners_from_the_host_down() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "3")
        table(pilot).stand_on(APP)
        text = await text_after(pilot, "o")
        assert isinstance(pilot.app.screen, TextScreen)
        assert "user:[4026531837]" in text
        assert "└─ net:[4026532913] ◀" in text
        assert text.index("user:[4026531837]") < text.index("net:[4026532913] ◀")


@asynchronous
async def test_an_unread_link_is_a_dot_and_the_line_below_says_why() -> None:
    from ctrscope.model.namespace import NamespaceSet

    found = [structs.replace(one, namespaces=NamespaceSet()) if one.key == APP else one for one in containers()]
    gaps = [denied(f"container {APP}", "namespaces", source="/proc/25112/ns")]
    async with dashboard([sample(found, gaps=gaps)]) as pilot:
        await press(pilot, "3")
        table(pilot).stand_on(APP)
        await settle(pilot)
        assert row_of(pilot, "shop/web-0 app").split()[2:] == ["·"] * 8
        assert "denied (/proc/25112/ns), needs CAP_SYS_PTRACE" in screen_lines(pilot)[-3]


@pytest.mark.parametrize("text", [f"net:[{BLUE}]", str(BLUE)])
def test_it_can_be_pointed_at_a_namespace_before_that_is_read(text: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample()]) as pilot:
            await press(pilot, "3")
            screen = pilot.app.screen
            assert isinstance(screen, NamespacesScreen)
            screen.point_at(text)
            await show(pilot, full(second=2))
            assert screen.table.cursor == f"net:[{BLUE}]"
            assert screen.table.cell_cursor == "net"

    run()
