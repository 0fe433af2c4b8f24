"""Rules that nft, iptables-nft and iptables-legacy put into a namespace of ours, and what we read of them."""

from collections.abc import Iterator
from typing import Literal

import pytest

from ctrscope.model.nat import DnatRule
from ctrscope.probes.forward_filter import Packet, judge_forwarded
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.iptables_legacy import read_iptables_legacy
from ctrscope.probes.netns import run_in_network_namespace
from ctrscope.probes.nftables import read_nftables
from ctrscope.probes.packet_filter import Chain, find_dnat
from tests.kernel.networks import Namespace, network_namespace
from tests.requirements import require, require_root


@pytest.fixture
def inside() -> Iterator[Namespace]:
    require_root("network namespaces")
    require("unshare", "nsenter", "ip")
    with network_namespace() as namespace:
        yield namespace


def rules_of(namespace: Namespace) -> tuple[DnatRule, ...]:
    host = HostFs()
    chains = run_in_network_namespace(namespace.pid, lambda: (*read_nftables(host), *read_iptables_legacy(host)))
    return find_dnat({(chain.table, chain.name): chain for chain in chains}, 1)


def brief(rule: DnatRule) -> tuple[object, ...]:
    return rule.proto, rule.dst, rule.dport, rule.to_ip, rule.to_port


NFT = """
table ip t {
  chain pre {
    type nat hook prerouting priority dstnat;
    %s
  }
}
"""


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("tcp dport 8080 dnat to 10.0.0.2:80", [("tcp", "", (8080, 8080), "10.0.0.2", 80)]),
        ("ip daddr 192.0.2.1 udp dport 53 dnat to 10.0.0.2", [("udp", "192.0.2.1", (53, 53), "10.0.0.2", None)]),
        ("ip daddr 192.0.2.0/24 tcp dport 1 dnat to 10.0.0.2", [("tcp", "192.0.2.0/24", (1, 1), "10.0.0.2", None)]),
        ("ip daddr 192.0.2.64/26 tcp dport 1 dnat to 10.0.0.2", [("tcp", "192.0.2.64/26", (1, 1), "10.0.0.2", None)]),
        ("tcp dport 8000-8010 dnat to 10.0.0.2", [("tcp", "", (8000, 8010), "10.0.0.2", None)]),
        (
            "tcp dport { 80, 443 } dnat to 10.0.0.2",
            [("tcp", "", (80, 80), "10.0.0.2", None), ("tcp", "", (443, 443), "10.0.0.2", None)],
        ),
        ("tcp dport { 80-90 } dnat to 10.0.0.2", [("tcp", "", (80, 90), "10.0.0.2", None)]),
        (
            "dnat to tcp dport map { 81 : 10.0.0.1, 82 : 10.0.0.2 }",
            [("tcp", "", (81, 81), "10.0.0.1", None), ("tcp", "", (82, 82), "10.0.0.2", None)],
        ),
        (
            "dnat ip to tcp dport map { 81 : 10.0.0.1 . 8081, 82 : 10.0.0.2 . 8082 }",
            [("tcp", "", (81, 81), "10.0.0.1", 8081), ("tcp", "", (82, 82), "10.0.0.2", 8082)],
        ),
        (
            "ip daddr . tcp dport { 192.0.2.1 . 80, 192.0.2.2 . 443 } dnat to 10.0.0.2",
            [("tcp", "192.0.2.1", (80, 80), "10.0.0.2", None), ("tcp", "192.0.2.2", (443, 443), "10.0.0.2", None)],
        ),
        ("tcp dport 8080 redirect to :80", [("tcp", "", (8080, 8080), None, 80)]),
        ("meta l4proto { tcp, udp } th dport 53 dnat to 10.0.0.9", None),
        # No interval is an address that is left out.
        ("ip daddr != { 10.0.0.0/8, 192.0.2.1 } tcp dport 80 dnat to 10.0.0.2", [("tcp", "", (80, 80), "10.0.0.2", None)]),
    ],
)
def test_a_rule_of_nft_is_read_as_it_was_written(
    inside: Namespace, rule: str, expected: list[tuple[object, ...]] | None
) -> None:
    require("nft")
    inside.run("nft", "-f", "-", text=NFT % rule)
    found = sorted(map(brief, rules_of(inside)), key=str)
    if expected is None:
        expected = [("tcp", "", (53, 53), "10.0.0.9", None), ("udp", "", (53, 53), "10.0.0.9", None)]
    assert found == sorted(expected, key=str)


