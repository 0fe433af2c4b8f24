"""Addresses, links and routes of a network namespace from /proc."""

import json
from pathlib import Path

import pytest

from ctrscope.model.gap import ParseError, Reason
from ctrscope.model.network import Route
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_net import (
    parse_dev,
    parse_fib_trie,
    parse_if_inet6,
    parse_ipv6_route,
    parse_route,
    read_addresses,
    read_network,
)

_FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.0
           /24 link UNICAST
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
     |-- 10.1.2.3
        /32 host LOCAL
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
Local:
     |-- 192.0.2.2
        /32 host LOCAL
"""
_ROUTE = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
)
_IF_INET6 = (
    "fd000000000000000000000000000002 04 40 00 82     eth0\n"
    "00000000000000000000000000000001 01 80 10 80       lo\n"
    "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n"
)
_DEV = (
    "Inter-|   Receive  |  Transmit\n"
    " face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed\n"
    "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0     0\n"
    "  eth0:     796      10    0    0    0     0          0         0       12       1    0    0    0     0       0     0\n"
)


def _host(root: Path, **files: str) -> HostFs:
    directory = root / "proc/7/net"
    directory.mkdir(parents=True)
    for name, text in files.items():
        (directory / name).write_text(text)
    return HostFs(str(root))


def test_local_addresses_are_found_once() -> None:
    assert parse_fib_trie(_FIB_TRIE.encode()) == (0x0A010203, 0x7F000001, 0xC0000202)


def test_addresses_have_the_prefix_of_the_route_that_came_with_them(tmp_path: Path) -> None:
    host = _host(tmp_path, fib_trie=_FIB_TRIE, route=_ROUTE, if_inet6=_IF_INET6)
    assert read_addresses(host, 7) == ("10.1.2.3/32", "192.0.2.2/24", "fd00::2/64")


def test_a_host_without_ipv6_has_ipv4_addresses(tmp_path: Path) -> None:
    assert read_addresses(_host(tmp_path, fib_trie=_FIB_TRIE, route=_ROUTE), 7) == ("10.1.2.3/32", "192.0.2.2/24")


def test_a_process_that_is_gone_has_no_addresses(tmp_path: Path) -> None:
    assert read_addresses(HostFs(str(tmp_path)), 7) == ()


def test_a_route_that_is_down_does_not_count() -> None:
    assert parse_route(_ROUTE.replace("\t0003\t", "\t0002\t").encode()) == parse_route(
        "".join(_ROUTE.splitlines(True)[::2]).encode()
    )


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_route, b"Iface\neth0 xx yy\n"),
        (parse_if_inet6, b"fd00 04 40 00 82 eth0\n"),
        (parse_if_inet6, b"fd000000000000000000000000000002\n"),
        (parse_ipv6_route, b"nonsense\n"),
        (parse_dev, b"\n\neth0: one two\n"),
        (parse_fib_trie, b"|-- 1.2.3\n/32 host LOCAL\n"),
        (parse_fib_trie, b"|-- 1.2.3.400\n/32 host LOCAL\n"),
    ],
)
def test_broken_lines_are_malformed(parse: object, text: bytes) -> None:
    assert callable(parse)
    with pytest.raises(ParseError):
        parse(text)


def test_ipv6_routes_to_others_are_told_and_local_ones_not() -> None:
    zero = "0" * 32
    text = (
        f"fd000000000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth0\n"
        f"{zero} 00 {zero} 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n"
        f"fd000000000000000000000000000002 80 {zero} 00 {zero} 00000000 00000003 00000000 80200001     eth0\n"
        f"ff000000000000000000000000000000 08 {zero} 00 {zero} 00000100 00000003 00000000 00000001     eth0\n"
        f"{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n"
    )
    assert parse_ipv6_route(text.encode()) == (
        Route(dst="fd00::/64", gateway=None, dev="eth0", src=None),
        Route(dst="default", gateway="fd00::1", dev="eth0", src=None),
    )


def test_links_have_their_addresses_and_counters(tmp_path: Path) -> None:
    host = _host(
        tmp_path, fib_trie=_FIB_TRIE, route=_ROUTE, if_inet6=_IF_INET6, dev=_DEV, dev_mcast="4    eth0  1  0  01005e000001\n"
    )
    value, gaps = read_network(host, 7, "container x")
    assert value is not None
    assert not gaps
    lo, eth0 = value.links
    assert (lo.name, lo.addresses) == ("lo", ("127.0.0.1/8", "::1/128"))
    assert (eth0.ifindex, eth0.rx_bytes, eth0.tx_bytes) == (4, 796, 12)
    # 10.1.2.3 came without a route; with one link only, it is that one's.
    assert eth0.addresses == ("10.1.2.3/32", "192.0.2.2/24", "fd00::2/64", "fe80::fc:ff:fe00:1/64")


def test_a_capture_without_the_trie_says_that_addresses_are_missing(tmp_path: Path) -> None:
    value, gaps = read_network(_host(tmp_path, dev=_DEV, route=_ROUTE), 7, "container x")
    assert value is not None
    assert [link.addresses for link in value.links] == [(), ()]
    assert [(gap.fields, gap.reason) for gap in gaps] == [(("network.links.addresses",), Reason.UNAVAILABLE)]


def test_ipv4_routes_are_those_ip_tells(v2_root: Path, v2_host: HostFs) -> None:
    index = json.loads((v2_root / "cmd/netns/index.json").read_text())
    for namespace, pid in index.items():
        ino = namespace.removeprefix("net:[").removesuffix("]")
        said = {
            (route["dst"], route.get("gateway"), route["dev"])
            for route in json.loads((v2_root / "cmd/netns" / ino / "ip-route.json").read_text() or "[]")
            if route["table"] == "main" and ":" not in route["dst"] and ":" not in route.get("gateway", "")
        }
        value = read_network(v2_host, pid, "x").value
        if value is not None:
            assert {(route.dst, route.gateway, route.dev) for route in value.routes if ":" not in route.dst} == said, pid


def test_links_are_those_ip_tells(v2_root: Path, v2_host: HostFs) -> None:
    index = json.loads((v2_root / "cmd/netns/index.json").read_text())
    compared = 0
    for namespace, pid in index.items():
        ino = namespace.removeprefix("net:[").removesuffix("]")
        said = [link["ifname"] for link in json.loads((v2_root / "cmd/netns" / ino / "ip-link.json").read_text() or "[]")]
        value = read_network(v2_host, pid, "x").value
        if value is not None and said:
            compared += 1
            assert sorted(link.name for link in value.links) == sorted(said)
    assert compared > 10
