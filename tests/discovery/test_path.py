"""The way to a port over a network made by hand; against the kernel itself: tests/kernel/test_path.py."""

import pytest
from msgspec.structs import replace

from ctrscope.discovery.path import explain_path
from ctrscope.discovery.port_proxies import Forward, PortProxy
from ctrscope.discovery.published import join_publications
from ctrscope.model.container import Container, ContainerStatus
from ctrscope.model.nat import DnatRule
from ctrscope.model.network import Edge, EdgeEnd, NetworkNamespace, NetworkPath, NetworkTopology, Peer
from tests.site import (
    DB_HERE,
    HOST,
    HOST_NET,
    RULE,
    WEB_HERE,
    WEB_INSIDE,
    WEB_NET,
    link,
    route,
    snapshot,
    socket,
    topology,
    with_link,
)

PROXY = PortProxy("docker-proxy", 77, HOST_NET, (Forward("tcp", "", 8080, 8080, "172.17.0.2", 80),), (socket("0.0.0.0", 8080),))


def explain(
    *namespaces: NetworkNamespace,
    rules: tuple[DnatRule, ...] = (RULE,),
    proxies: tuple[PortProxy, ...] = (),
    container: Container = WEB_HERE,
    port: int = 8080,
    is_complete: bool = True,
) -> NetworkPath:
    here, net = snapshot(container, DB_HERE), topology(*namespaces)
    published = join_publications(here, net, rules, proxies, is_complete=is_complete)
    return explain_path(here, net, published, container, port, "tcp")


def broken(path: NetworkPath) -> tuple[str, str]:
    assert path.broken is not None
    return path.broken.kind, path.broken.why


def test_everything_in_order_is_nine_hops() -> None:
    path = explain()
    assert path.broken is None
    assert [hop.kind for hop in path.hops] == [
        "wire", "nat", "route", "route", "bridge", "veth", "namespace", "route", "listener",
    ]  # fmt: skip


def test_a_rule_for_an_address_of_a_stranger_is_broken_where_it_is_wrong() -> None:
    assert broken(explain(rules=(replace(RULE, to_ip="172.17.0.3"),))) == ("nat", "172.17.0.3 is db's: web has 172.17.0.2")


def test_the_first_rule_decides() -> None:
    wrong = replace(RULE, to_ip="172.17.0.99", source="nftables ip nat DOCKER handle 2")
    assert broken(explain(rules=(wrong, RULE))) == ("nat", "nobody has 172.17.0.99: web has 172.17.0.2")
    assert explain(rules=(RULE, wrong)).broken is None


def test_a_target_beyond_the_uplink_is_not_judged() -> None:
    path = explain(rules=(replace(RULE, to_ip="198.51.100.7"),))
    (hop,) = [hop for hop in path.hops if hop.kind == "nat"]
    assert (hop.is_ok, hop.why) == (None, "198.51.100.7 is not on this host: the route leads out through eth0")


def test_a_port_inside_that_differs_from_the_declared_one_is_named() -> None:
    assert broken(explain(rules=(replace(RULE, to_port=81),))) == ("nat", "docker's state says port 80 inside, not 81")


def test_nothing_does_it_although_the_engine_says_so() -> None:
    kind, why = broken(explain(rules=()))
    assert kind == "nat"
    assert "no rule of the kernel, no proxy process" in why


def test_unread_rules_are_no_broken_hop() -> None:
    path = explain(rules=(), is_complete=False)
    assert path.broken is None
    assert [hop.why for hop in path.hops if hop.kind == "nat"] == ["the rules of the kernel could not be read"]


def test_a_proxy_alone_needs_neither_forwarding_nor_a_way_back() -> None:
    host = replace(HOST, forwarding={"ipv4": False})
    web = replace(WEB_INSIDE, routes=(route("172.17.0.0/16", "eth0"),))
    path = explain(host, web, rules=(), proxies=(PROXY,))
    assert path.broken is None
    assert "proxy" in [hop.kind for hop in path.hops]


def test_what_only_this_host_reaches_needs_no_way_back_either() -> None:
    web = replace(WEB_INSIDE, routes=(route("172.17.0.0/16", "eth0"),))
    path = explain(web, rules=(replace(RULE, dst="127.0.0.1"),), container=replace(WEB_HERE, ports=()))
    assert path.broken is None
    assert path.hops[0].why == "this host only"


def test_a_host_address_that_no_link_has_is_the_wire() -> None:
    wrong = replace(RULE, dst="192.0.2.77", is_local_only=False)
    kind, why = broken(explain(rules=(wrong,), container=replace(WEB_HERE, ports=())))
    assert (kind, why) == ("wire", "no link of the host has 192.0.2.77")


