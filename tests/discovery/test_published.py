"""Published ports over a network made by hand: who does it, where it leads, who listens, what the engine says."""

import time

from msgspec.structs import replace

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.port_proxies import Forward, PortProxy, parse_forwards
from ctrscope.discovery.published import find_publications, join_publications
from ctrscope.discovery.topology import TopologyReader
from ctrscope.model.container import Port
from ctrscope.model.network import NetworkNamespace, Publication
from ctrscope.probes.hostfs import HostFs
from tests.site import (
    DB_HERE,
    DB_INSIDE,
    DB_NET,
    HOST,
    HOST_NET,
    RULE,
    WEB_HERE,
    WEB_INSIDE,
    WEB_NET,
    inside,
    link,
    snapshot,
    socket,
    topology,
)

PROXY = PortProxy(
    "docker-proxy",
    77,
    HOST_NET,
    (Forward("tcp", "", 8080, 8080, "172.17.0.2", 80),),
    (socket("0.0.0.0", 8080), socket("::", 8080, "tcp6")),
)


def published(*rules: object, proxies: tuple[PortProxy, ...] = (), **options: bool) -> tuple[Publication, ...]:
    return join_publications(snapshot(), topology(), rules, proxies, **options)  # type: ignore[arg-type]


def test_rule_proxy_and_declaration_of_one_port_are_one_publication() -> None:
    (one,) = published(RULE, proxies=(PROXY,))
    assert one.via == ("nftables ip nat DOCKER handle 12", "docker-proxy 77")
    assert (one.host_ip, one.host_port, one.target_ip, one.target_port, one.target_netns) == (
        "",
        8080,
        "172.17.0.2",
        80,
        WEB_NET,
    )
    assert (one.container, one.declared_by, one.is_declared) == (WEB_HERE.id, WEB_HERE.id, True)
    assert one.listener is not None
    assert one.listener.pid == WEB_HERE.pid


def test_a_declared_port_that_nothing_does_is_shown_with_no_mechanism() -> None:
    (one,) = published()
    assert (one.via, one.is_declared, one.is_checked, one.target_ip) == ((), True, True, "172.17.0.2")


def test_where_rules_could_not_be_read_nothing_is_said_of_their_absence() -> None:
    (one,) = published(is_complete=False)
    assert (one.via, one.is_checked) == ((), False)


def test_a_rule_that_no_engine_declares_is_shown_too() -> None:
    found = published(RULE, replace(RULE, dport=(9090, 9090), to_ip="172.17.0.3", source="nftables ip mine pre handle 3"))
    (mine,) = [one for one in found if one.host_port == 9090]
    assert (mine.container, mine.declared_by, mine.is_declared, mine.listener) == (DB_HERE.id, None, False, None)


def test_a_rule_that_leads_to_another_than_declared_is_not_the_declared_one() -> None:
    (one,) = published(replace(RULE, to_ip="172.17.0.3"))
    assert (one.target_netns, one.declared_by, one.is_declared) == (DB_NET, WEB_HERE.id, False)


def test_an_address_that_nobody_has_has_no_namespace() -> None:
    (one,) = published(replace(RULE, to_ip="172.17.0.99"))
    assert (one.target_netns, one.container, one.declared_by) == (None, None, WEB_HERE.id)


def test_an_address_in_a_namespace_that_no_link_leads_to_is_nobodys() -> None:
    island = NetworkNamespace(ino=4026539777, links=(link(2, "tap0", "tun", "10.0.2.100/24"),))
    found = join_publications(snapshot(), topology(island), (replace(RULE, to_ip="10.0.2.100"),), ())
    assert [one.target_netns for one in found] == [None]


def test_the_nearest_of_two_with_the_same_address_is_meant() -> None:
    far = replace(inside(4026539778, 9, "172.17.0.2", container="x"), containers=())
    (one,) = join_publications(snapshot(), topology(far), (RULE,), ())
    assert one.target_netns == WEB_NET


def test_a_range_is_told_port_by_port_and_keeps_its_ports() -> None:
    found = published(replace(RULE, dport=(5000, 5002), to_port=None))
    assert [(one.host_port, one.target_port) for one in found if one.via] == [(5000, 5000), (5001, 5001), (5002, 5002)]


def test_ports_of_loopback_are_for_this_host_only() -> None:
    found = published(replace(RULE, dst="127.0.0.1", dport=(9999, 9999)))
    assert [(one.host_ip, one.reach) for one in found if one.via] == [("127.0.0.1", "this host only")]


def test_the_address_of_a_kubernetes_service_is_no_port_of_the_host() -> None:
    service = replace(RULE, is_local_only=False, dst="10.96.0.10", source="iptables-legacy ip nat KUBE-SEP-1 rule 2")
    assert [one.via for one in published(service)] == [()]
    assert [one.via for one in published(replace(service, source="nftables ip mine pre handle 1"))].count(()) == 1


def test_a_proxy_that_does_not_say_where_it_leads_leads_where_the_engine_says() -> None:
    proxy = PortProxy("rootlessport", 88, HOST_NET, (), (socket("0.0.0.0", 8080),))
    (one,) = published(proxies=(proxy,))
    assert (one.via, one.target_ip, one.target_port, one.is_declared) == (("rootlessport 88",), "172.17.0.2", 80, True)


def test_a_proxy_publishes_what_it_listens_on_and_not_what_its_arguments_claim() -> None:
    liar = PROXY._replace(sockets=(), pid=99)
    assert [one.via for one in published(proxies=(liar,))] == [()]


