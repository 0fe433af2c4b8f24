"""The table of containers under every key, and when there is little or nothing to show."""

import pytest
from msgspec import structs
from textual.events import Key

from ctrscope.model.gap import Gap, Reading, Reason
from ctrscope.model.preferences import Preferences
from ctrscope.model.rates import Rates
from ctrscope.model.sample import Focus, Sample
from ctrscope.model.storage import Measured
from ctrscope.views.grouping import Grouping
from ctrscope.views.history import HostMetric
from ctrscope.views.sampling import SampleFailed
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.containers import ContainersScreen
from ctrscope.views.screens.help import HelpScreen
from tests.views.builders import APP, HOSTILE_NAMES, container, containers, denied, host, minute, sample, stopped
from tests.views.driver import (
    app_of,
    asynchronous,
    column_of,
    dashboard,
    names_of,
    press,
    screen_lines,
    settle,
    show,
    table_of,
)


def text_of(lines: list[str]) -> str:
    return "\n".join(lines)


@asynchronous
async def test_the_frame_is_there_before_the_first_sample() -> None:
    async with dashboard() as pilot:
        text = text_of(screen_lines(pilot))
        assert "ctrscope" in text
        assert "reading the host" in text
        assert "q quit" in text


@asynchronous
async def test_every_container_has_a_line() -> None:
    async with dashboard([sample()]) as pilot:
        assert sorted(names_of(pilot)) == sorted(found.name for found in containers())
        assert "14 containers" in text_of(screen_lines(pilot))


@asynchronous
async def test_an_empty_host_says_so() -> None:
    async with dashboard([sample([])]) as pilot:
        text = text_of(screen_lines(pilot))
        assert "No container on this host" in text
        assert "0 containers" in text
        assert "enter open" not in text  # only keys that do something are shown
        await press(pilot, "enter", "down", "end", "s", "S", "t", "a", "y", "left", "escape")
        assert isinstance(pilot.app.screen, ContainersScreen)


@asynchronous
async def test_s_goes_through_the_columns_and_its_capital_turns_the_order() -> None:
    async with dashboard([sample()], size=(80, 24)) as pilot:
        await press(pilot, "s")
        assert "sort MEM % ▼" in text_of(screen_lines(pilot))
        assert names_of(pilot)[:2] == ["builder", "app"]
        await press(pilot, "S")
        assert "sort MEM % ▲" in text_of(screen_lines(pilot))
        assert names_of(pilot)[:2] == ["legacy", "istio-proxy"]
        await press(pilot, "s", "s")
        assert "sort STATE ▼" in text_of(screen_lines(pilot))
        assert set(names_of(pilot)[:2]) == {"ghost", "legacy"}
        await press(pilot, "s")
        assert names_of(pilot) == sorted(names_of(pilot), key=str.casefold)


@asynchronous
async def test_every_column_can_be_sorted_by() -> None:
    async with dashboard([sample()], size=(200, 50)) as pilot:
        seen = set()
        for _ in table_of(pilot).columns:
            await press(pilot, "s")
            screen = pilot.app.screen
            assert isinstance(screen, ContainersScreen)
            seen.add(screen.order.column)
        assert seen == {column.key for column in table_of(pilot).columns} - {"last_minute"}


@asynchronous
async def test_a_click_on_a_title_sorts_by_it_and_a_second_one_turns_the_order() -> None:
    async with dashboard([sample()]) as pilot:
        table = table_of(pilot)
        await pilot.click(table, offset=(5, 0))
        await settle(pilot)
        assert names_of(pilot) == sorted(names_of(pilot), key=str.casefold)
        await pilot.click(table, offset=(5, 0))
        await settle(pilot)
        assert names_of(pilot) == sorted(names_of(pilot), key=str.casefold, reverse=True)


@asynchronous
async def test_a_click_selects_and_a_double_click_opens() -> None:
    async with dashboard([sample()]) as pilot:
        table = table_of(pilot)
        await pilot.click(table, offset=(5, 3))
        await settle(pilot)
        assert table.cursor == table.row_keys[2]
        assert isinstance(pilot.app.screen, ContainersScreen)
        await pilot.double_click(table, offset=(5, 4))
        await settle(pilot)
        assert isinstance(pilot.app.screen, ContainerScreen)
        assert pilot.app.screen.key == table.row_keys[3]


