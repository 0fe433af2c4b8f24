"""Links, addresses, routes and neighbours from netlink messages, as Linux 6.18 sent them (attributes nobody reads cut out)."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrscope.model.gap import ParseError
from ctrscope.model.network import Link, Neighbour, Network, Route
from ctrscope.probes.link_details import link_details
from ctrscope.probes.netlink import Answer, attribute, attributes_of, messages_of
from ctrscope.probes.rtnetlink import Dump, parse_network

_LO = "00000403010000004900010000000000070003006c6f0000050010000000000008000400000001000a0001000000000000000000"
_VETH = (
    "0000010003000000021000000000000007000300763000000500100002000000"
    "08000400dc05000008000a00040000000a00010096a1aeab90a20000"
    "1000120009000100766574680000000008002500000000000800050002000000"
)  # fmt: skip
_BRIDGE = (
    "0000010004000000031000000000000008000300627230000500100006000000" "08000400dc0500000a00010096a1aeab90a20000"
    "240012000b000100627269646765000014000200080005000000000005000700" "00000000"
)  # fmt: skip
_MACVLAN = (
    "00000100050000000210000000000000080003006d7630000500100002000000" "08000400dc0500000a000100a6c7ead0a2710000"
    "3c0012000c0001006d6163766c616e002c000200080001000400000006000200"
    "00000000080006000000000008000700e803000008000800e8030000"
    "0800050002000000"
)  # fmt: skip
_ADDRESS4 = "021880000400000008000100c633640108000200c63364010800030062723000"
_POINT_TO_POINT = "0220800004000000080001000a000009080002000a000001"
_ADDRESS6 = "0a408200040000001400010020010db8000000000000000000000001"
_DEFAULT = "02000000fe0300011000000008000f00fe00000008000500c63364090800040004000000"
_TWO_WAYS = (
    "02180000fe0300011000000008000f00fe00000008000100c0000200"
    "24000900100010000400000008000500c6336402100010010400000008000500c6336403"
)
_VIA_IPV6 = (
    "02180000fe0300010000000008000f00fe00000008000100c0000300160012000a0020010db800000000000000000000000900000800040004000000"
)
_ON_LINK = "02180000fe02fd011000000008000f00fe00000008000100c633640008000700c63364010800040004000000"
_BLACKHOLE = "02180000fe0300060000000008000f00fe00000008000100cb007100"
_DEFAULT6 = "0a000000fe0300011000000008000f00fe00000008000600000400001400050020010db80000000000000000000000090800040004000000"
_PERMANENT = "02000000040000008000000108000100c63364090a00020002000000000900000800040000000000"
_MULTICAST = "02000000040000004000000508000100e00000160a00020001005e0000160000"  # NOARP: the kernel's own


def answer(*messages: str) -> Answer:
    return Answer(tuple(bytes.fromhex(message) for message in messages))


def links(*messages: str, addresses: tuple[str, ...] = ()) -> tuple[Link, ...]:
    return parse_network(Dump(links=answer(*messages), addresses=answer(*addresses))).links


def test_a_veth_names_its_peer_by_index_and_namespace() -> None:
    (link,) = links(_VETH)
    assert link == Link(
        ifindex=3,
        name="v0",
        kind="veth",
        mac="96:a1:ae:ab:90:a2",
        mtu=1500,
        state="DOWN",
        master=4,
        peer_ifindex=2,
        peer_netnsid=0,
        is_up=False,
        has_carrier=False,
    )


def test_links_come_in_the_order_of_their_numbers_and_an_interrupted_dump_names_none_twice() -> None:
    assert [link.name for link in links(_VETH, _LO, _VETH)] == ["lo", "v0"]


def test_a_link_that_is_up_without_carrier_is_told_from_one_that_is_down() -> None:
    lo, veth, bridge = links(_LO, _VETH, _BRIDGE)
    assert (lo.is_up, lo.has_carrier, lo.state, lo.kind) == (True, True, "UNKNOWN", None)
    assert (veth.is_up, veth.has_carrier) == (False, False)
    assert (bridge.is_up, bridge.has_carrier, bridge.state) == (True, False, "UP")


def test_the_kind_tells_its_details() -> None:
    bridge, macvlan = links(_BRIDGE, _MACVLAN)
    assert bridge.details == {"stp": "off", "vlan filtering": "off"}
    assert (macvlan.kind, macvlan.details, macvlan.peer_ifindex, macvlan.peer_netnsid) == (
        "macvlan",
        {"mode": "bridge"},
        2,
        None,
    )


@pytest.mark.parametrize(
    ("kind", "attributes", "details"),
    [
        ("vlan", {1: b"\x07\x00"}, {"vlan id": "7"}),
        ("vxlan", {1: b"\x2a\0\0\0", 2: b"\xef\x01\x01\x01", 3: b"\x02\0\0\0", 15: b"\x12\xb5"},
         {"vni": "42", "group": "239.1.1.1", "link": "2", "port": "4789"}),
        ("ipvlan", {1: b"\x02\0"}, {"mode": "l3s"}),
        ("bond", {1: b"\x04"}, {"mode": "802.3ad"}),
        ("tun", {3: b"\x02"}, {"mode": "tap"}),
        ("sit", {2: bytes(4), 3: b"\xc0\x00\x02\x01"}, {"remote": "192.0.2.1"}),
        ("wireguard", {}, {}),
        ("macvlan", {1: b"\x40\0\0\0"}, {"mode": "64"}),
        ("of-tomorrow", {1: b"\x01"}, {}),
    ],
)  # fmt: skip
def test_details_are_written_as_ip_writes_them(kind: str, attributes: dict[int, bytes], details: dict[str, str]) -> None:
    assert link_details(kind, attributes) == details


def test_addresses_are_those_of_the_link_and_its_own_end_of_a_point_to_point_one() -> None:
    (bridge,) = links(_BRIDGE, addresses=(_ADDRESS4, _POINT_TO_POINT, _ADDRESS6))
    assert bridge.addresses == ("198.51.100.1/24", "10.0.0.1/32", "2001:db8::1/64")


def test_routes_are_those_of_the_main_table() -> None:
    local = _ON_LINK.replace("fe02fd", "ff02fd").replace("08000f00fe000000", "08000f00ff000000")
    numbered = _ON_LINK.replace("fe02fd", "fc02fd").replace(
        "08000f00fe000000", "08000f00e8030000"
    )  # 1000 fits only in the attribute
    dump = Dump(links=answer(_BRIDGE), routes=answer(_DEFAULT, _ON_LINK, local, numbered, _DEFAULT6))
    assert parse_network(dump).routes == (
        Route(dst="default", gateway="198.51.100.9", dev="br0", src=None),
        Route(dst="198.51.100.0/24", gateway=None, dev="br0", src="198.51.100.1"),
        Route(dst="default", gateway="2001:db8::9", dev="br0", src=None),
    )


def test_a_route_with_two_ways_is_two_routes_and_a_gateway_may_be_of_the_other_family() -> None:
    dump = Dump(links=answer(_BRIDGE), routes=answer(_TWO_WAYS, _VIA_IPV6, _BLACKHOLE))
    assert [(r.dst, r.gateway, r.dev, r.type) for r in parse_network(dump).routes] == [
        ("192.0.2.0/24", "198.51.100.2", "br0", "unicast"),
        ("192.0.2.0/24", "198.51.100.3", "br0", "unicast"),
        ("192.0.3.0/24", "2001:db8::9", "br0", "unicast"),
        ("203.0.113.0/24", None, None, "blackhole"),
    ]


def test_neighbours_are_those_that_were_resolved_or_set() -> None:
    dump = Dump(links=answer(_BRIDGE), neighbours=answer(_PERMANENT, _MULTICAST))
    assert parse_network(dump).neighbours == (
        Neighbour(address="198.51.100.9", mac="02:00:00:00:00:09", dev="br0", state="PERMANENT"),
    )


def test_an_empty_namespace_has_nothing() -> None:
    assert parse_network(Dump()) == Network()


@pytest.mark.parametrize(
    "dump",
    [
        Dump(links=answer(_VETH[:20])),
        Dump(links=answer(_VETH[:-4])),
        Dump(addresses=answer("0218800004000000" "06000100c633")),
        Dump(routes=answer("02180000fe0300010000000006000100c000")),
        Dump(routes=answer("02180000fe030001000000000c00090000000000" "04000000")),
    ],
    ids=["header cut off", "attribute cut off", "address too short", "destination too short", "next hop without a length"],
)  # fmt: skip
def test_what_is_no_message_is_malformed(dump: Dump) -> None:
    with pytest.raises(ParseError):
        parse_network(dump)


def test_a_packet_is_cut_into_its_messages() -> None:
    done = "1400000003000200010000000000000000000000"
    packet = bytes.fromhex("180000001000000001000000000000000102030405060708" + done)
    assert list(messages_of(packet)) == [(16, 0, 1, bytes(range(1, 9))), (3, 2, 1, bytes(4))]


@pytest.mark.parametrize("packet", ["18000000", "0c000000100000000100000000000000", "ff000000100000000100000000000000"])
def test_a_packet_that_does_not_hold_what_it_says_is_malformed(packet: str) -> None:
    with pytest.raises(ParseError):
        list(messages_of(bytes.fromhex(packet)))


def test_attributes_are_padded_and_lose_their_flags() -> None:
    data = attribute(3, b"eth0\0") + attribute(0x8000 | 18, attribute(1, b"veth"))
    assert len(data) % 4 == 0
    assert attributes_of(data) == {3: b"eth0\0", 18: attribute(1, b"veth")}


@given(st.sampled_from((_VETH, _BRIDGE, _MACVLAN, _ADDRESS4, _TWO_WAYS, _PERMANENT)), st.data())
def test_whatever_a_message_holds_it_is_parsed_or_malformed(message: str, data: st.DataObject) -> None:
    garbled = bytearray(bytes.fromhex(message))
    for _ in range(data.draw(st.integers(0, 4))):
        garbled[data.draw(st.integers(0, len(garbled) - 1))] = data.draw(st.integers(0, 255))
    found = Answer((bytes(garbled[: data.draw(st.integers(0, len(garbled)))]),))
    for dump in (Dump(links=found), Dump(addresses=found), Dump(routes=found), Dump(neighbours=found)):
        with suppress(ParseError):
            parse_network(dump)
