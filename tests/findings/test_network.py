"""Rules about networks, over a network made by hand: what is wrong is found, and what is in order is not."""

from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from ctrscope.discovery.published import join_publications
from ctrscope.findings import HEALTH_RULES
from ctrscope.findings.health import links, network
from ctrscope.model.container import Container, EngineName
from ctrscope.model.finding import Finding, Severity
from ctrscope.model.nat import DnatRule
from ctrscope.model.network import NetworkNamespace, NetworkTopology, Peer
from ctrscope.model.observed import Observed
from ctrscope.model.thresholds import Thresholds
from tests.findings.observations import judge, only
from tests.site import (
    DB_HERE,
    DB_INSIDE,
    HOST,
    RULE,
    WEB_HERE,
    WEB_INSIDE,
    WEB_NET,
    inside,
    link,
    route,
    snapshot,
    socket,
    topology,
    with_link,
)


def observed(
    *namespaces: NetworkNamespace,
    rules: tuple[DnatRule, ...] = (RULE,),
    containers: tuple[Container, ...] = (WEB_HERE, DB_HERE),
    is_complete: bool = True,
    **more: object,
) -> Observed:
    here, net = snapshot(*containers), topology(*namespaces)
    published = join_publications(here, net, rules, (), is_complete=is_complete)
    return Observed(snapshot=here, topology=replace(net, publications=published), **more)  # type: ignore[arg-type]


def all_of(seen: Observed) -> Iterator[Finding]:
    for rule in HEALTH_RULES:
        if rule.__module__ in (links.__name__, network.__name__):
            yield from rule(seen, Thresholds())


def test_a_network_in_order_has_no_finding() -> None:
    assert list(all_of(observed(nameservers={WEB_HERE.key: ("192.0.2.53",)}))) == []


def test_what_was_not_read_yields_nothing() -> None:
    assert list(all_of(Observed(snapshot=snapshot()))) == []
    unasked = Observed(snapshot=snapshot(), topology=NetworkTopology(network_namespaces=(HOST, WEB_INSIDE)))
    assert list(all_of(unasked)) == []


@pytest.mark.parametrize(
    ("rule", "namespace", "title"),
    [
        (links.down, with_link(HOST, "veth4", is_up=False), "veth4, the other end of eth0, is down: nothing gets in or out"),
        (links.down, with_link(WEB_INSIDE, "eth0", is_up=False), "eth0 inside is down"),
        (links.bridges, with_link(HOST, "docker0", is_up=False), "bridge docker0 is down, with 2 ports: veth4, veth5"),
        (
            links.bridges,
            with_link(HOST, "docker0", has_carrier=False),
            "bridge docker0 has no carrier, with 2 ports: veth4, veth5",
        ),
        (
            links.unattached,
            with_link(HOST, "veth4", master=None),
            "veth4, the other end of eth0, is in no bridge and has neither address nor route",
        ),
        (
            links.small_mtu,
            with_link(HOST, "veth4", mtu=1400),
            "eth0 sends up to 1500 bytes, veth4 takes 1400: larger ones are lost",
        ),
        (
            links.no_default_route,
            replace(WEB_INSIDE, routes=(route("172.17.0.0/16", "eth0"),)),
            "no default route inside: its published ports get no answer out",
        ),
        (
            links.duplicate_addresses,
            inside(DB_INSIDE.ino, 5, "172.17.0.2", container=DB_HERE.id),
            "172.17.0.2 is there 2 times on docker0: web, db",
        ),
        (
            links.duplicate_addresses,
            inside(WEB_NET, 4, "172.17.0.1", container=WEB_HERE.id),
            "172.17.0.1 is there 2 times on docker0: web, docker0 itself",
        ),
        (network.nobody_listens, replace(WEB_INSIDE, sockets=()), "port *:8080/tcp: nothing listens on 80/tcp inside"),
        (
            network.nobody_listens,
            replace(WEB_INSIDE, sockets=(socket("127.0.0.1", 80),)),
            "port *:8080/tcp: 80/tcp inside listens on 127.0.0.1 only, where 172.17.0.2 does not lead",
        ),
    ],
)
def test_what_is_wrong_is_said(rule: Callable[..., Iterator[Finding]], namespace: NetworkNamespace, title: str) -> None:
    assert only(rule, observed(namespace)).title == title


def test_a_command_to_paste_says_where_and_runs_nothing_that_a_name_says() -> None:
    name = "a;reboot #"
    links_of_it = tuple(replace(one, name=name, is_up=False) if one.name == "eth0" else one for one in WEB_INSIDE.links)
    finding = only(links.down, observed(replace(WEB_INSIDE, links=links_of_it)))
    assert finding.remedy == f"nsenter --net=/proc/{WEB_INSIDE.pid}/ns/net ip link set 'a;reboot #' up"


