"""Matches and targets of xtables: binary records that iptables hands to the kernel, in its own tables or inside nf_tables.

*Source:* kernel include/uapi/linux/netfilter: xt_tcpudp.h, xt_sctp.h, xt_multiport.h, xt_addrtype.h, xt_conntrack.h, nf_nat.h
(``nf_nat_range2``, ``nf_nat_ipv4_multi_range_compat``). Ports of matches and flags are in the host's byte order, addresses and
ports of NAT in the network's.
*Versions:* DNAT has revision 0 (IPv4 alone), 1 (both) and 2 (with a base port, Linux 4.18).
"""

from collections.abc import Iterator
from struct import Struct, error

from msgspec.structs import replace

from ctrscope.model.gap import ParseError
from ctrscope.probes.packet_filter import EVERYTHING, Action, Match, network_of

_TCP = Struct("=HHHHBBBB")  # first and last source port, first and last destination port, option, flags asked of, set, inverted
_UDP = Struct("=HHHHB")  # ports as of tcp, inverted
_SCTP = Struct("=HHHH276xII")  # destination ports come first; far behind what is asked, and what of it is inverted
_SCTP_SOURCE, _SCTP_DESTINATION = 1, 2
_ALL_PORTS = (0, 65535)
_MULTIPORT = Struct("=BB15H")  # which, how many, ports
_ADDRTYPE = Struct("=HH")  # source, destination: bits by RTN_ type
_LOCAL = 1 << 2  # RTN_LOCAL
_FLAGS, _PORT = Struct("=I"), Struct(">H")  # of nf_nat_range
_MAP_ADDRESS, _HAS_PORT = 1, 2  # NF_NAT_RANGE_MAP_IPS, NF_NAT_RANGE_PROTO_SPECIFIED
_CONNTRACK = Struct("=HHH")  # match_flags, invert_flags, state_mask, behind addresses and ports
_BY_STATE = 1  # XT_CONNTRACK_STATE
_NOT_NEW = 0b111  # XT_CONNTRACK_STATE_BIT of invalid, established, related; SNAT, DNAT and untracked may be the first packet
_PORT_INVERTED, _FLAGS_INVERTED = 2, 4  # XT_TCP_INV_DSTPT, that of udp is the same; XT_TCP_INV_FLAGS
_SYN = 2


def parse_match(name: str, revision: int, data: bytes) -> tuple[Match, ...]:
    """What a match asks for: any one of the answers. Errors: ParseError."""
    try:
        if name in _PARSE_PORTS:
            return (_PARSE_PORTS[name](data),)
        if name == "multiport":
            return tuple(_parse_multiport(data))
        if name == "addrtype":
            return (_parse_addrtype(revision, data),)
        if name in ("conntrack", "state"):
            return (_parse_state(name, data),)
    except (error, IndexError) as problem:
        raise ParseError(f"xtables: match {name} of {len(data)} bytes") from problem
    return (EVERYTHING if name == "comment" else Match(other=(name,)),)


def parse_target(name: str, revision: int, data: bytes, *, is_ipv6: bool) -> Action:
    """What a target does; "pass" when it is none that matters here. Errors: ParseError."""
    if name == "REJECT":
        return Action("drop")
    if name not in ("DNAT", "REDIRECT"):
        return Action("pass")
    # Revision 0 of IPv4 starts with a count, has addresses of 4 bytes, and one range.
    flags_at, address_at, port_at = (4, 8, 16) if revision == 0 and not is_ipv6 else (0, 4, 36)
    try:
        flags = _FLAGS.unpack_from(data, flags_at)[0]
        port = _PORT.unpack_from(data, port_at)[0] if flags & _HAS_PORT else None
        address = network_of(data[address_at : address_at + (16 if is_ipv6 else 4)]) if flags & _MAP_ADDRESS else ""
    except (error, ValueError) as problem:
        raise ParseError(f"xtables: target {name} of {len(data)} bytes") from problem
    return Action("redirect", to_port=port) if name == "REDIRECT" else Action("dnat", to_ip=address, to_port=port)


def _parse_tcp(data: bytes) -> Match:
    first_source, last_source, first, last, option, mask, flags, inverted = _TCP.unpack_from(data)
    asked = _ports("tcp", (first_source, last_source), (first, last), bool(inverted & _PORT_INVERTED))
    if option:
        asked = replace(asked, other=(*asked.other, "a tcp option"))
    # The packet that opens a connection has SYN alone.
    return replace(asked, is_known=(_SYN & mask == flags) == bool(inverted & _FLAGS_INVERTED))


def _parse_udp(data: bytes) -> Match:
    first_source, last_source, first, last, inverted = _UDP.unpack_from(data)
    return _ports("udp", (first_source, last_source), (first, last), bool(inverted & _PORT_INVERTED))


def _parse_sctp(data: bytes) -> Match:
    first, last, first_source, last_source, asked, inverted = _SCTP.unpack_from(data)
    source = (first_source, last_source) if asked & _SCTP_SOURCE else _ALL_PORTS
    found = _ports(
        "sctp", source, (first, last) if asked & _SCTP_DESTINATION else _ALL_PORTS, bool(inverted & _SCTP_DESTINATION)
    )
    return replace(found, other=(*found.other, "sctp chunks")) if asked & ~(_SCTP_SOURCE | _SCTP_DESTINATION) else found


_PARSE_PORTS = {"tcp": _parse_tcp, "udp": _parse_udp, "sctp": _parse_sctp}


def _ports(proto: str, source: tuple[int, int], destination: tuple[int, int], is_inverted: bool) -> Match:
    other = () if source == _ALL_PORTS else ("source port",)
    if is_inverted:
        return Match(proto=proto, other=(*other, "other destination ports"))
    return Match(proto=proto, dport=None if destination == _ALL_PORTS else destination, other=other)


def _parse_multiport(data: bytes) -> Iterator[Match]:
    which, count, *ports = _MULTIPORT.unpack_from(data)
    flags, inverted = data[32:47], data[47] if len(data) > 47 else 0  # revision 1; 0 has neither
    if which != 1 or inverted or count > len(ports):  # 1: XT_MULTIPORT_DESTINATION
        yield Match(other=("multiport",))
        return
    index = 0
    while index < count:
        is_range = bool(flags[index : index + 1] not in (b"", b"\0")) and index + 1 < count
        yield Match(dport=(ports[index], ports[index + 1] if is_range else ports[index]))
        index += 2 if is_range else 1


def _parse_addrtype(revision: int, data: bytes) -> Match:
    source, destination = _ADDRTYPE.unpack_from(data)
    # Revision 0: two inverting words; 1: flags, of which 2 inverts the destination and 4, 8 limit it to an interface.
    inverted = any(data[8:12]) if revision == 0 else bool(data[4] & 2)
    if source or inverted or destination != _LOCAL:
        return Match(other=("addrtype",))
    return Match(is_local=True)


def _parse_state(name: str, data: bytes) -> Match:
    """xt_conntrack_mtinfo3 and xt_state_info: what is left when only the state of the connection is asked for."""
    if name == "state":
        mask, asked, inverted = _FLAGS.unpack_from(data)[0], _BY_STATE, 0
    else:
        asked, inverted, mask = _CONNTRACK.unpack_from(data, 146)
    if asked != _BY_STATE or inverted & _BY_STATE or mask & ~_NOT_NEW:
        return Match(other=(name,))
    return Match(is_known=True)
