"""Our own decoder of netlink against a general one, in the same network namespace."""

from collections.abc import Mapping
from typing import Any

import pytest

from ctrscope.model.network import Link
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.netns import run_in_network_namespace
from ctrscope.probes.rtnetlink import read_network
from tests.kernel.networks import network_namespace
from tests.requirements import require, require_root

_LINKS = """\
ip link add br0 type bridge
ip addr add 198.51.100.1/24 dev br0
ip -6 addr add 2001:db8::1/64 dev br0 nodad
ip link add v0 type veth peer name v1
ip link set v0 master br0
ip link set br0 up
ip tuntap add dev d0 mode tap
ip link add link d0 name mv0 type macvlan mode vepa
ip link add vx0 type vxlan id 42 dev d0 dstport 4789 group 239.1.1.1
ip route add default via 198.51.100.9
ip route add 192.0.2.0/24 nexthop via 198.51.100.2 dev br0 nexthop via 198.51.100.3 dev br0
ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev br0 nud permanent
"""


def test_both_decoders_say_the_same() -> None:
    require_root()
    require("ip", "unshare", "nsenter")
    pyroute2 = pytest.importorskip("pyroute2")

    def ask() -> dict[str, list[dict[str, Any]]]:
        with pyroute2.IPRoute() as ipr:
            return {
                "links": [_plain(one) for one in ipr.get_links()],
                "addresses": [_plain(one) for one in ipr.get_addr()],
                "routes": [_plain(one) for one in ipr.get_routes(table=254)],
                "neighbours": [_plain(one) for one in ipr.get_neighbours()],
            }

    with network_namespace() as one:
        one.script(_LINKS)
        network = read_network(HostFs(), one.pid, "x").value
        said = run_in_network_namespace(one.pid, ask)
    assert network is not None
    assert {link.ifindex: _words(link) for link in network.links} == {one["index"]: _said(one) for one in said["links"]}
    assert sorted(address for link in network.links for address in link.addresses) == sorted(
        f"{one.get('IFA_LOCAL') or one['IFA_ADDRESS']}/{one['prefixlen']}" for one in said["addresses"]
    )
    names = {link.ifindex: link.name for link in network.links}
    # Of a route with several ways it leaves the gateways undecoded.
    assert {(route.dst, route.gateway, route.dev) for route in network.routes if route.dst != "192.0.2.0/24"} == {
        (f"{one['RTA_DST']}/{one['dst_len']}" if "RTA_DST" in one else "default", one.get("RTA_GATEWAY"), names[one["RTA_OIF"]])
        for one in said["routes"]
        if "RTA_MULTIPATH" not in one
    }
    noarp = 0x40
    assert {(neighbour.address, neighbour.mac) for neighbour in network.neighbours} == {
        (one["NDA_DST"], one["NDA_LLADDR"]) for one in said["neighbours"] if not one["state"] & noarp
    }


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: message[name] for name in message if name != "attrs"}, **dict(message["attrs"])}


def _words(link: Link) -> tuple[object, ...]:
    return (link.name, link.kind, link.mac, link.mtu, link.state, link.master, link.peer_ifindex, link.is_up, link.rx_bytes)


def _said(link: Mapping[str, Any]) -> tuple[object, ...]:
    information = dict((link.get("IFLA_LINKINFO") or {"attrs": ()})["attrs"])
    kind = information.get("IFLA_INFO_KIND")
    is_up = bool(link["flags"] & 1)
    first = (link["IFLA_IFNAME"], kind, link["IFLA_ADDRESS"], link["IFLA_MTU"], link["IFLA_OPERSTATE"])
    return (*first, link.get("IFLA_MASTER"), link.get("IFLA_LINK"), is_up, link["IFLA_STATS64"]["rx_bytes"])
