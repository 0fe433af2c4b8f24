"""Links, addresses, routes, neighbours and forwarding of network namespaces, asked over netlink from inside.

*Source:* rtnetlink(7); kernel include/uapi/linux/{rtnetlink,if_link,if_addr,neighbour,netconf,net_namespace}.h.
RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE (main table), RTM_GETNEIGH, RTM_GETNETCONF, RTM_GETNSID.
*Kernel:* a dump during which something changed carries NLM_F_DUMP_INTR: it is asked for twice more, then said to be incomplete.
*Cost:* 0.3 ms for a namespace with two links.
"""

import errno
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ctrscope.model.gap import VANISHED, Gap, ParseError, Reading, Reason, gap_of
from ctrscope.model.network import Link, Neighbour, Network, Route
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.link_details import link_details
from ctrscope.probes.netlink import Answer, Connection, address_text, attribute, attributes_of
from ctrscope.probes.netns import Door, visit_network_namespaces
from ctrscope.probes.nsfs import identify

_AF_INET, _AF_INET6 = 2, 10
_RTM_GETLINK, _RTM_GETADDR, _RTM_GETROUTE, _RTM_GETNEIGH = 18, 22, 26, 30
_RTM_GETNETCONF, _RTM_GETNSID = 82, 90
_LINK = struct.Struct("=BxHiII")  # family, type, ifindex, flags, change
_ADDRESS = struct.Struct("=BBBBi")  # family, prefix length, flags, scope, ifindex
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # family, ifindex, state, flags, type
_HOP = struct.Struct("=HBBi")  # length, flags, hops, ifindex
_U32, _S32 = struct.Struct("=I"), struct.Struct("=i")
_STATS64 = struct.Struct("=8Q")  # packets, bytes, errors, dropped: received and sent of each
_OF_LINK = frozenset({1, 3, 4, 5, 10, 16, 18, 23, 37})  # of the fifty attributes that a link has
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
_MAIN_TABLE = 254
_NETCONF_ALL = -1  # the setting of the whole namespace
_NUD_NOARP = 0x40
_OPERSTATES = ("UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP")  # RFC 2863
_NUD_STATES = {
    0x00: "NONE", 0x01: "INCOMPLETE", 0x02: "REACHABLE", 0x04: "STALE", 0x08: "DELAY", 0x10: "PROBE", 0x20: "FAILED",
    0x80: "PERMANENT",
}  # fmt: skip
_ROUTE_TYPES = {6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw"}
_ATTEMPTS = 3
#: No host has more links; of routes and neighbours more than that help nobody.
_MOST_LINKS, _MOST_ROUTES, _MOST_NEIGHBOURS = 20_000, 4_000, 4_000


class Dump(NamedTuple):
    """The answers of one network namespace, as they came."""

    links: Answer = Answer()
    addresses: Answer = Answer()
    routes: Answer = Answer()
    neighbours: Answer = Answer()
    forwarding: Mapping[str, bool] = {}
    wireguard: Mapping[str, Mapping[str, str] | OSError] = {}  # by name of the link: its details, or why not
    cookie: int | None = None  # of the namespace; never used again
    read_ns: int = 0  # monotonic, of the links and their counters


class Seen(NamedTuple):
    """One network namespace that was read: what is in it, a number that no other will have, and when it was."""

    network: Network
    cookie: int | None
    read_ns: int


class NsidQuery(NamedTuple):
    """By which number one network namespace knows others."""

    door: Door
    others: Sequence[Door]  # the likeliest first
    wanted: frozenset[int] | None = None  # nsids that are enough; None: those of all the others


def read_network(host: HostFs, pid: int, subject: str) -> Reading[Network]:
    """Network of the process *pid* of our own /proc, never of another root.

    The value is None without a Gap when the process is gone, and None with one when its namespace cannot be entered.
    """
    (seen, gaps) = read_networks(host, (Door((f"/proc/{pid}/ns/net",)),), (subject,))[0]
    return Reading(None if seen is None else seen.network, gaps)


def read_networks(host: HostFs, doors: Sequence[Door], subjects: Sequence[str]) -> list[Reading[Seen]]:
    """Each of several network namespaces, in the order of the doors; *subjects* name them in gaps.

    A value is None without a Gap when the namespace is gone. Nothing is changed in any, and nothing is kept open.
    """
    answers = visit_network_namespaces(host, doors, lambda door: dump_network())
    return [_reading(door, subject, answer) for door, subject, answer in zip(doors, subjects, answers, strict=True)]


def read_nsids(host: HostFs, queries: Sequence[NsidQuery], most: int) -> list[Mapping[int, int] | None]:
    """For each query: nsid → which of its ``others`` has it. Those that have none, or are gone, are left out.

    None: not asked, since *most* questions had been asked before. *Cost:* 50 µs a question.
    """
    left = most
    # By door: where one cannot be entered nothing is asked.
    by_door = {query.door: query for query in queries}

    def ask(door: Door) -> dict[int, int] | None:
        nonlocal left
        query = by_door[door]
        if left <= 0:
            return None
        found: dict[int, int] = {}
        with Connection() as connection:
            for index, other in enumerate(query.others):
                if query.wanted is not None and query.wanted <= found.keys():
                    break
                left -= 1
                if (nsid := _ask_nsid(connection, host, other)) is not None:
                    found[nsid] = index
        return found

    answers = visit_network_namespaces(host, [query.door for query in queries], ask)
    return [{} if isinstance(answer, Exception) else answer for answer in answers]


def dump_network() -> Dump:
    """Everything about the network namespace that the calling thread is in. Errors: OSError; ParseError."""
    with Connection() as connection:
        read_ns, links = time.monotonic_ns(), _dump(connection, _RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0), _MOST_LINKS)
        return Dump(
            read_ns=read_ns,
            links=links,
            addresses=_dump(connection, _RTM_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0), _MOST_LINKS),
            routes=_joined(_dump_routes(connection, family) for family in (_AF_INET, _AF_INET6)),
            neighbours=_dump(connection, _RTM_GETNEIGH, _NEIGHBOUR.pack(0, 0, 0, 0, 0), _MOST_NEIGHBOURS),
            forwarding=_ask_forwarding(connection),
            wireguard=_ask_wireguard(links),
            cookie=connection.cookie,
        )


