"""The map of the network: selectable lines, traffic, trouble in red and in a word."""

from msgspec import structs

from ctrscope.views.screens.container import ContainerScreen
from ctrscope.views.screens.list import ListScreen
from ctrscope.views.screens.network import NetworkScreen
from tests.views.builders import container, sample
from tests.views.driver import asynchronous, dashboard, press, screen_lines, settle, show
from tests.views.world import HOST_NET, full, topology


def screen_of(pilot) -> NetworkScreen:  # type: ignore[no-untyped-def]
    assert isinstance(pilot.app.screen, NetworkScreen)
    return pilot.app.screen


@asynchronous
async def test_every_container_hangs_on_its_bridge_and_the_port_is_told() -> None:
    async with dashboard([full()], size=(160, 40)) as pilot:
        await press(pilot, "5")
        text = "\n".join(screen_lines(pilot))
        assert text.index("docker0 bridge") < text.index("d-db") < text.index("d-paused") < text.index("cni0 bridge")
        assert text.index("cni0 bridge") < text.index("pod shop/web-0 (app, istio-proxy, pause)  :3000 ◀ *:8080")
        assert "unattached" in text
        assert "netns blue" in text


@asynchronous
async def test_the_traffic_of_the_line_under_the_cursor_is_on_the_status_line() -> None:
    async with dashboard([full()], size=(160, 40)) as pilot:
        await press(pilot, "5")
        screen_of(pilot).table.stand_on(f"{HOST_NET}/14")
        await settle(pilot)
        assert screen_lines(pilot)[-2].endswith("↓ 1.14M/s ↑ 332K/s on this line")
        assert "veth5a1b veth UP mtu 1500" in screen_lines(pilot)[-3]
        assert "eth0 veth UP mtu 1500 0a:58:0a:63:00:07 10.99.0.7/24" in screen_lines(pilot)[-3]


@asynchronous
async def test_n_goes_to_what_is_in_trouble_and_the_word_is_there() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "5", "n")
        assert screen_of(pilot).table.cursor == f"{HOST_NET}/12"
        assert "▲ link is down" in screen_lines(pilot)[-3]
        assert "▲ 1 in trouble" in screen_lines(pilot)[-2]
        await show(pilot, structs.replace(full(second=2), topology=topology(down=False)))
        assert "trouble" not in "\n".join(screen_lines(pilot)[2:])


@asynchronous
async def test_trouble_is_red() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "5")
        row = screen_of(pilot).table.row(f"{HOST_NET}/12")
        assert row is not None
        assert ("  ▲ link is down", "act") in row.cells[0].parts


@asynchronous
async def test_enter_goes_to_the_container_and_of_several_lets_one_be_chosen() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "5")
        screen = screen_of(pilot)
        screen.table.stand_on(f"{HOST_NET}/11")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, ContainerScreen)
        assert pilot.app.screen.key.startswith("docker/")
        await press(pilot, "escape")
        screen.table.stand_on(f"{HOST_NET}/14")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, ListScreen)
        await press(pilot, "down", "enter")
        assert isinstance(pilot.app.screen, ContainerScreen)
        assert pilot.app.screen.key == "containerd/k8s.io/51710"


@asynchronous
async def test_enter_on_a_bridge_does_nothing() -> None:
    async with dashboard([full()]) as pilot:
        await press(pilot, "5")
        screen_of(pilot).table.stand_on(f"{HOST_NET}/3")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, NetworkScreen)


@asynchronous
async def test_what_is_right_of_the_edge_can_be_seen() -> None:
    async with dashboard([full()], size=(80, 24)) as pilot:
        await press(pilot, "5")
        assert "✓ node" not in "\n".join(screen_lines(pilot))
        await press(pilot, "right", "right")
        assert "✓ node" in "\n".join(screen_lines(pilot))
        await press(pilot, *["left"] * 3)
        assert "✓ node" not in "\n".join(screen_lines(pilot))
        assert " wire" in screen_lines(pilot)[3]


@asynchronous
async def test_a_link_can_be_pointed_at_before_the_map_is_read() -> None:
    async with dashboard([sample()]) as pilot:
        await press(pilot, "5")
        screen_of(pilot).point_at("veth9c41")
        await show(pilot, full(second=2))
        assert screen_of(pilot).table.cursor == f"{HOST_NET}/12"


@asynchronous
async def test_without_containers_the_host_is_drawn_alone() -> None:
    async with dashboard([full([container("only")])]) as pilot:
        await press(pilot, "5")
        assert "eth0 10.0.0.5/24" in "\n".join(screen_lines(pilot))


@asynchronous
async def test_a_filter_keeps_what_a_matching_line_hangs_on() -> None:
    async with dashboard([full()], size=(160, 40)) as pilot:
        await press(pilot, "5", "slash", *"istio", "enter")
        text = "\n".join(screen_lines(pilot))
        assert text.index("cni0 bridge") < text.index("istio-proxy")
        assert "docker0 bridge" not in text
        assert "d-db" not in text