def test_a_rule_to_an_address_nobody_has_is_found_with_its_name() -> None:
    finding = only(network.lead_to_nobody, observed(rules=(replace(RULE, to_ip="172.17.0.99"),)))
    assert finding.title == "port *:8080/tcp is sent to 172.17.0.99:80, an address that nobody has"
    assert finding.subject.name == "web"
    assert finding.evidence[0].source == "nftables ip nat DOCKER handle 12"


def test_a_rule_that_leads_out_of_the_host_is_none() -> None:
    assert judge(network.lead_to_nobody, observed(rules=(replace(RULE, to_ip="198.51.100.7"),))) == []


def test_a_declared_port_that_nothing_publishes_is_found_only_when_the_rules_could_be_read() -> None:
    assert only(network.published_by_nothing, observed(rules=())).subject.name == "web"
    assert judge(network.published_by_nothing, observed(rules=(), is_complete=False)) == []


def test_nobody_is_said_to_listen_where_sockets_were_not_read() -> None:
    assert judge(network.nobody_listens, observed(replace(WEB_INSIDE, sockets=None))) == []


def test_an_empty_bridge_has_no_carrier_by_nature() -> None:
    empty = replace(HOST, links=(*HOST.links, link(9, "docker1", "bridge", has_carrier=False)))
    assert judge(links.bridges, observed(empty)) == []


def test_without_a_published_port_a_missing_default_route_may_be_meant() -> None:
    web = replace(WEB_INSIDE, routes=(route("172.17.0.0/16", "eth0"),))
    quiet = observed(web, rules=(), containers=(replace(WEB_HERE, ports=()), DB_HERE))
    assert only(links.no_default_route, quiet).severity is Severity.INFO
    by_hand = replace(WEB_HERE, ports=(), engine=EngineName.UNCLAIMED)
    assert judge(links.no_default_route, observed(web, rules=(), containers=(by_hand, DB_HERE))) == []


def test_a_veth_that_leads_nowhere_dangles_when_we_would_see_where_it_leads() -> None:
    dangling = with_link(HOST, "veth5", peer=Peer(netns=None, ifindex=2))
    capable = observed(dangling)
    privileges = replace(capable.snapshot.host.privileges, capabilities=("CAP_SYS_ADMIN", "CAP_SYS_PTRACE"))
    host = replace(capable.snapshot.host, privileges=privileges)
    root = replace(capable, snapshot=replace(capable.snapshot, host=host))
    assert only(links.unattached, root).subject.name == "veth5"
    blind = replace(host, privileges=replace(privileges, capabilities=()))
    assert judge(links.unattached, replace(capable, snapshot=replace(capable.snapshot, host=blind))) == []


@pytest.mark.parametrize(
    ("servers", "severity", "title"),
    [
        (("127.0.0.53",), Severity.MEDIUM, "name server 127.0.0.53: nothing inside answers at that address"),
        (("fd00::53",), Severity.MEDIUM, "name server fd00::53: no route inside leads there"),
        (("192.0.2.53", "::1"), Severity.LOW, "name server ::1: nothing inside answers at that address"),
    ],
)
def test_a_name_server_that_cannot_be_reached_is_named(servers: tuple[str, ...], severity: Severity, title: str) -> None:
    finding = only(network.nameservers, observed(nameservers={WEB_HERE.key: servers}))
    assert (finding.severity, finding.title) == (severity, title)


def test_dockers_own_name_server_listens_on_another_port() -> None:
    web = replace(WEB_INSIDE, sockets=(socket("127.0.0.11", 38969, "udp"),))
    assert judge(network.nameservers, observed(web, nameservers={WEB_HERE.key: ("127.0.0.11",)})) == []


def test_a_container_without_a_network_asks_nobody() -> None:
    alone = replace(WEB_INSIDE, links=WEB_INSIDE.links[:1], routes=())
    assert judge(network.nameservers, observed(alone, nameservers={WEB_HERE.key: ("192.0.2.53",)})) == []


def test_a_published_port_that_the_packet_filter_drops_is_named_with_the_rule() -> None:
    seen = observed()
    assert seen.topology is not None
    (published,) = seen.topology.publications or ()
    by = "nftables ip filter FORWARD policy drop"
    lost = replace(seen, topology=replace(seen.topology, publications=(replace(published, dropped_by=by),)))
    assert (
        only(network.dropped, lost).title == f"port *:8080/tcp is published, and what other hosts send there is dropped by {by}"
    )
