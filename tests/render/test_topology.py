"""The map of the network, as text and as lines."""

import re

import msgspec
import pytest

from ctrscope.model.network import Link, NetworkNamespace, NetworkTopology
from ctrscope.render.network_page import format_network_page
from ctrscope.render.network_words import link_trouble, publication_text, publication_trouble, who_text
from ctrscope.render.safe import cell_width
from ctrscope.render.topology import MapLine, format_map, topology_lines
from tests.awkward import HOSTILE, SNAPSHOT, WEB
from tests.golden import assert_golden
from tests.networks import BLUE, HOSTILE_NET, INITIAL, NESTED, RATES, TOPOLOGY, WEB_NET, edge, link, lo

CONTAINERS = SNAPSHOT.containers


def lines(topology: NetworkTopology = TOPOLOGY) -> tuple[MapLine, ...]:
    return topology_lines(topology, CONTAINERS, RATES)


def line_of(key: tuple[int, int]) -> MapLine:
    (found,) = [one for one in lines() if one.key == key]
    return found


@pytest.mark.parametrize("width", [None, 80])
def test_the_map_looks_like_this(width: int | None) -> None:
    text = format_map(lines(), width)
    assert width is None or max(map(cell_width, text)) <= width
    assert_golden(f"net-{width}.txt" if width else "net.txt", "".join(f"{one}\n" for one in text))


def test_colour_adds_nothing_but_colour() -> None:
    plain, painted = format_map(lines(), 80), format_map(lines(), 80, colour=True)
    assert [re.sub("\x1b\\[[0-9]*m", "", one) for one in painted] == plain
    assert painted != plain


def test_a_veth_is_one_line_that_says_who_is_at_its_end() -> None:
    found = line_of((INITIAL, 4))
    assert (found.inside, found.containers, found.trouble) == ((WEB_NET, 2), (WEB.id,), "")
    assert found.text.endswith(
        "veth1a3f ─ eth0 172.17.0.2/16  web  :80 ◀ *:8080  nftables, docker-proxy 5512  ✓ nginx  ↓ 1.2M/s ↑ 340K/s"
    )


def test_a_downed_veth_is_in_trouble_and_says_so() -> None:
    found = line_of((INITIAL, 5))
    assert found.trouble == "link is down"
    assert "▲ link is down" in found.text


def test_a_veth_whose_other_end_is_nowhere_is_in_trouble_only_where_all_was_read() -> None:
    assert line_of((INITIAL, 9)).trouble == "its other end is in a namespace that could not be found"
    by_proc = NetworkNamespace(ino=7, pid=8, links=(Link(ifindex=2, name="eth0", kind=None, mac=None, mtu=None, state=None),))
    denied = NetworkNamespace(ino=7, path="/run/docker/netns/3fcac954851d")
    for unread in (by_proc, denied):
        partly = msgspec.structs.replace(TOPOLOGY, network_namespaces=(*TOPOLOGY.network_namespaces, unread))
        (found,) = [one for one in lines(partly) if one.key == (INITIAL, 9)]
        assert found.trouble == ""


def test_what_is_nested_hangs_below_the_container_that_it_is_in() -> None:
    outer, inner = line_of((INITIAL, 5)), line_of((HOSTILE_NET, 4))
    assert inner.inside == (NESTED, 2)
    assert inner.depth == outer.depth + 2  # the bridge of the container is between them


def test_a_macvlan_hangs_on_the_link_below_it_and_names_its_namespace() -> None:
    found = line_of((BLUE, 2))
    assert found.depth == line_of((INITIAL, 2)).depth + 1
    assert found.text.endswith("mv0 macvlan bridge  netns blue")


def test_every_link_in_use_is_there_once() -> None:
    keys = [key for one in lines() for key in (one.key, one.inside) if key is not None and key[1] != 0]
    used = {
        (namespace.ino, one.ifindex)
        for namespace in TOPOLOGY.network_namespaces
        for one in namespace.links
        if one.name not in ("lo", "tunl0", "sit0")
    }
    assert sorted(keys) == sorted(used)


