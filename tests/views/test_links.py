"""Published ports as links: which become one, made of what, and what the terminal is sent."""

import pytest
from textual.pilot import Pilot

from ctrscope.model.container import ContainerStatus, Port
from ctrscope.model.preferences import Preferences
from ctrscope.views.links import port_links, port_url, spans
from tests.views.builders import container, sample
from tests.views.driver import app_of, asynchronous, dashboard, press, screen_lines


def port(host_ip: str | None = "", host_port: int | None = 8080, proto: str = "tcp") -> Port:
    return Port(proto=proto, host_ip=host_ip, host_port=host_port, container_ip=None, container_port=80)


@pytest.mark.parametrize(
    ("published", "here", "url"),
    [
        (port("0.0.0.0"), "192.0.2.7", "http://192.0.2.7:8080"),
        (port("::"), "2001:db8::7", "http://[2001:db8::7]:8080"),
        (port(None), "127.0.0.1", "http://127.0.0.1:8080"),
        (port("198.51.100.4"), "127.0.0.1", "http://198.51.100.4:8080"),
        (port("127.0.0.1"), "127.0.0.1", "http://127.0.0.1:8080"),
        (port("127.0.0.1"), "192.0.2.7", None),  # it is another machine's loopback
        (port("fe80::1"), "127.0.0.1", None),
        (port(proto="udp"), "127.0.0.1", None),
        (port(host_port=None), "127.0.0.1", None),
        (port(host_port=0), "127.0.0.1", None),
        (port(host_port=70000), "127.0.0.1", None),
        (port("evil.example/?"), "127.0.0.1", None),
        (port("127.0.0.1\x1b\\"), "127.0.0.1", None),
        (port("fe80::1%eth0/../"), "127.0.0.1", None),
        (port("2001:db8::1%x\x1b\\y"), "127.0.0.1", None),
        (port(), "not an address", None),
    ],
)
def test_a_link_is_made_of_a_parsed_address_and_a_number(published: Port, here: str, url: str | None) -> None:
    assert port_url(published, here) == url


def test_only_what_runs_has_links_and_only_where_the_terminal_opens_them() -> None:
    web = container("web", ports=(port(), port(proto="udp", host_port=53)))
    assert port_links(web, "127.0.0.1") == {"8080->80/tcp": "http://127.0.0.1:8080"}
    assert port_links(web, None) == {}
    assert port_links(container("web", ports=(port(),), status=ContainerStatus.STOPPED, pid=None), "127.0.0.1") == {}


def test_a_port_that_ends_like_another_is_not_that_one() -> None:
    links = {"80->80/tcp": "http://127.0.0.1:80"}
    assert list(spans("8080->80/tcp, 80->80/tcp, 80->80/t…", links)) == [(14, 24, "http://127.0.0.1:80")]


def sent(pilot: Pilot[None]) -> str:
    """What the terminal gets for the whole screen."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.render(pilot.app.console) for strip in strips)


WEB = container("web", ports=(port(), port("127.0.0.1", 9090)))
WITH_PORTS = Preferences(theme="dark", columns={"containers": ("ports",)})


@asynchronous
async def test_the_terminal_is_sent_the_link_around_its_text_and_nothing_else() -> None:
    async with dashboard([sample([WEB])], here="192.0.2.7", preferences=WITH_PORTS) as pilot:
        assert "8080->80/tcp, 127.0.0.1" in "\n".join(screen_lines(pilot))
        text = sent(pilot)
        assert text.count("\x1b]8;id=") == 1
        assert ";http://192.0.2.7:8080\x1b\\" in text
        assert text.count("\x1b]8;;\x1b\\") == 1


@asynchronous
async def test_without_a_terminal_that_opens_links_none_is_sent() -> None:
    async with dashboard([sample([WEB])], preferences=WITH_PORTS) as pilot:
        assert "\x1b]8;" not in sent(pilot)


@pytest.mark.parametrize("rights", [0, 5], ids=["Overview", "Network"])
@asynchronous
async def test_the_page_of_a_container_has_them_too(rights: int) -> None:
    async with dashboard([sample([WEB])], here="127.0.0.1") as pilot:
        await press(pilot, "enter", *["right"] * (rights - 1))
        for url in ("http://127.0.0.1:8080", "http://127.0.0.1:9090"):
            assert f";{url}\x1b\\" in sent(pilot)


@asynchronous
async def test_a_url_can_be_copied() -> None:
    async with dashboard([sample([WEB])], here="127.0.0.1") as pilot:
        await press(pilot, "Y", "end", "enter")
        assert app_of(pilot).clipboard == "http://127.0.0.1:9090"