@pytest.mark.parametrize(
    ("namespace", "kind", "why"),
    [
        (with_link(HOST, "eth0", is_up=False), "wire", "eth0 is down"),
        (with_link(HOST, "docker0", is_up=False), "bridge", "docker0 is down"),
        (with_link(HOST, "docker0", has_carrier=False), "bridge", "docker0 has no carrier"),
        (with_link(HOST, "veth4", is_up=False, has_carrier=False), "veth", "veth4 is down"),
        (with_link(HOST, "veth4", has_carrier=False), "veth", "veth4 has no carrier"),
        (with_link(HOST, "veth4", master=None), "veth", "veth4 is not a port of docker0"),
        (with_link(WEB_INSIDE, "eth0", is_up=False), "namespace", "eth0 inside is down"),
        (replace(WEB_INSIDE, sockets=()), "listener", "nothing listens on 80/tcp; no tcp port is open"),
        (
            replace(WEB_INSIDE, sockets=(socket("fd00::2", 80, "tcp6"),)),
            "listener",
            "httpd listens on [fd00::2]:80 only, and what comes is IPv4",
        ),
    ],
)
def test_one_thing_wrong_is_one_broken_hop(namespace: NetworkNamespace, kind: str, why: str) -> None:
    found = explain(namespace)
    assert broken(found)[0] == kind
    assert broken(found)[1].replace("somebody", "httpd").startswith(why)


def test_a_route_to_another_bridge_is_named() -> None:
    second = link(6, "br-x", "bridge", "172.17.5.1/24")
    host = replace(HOST, links=(*HOST.links, second), routes=(*HOST.routes, route("172.17.0.0/24", "br-x")))
    assert broken(explain(host)) == ("route", "the route to 172.17.0.2 leads to br-x, and the container hangs on docker0")


def test_a_paused_container_takes_connections_and_answers_none() -> None:
    kind, why = broken(explain(container=replace(WEB_HERE, status=ContainerStatus.PAUSED)))
    assert (kind, why) == ("namespace", "web is paused: the kernel takes connections, and nobody answers them")


def test_of_a_stopped_container_that_is_all_there_is_to_say() -> None:
    stopped = replace(WEB_HERE, status=ContainerStatus.STOPPED, pid=None, pids=())
    (hop,) = explain(container=stopped).hops
    assert (hop.kind, hop.is_ok) == ("listener", False)


def test_a_port_that_is_not_published_comes_with_those_that_are() -> None:
    assert broken(explain(port=4711)) == ("wire", "4711/tcp is not published: published are 8080 → 80")


def test_in_the_host_network_only_its_own_sockets_count() -> None:
    host = replace(HOST, sockets=(socket("0.0.0.0", 80, pid=1),), containers=(WEB_HERE.id,))
    here = replace(WEB_HERE, namespaces=replace(WEB_HERE.namespaces, net=HOST_NET), ports=())
    kind, why = broken(explain(host, rules=(), container=here, port=80))
    assert (kind, why) == ("listener", "nothing listens on 80/tcp; no tcp port is open")


def test_through_a_router_namespace_the_way_is_followed() -> None:
    # host -- uplink ↔ r0, router, br0 with veth4 -- web
    router_net = 4026539005
    uplink = link(10, "uplink", "veth", "10.9.0.1/30", peer=Peer(netns=router_net, ifindex=11))
    host = replace(
        HOST,
        links=(*(one for one in HOST.links if one.name in ("lo", "eth0")), uplink),
        routes=(route("default", "eth0"), route("172.17.0.0/16", "uplink", "10.9.0.2")),
    )
    router = replace(
        HOST,
        ino=router_net,
        is_initial=False,
        links=(link(11, "r0", "veth", "10.9.0.2/30"), *(one for one in HOST.links if one.name not in ("lo", "eth0"))),
        routes=(route("172.17.0.0/16", "docker0"),),
    )
    web = with_link(WEB_INSIDE, "eth0", peer=Peer(netns=router_net, ifindex=4, name="veth4"))
    pairs = ((router_net, 11, HOST_NET, 10), (WEB_NET, 2, router_net, 4))
    edges = tuple(Edge(kind="veth", a=EdgeEnd(netns=a, ifindex=i), b=EdgeEnd(netns=b, ifindex=j)) for a, i, b, j in pairs)
    net = NetworkTopology(network_namespaces=(host, router, web), edges=edges)
    here = snapshot(WEB_HERE)
    path = explain_path(here, net, join_publications(here, net, (RULE,), ()), WEB_HERE, 8080, "tcp")
    assert path.broken is None
    whats = [hop.what for hop in path.hops]
    assert "172.17.0.0/16 via 10.9.0.2 dev uplink in the host" in whats
    assert f"172.17.0.0/16 dev docker0 in net:[{router_net}]" in whats
