"""What a group comes to: its own cgroup's figures where it has one, else a sum in which nothing counts twice."""

import pytest
from msgspec import structs

from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import EngineName, Pod
from ctrscope.model.namespace import NamespaceSet
from ctrscope.model.rates import Rates
from ctrscope.render.fields import Row
from ctrscope.views.grouping import Grouping, group_rows, roll_up, traffic
from tests.views.builders import APP, container, sample, stats
from tests.views.driver import app_of, asynchronous, dashboard, names_of, press, screen_lines, show, table_of

M = 1024**2
POD = "/kubepods.slice/kubepods-pod1_2.slice"


def row(name: str, path: str, **facts: object) -> Row:
    one = container(name, cgroup=CgroupMembership(version="v2", path=path, paths={}), **facts)  # type: ignore[arg-type]
    return Row(one, stats(M, "max"), Rates(cpu_percent=1.0))


@pytest.mark.parametrize(
    ("grouping", "path", "title", "cgroup"),
    [
        (Grouping.POD, f"{POD}/cri-containerd-a.scope", "pod ns/p", POD),
        (Grouping.POD, "/k8s.io/a", "pod ns/p", None),  # containerd without a cgroup for the pod
        (Grouping.UNIT, "/system.slice/web.service/payload", "web.service", "/system.slice/web.service"),
        (Grouping.UNIT, "/machine.slice/machine-deb.scope/payload", "machine-deb.scope", "/machine.slice/machine-deb.scope"),
        (Grouping.UNIT, "/system.slice/docker-0a0a.scope", "", None),  # its own scope puts nothing together
        (Grouping.SLICE, f"{POD}/cri-containerd-a.scope", POD, POD),
        (Grouping.SLICE, "/docker/a", "/docker", "/docker"),
        (Grouping.SLICE, "/a", "", None),
    ],
)
def test_which_cgroup_a_group_is(grouping: Grouping, path: str, title: str, cgroup: str | None) -> None:
    pod = Pod(name="p", namespace="ns", uid="1-2")
    rows = [row("a", path, id="0a0a", pod=pod), row("b", path, id="0a0a", pod=pod)]
    (group, *_) = group_rows(rows, grouping, rows)
    assert (group.title, group.cgroup) == (title, cgroup)


def test_by_owner_image_and_network() -> None:
    rows = [
        row("a", "/a", owner_uid=1000, image="web:1", namespaces=NamespaceSet(net=7), shares={"net": ("b",)}),
        row("b", "/b", owner_uid=0, image="web:1", namespaces=NamespaceSet(net=7), shares={"net": ("a",)}),
        row("c", "/c", image=None, namespaces=NamespaceSet(net=1), shares={"net": "host"}),
    ]
    assert [group.title for group in group_rows(rows, Grouping.OWNER)] == ["uid 1000", "root"]
    assert [group.title for group in group_rows(rows, Grouping.IMAGE)] == ["web:1", ""]
    alone = row("d", "/d", namespaces=NamespaceSet(net=9))
    groups = group_rows([*rows, alone], Grouping.NETWORK)
    assert [(group.title, len(group.rows)) for group in groups] == [("net:[7]", 2), ("the host's network", 1), ("", 1)]


def test_the_cgroups_own_figures_come_before_the_sum() -> None:
    rows = [row(name, f"{POD}/{name}", pod=Pod(name="p", uid="1-2")) for name in "ab"]
    (group,) = group_rows(rows, Grouping.POD, rows)
    summed = roll_up(group, {}, {})
    assert summed.rates is not None
    assert summed.rates.cpu_percent == 2.0
    own = stats(9 * M, 10 * M)
    told = roll_up(group, {POD: own}, {POD: Rates(cpu_percent=3.5)})
    assert (told.stats, told.rates) == (own, Rates(cpu_percent=3.5))


def test_a_container_in_a_container_counts_once() -> None:
    outer = row("outer", "/docker/o", image="x")
    inner = row("inner", "/docker/o/i", image="x", outer=outer.container.key, engine=EngineName.RUNC)
    (group,) = group_rows([outer, inner], Grouping.IMAGE)
    rates = roll_up(group, {}, {}).rates
    assert rates is not None
    assert rates.cpu_percent == 1.0


def test_traffic_of_a_shared_network_counts_once() -> None:
    rows = [
        Row(container(name, image="x", namespaces=NamespaceSet(net=net)), rates=Rates(rx_bytes=10.0, tx_bytes=1.0))
        for name, net in (("a", 7), ("b", 7), ("c", 8))
    ]
    (group,) = group_rows(rows, Grouping.IMAGE)
    assert traffic(group) == (20.0, 2.0)
    assert traffic(group._replace(rows=())) is None


@asynchronous
async def test_the_heading_says_where_its_figures_come_from_and_the_cgroup_is_asked_for() -> None:
    async with dashboard([sample()], size=(160, 40)) as pilot:
        await press(pilot, "t", "t")
        heading = next(line for line in screen_lines(pilot) if "pod shop/web-0" in line)
        assert heading.rstrip(" ▁█").endswith("sum")
        (path,) = pilot.app.screen.focus_of().levels  # type: ignore[attr-defined]
        await show(
            pilot,
            structs.replace(sample(), levels={path: stats(99 * M, 200 * M)}, level_rates={path: Rates(cpu_percent=77.0)}),
        )
        heading = next(line for line in screen_lines(pilot) if "pod shop/web-0" in line)
        assert "77.0" in heading
        assert "99M" in heading
        assert f"of its cgroup {path}"[:20] in heading


@asynchronous
async def test_what_to_group_by_can_be_chosen() -> None:
    async with dashboard([sample()]) as pilot:
        await press(pilot, "T", *["down"] * 5, "enter")
        assert "by owner" in screen_lines(pilot)[-2]
        assert any(name.startswith("uid 1000") for name in names_of(pilot))


@asynchronous
async def test_columns_are_chosen_moved_and_put_back() -> None:
    async with dashboard([sample()]) as pilot:
        before = [column.key for column in table_of(pilot).columns]
        await press(pilot, "o", "space", "enter")  # the engine is the first after the name
        assert [column.key for column in table_of(pilot).columns] == [key for key in before if key != "engine"]
        await press(pilot, "o", "J", "enter")
        shown = [column.key for column in table_of(pilot).columns]
        assert shown[:2] == ["sign", "name"]
        assert shown[2:4] == [before[4], before[3]]
        await press(pilot, "o", "d")
        assert [column.key for column in table_of(pilot).columns] == before
        await press(pilot, "o", "escape")
        assert [column.key for column in table_of(pilot).columns] == before


@asynchronous
async def test_a_line_is_copied_as_json_or_one_value_of_it() -> None:
    import json

    async with dashboard([sample()]) as pilot:
        table_of(pilot).stand_on(APP)
        await press(pilot, "Y", "enter")
        copied = json.loads(app_of(pilot).clipboard)
        assert (copied["name"], copied["engine"], copied["status"]) == ("app", "containerd", "running")
        await press(pilot, "Y", "down", "down", "enter")
        assert app_of(pilot).clipboard == "app"
