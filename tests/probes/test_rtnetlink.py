"""Links, addresses and routes from netlink messages as pyroute2 decodes them."""

from ctrscope.model.network import Link, Network, Route
from ctrscope.probes.rtnetlink import Dump, parse_network

_LO = {"index": 1, "attrs": [("IFLA_IFNAME", "lo"), ("IFLA_OPERSTATE", "UNKNOWN"), ("IFLA_MTU", 65536)]}
_VETH = {
    "index": 2,
    "attrs": [
        ("IFLA_IFNAME", "eth0"),
        ("IFLA_LINK", 6),
        ("IFLA_LINK_NETNSID", 0),
        ("IFLA_MASTER", 9),
        ("IFLA_MTU", 1500),
        ("IFLA_OPERSTATE", "UP"),
        ("IFLA_ADDRESS", "7e:be:30:1a:ed:30"),
        ("IFLA_STATS64", {"rx_bytes": 2**40, "tx_bytes": 12}),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "veth")]}),
    ],
}


def test_a_veth_names_its_peer_by_index_and_namespace() -> None:
    addresses = (
        {"index": 2, "prefixlen": 16, "attrs": [("IFA_ADDRESS", "10.88.0.2"), ("IFA_LOCAL", "10.88.0.2")]},
        {"index": 2, "prefixlen": 64, "attrs": [("IFA_ADDRESS", "fe80::1")]},
    )
    network = parse_network(Dump((_VETH, _LO), addresses, ()))
    assert [link.name for link in network.links] == ["lo", "eth0"]
    assert network.links[1] == Link(
        ifindex=2,
        name="eth0",
        kind="veth",
        mac="7e:be:30:1a:ed:30",
        mtu=1500,
        state="UP",
        addresses=("10.88.0.2/16", "fe80::1/64"),
        master=9,
        peer_ifindex=6,
        peer_netnsid=0,
        rx_bytes=2**40,
        tx_bytes=12,
    )


def test_the_own_end_of_a_point_to_point_link_is_its_address() -> None:
    addresses = ({"index": 1, "prefixlen": 32, "attrs": [("IFA_ADDRESS", "10.0.0.9"), ("IFA_LOCAL", "10.0.0.1")]},)
    assert parse_network(Dump((_LO,), addresses, ())).links[0].addresses == ("10.0.0.1/32",)


def test_routes_are_those_of_the_main_table() -> None:
    routes = (
        {"table": 254, "dst_len": 0, "attrs": [("RTA_GATEWAY", "10.88.0.1"), ("RTA_OIF", 2)]},
        {"table": 254, "dst_len": 16, "attrs": [("RTA_DST", "10.88.0.0"), ("RTA_PREFSRC", "10.88.0.2"), ("RTA_OIF", 2)]},
        {"table": 255, "dst_len": 32, "attrs": [("RTA_DST", "10.88.0.2"), ("RTA_OIF", 2)]},
        # Table numbers above 255 fit only into the attribute.
        {"table": 252, "dst_len": 0, "attrs": [("RTA_TABLE", 1000), ("RTA_OIF", 2)]},
    )
    assert parse_network(Dump((_VETH,), (), routes)).routes == (
        Route(dst="default", gateway="10.88.0.1", dev="eth0", src=None),
        Route(dst="10.88.0.0/16", gateway=None, dev="eth0", src="10.88.0.2"),
    )


def test_a_route_with_two_ways_is_two_routes() -> None:
    hops = [{"oif": 2, "attrs": [("RTA_GATEWAY", "10.0.0.1")]}, {"oif": 1, "attrs": [("RTA_VIA", {"addr": "fe80::1"})]}]
    routes = ({"table": 254, "dst_len": 0, "attrs": [("RTA_MULTIPATH", hops)]},)
    assert [(r.gateway, r.dev) for r in parse_network(Dump((_LO, _VETH), (), routes)).routes] == [
        ("10.0.0.1", "eth0"),
        ("fe80::1", "lo"),
    ]


def test_an_empty_namespace_has_nothing() -> None:
    assert parse_network(Dump((), (), ())) == Network()