def test_ports_in_a_verdict_map_lead_to_the_chains_that_they_jump_to(inside: Namespace) -> None:
    require("nft")
    inside.run(
        "nft",
        "-f",
        "-",
        text="""
table inet kube {
  map nodeports { type inet_proto . inet_service : verdict; elements = { tcp . 30080 : goto one, udp . 30053 : goto two }; }
  chain one { meta l4proto tcp dnat ip to 10.244.0.2:80; }
  chain two { numgen random mod 2 vmap { 0 : goto a, 1 : goto b }; }
  chain a { udp dport 30053 dnat ip to 10.244.0.3:53; }
  chain b { udp dport 30053 dnat ip to 10.244.0.4:53; }
  chain pre {
    type nat hook prerouting priority dstnat;
    iifname "lxc*" return
    fib daddr type local meta l4proto . th dport vmap @nodeports
  }
  chain out { type nat hook output priority -100; fib daddr type local meta l4proto . th dport vmap @nodeports; }
}
""",
    )
    found = rules_of(inside)
    first = sorted((rule for rule in found if "prerouting" in rule.hooks), key=brief)
    assert [brief(rule) for rule in first] == [
        ("tcp", "", (30080, 30080), "10.244.0.2", 80),
        ("udp", "", (30053, 30053), "10.244.0.3", 53),
        ("udp", "", (30053, 30053), "10.244.0.4", 53),
    ]
    assert all(rule.is_local_only and rule.not_in_interfaces == ("lxc*",) for rule in first)
    assert {rule.family for rule in first} == {"ipv4"}
    handle = next(
        line for line in inside.run("nft", "-a", "list", "chain", "inet", "kube", "one").splitlines() if "dnat" in line
    )
    assert first[0].source == f"nftables inet kube one handle {handle.split('handle ')[1]}"


IPTABLES = """
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-SEP-1 - [0:0]
:KUBE-SEP-2 - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -m comment --comment "kubernetes service nodeports" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -i docker0 -j RETURN
-A DOCKER -d 127.0.0.1/32 ! -i br0 -p tcp -m tcp --dport 18080 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER ! -i br0 -p udp -m udp --dport 5000:5010 -j DNAT --to-destination 172.17.0.3
-A DOCKER -p tcp -m multiport --dports 1,3:5 -j DNAT --to-destination 172.17.0.4:9
-A DOCKER -p tcp -m tcp --dport 99 -j REDIRECT --to-ports 100
-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web" -m tcp --dport 30080 -m statistic --mode random --probability 0.5 -j KUBE-SEP-1
-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web" -m tcp --dport 30080 -j KUBE-SEP-2
-A KUBE-SEP-1 -p tcp -m tcp -j DNAT --to-destination 10.244.0.2:80
-A KUBE-SEP-2 -p tcp -m tcp -j DNAT --to-destination 10.244.0.3:80
COMMIT
"""  # noqa: E501


@pytest.mark.parametrize("variant", ["iptables-nft", "iptables-legacy"])
def test_rules_of_iptables_are_the_same_in_whichever_table_they_are(inside: Namespace, variant: str) -> None:
    require(f"{variant}-restore")
    inside.run(f"{variant}-restore", text=IPTABLES)
    found = [rule for rule in rules_of(inside) if "prerouting" in rule.hooks]
    assert [brief(rule) for rule in found] == [
        ("tcp", "127.0.0.1", (18080, 18080), "172.17.0.2", 80),
        ("udp", "", (5000, 5010), "172.17.0.3", None),
        ("tcp", "", (1, 1), "172.17.0.4", 9),
        ("tcp", "", (3, 5), "172.17.0.4", 9),
        ("tcp", "", (99, 99), None, 100),
        ("tcp", "", (30080, 30080), "10.244.0.2", 80),
        ("tcp", "", (30080, 30080), "10.244.0.3", 80),
    ]
    docker = found[:5]
    assert all(rule.is_local_only and rule.family == "ipv4" for rule in found)
    assert [set(rule.not_in_interfaces) for rule in docker[:2]] == [{"docker0", "br0"}] * 2
    assert "statistic" in found[5].conditions
    assert not found[6].conditions
    prefix = "nftables ip nat DOCKER handle " if variant == "iptables-nft" else "iptables-legacy ip nat DOCKER rule "
    assert all(rule.source.startswith(prefix) for rule in docker)
    assert not any(rule.dst == "127.0.0.1" and "output" in rule.hooks for rule in rules_of(inside))


@pytest.mark.parametrize("variant", ["ip6tables-nft", "ip6tables-legacy"])
def test_rules_of_ipv6_have_addresses_of_sixteen_bytes(inside: Namespace, variant: str) -> None:
    require(f"{variant}-restore")
    inside.run(
        f"{variant}-restore",
        text="*nat\n-A PREROUTING -d fd00:1::/64 -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00:2::2]:8080\nCOMMIT\n",
    )
    (rule,) = rules_of(inside)
    assert (rule.family, *brief(rule)) == ("ipv6", "tcp", "fd00:1::/64", (80, 80), "fd00:2::2", 8080)