@asynchronous
async def test_the_cursor_keeps_its_container_while_rows_move() -> None:
    async with dashboard([sample()]) as pilot:
        table = table_of(pilot)
        await press(pilot, "down", "down")
        key = table.cursor
        assert key is not None
        await press(pilot, "S")
        assert table.cursor == key
        found = list(containers())
        await show(pilot, sample([*found[5:], *found[:5]], second=2))
        assert table.cursor == key


@asynchronous
async def test_the_first_order_that_means_something_has_the_cursor_at_its_top_and_then_it_stays() -> None:
    first, second, third = structs.replace(sample(), rates={}), sample(second=2), sample(second=3)
    busy = structs.replace(third, rates=dict.fromkeys(third.rates, Rates(cpu_percent=0.0)) | {APP: Rates(cpu_percent=99.0)})
    async with dashboard([first]) as pilot:
        table = table_of(pilot)
        await show(pilot, second)
        top = table.row_keys[0]
        assert table.cursor == top != APP
        await show(pilot, busy)
        assert (table.cursor, table.row_keys[0]) == (top, APP)


@asynchronous
async def test_the_cursor_goes_on_when_its_container_is_gone() -> None:
    async with dashboard([sample()]) as pilot:
        table = table_of(pilot)
        await press(pilot, "down")
        assert table.cursor == APP
        following = table.row_keys[2]
        await show(pilot, sample([found for found in containers() if found.key != APP], second=2))
        assert table.cursor == following


@asynchronous
async def test_home_end_and_pages_move_the_cursor() -> None:
    async with dashboard([sample()], size=(80, 12)) as pilot:
        table = table_of(pilot)
        await press(pilot, "end")
        assert table.cursor == table.row_keys[-1]
        assert "migrate" in text_of(screen_lines(pilot))
        await press(pilot, "pageup")
        assert table.cursor not in (table.row_keys[-1], table.row_keys[0])
        await press(pilot, "home")
        assert table.cursor == table.row_keys[0]
        await press(pilot, "k", "j", "j", "pagedown")
        assert table.row_keys.index(table.cursor or "") > 2


@asynchronous
async def test_a_row_that_changed_is_painted_anew() -> None:
    found = [container(name, id=name) for name in ("a", "b", "c")]
    later = [found[0], container("b", id="b", note="new note"), found[2]]
    async with dashboard([sample(found)]) as pilot:
        await show(pilot, sample(later))
        changed = screen_lines(pilot)
    async with dashboard([sample(later)]) as pilot:
        assert changed == screen_lines(pilot)
        assert "new note" in text_of(changed)


@asynchronous
async def test_a_filter_narrows_while_it_is_typed_and_escape_shows_everything() -> None:
    async with dashboard([sample()]) as pilot:
        await press(pilot, "slash", *"engine:podman")
        assert set(names_of(pilot)) == {"legacy", "builder"}
        await press(pilot, "enter")
        assert pilot.app.focused is table_of(pilot)
        assert "2 shown" in text_of(screen_lines(pilot))
        await press(pilot, "escape")
        assert len(names_of(pilot)) == 14


@asynchronous
async def test_letters_go_into_the_filter_and_not_to_their_keys() -> None:
    async with dashboard([sample()]) as pilot:
        await press(pilot, "slash", *"qst")
        assert "esc show all" in screen_lines(pilot)[-1]
        assert "quit" not in screen_lines(pilot)[-1]
        assert pilot.app.is_running
        assert "No container matches “qst”" in text_of(screen_lines(pilot))


@asynchronous
async def test_letters_typed_faster_than_the_filter_opens_go_into_it() -> None:
    async with dashboard([sample()]) as pilot:
        for key, character in (("slash", "/"), ("p", "p"), ("a", "a"), ("u", "u"), ("s", "s"), ("e", "e")):
            pilot.app.post_message(Key(key, character))
        await settle(pilot)
        assert set(names_of(pilot)) == {"pause", "d-paused"}