def parse_network(dump: Dump) -> Network:
    """Network of what the kernel answered.

    Shape: links in order of ifindex; routes and neighbours as the kernel lists them, IPv4 first. Errors: ParseError.
    """
    try:
        addresses: dict[int, list[str]] = {}
        for message in dump.addresses.messages:
            ifindex, address = _address(message)
            if address is not None:
                addresses.setdefault(ifindex, []).append(address)
        # An interrupted dump may name a link twice.
        told = {name: details for name, details in dump.wireguard.items() if not isinstance(details, OSError)}
        links = {link.ifindex: link for link in (_link(message, addresses, told) for message in dump.links.messages)}
        names = {ifindex: link.name for ifindex, link in links.items()}
        return Network(
            links=tuple(sorted(links.values(), key=lambda link: link.ifindex or 0)),
            routes=tuple(route for message in dump.routes.messages for route in _routes(message, names)),
            neighbours=tuple(
                found for message in dump.neighbours.messages if (found := _neighbour(message, names)) is not None
            ),
            forwarding=dump.forwarding,
        )
    except (struct.error, ValueError, IndexError) as error:
        if isinstance(error, ParseError):
            raise
        raise ParseError(f"not what rtnetlink(7) says: {error}") from error


def _reading(door: Door, subject: str, answer: Dump | Exception) -> Reading[Seen]:
    source = f"netlink in {door.paths[0] if door.paths else '?'}"
    try:
        if isinstance(answer, Exception):
            raise answer
        seen = Seen(parse_network(answer), answer.cookie, answer.read_ns)
    except OSError as error:
        gone = error.errno in VANISHED
        return Reading(None, () if gone else (gap_of(error, subject, ("network",), source, needs="CAP_SYS_ADMIN"),))
    except ParseError as error:
        return Reading(None, (gap_of(error, subject, ("network",), source),))
    lists = {"links": answer.links, "addresses": answer.addresses, "routes": answer.routes, "neighbours": answer.neighbours}
    gaps = []
    for name, part in lists.items():
        if part.is_truncated or part.is_interrupted:
            fields = ("network.links.addresses" if name == "addresses" else f"network.{name}",)
            detail = f"only the first {len(part.messages)}" if part.is_truncated else f"{name} changed while they were listed"
            gaps.append(Gap(subject=subject, fields=fields, source=source, reason=Reason.TRUNCATED, detail=detail))
    refused = [details for details in answer.wireguard.values() if isinstance(details, OSError)]
    gaps += [gap_of(error, subject, ("network.links.details",), source, needs="CAP_NET_ADMIN") for error in refused[:1]]
    return Reading(seen, tuple(gaps))


