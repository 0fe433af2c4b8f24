"""One container, opened: every tab, what is missing, and a container that goes away meanwhile."""

from typing import Any

import pytest
from textual.pilot import Pilot

from ctrscope.model.container import EngineName, Evidence, Pod
from ctrscope.model.detail import Detail, Security
from ctrscope.model.gap import Gap, Reason
from ctrscope.model.process import Role
from ctrscope.model.sample import Sample
from ctrscope.views.panes import PANES
from ctrscope.views.screens.container import ContainerScreen, headline
from ctrscope.views.screens.containers import ContainersScreen
from tests.views.builders import APP, HOSTILE_NAMES, NOW, container, containers, denied, detail, minute, process, sample
from tests.views.driver import app_of, asynchronous, dashboard, press, screen_lines, settle, show, table_of

OPENED = sample(details={APP: detail()})


async def open_app(pilot: Pilot[None], *keys: str, latest: Sample = OPENED) -> str:
    table_of(pilot).stand_on(APP)
    await press(pilot, "enter", *keys)
    await show(pilot, latest)
    return "\n".join(screen_lines(pilot))


async def tab_of(pilot: Pilot[None], title: str) -> str:
    screen = pilot.app.screen
    assert isinstance(screen, ContainerScreen)
    screen.action_show_tab([pane.title for pane in PANES].index(title))
    await settle(pilot)
    return "\n".join(screen_lines(pilot))


@asynchronous
async def test_enter_opens_and_escape_goes_back_to_the_same_row() -> None:
    async with dashboard([sample()]) as pilot:
        text = await open_app(pilot)
        assert isinstance(pilot.app.screen, ContainerScreen)
        assert "● app   containerd/k8s.io   running for 4d   pod shop/web-0" in text
        assert "▲ throttled in 31 % of periods" in text
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, ContainersScreen)
        assert table_of(pilot).cursor == APP


@asynchronous
async def test_what_is_opened_is_what_the_next_sample_looks_at() -> None:
    async with dashboard([sample()]) as pilot:
        await open_app(pilot)
        app = app_of(pilot)
        app.request_sample()
        assert app._focused.container == APP
        await press(pilot, "escape")
        app.request_sample()
        assert app._focused.container is None


@pytest.mark.parametrize(
    ("tab", "words"),
    [
        ("Overview", ["containerd-shim 25090 alive ─ init 25112 node (pid 1 inside) ─ 3 below", "limit 512M", "bash 30111"]),
        ("Overview", ["ipc, uts with pause", "time, user with the host", "8080->3000/tcp", "limit 50"]),
        ("Processes", ["25131", "└ sh -c 'sleep 5'", "zombie", "joined app from outside", "supervisor"]),
        ("Namespaces", ["net:[4026532913]", "shared with pause, istio-proxy", "user:[4026531837]", "the host's", "its own"]),
        ("Cgroup", ["kubepods-burstable.slice", "0.5 CPU", "512M", "28400", "of 91000 periods", "421M", "31.4"]),
        ("Network", ["eth0", "veth", "10.99.0.7/24", "#14 in nsid 0", "731M", "default", "10.99.0.1"]),
        ("Mounts", ["overlay", "2 lower layers", "/etc/hosts", "master:12", "/dev/sdb1 [/shop]"]),
        ("Security", ["net_raw", "filter (1)", "cri-containerd.apparmor.d", "none: ids inside are the host's", "/proc/kcore"]),
        ("Environment", ["NODE_ENV=production", "DB_PASSWORD=***"]),
        ("Evidence", ["/proc/25112/stat", "starttime 81723", "Nothing is missing."]),
    ],
)
def test_a_tab_shows_what_is_known(tab: str, words: list[str]) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard(minute(), size=(120, 90)) as pilot:
            await open_app(pilot)
            text = await tab_of(pilot, tab)
            for word in words:
                assert word in text

    run()