def test_reading_creates_no_table(inside: Namespace) -> None:
    require("iptables-legacy")
    assert rules_of(inside) == ()
    names = inside.run("cat", "/proc/net/ip_tables_names")
    assert names == ""
    inside.run("iptables-legacy", "-t", "filter", "-L")
    assert inside.run("cat", "/proc/thread-self/net/ip_tables_names") == "filter\n"
    assert rules_of(inside) == ()
    assert inside.run("cat", "/proc/thread-self/net/ip_tables_names") == "filter\n"


def test_a_network_that_is_left_out_by_a_set_is_a_condition(inside: Namespace) -> None:
    require("nft")
    inside.run("nft", "-f", "-", text=NFT % "ip daddr != { 10.0.0.0/8, 192.0.2.1 } tcp dport 80 dnat to 10.0.0.2")
    (rule,) = rules_of(inside)
    assert rule.not_dst == ()
    assert any(condition.startswith("not in ") for condition in rule.conditions)


def forwarded(namespace: Namespace, proto: str = "tcp", family: Literal["ipv4", "ipv6"] = "ipv4") -> bool | None:
    """Whether a new connection to port 80 of an address passes the hook forward."""
    host = HostFs()

    def read() -> tuple[Chain, ...]:
        return (*read_nftables(host, ("filter",)), *read_iptables_legacy(host, "filter"))

    chains = {(chain.table, chain.name): chain for chain in run_in_network_namespace(namespace.pid, read)}
    return judge_forwarded(
        chains, Packet(family, proto, "10.0.0.2" if family == "ipv4" else "fd00::2", 80, "eth0", "br0")
    ).is_accepted


@pytest.mark.parametrize("tool", ["iptables-legacy", "iptables-nft"])
@pytest.mark.parametrize(
    ("rule", "accepted"),
    [
        ("-m conntrack --ctstate RELATED,ESTABLISHED -j DROP", True),
        ("-m conntrack --ctstate DNAT -j DROP", None),
        ("-m conntrack --ctstate UNTRACKED -j DROP", None),
        ("-p tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j DROP", True),
        ("-p tcp ! --syn -j DROP", True),
        ("-p tcp --syn -j DROP", False),
        ("-p tcp --tcp-option 7 -j DROP", None),
        ("-p tcp --sport 1024:65535 -j DROP", None),
        ("-p sctp --dport 80 -j DROP", True),
    ],
)
def test_only_what_concerns_a_new_connection_decides_about_it(
    inside: Namespace, tool: str, rule: str, accepted: bool | None
) -> None:
    require(tool)
    inside.run(tool, "-A", "FORWARD", *rule.split())
    found = forwarded(inside)
    # iptables-nft writes some of it as comparisons of header bytes, which are conditions here.
    assert found is accepted or (tool == "iptables-nft" and found is None)


@pytest.mark.parametrize("tool", ["iptables-legacy", "iptables-nft"])
def test_ports_of_sctp_are_its_destination_ports(inside: Namespace, tool: str) -> None:
    require(tool)
    inside.run(tool, "-A", "FORWARD", "-p", "sctp", "--sport", "90", "--dport", "80", "-j", "DROP")
    assert forwarded(inside, "sctp") is None  # the source port is not known
    inside.run(tool, "-F", "FORWARD")
    inside.run(tool, "-A", "FORWARD", "-p", "sctp", "--dport", "80", "-j", "DROP")
    assert forwarded(inside, "sctp") is False


def test_many_lists_of_ports_in_one_rule_do_not_multiply(inside: Namespace) -> None:
    require("iptables-legacy")
    ports = ("-m", "multiport", "--dports", ",".join(["80"] * 15))
    inside.run("iptables-legacy", "-A", "FORWARD", "-p", "tcp", *ports * 5, "-j", "DROP")
    assert forwarded(inside) is None


@pytest.mark.parametrize(("word", "accepted"), [("-j", False), ("-g", True)])
@pytest.mark.parametrize("tool", ["iptables-legacy", "ip6tables-legacy", "iptables-nft"])
def test_a_goto_of_iptables_does_not_come_back(inside: Namespace, tool: str, word: str, *, accepted: bool) -> None:
    require(tool)
    inside.run(tool, "-N", "ELSEWHERE")
    inside.run(tool, "-A", "FORWARD", word, "ELSEWHERE")
    inside.run(tool, "-A", "FORWARD", "-j", "DROP")
    assert forwarded(inside, family="ipv6" if tool.startswith("ip6") else "ipv4") is accepted