def _dump(connection: Connection, kind: int, body: bytes, most: int) -> Answer:
    answer = connection.dump(kind, body, most)
    for _ in range(_ATTEMPTS - 1):
        if not answer.is_interrupted:
            break
        answer = connection.dump(kind, body, most)
    return answer


def _dump_routes(connection: Connection, family: int) -> Answer:
    try:
        return _dump(connection, _RTM_GETROUTE, _ROUTE.pack(family, 0, 0, 0, _MAIN_TABLE, 0, 0, 0, 0), _MOST_ROUTES)
    except OSError as error:
        # No such table before the first route is set; no such family where IPv6 is not built in.
        if error.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
            return Answer()
        raise


def _joined(answers: Iterable[Answer]) -> Answer:
    parts = tuple(answers)
    return Answer(
        tuple(message for part in parts for message in part.messages),
        any(part.is_interrupted for part in parts),
        any(part.is_truncated for part in parts),
    )


def _ask_forwarding(connection: Connection) -> dict[str, bool]:
    found = {}
    for name, family in (("ipv4", _AF_INET), ("ipv6", _AF_INET6)):
        body = bytes((family, 0, 0, 0)) + attribute(1, _S32.pack(_NETCONF_ALL))  # NETCONFA_IFINDEX
        try:
            forwarding = attributes_of(connection.ask(_RTM_GETNETCONF, body), 4).get(2)  # NETCONFA_FORWARDING
        except OSError:
            continue  # EOPNOTSUPP where IPv6 is not built in
        if forwarding is not None and len(forwarding) == 4:
            found[name] = any(forwarding)
    return found


def _ask_wireguard(links: Answer) -> dict[str, Mapping[str, str] | OSError]:
    """Details of the links of that kind, which alone have some that rtnetlink does not tell."""
    found: dict[str, Mapping[str, str] | OSError] = {}
    for message in links.messages:
        if b"wireguard\0" not in message:
            continue
        attributes = attributes_of(message, _LINK.size, _OF_LINK)
        if attributes_of(attributes.get(18, b"")).get(1) == b"wireguard\0":  # IFLA_LINKINFO, IFLA_INFO_KIND
            from ctrscope.probes.wireguard import read_wireguard  # pyroute2

            name = _text(attributes.get(3, b""))
            try:
                found[name] = read_wireguard(name)
            except OSError as error:
                found[name] = error
    return found


def _ask_nsid(connection: Connection, host: HostFs, other: Door) -> int | None:
    for path in other.paths:
        try:
            with host.namespace(path) as handle:
                if other.ino not in (None, identify(handle).ino):
                    continue
                answer = connection.ask(_RTM_GETNSID, bytes(4) + attribute(3, _U32.pack(handle)))  # NETNSA_FD
        except OSError:
            continue
        nsid = attributes_of(answer, 4).get(1)  # NETNSA_NSID; -1: has none here
        return _S32.unpack(nsid)[0] if nsid is not None and len(nsid) == 4 and _S32.unpack(nsid)[0] >= 0 else None
    return None