def test_in_the_host_network_a_listening_socket_is_the_publication() -> None:
    here = replace(WEB_HERE, namespaces=replace(WEB_HERE.namespaces, net=HOST_NET), ports=())
    host = replace(HOST, sockets=(socket("0.0.0.0", 80, pid=here.pid), socket("0.0.0.0", 22, pid=None, ino=8)))
    found = join_publications(snapshot(here), topology(host), (), ())
    assert [(one.host_port, one.via, one.container) for one in found] == [(80, ("host network",), here.id)]


def test_a_listener_on_loopback_is_not_one_for_the_published_address() -> None:
    web = replace(WEB_INSIDE, sockets=(socket("127.0.0.1", 80),))
    (one,) = join_publications(snapshot(), topology(web), (RULE,), ())
    assert one.listener is None


def test_a_listener_on_every_address_of_ipv6_takes_ipv4_too() -> None:
    web = replace(WEB_INSIDE, sockets=(socket("::", 80, "tcp6"),))
    (one,) = join_publications(snapshot(), topology(web), (RULE,), ())
    assert one.listener is not None


def test_udp_and_tcp_of_one_port_are_two() -> None:
    udp = Port(proto="udp", host_ip="0.0.0.0", host_port=8080, container_ip=None, container_port=80)
    both = replace(WEB_HERE, ports=(*WEB_HERE.ports, udp))
    found = join_publications(snapshot(both), topology(), (RULE,), ())
    assert [(one.proto, bool(one.via)) for one in found] == [("tcp", True), ("udp", False)]


def test_sockets_that_were_not_read_are_no_listener_and_no_error() -> None:
    (one,) = join_publications(snapshot(), topology(replace(WEB_INSIDE, sockets=None), DB_INSIDE), (RULE,), ())
    assert one.listener is None


def test_arguments_of_proxies_say_where_they_lead() -> None:
    docker = "docker-proxy -proto udp -host-ip :: -host-port 53 -container-ip 172.17.0.2 -container-port 5353"
    assert list(parse_forwards("docker-proxy", tuple(docker.split()))) == [Forward("udp", "", 53, 53, "172.17.0.2", 5353)]
    pasta = "pasta --config-net -t 127.0.0.1/8080-8090:80-90,9000 -u none --udp-ports=53:5353 -T none 4711"
    assert list(parse_forwards("pasta", tuple(pasta.split()))) == [
        Forward("tcp", "127.0.0.1", 8080, 8090, None, 80),
        Forward("tcp", "127.0.0.1", 9000, 9000, None, 9000),
        Forward("udp", "", 53, 53, None, 5353),
    ]
    incus = "incusd forkproxy -- 1 3 tcp:0.0.0.0:8080-8081 4711 4 tcp:127.0.0.1:80-81 /log /pid 0644"
    assert list(parse_forwards("forkproxy", tuple(incus.split()))) == [
        Forward("tcp", "", 8080, 8080, "127.0.0.1", 80, 4711),
        Forward("tcp", "", 8081, 8081, "127.0.0.1", 81, 4711),
    ]


def test_arguments_that_make_no_sense_are_left_out() -> None:
    assert list(parse_forwards("docker-proxy", ("docker-proxy", "-proto"))) == []
    assert list(parse_forwards("docker-proxy", ("docker-proxy", "-host-port", "x", "-container-ip", "y"))) == []
    assert list(parse_forwards("pasta", ("pasta", "-t", "x:y"))) == []
    assert list(parse_forwards("forkproxy", ("incusd", "forkproxy", "--"))) == []


def test_ports_that_no_packet_can_have_make_no_sense_however_many_they_are() -> None:
    for ports in ("1-999999999999", "0", "80-79"):
        assert (
            list(
                parse_forwards(
                    "forkproxy", ("incusd", "forkproxy", "--", "1", "3", f"tcp:0.0.0.0:{ports}", "5", "4", "tcp:[::1]:1")
                )
            )
            == []
        )
    many = ",".join(["1-65535"] * 5000)
    assert (
        len(list(parse_forwards("forkproxy", ("lxd", "forkproxy", f"tcp:*:{many}", "1", "2", "3", f"tcp:127.0.0.1:{many}"))))
        == 2000
    )


def test_ten_thousand_declared_ports_are_held_against_as_many_rules_in_a_moment() -> None:
    ports = tuple(
        Port(proto="udp", host_ip="", host_port=port, container_ip=None, container_port=port) for port in range(10_000, 20_000)
    )
    rules = [replace(RULE, proto="udp", dport=(port, port), to_port=port) for port in range(10_000, 20_000)]
    started = time.process_time()
    found = join_publications(snapshot(replace(WEB_HERE, ports=ports)), topology(), rules, ())
    assert time.process_time() - started < 5
    assert len(found) == 10_000
    assert all(one.is_declared for one in found)


def test_of_a_captured_host_proxies_and_declarations_are_known_and_its_rules_are_not(v2_host: HostFs) -> None:
    captured = discover(v2_host, Plan(namespaces=True, addresses=True, stats=False, stopped=False))
    net = TopologyReader(v2_host).read(captured).value
    assert net is not None
    found, gaps = find_publications(v2_host, captured, net)
    names = {one.id: one.name for one in captured.containers}
    assert [(one.host_ip, one.host_port, one.via, names.get(one.declared_by or ""), one.is_checked) for one in found or ()] == [
        ("127.0.0.1", 8080, ("docker-proxy 1250",), "d-db", True),
        ("127.0.0.1", 8081, (), "e9868e1b88a2-infra", False),
    ]
    assert "host" in {gap.subject for gap in gaps}
