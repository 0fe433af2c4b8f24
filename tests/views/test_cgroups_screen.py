"""The cgroup tree: what is unfolded at first, whose limits bite, and where the cursor goes."""

from collections.abc import Mapping

import pytest
from msgspec import structs

from ctrscope.views.cgroup_tree import branches
from ctrscope.views.ordering import Order
from ctrscope.views.screens.cgroups import CgroupsScreen
from ctrscope.views.screens.container import ContainerScreen
from tests.views.builders import APP, containers, sample
from tests.views.driver import asynchronous, dashboard, press, screen_lines, settle, show
from tests.views.world import CGROUP_RATES, cgroups, full

POD = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod6f1c.slice"
SCOPE = f"{POD}/cri-containerd-3fca.scope"
BY_PATH = {one.cgroup.path: one for one in containers() if one.cgroup is not None}


def paths(order: str = "cgroup", toggled: Mapping[str, bool] | None = None) -> list[str]:
    return [
        branch.path
        for branch in branches(cgroups(), CGROUP_RATES, BY_PATH, toggled or {}, Order(order, descending=order != "cgroup"))
    ]


def screen_of(pilot) -> CgroupsScreen:  # type: ignore[no-untyped-def]
    assert isinstance(pilot.app.screen, CgroupsScreen)
    return pilot.app.screen


def row_of(pilot, word: str) -> str:  # type: ignore[no-untyped-def]
    return next(line for line in screen_lines(pilot)[3:-3] if word in line)


def test_what_leads_to_a_container_is_unfolded_at_first_and_nothing_else() -> None:
    assert SCOPE in paths()
    assert "/user.slice" in paths()
    assert "/user.slice/user-1000.slice" not in paths()


def test_a_user_folds_and_unfolds() -> None:
    assert SCOPE not in paths(toggled={POD: True})
    assert "/user.slice/user-1000.slice" in paths(toggled={"/user.slice": False})


def test_what_stands_side_by_side_is_sorted_and_the_tree_stays_a_tree() -> None:
    assert [path for path in paths("memory") if path.count("/") == 1] == [
        "/",
        "/system.slice",
        "/kubepods.slice",
        "/user.slice",
        "/init.scope",
    ]
    assert paths("cpu").index(SCOPE) > paths("cpu").index(POD)
    assert sorted(paths("cpu")) == sorted(paths())


@asynchronous
async def test_a_limit_from_above_carries_an_arrow_and_says_whose_it_is() -> None:
    async with dashboard([full()], size=(200, 50)) as pilot:
        await press(pilot, "4")
        row = row_of(pilot, "● app")
        assert "480M↑" in row
        assert "0.5↑" in row
        assert "cpu by kubepods-burstable.slice" in row
        screen_of(pilot).table.stand_on(SCOPE)
        await settle(pilot)
        assert "memory bounded by kubepods-burstable-pod6f1c.slice" in screen_lines(pilot)[-3]
        assert "↑" not in row_of(pilot, "istio-proxy")


@asynchronous
async def test_a_container_is_opened_and_a_slice_is_folded_by_enter() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "4")
        table = screen_of(pilot).table
        table.stand_on(POD)
        await press(pilot, "enter")
        assert SCOPE not in table.row_keys
        await press(pilot, "enter")
        table.stand_on(SCOPE)
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, ContainerScreen)
        assert pilot.app.screen.key == APP


@asynchronous
async def test_two_containers_of_one_id_are_told_apart() -> None:
    twin = structs.replace(containers()[0], engine_namespace="default", name="twin", cgroup=None)
    async with dashboard([full([twin, *containers()])]) as pilot:
        await press(pilot, "4")
        screen_of(pilot).table.stand_on(SCOPE)
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, ContainerScreen)
        assert pilot.app.screen.key == APP


@asynchronous
async def test_arrows_fold_and_go_up() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "4")
        table = screen_of(pilot).table
        table.stand_on(SCOPE)
        await press(pilot, "left")
        assert table.cursor == POD
        await press(pilot, "left")
        assert SCOPE not in table.row_keys
        await press(pilot, "right")
        assert SCOPE in table.row_keys


@asynchronous
async def test_s_sorts_by_the_next_thing() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "4")
        for order in ("CPU %", "THR %", "CPUS", "MEM"):
            await press(pilot, "s")
            assert f"sort {order}" in screen_lines(pilot)[-2]


@asynchronous
async def test_a_cgroup_that_is_folded_away_can_be_pointed_at_before_it_is_read() -> None:
    async with dashboard([sample()]) as pilot:
        await press(pilot, "4")
        screen_of(pilot).point_at("/user.slice/user-1000.slice")
        await show(pilot, full(second=2))
        assert screen_of(pilot).table.cursor == "/user.slice/user-1000.slice"


@pytest.mark.parametrize("width", [80, 100, 120, 160, 200, 250])
def test_the_columns_fit(width: int) -> None:
    from ctrscope.views.cgroup_tree import tree_columns, tree_figures

    assert sum(column.width + column.gap for column in tree_columns(tree_figures(width), width)) <= width


@asynchronous
async def test_a_filter_leaves_what_matches_and_what_is_above_it() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "4", "slash", *"container:app", "enter")
        keys = screen_of(pilot).table.row_keys
        assert SCOPE in keys
        assert POD in keys
        assert "/user.slice" not in keys
