"""The Host page: its charts, and who has most of what it has."""

import pytest
from msgspec import structs

from ctrscope.model.container import Pod
from ctrscope.model.rates import Rates
from ctrscope.model.sample import HostTotals, Sample
from ctrscope.views.history import HostMetric
from ctrscope.views.host_plots import CHARTS, Chart, users_of
from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.host import HostScreen
from tests.views.builders import HOSTILE_NAMES, container, host, minute, own_namespaces, quarter, sample
from tests.views.driver import asynchronous, dashboard, press, screen_lines, show
from tests.views.world import full


def chart(metric: HostMetric) -> Chart:
    return next(one for one in CHARTS if one.metric is metric)


def users(metric: HostMetric, of: Sample) -> list[tuple[str, float]]:
    return [(user.name, user.value) for user in users_of(chart(metric), of)]


def test_who_uses_most_comes_first_and_who_uses_nothing_not_at_all() -> None:
    assert [name for name, _ in users(HostMetric.CPU, sample())] == [
        *("builder", "app", "d-db", "istio-proxy", "debian", "alpine", "legacy"),
    ]
    assert [name for name, _ in users(HostMetric.MEMORY, sample())][:3] == ["builder", "app", "d-db"]
    waited = users(HostMetric.IO_STALLED, sample([container("one")]))
    assert waited == [("one", 2.0)]


def test_containers_that_share_a_network_count_once_as_their_pod() -> None:
    shared = own_namespaces(7)
    pod = Pod(name="web-0", namespace="shop", uid="6f1c", sandbox_id="9d2e")
    found = [
        container("app", namespaces=shared, pod=pod),
        container("proxy", namespaces=shared, pod=pod),
        container("alone"),
        container("unknown", namespaces=structs.replace(shared, net=None)),
        container("unknown-too", namespaces=structs.replace(shared, net=None)),
    ]
    rates = {one.key: Rates(rx_bytes=100.0, tx_bytes=1.0) for one in found}
    assert users(HostMetric.RX, structs.replace(sample(found), rates=rates)) == [
        *(("alone", 100.0), ("shop/web-0", 100.0), ("unknown", 100.0), ("unknown-too", 100.0)),
    ]


@asynchronous
async def test_every_figure_is_drawn_with_what_there_is_of_it() -> None:
    async with dashboard(quarter(), size=(200, 60)) as pilot:
        await press(pilot, "8")
        await show(pilot, full())
        text = "\n".join(screen_lines(pilot))
        for name in ("cpu % 38.0", "memory 41.2G", "waited for cpu, %", "waited for memory, % 0.0", "read", "net out"):
            assert name in text
        assert "all 16 CPUs" in text
        assert "builder 186" in text


@asynchronous
async def test_what_nobody_knew_is_not_drawn() -> None:
    blind = structs.replace(full(), totals=HostTotals(cpu_percent=5.0))
    async with dashboard([blind], size=(200, 60)) as pilot:
        await press(pilot, "8")
        await show(pilot, blind)
        text = "\n".join(screen_lines(pilot))
        assert "cpu % 5.0" in text
        for name in ("waited for", "written", "net in"):
            assert name not in text


@asynchronous
async def test_enter_lists_who_uses_most_and_opens_one() -> None:
    async with dashboard(minute(), size=(120, 40)) as pilot:
        await press(pilot, "8")
        assert "enter who uses it" in screen_lines(pilot)[-1]
        await press(pilot, "enter", "down", "enter")
        assert isinstance(pilot.app.screen, ContainerScreen)
        assert pilot.app.screen.key == "containerd/k8s.io/3fcac954851d0a7b6c"
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, HostScreen)


@asynchronous
async def test_where_nothing_runs_nobody_is_listed() -> None:
    async with dashboard([sample([])]) as pilot:
        await press(pilot, "8")
        assert "who uses it" not in screen_lines(pilot)[-1]
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, HostScreen)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
@asynchronous
async def test_hostile_names_are_one_line_of_text_each(size: tuple[int, int]) -> None:
    found = [container(name, id=f"x{number}") for number, name in enumerate(HOSTILE_NAMES)]
    rates = {one.key: Rates(cpu_percent=50.0) for one in found}
    hostile = structs.replace(sample(found, on=host()), rates=rates)
    async with dashboard([hostile], size=size) as pilot:
        await press(pilot, "8", "enter")
        lines = screen_lines(pilot)
        assert len(lines) == size[1]
        assert all(char.isprintable() for line in lines for char in line)