def test_a_loop_of_veths_and_bridges_ends() -> None:
    one = NetworkNamespace(
        ino=1, pid=1, links=(lo(), link(2, "a", "veth", master=4), link(3, "b", "veth", master=4), link(4, "br", "bridge"))
    )
    loop = NetworkTopology(
        network_namespaces=(one,),
        edges=(edge("veth", (1, 2), (1, 3)), edge("bridge_port", (1, 2), (1, 4)), edge("bridge_port", (1, 3), (1, 4))),
    )
    assert [found.key for found in topology_lines(loop, ())] == [None, (1, 0), (1, 4), (1, 2)]


def test_namespaces_chained_a_thousand_deep_are_drawn() -> None:
    namespaces = [NetworkNamespace(ino=0, is_initial=True, links=(link(3, "v", "veth"),))]
    namespaces += [NetworkNamespace(ino=n, links=(link(2, "w", "veth"), link(3, "v", "veth"))) for n in range(1, 2000)]
    edges = tuple(edge("veth", (n, 2), (n - 1, 3)) for n in range(1, 2000))
    drawn = topology_lines(NetworkTopology(network_namespaces=tuple(namespaces), edges=edges), ())
    assert drawn[1999].depth == 1999
    assert max(len(one.parts[0].text) for one in drawn) < 140


@pytest.mark.parametrize(
    ("link", "below", "said"),
    [
        (link(2, "eth0"), None, ""),
        (link(2, "eth0", up=False), None, "link is down"),
        (link(2, "eth0", has_carrier=False), None, "no carrier"),
        (link(2, "br0", "bridge", has_carrier=False), None, ""),
        (link(2, "eth0", "veth", has_carrier=False), link(3, "veth9", "veth", up=False), "veth9 is down"),
        (Link(ifindex=2, name="eth0", kind=None, mac=None, mtu=None, state=None), None, ""),
    ],
)
def test_the_cause_of_silence_is_named(link: Link, below: Link | None, said: str) -> None:
    assert link_trouble(link, below) == said


def test_published_ports_read_as_what_is_inside_and_where_it_comes_in() -> None:
    assert TOPOLOGY.publications is not None
    web, udp, astray = TOPOLOGY.publications
    assert [publication_text(one) for one in (web, udp, astray)] == [":80 ◀ *:8080", ":53/udp ◀ 127.0.0.1:53", ":81 ◀ [::]:81"]
    asked = TOPOLOGY.network_namespaces[2]
    assert publication_trouble(udp, asked) == "nobody listens"
    assert publication_trouble(udp, msgspec.structs.replace(asked, sockets=None)) == ""
    assert publication_trouble(astray, None) == "nobody has 172.17.0.99"


def test_many_containers_are_counted_and_a_pod_is_one() -> None:
    known = {one.id: one for one in CONTAINERS}
    assert who_text([str(n) for n in range(6)], known) == "0, 1, 2, 3 and 2 more"
    assert who_text([WEB.id], known) == "web"


@pytest.mark.parametrize("width", [80, 200])
def test_a_namespace_in_full_looks_like_this(width: int) -> None:
    namespaces = {one.ino: one for one in TOPOLOGY.network_namespaces}
    page = format_network_page(namespaces[WEB_NET], namespaces, {one.id: one for one in CONTAINERS}, ["(the way)"], width)
    assert max(map(cell_width, page)) <= width
    assert_golden(f"net-page-{width}.txt", "".join(f"{one}\n" for one in page))


def test_nothing_that_is_printed_steers_the_terminal() -> None:
    namespaces = {one.ino: one for one in TOPOLOGY.network_namespaces}
    known = {one.id: one for one in CONTAINERS}
    assert HOSTILE.id in known
    printed = [
        *format_map(lines()),
        *(text for one in namespaces.values() for text in format_network_page(one, namespaces, known, [])),
    ]
    assert all(text.isprintable() for text in printed)