@asynchronous
async def test_r_leaves_out_what_does_not_run_and_the_heading_says_so() -> None:
    async with dashboard([sample()], size=(80, 24)) as pilot:
        everything = names_of(pilot)
        await press(pilot, "r")
        assert sorted(set(everything) - set(names_of(pilot))) == ["batch-7", "ghost", "migrate"]
        heading, *_, words, _keys = screen_lines(pilot)
        assert "ONLY RUNNING" in heading
        assert "11 shown" in words
        await press(pilot, "2")
        assert "ONLY RUNNING" not in screen_lines(pilot)[0]
        await press(pilot, "1")
        assert "ONLY RUNNING" in screen_lines(pilot)[0]
        await press(pilot, "slash", *"alp", "enter")
        assert names_of(pilot) == ["alpine"]
        await press(pilot, "escape", "r")
        assert names_of(pilot) == everything
        assert "ONLY RUNNING" not in screen_lines(pilot)[0]


@asynchronous
async def test_where_nothing_runs_it_says_that_there_is_more() -> None:
    async with dashboard([sample([stopped("batch-7")])], preferences=Preferences(only_running=True)) as pilot:
        assert "No container runs; those that do not are left out." in text_of(screen_lines(pilot))
        await press(pilot, "r")
        assert names_of(pilot) == ["batch-7"]


@asynchronous
async def test_the_help_names_what_a_filter_may_ask_besides_what_is_shown() -> None:
    async with dashboard([sample()], size=(120, 120)) as pilot:
        await press(pilot, "question_mark")
        text = " ".join(text_of(screen_lines(pilot)).split())
        assert "label" in text[text.index("a filter may ask them as well") :]


@asynchronous
async def test_t_groups_by_engine_then_by_pod_and_in_the_end_not_at_all() -> None:
    async with dashboard([sample()]) as pilot:
        await press(pilot, "t")
        assert "containerd/k8s.io  3" in names_of(pilot)
        await press(pilot, "t")
        assert "pod shop/web-0  3" in names_of(pilot)
        assert "project shop  2" in names_of(pilot)
        await press(pilot, *(len(Grouping) - 2) * "t")
        assert len(names_of(pilot)) == 14


@asynchronous
async def test_groups_fold_with_enter_and_with_arrows() -> None:
    async with dashboard([sample()]) as pilot:
        table = table_of(pilot)
        await press(pilot, "t", "t")
        table.stand_on("group pod shop/web-0")
        await press(pilot, "enter")
        assert "  app" not in names_of(pilot)
        assert "pod shop/web-0  3" in names_of(pilot)
        await press(pilot, "right")
        assert "  app" in names_of(pilot)
        await press(pilot, "down", "left")  # from a member to its group
        assert table.cursor == "group pod shop/web-0"
        assert "  app" not in names_of(pilot)


@asynchronous
async def test_left_on_a_container_that_stands_alone_folds_nothing() -> None:
    async with dashboard([sample()]) as pilot:
        await press(pilot, "t", "t")
        table_of(pilot).stand_on(next(found.key for found in containers() if found.name == "alpine"))
        before = names_of(pilot)
        await press(pilot, "left")
        assert names_of(pilot) == before


@asynchronous
async def test_space_holds_the_table_still_but_not_the_header() -> None:
    async with dashboard([sample()]) as pilot:
        await press(pilot, "space")
        await show(pilot, sample([container("new")], second=40))
        assert len(names_of(pilot)) == 14
        header = screen_lines(pilot)[0]
        assert "PAUSED" in header
        assert len(app_of(pilot).history.host_points(HostMetric.CPU)) == 2
        await press(pilot, "s")
        assert len(names_of(pilot)) == 14
        await press(pilot, "space")
        assert names_of(pilot) == ["new"]
        assert "PAUSED" not in screen_lines(pilot)[0]