def _link(message: bytes, addresses: Mapping[int, Iterable[str]], wireguard: Mapping[str, Mapping[str, str]]) -> Link:
    _, _, ifindex, flags, _ = _LINK.unpack_from(message)
    attributes = attributes_of(message, _LINK.size, _OF_LINK)
    information = attributes_of(attributes.get(18, b""))  # IFLA_LINKINFO
    kind = _text(information[1]) if 1 in information else None  # IFLA_INFO_KIND
    state = attributes.get(16, b"\0")[0]
    counters = attributes.get(23, b"")  # IFLA_STATS64
    rx_bytes, tx_bytes, rx_dropped, tx_dropped = None, None, None, None
    if len(counters) >= _STATS64.size:
        _, _, rx_bytes, tx_bytes, _, _, rx_dropped, tx_dropped = _STATS64.unpack_from(counters)
    hardware, name = attributes.get(1, b""), _text(attributes.get(3, b""))
    details = {} if kind is None else link_details(kind, attributes_of(information.get(2, b"")))  # IFLA_INFO_DATA
    return Link(
        ifindex=ifindex,
        name=name,
        kind=kind,
        mac=None if not hardware else address_text(hardware) if len(hardware) == 4 else hardware.hex(":"),
        mtu=_number(attributes.get(4)),
        state=_OPERSTATES[state] if state < len(_OPERSTATES) else str(state),
        addresses=tuple(addresses.get(ifindex, ())),
        master=_number(attributes.get(10)),
        peer_ifindex=_number(attributes.get(5)),
        peer_netnsid=_number(attributes.get(37)),
        is_up=bool(flags & _IFF_UP),
        has_carrier=bool(flags & _IFF_LOWER_UP),
        details={**details, **wireguard.get(name, {})},
        rx_bytes=rx_bytes,
        tx_bytes=tx_bytes,
        rx_dropped=rx_dropped,
        tx_dropped=tx_dropped,
    )


def _address(message: bytes) -> tuple[int, str | None]:
    family, prefix, _, _, ifindex = _ADDRESS.unpack_from(message)
    attributes = attributes_of(message, _ADDRESS.size)
    # On a point-to-point link IFA_ADDRESS (1) is the other end and IFA_LOCAL (2) this one; IPv6 may have the first alone.
    own = attributes.get(2) or attributes.get(1)
    if not own or family not in (_AF_INET, _AF_INET6):
        return ifindex, None
    return ifindex, f"{address_text(own)}/{prefix}"


def _routes(message: bytes, names: Mapping[int | None, str]) -> list[Route]:
    family, prefix, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(message)
    attributes = attributes_of(message, _ROUTE.size)
    # Table numbers above 255 fit only into the attribute. Kernels without strict checking send every table.
    if (_number(attributes.get(15)) or table) != _MAIN_TABLE or family not in (_AF_INET, _AF_INET6):
        return []
    source = attributes.get(7)
    src = None if source is None else address_text(source)
    dst = f"{address_text(attributes[1])}/{prefix}" if 1 in attributes else "default"
    hops = [(_number(attributes.get(4)), attributes)]
    if 9 in attributes:  # RTA_MULTIPATH: the next hops are inside, each with its own attributes
        hops = list(_hops(attributes[9]))
    return [
        Route(
            dst=dst,
            gateway=_gateway(inner, family),
            dev=names.get(ifindex),
            src=src,
            type=_ROUTE_TYPES.get(kind, "unicast"),
        )
        for ifindex, inner in hops
    ]


def _hops(data: bytes) -> Iterable[tuple[int, dict[int, bytes]]]:
    place = 0
    while place + _HOP.size <= len(data):
        length, _, _, ifindex = _HOP.unpack_from(data, place)
        if length < _HOP.size:
            raise ParseError("a next hop without a length")
        yield ifindex, attributes_of(data[place + _HOP.size : place + length])
        place += (length + 3) & ~3


def _gateway(attributes: Mapping[int, bytes], family: int) -> str | None:
    if 5 in attributes:  # RTA_GATEWAY
        return address_text(attributes[5])
    via = attributes.get(18, b"")  # RTA_VIA: an IPv4 route over an IPv6 gateway; two bytes of family come first
    if len(via) == 18:
        return address_text(via[2:])
    return address_text(via[2:]) if len(via) == 6 else None


def _neighbour(message: bytes, names: Mapping[int | None, str]) -> Neighbour | None:
    family, ifindex, state, _, _ = _NEIGHBOUR.unpack_from(message)
    attributes = attributes_of(message, _NEIGHBOUR.size)
    if family not in (_AF_INET, _AF_INET6) or state & _NUD_NOARP or 1 not in attributes:
        return None
    return Neighbour(
        address=address_text(attributes[1]),  # NDA_DST
        mac=attributes[2].hex(":") if 2 in attributes else None,  # NDA_LLADDR
        dev=names.get(ifindex),
        state=_NUD_STATES.get(state, str(state)),
    )


def _number(value: bytes | None) -> int | None:
    if value is None:
        return None
    number: int = _S32.unpack(value)[0]
    return number


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "surrogateescape")