@pytest.mark.parametrize("tab", [pane.title for pane in PANES])
def test_before_the_details_are_read_a_tab_says_so_or_shows_what_is_known(tab: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample()]) as pilot:
            await open_app(pilot, latest=sample(second=2))
            text = await tab_of(pilot, tab)
            body = "\n".join(text.splitlines()[5:-1])
            assert body.strip()
            if tab in ("Processes", "Mounts", "Security", "Environment"):
                assert "reading …" in body

    run()


@pytest.mark.parametrize(
    ("tab", "field"),
    [
        ("Processes", "processes"),
        ("Network", "network"),
        ("Mounts", "mounts"),
        ("Security", "security"),
        ("Environment", "environment"),
    ],
)
def test_a_gap_says_what_it_needs_instead_of_an_empty_tab(tab: str, field: str) -> None:
    @asynchronous
    async def run() -> None:
        gap = denied(f"container {APP}", field, source=f"/proc/25112/{field}")
        unread = sample(details={APP: Detail(gaps=(gap,))})
        async with dashboard([sample()], size=(200, 50)) as pilot:
            await open_app(pilot, latest=unread)
            text = await tab_of(pilot, tab)
            assert f"{field} from /proc/25112/{field}: denied (Permission denied); needs CAP_SYS_PTRACE" in text

    run()


@pytest.mark.parametrize("tab", [pane.title for pane in PANES])
def test_a_container_that_does_not_run_has_tabs_without_figures(tab: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample()]) as pilot:
            table_of(pilot).stand_on(next(found.key for found in containers() if found.name == "batch-7"))
            await press(pilot, "enter")
            text = await tab_of(pilot, tab)
            assert "○ batch-7" in text
            assert "stopped 3m ago" in text
            if tab == "Overview":
                assert "137, killed for memory" in text
            elif tab not in ("Changes", "Evidence", "Logs", "Config"):  # those are files, wherever it stands
                assert "Nothing runs" in text

    run()


@asynchronous
async def test_tabs_go_round_in_both_directions() -> None:
    async with dashboard([sample()]) as pilot:
        await open_app(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, ContainerScreen)
        await press(pilot, "left")
        assert PANES[screen.tab].title == "Evidence"
        await press(pilot, "tab", "tab")
        assert PANES[screen.tab].title == "Processes"
        await press(pilot, "shift+tab")
        assert PANES[screen.tab].title == "Overview"


@asynchronous
async def test_a_click_on_a_tab_shows_it() -> None:
    async with dashboard([sample()]) as pilot:
        await open_app(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, ContainerScreen)
        await pilot.click("#tabs", offset=(14, 0))
        await settle(pilot)
        assert PANES[screen.tab].title == "Processes"


@asynchronous
async def test_a_long_tab_scrolls_with_the_keys_that_move_everywhere() -> None:
    many = detail(processes=tuple(process(30000 + n, 1, f"p{n}", Role.DESCENDANT) for n in range(300)))
    async with dashboard([sample()], size=(80, 24)) as pilot:
        text = await open_app(pilot, "right", latest=sample(details={APP: many}))
        assert "p0" in text
        await press(pilot, "end")
        assert "p299" in "\n".join(screen_lines(pilot))
        await press(pilot, "home", "j", "pagedown", "pageup", "k")
        assert "30000" in "\n".join(screen_lines(pilot))


@asynchronous
async def test_a_container_that_is_gone_keeps_its_page_and_says_so() -> None:
    async with dashboard([sample()]) as pilot:
        await open_app(pilot)
        await show(pilot, sample([found for found in containers() if found.key != APP], second=2))
        text = "\n".join(screen_lines(pilot))
        assert "this container is gone" in text
        assert "docker.io/shop/web:1.4" in text
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, ContainersScreen)


@asynchronous
async def test_a_page_held_still_does_not_change() -> None:
    async with dashboard([sample()]) as pilot:
        before = await open_app(pilot)
        await press(pilot, "space")
        await show(pilot, sample([], second=2))
        assert "this container is gone" not in "\n".join(screen_lines(pilot))
        assert before.splitlines()[1:-1] == screen_lines(pilot)[1:-1]