@asynchronous
async def test_y_copies_the_full_id() -> None:
    async with dashboard([sample()]) as pilot:
        await press(pilot, "down", "y")
        assert pilot.app.clipboard == "3fcac954851d0a7b6c"


@asynchronous
async def test_q_quits() -> None:
    async with dashboard([sample()]) as pilot:
        await press(pilot, "q")
        assert pilot.app._exit


@asynchronous
async def test_the_question_mark_explains_this_screen_and_closes() -> None:
    async with dashboard([sample()], size=(120, 60)) as pilot:
        await press(pilot, "question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        text = text_of(screen_lines(pilot))
        assert "Containers: help" in text
        assert "THR %" in text
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, ContainersScreen)


@pytest.mark.parametrize("key", ["colon", "ctrl+p"])
def test_the_palette_runs_what_it_offers(key: str) -> None:
    @asynchronous
    async def run() -> None:
        async with dashboard([sample()]) as pilot:
            await press(pilot, key, *"group")
            await pilot.app.workers.wait_for_complete()
            await press(pilot, "enter")
            assert any("containerd/k8s.io  3" in name for name in names_of(pilot))

    run()


@asynchronous
async def test_a_failing_source_is_said_in_the_header_and_the_last_sample_stays() -> None:
    async with dashboard([sample()]) as pilot:
        pilot.app.post_message(SampleFailed(OSError("[Errno 24] Too many open files")))
        await settle(pilot)
        lines = screen_lines(pilot)
        assert "FAILED" in lines[0]
        assert "Too many open files" in text_of(lines)
        assert len(names_of(pilot)) == 14
        await show(pilot, sample(second=2))
        assert "FAILED" not in screen_lines(pilot)[0]


@asynchronous
async def test_a_source_that_fails_at_once_is_said_too() -> None:
    async with dashboard() as pilot:
        pilot.app.post_message(SampleFailed(OSError("no /proc")))
        await settle(pilot)
        assert "FAILED" in screen_lines(pilot)[0]
        assert "no /proc" in text_of(screen_lines(pilot))


@asynchronous
async def test_an_old_sample_is_late() -> None:
    async with dashboard([sample(second=-30)]) as pilot:
        assert "LATE" in screen_lines(pilot)[0]
        assert "31s old" in screen_lines(pilot)[0]


@asynchronous
async def test_somebody_without_rights_sees_rows_and_what_it_would_take() -> None:
    found = containers()
    gaps = [denied(f"container {one.key}", "stats", source="/sys/fs/cgroup") for one in found[:2]]
    unprivileged = sample(found, on=host(euid=1000, capabilities=()), gaps=gaps, with_figures=False)
    async with dashboard([unprivileged]) as pilot:
        lines = screen_lines(pilot)
        assert "uid 1000" in lines[0]
        assert set(column_of(pilot, "memory")) == {"·", "–"}
        table_of(pilot).stand_on(found[0].key)
        await settle(pilot)
        assert "app: 1 gap: denied (/sys/fs/cgroup), needs CAP_SYS_PTRACE" in text_of(screen_lines(pilot))


@asynchronous
async def test_a_note_that_is_cut_is_said_in_full_below_the_table() -> None:
    async with dashboard([sample()], size=(80, 24)) as pilot:
        table_of(pilot).stand_on(next(found.key for found in containers() if found.name == "legacy"))
        await settle(pilot)
        assert "legacy: conmon 4410 is gone: exit status will not be recorded" in text_of(screen_lines(pilot))


@asynchronous
async def test_hostile_names_are_text_and_one_line_each() -> None:
    async with dashboard([sample([container(name, id=name, note=name, image=name) for name in HOSTILE_NAMES])]) as pilot:
        lines = screen_lines(pilot)
        text = text_of(lines)
        assert "[red]markup[/red]" in text
        assert "[@click=app.quit]quit[/]" in text
        assert "esc\\x1b[31m" in text
        assert "two\\nlines\\r\\tand a tab" in text
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert len(names_of(pilot)) == len(HOSTILE_NAMES)
        for _ in HOSTILE_NAMES:
            await press(pilot, "down")
        await press(pilot, "t", "slash", "[", "slash", "]", "enter", "y", "question_mark", "escape")


