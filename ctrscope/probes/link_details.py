"""What a link tells of itself beyond what every link has: IFLA_INFO_DATA, whose attributes depend on the kind.

*Source:* kernel include/uapi/linux/if_link.h and if_tunnel.h; the words are those of ip-link(8).
*Versions:* an attribute that a kernel does not send has no key. WireGuard tells nothing here: ``wireguard``.
"""

from collections.abc import Callable, Mapping

from ctrscope.probes.netlink import address_text

_MACVLAN = {1: "private", 2: "vepa", 4: "bridge", 8: "passthru", 16: "source"}
_IPVLAN = {0: "l2", 1: "l3", 2: "l3s"}
_BOND = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
_TUN = {1: "tun", 2: "tap"}
_NETKIT = {0: "l2", 1: "l3"}


def _number(value: bytes) -> str:
    return str(int.from_bytes(value, "little"))


def _port(value: bytes) -> str:
    return str(int.from_bytes(value, "big"))


def _address(value: bytes) -> str:
    return address_text(value) if any(value) else ""


def _word(words: Mapping[int, str]) -> Callable[[bytes], str]:
    def read(value: bytes) -> str:
        number = int.from_bytes(value, "little")
        return words.get(number, str(number))

    return read


_IP_TUNNEL = {2: ("local", _address), 3: ("remote", _address)}
_GRE = {6: ("local", _address), 7: ("remote", _address)}
#: Kind → number of the attribute → name of the detail, and how it is written.
_KNOWN: Mapping[str, Mapping[int, tuple[str, Callable[[bytes], str]]]] = {
    "vlan": {1: ("vlan id", _number)},
    "vxlan": {
        1: ("vni", _number),
        2: ("group", _address),
        3: ("link", _number),  # ifindex in the namespace of IFLA_LINK_NETNSID; IFLA_LINK itself is not the link below
        4: ("local", _address),
        15: ("port", _port),
        16: ("group", _address),
        17: ("local", _address),
    },
    "geneve": {1: ("vni", _number), 2: ("remote", _address), 5: ("port", _port), 7: ("remote", _address)},
    "macvlan": {1: ("mode", _word(_MACVLAN))},
    "macvtap": {1: ("mode", _word(_MACVLAN))},
    "ipvlan": {1: ("mode", _word(_IPVLAN))},
    "ipvtap": {1: ("mode", _word(_IPVLAN))},
    "bond": {1: ("mode", _word(dict(enumerate(_BOND))))},
    "tun": {1: ("owner uid", _number), 3: ("mode", _word(_TUN))},
    "bridge": {5: ("stp", _word({0: "off"})), 7: ("vlan filtering", _word({0: "off", 1: "on"}))},
    "vrf": {1: ("table", _number)},
    "netkit": {5: ("mode", _word(_NETKIT))},
    "ipip": _IP_TUNNEL,
    "sit": _IP_TUNNEL,
    "ip6tnl": _IP_TUNNEL,
    "gre": _GRE,
    "gretap": _GRE,
    "ip6gre": _GRE,
    "ip6gretap": _GRE,
}


def link_details(kind: str, attributes: Mapping[int, bytes]) -> dict[str, str]:
    """The details of one link, by name. Errors: ValueError for an address that is none."""
    known = _KNOWN.get(kind, {})
    found = ((name, read(attributes[number])) for number, (name, read) in known.items() if number in attributes)
    return {name: value for name, value in found if value}