@pytest.mark.parametrize("tab", [pane.title for pane in PANES])
@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_hostile_strings_are_text_on_every_tab(tab: str, size: tuple[int, int]) -> None:
    @asynchronous
    async def run() -> None:
        names = HOSTILE_NAMES
        hostile = container(
            names[0],
            id="x",
            image=names[1],
            command=names,
            labels={name: name for name in names},
            note=names[3],
            rootfs=names[4],
            evidence=tuple(Evidence(source=name, value=name) for name in names),
        )
        own = detail(
            processes=tuple(process(4711 + n, 1, name, Role.INIT, cmdline=(name,)) for n, name in enumerate(names)),
            environment={name: name for name in names},
            security=Security(apparmor=names[0], masked_paths=names, devices=names),
            gaps=tuple(denied(f"container {hostile.key}", name, source=name, needs=name) for name in names),
        )
        async with dashboard([sample([hostile])], size=size) as pilot:
            await press(pilot, "enter")
            await show(pilot, sample([hostile], details={hostile.key: own}))
            text = await tab_of(pilot, tab)
            assert "[red]markup[/red]" in text
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert len(screen_lines(pilot)) == size[1]

    run()


def test_the_headline_says_no_name_twice_and_cuts_no_id_but_a_hash() -> None:
    def said(**changes: Any) -> str:
        return headline(container("box", EngineName.RUNC, **changes), NOW, 120).plain

    assert said(id="box").count("box") == 1
    assert "pid:[4026534496]" in said(id="pid:[4026534496]")
    assert said(id="ab" * 32).split("   ")[3] == "ab" * 6
    assert "sandbox of pod shop/web" in said(id="a" * 64, pod=Pod(name="web", namespace="shop", sandbox_id="a" * 64))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (121, 40)])
def test_the_graphs_are_boxes_with_straight_sides(size: tuple[int, int]) -> None:
    @asynchronous
    async def run() -> None:
        for figures in (True, False):
            async with dashboard([sample(details={APP: detail()}, with_figures=figures)], size=size) as pilot:
                table_of(pilot).stand_on(APP)
                await press(pilot, "enter")
                lines = screen_lines(pilot)
                top = next(at for at, text in enumerate(lines) if "cpu % of one" in text)
                corners = {tuple(at for at, char in enumerate(text) if char in "┌┐└┘│") for text in lines[top : top + 6]}
                assert len(corners) == 1, lines[top : top + 6]

    run()


def test_without_a_cgroup_of_its_own_the_reason_stands_where_the_graphs_would() -> None:
    @asynchronous
    async def run() -> None:
        box = container("free", EngineName.CRUN, has_own_cgroup=False)
        gap = Gap(
            subject=f"container {box.key}",
            fields=("stats",),
            source="/proc/9/cgroup",
            reason=Reason.UNAVAILABLE,
            detail="it has no cgroup of its own",
        )
        async with dashboard([sample([box], gaps=[gap], with_figures=False)]) as pilot:
            await press(pilot, "enter")
            text = "\n".join(screen_lines(pilot))
            assert "a minute ago" not in text
            assert "stats from /proc/9/cgroup: unavailable (it has no cgroup of its own)" in text

    run()


def test_a_long_variable_is_shown_to_its_end() -> None:
    @asynchronous
    async def run() -> None:
        value = ":".join(f"/opt/tools/number-{number}/bin" for number in range(30))
        environment = {"PATH": value, "WIDE": "猫" * 100, "HOME": "/root"}
        latest = sample(details={APP: detail(environment=environment)})
        async with dashboard([latest], size=(80, 40)) as pilot:
            await open_app(pilot, latest=latest)
            text = await tab_of(pilot, "Environment")
            joined = "".join(line.strip() for line in text.splitlines())
            assert f"PATH={value}" in joined
            assert "猫" * 100 in joined
            assert "HOME=/root" in text

    run()


@asynchronous
async def test_help_is_about_this_screen() -> None:
    async with dashboard([sample()]) as pilot:
        await open_app(pilot, "question_mark")
        text = "\n".join(screen_lines(pilot))
        assert "Container: help" in text
        assert "Show the next tab." in text
        assert "Sort by the next column" not in text