@asynchronous
async def test_five_hundred_containers_are_drawn_line_by_line() -> None:
    found = [container(f"c{number:03}", id=f"{number:064x}") for number in range(500)]
    async with dashboard([sample(found)], size=(200, 50)) as pilot:
        table = table_of(pilot)
        drawn: list[int] = []
        render_line = table.render_line

        def counted(y: int) -> object:
            drawn.append(y)
            return render_line(y)

        table.render_line = counted  # type: ignore[method-assign, assignment]
        await show(pilot, sample(found[::-1], second=2))
        await press(pilot, "end")
        assert table.cursor == table.row_keys[-1]
        assert drawn
        assert max(drawn) < 50
        assert "c499" in text_of(screen_lines(pilot))


@asynchronous
async def test_a_source_that_never_answers_blocks_no_key() -> None:
    async with dashboard() as pilot:
        source = app_of(pilot).sampler._source
        assert source.asked.wait(10)  # type: ignore[attr-defined]  # the thread is inside sample() from now on
        await show(pilot, sample())
        await press(pilot, "down", "t", "t", "s", "space")
        assert "by pod or project" in text_of(screen_lines(pilot))
        await press(pilot, "home", "down", "enter")
        await press(pilot, "q")
        assert pilot.app._exit
        assert not source.released.is_set()  # type: ignore[attr-defined]


class Answering:
    """Answers at once, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Focus] = []

    def sample(self, focus: Focus) -> Sample:
        self.asked.append(focus)
        return sample()


@asynchronous
async def test_a_sample_comes_from_the_source_without_being_asked_for() -> None:
    import asyncio

    arrived = asyncio.Event()

    def watch(message: object) -> None:
        if type(message).__name__ == "SampleTaken":
            arrived.set()

    source = Answering()
    async with dashboard(source=source, hook=watch) as pilot:
        await asyncio.wait_for(arrived.wait(), 10)
        await settle(pilot)
        assert len(names_of(pilot)) == 14
    assert source.asked[0] == Focus()


@asynchronous
async def test_a_minute_draws_sparklines() -> None:
    async with dashboard(minute()) as pilot:
        spark = dict(zip(names_of(pilot), column_of(pilot, "last_minute"), strict=True))
        assert len(spark["app"].strip()) == 8
        assert set(spark["pause"]) == {"▁"}
        assert spark["migrate"] == ""


@asynchronous
async def test_it_is_usable_when_it_is_very_small() -> None:
    async with dashboard([sample()], size=(30, 6)) as pilot:
        await press(pilot, "down", "t", "enter", "escape", "question_mark")
        assert pilot.app.is_running


@asynchronous
async def test_what_containers_wrote_is_counted_only_while_the_column_is_there_or_a_filter_asks() -> None:
    keys = {one.name: one.key for one in containers()}
    gap = Gap(subject="x", fields=("layer",), source="y", reason=Reason.UNSUPPORTED)
    denied = Gap(subject="x", fields=("size",), source="y", reason=Reason.DENIED)
    sizes = {
        keys["d-db"]: Reading(Measured(5 << 20, 7, True)),
        keys["d-paused"]: Reading(None, (gap,)),
        keys["batch-7"]: Reading(None, (denied,)),
    }
    counted = structs.replace(sample(second=2), layer_sizes=sizes)
    async with dashboard([sample()]) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, ContainersScreen)
        assert screen.focus_of().layers == ()
        await press(pilot, "slash", *"size>1m")
        assert set(screen.focus_of().layers) == set(keys.values())
        await show(pilot, counted)
        assert names_of(pilot) == ["d-db"]
        await press(pilot, "escape")
        assert screen.focus_of().layers == ()
        screen.chosen = ("size", "note")
        screen.draw()
        assert set(screen.focus_of().layers) == set(keys.values())
        shown = dict(zip(names_of(pilot), column_of(pilot, "size"), strict=True))
        assert (shown["d-db"], shown["d-paused"], shown["batch-7"], shown["legacy"]) == ("5M", "–", "·", "")
