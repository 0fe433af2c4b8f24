"""/proc/PID/net: links, addresses and routes of the network namespace of a process, without entering it.

*Source:* proc_pid_net(5) ``dev``, ``route``, ``if_inet6``; kernel net/ipv4/fib_trie.c and net/ipv6/route.c for ``fib_trie``
and ``ipv6_route``, which no manual page has.
*Shape:* ``fib_trie`` knows every local IPv4 address, but not its link nor its prefix length; both are those of the longest
route of ``route`` that leads there without a gateway (the route that came with the address).
*Versions:* the numbers of ``route`` are words in the host's byte order: little endian on all that we run on. No ``if_inet6``
where IPv6 is off. No ``fib_trie`` in a kernel without CONFIG_PROC_FS details of IPv4, or in a capture.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ctrscope.model.gap import VANISHED, Gap, ParseError, Reading, Reason, gap_of
from ctrscope.model.network import Link, Network, Route, Traffic
from ctrscope.probes.hostfs import HostFs

_LOOPBACK, _LINK_LOCAL = 0x10, 0x20  # scopes of if_inet6: IPV6_ADDR_LOOPBACK, IPV6_ADDR_LINKLOCAL of include/net/ipv6.h
_RTF_REJECT, _RTF_LOCAL = 0x200, 0x80000000  # include/uapi/linux/route.h, ipv6_route.h


class Route4(NamedTuple):
    """One line of ``route``; addresses as numbers."""

    dev: str
    destination: int
    prefix: int
    gateway: int


class Counters(NamedTuple):
    """Of one link, in bytes and packets."""

    rx_bytes: int
    rx_dropped: int
    tx_bytes: int
    tx_dropped: int


class Address6(NamedTuple):
    """One line of ``if_inet6``."""

    address: bytes  # 16 of them
    ifindex: int
    prefix: int
    scope: int
    dev: str


def read_addresses(host: HostFs, pid: int) -> tuple[str, ...]:
    """Addresses in the network namespace of a process, as CIDR, IPv4 first; no loopback, no link-local IPv6.

    Empty when the process is gone or the files cannot be read; ``read_network`` says why.
    """
    directory = f"/proc/{pid}/net"
    try:
        local = _without_loopback(parse_fib_trie(_read(host, f"{directory}/fib_trie")))
        routes = parse_route(_read(host, f"{directory}/route")) if local else ()
        addresses6 = parse_if_inet6(_read(host, f"{directory}/if_inet6"))
    except (OSError, ParseError):
        return ()
    return (
        *(_cidr4(address, routes) for address in local),
        *(f"{text6(line.address)}/{line.prefix}" for line in addresses6 if line.scope not in (_LOOPBACK, _LINK_LOCAL)),
    )


def read_network(host: HostFs, pid: int, subject: str) -> Reading[Network]:
    """What these files tell of a network namespace; kind, MAC, MTU, state and peers need netlink and stay None.

    The value is None, without a Gap, when the process is gone.
    """
    directory = f"/proc/{pid}/net"
    gaps: list[Gap] = []
    try:
        counters = parse_dev(host.read(f"{directory}/dev"))
        routes = parse_route(_read(host, f"{directory}/route"))
        addresses6 = parse_if_inet6(_read(host, f"{directory}/if_inet6"))
        routes6 = parse_ipv6_route(_read(host, f"{directory}/ipv6_route"))
        local = parse_fib_trie(_read(host, f"{directory}/fib_trie"))
        ifindexes = parse_dev_mcast(_read(host, f"{directory}/dev_mcast"))
    except ParseError as error:
        return Reading(
            None, (Gap(subject=subject, fields=("network",), source=directory, reason=Reason.MALFORMED, detail=str(error)),)
        )
    except OSError as error:
        return Reading(None, () if error.errno in VANISHED else (gap_of(error, subject, ("network",), directory),))
    if not local:
        gaps.append(
            Gap(
                subject=subject,
                fields=("network.links.addresses",),
                source=f"{directory}/fib_trie",
                reason=Reason.UNAVAILABLE,
                detail="IPv4 addresses are not known",
            )
        )
    addresses: dict[str, list[str]] = {}
    others = [name for name in counters if name != "lo"]
    for address in local:
        on = "lo" if address >> 24 == 127 else _device_of(address, routes) or (others[0] if len(others) == 1 else None)
        if on is not None:
            addresses.setdefault(on, []).append(f"{text4(address)}/8" if on == "lo" else _cidr4(address, routes))
    for line in addresses6:
        ifindexes[line.dev] = line.ifindex
        addresses.setdefault(line.dev, []).append(f"{text6(line.address)}/{line.prefix}")
    links = tuple(
        Link(
            ifindex=ifindexes.get(name),
            name=name,
            kind=None,
            mac=None,
            mtu=None,
            state=None,
            addresses=tuple(addresses.get(name, ())),
            rx_bytes=counted.rx_bytes,
            tx_bytes=counted.tx_bytes,
            rx_dropped=counted.rx_dropped,
            tx_dropped=counted.tx_dropped,
        )
        for name, counted in counters.items()
    )
    return Reading(Network(links=links, routes=(*map(_route4, routes), *routes6)), tuple(gaps))


def read_traffic(host: HostFs, pid: int) -> Traffic:
    """Sums over all links but ``lo`` of a process's network namespace. Errors: ENOENT, ESRCH when it is gone; ParseError."""
    return _parse_traffic(host.read(f"/proc/{pid}/net/dev"))


@functools.lru_cache(maxsize=512)  # most are idle from one tick to the next
def _parse_traffic(text: bytes) -> Traffic:
    links = parse_dev(text)
    counted = [link for name, link in links.items() if name != "lo"]
    return Traffic(
        rx_bytes=sum(link.rx_bytes for link in counted),
        tx_bytes=sum(link.tx_bytes for link in counted),
        rx_dropped=sum(link.rx_dropped for link in counted),
        tx_dropped=sum(link.tx_dropped for link in counted),
    )


def parse_fib_trie(text: bytes) -> tuple[int, ...]:
    """Local IPv4 addresses as numbers, each once, in ascending order.

    Shape: a line ``|-- 192.0.2.2`` and below it ``/32 host LOCAL``. The same trie may be told twice, as Main and as Local.
    """
    found: set[int] = set()
    last = b""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith(b"|-- "):
            last = line[4:]
        elif line == b"/32 host LOCAL":
            found.add(_number4(last))
    return tuple(sorted(found))


def parse_route(text: bytes) -> tuple[Route4, ...]:
    """Routes of the main IPv4 table that are up."""
    routes = []
    for number, line in enumerate(text.splitlines()[1:], 2):
        words = line.split()
        try:
            destination, gateway, mask = (_swapped(words[place]) for place in (1, 2, 7))
            if int(words[3], 16) & 1:  # RTF_UP
                routes.append(Route4(_name(words[0]), destination, mask.bit_count(), gateway))
        except (ValueError, IndexError) as error:
            raise ParseError(f"not a route: {error}", number) from error
    return tuple(routes)


def parse_if_inet6(text: bytes) -> tuple[Address6, ...]:
    """IPv6 addresses: ``fd00…0002 04 40 00 82 eth0``."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        try:
            address = bytes.fromhex(words[0].decode())
            if len(address) != 16:
                raise ValueError("address is not 16 bytes long")
            found.append(Address6(address, int(words[1], 16), int(words[2], 16), int(words[3], 16), _name(words[5])))
        except (ValueError, IndexError) as error:
            raise ParseError(f"not an address: {error}", number) from error
    return tuple(found)


def parse_ipv6_route(text: bytes) -> tuple[Route, ...]:
    """Routes to other hosts: local, multicast and reject routes are left out."""
    routes = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        try:
            destination, prefix, gateway = bytes.fromhex(words[0].decode()), int(words[1], 16), bytes.fromhex(words[4].decode())
            if int(words[8], 16) & (_RTF_LOCAL | _RTF_REJECT) or destination[0] == 0xFF:
                continue
            routes.append(
                Route(
                    dst=f"{text6(destination)}/{prefix}" if prefix else "default",
                    gateway=text6(gateway) if any(gateway) else None,
                    dev=_name(words[9]),
                    src=None,
                )
            )
        except (ValueError, IndexError) as error:
            raise ParseError(f"not an IPv6 route: {error}", number) from error
    return tuple(routes)


def parse_dev(text: bytes) -> Mapping[str, Counters]:
    """Link name → counters. Two lines of heading come first."""
    counters = {}
    for number, line in enumerate(text.splitlines()[2:], 3):
        name, _, rest = line.rpartition(b":")
        words = rest.split()
        try:
            counters[_name(name.strip())] = Counters(int(words[0]), int(words[3]), int(words[8]), int(words[11]))
        except (ValueError, IndexError) as error:
            raise ParseError(f"not a link: {error}", number) from error
    return counters


def parse_dev_mcast(text: bytes) -> dict[str, int]:
    """Link name → ifindex, of links that listen to some multicast address; lines that say something else are ignored."""
    lines = (line.split() for line in text.splitlines())
    return {_name(words[1]): int(words[0]) for words in lines if len(words) >= 2 and words[0].isdigit()}


def text4(address: int) -> str:
    """``192.0.2.2``."""
    return ".".join(map(str, address.to_bytes(4)))


def text6(address: bytes) -> str:
    """``fd00::2``."""
    from ipaddress import IPv6Address  # only where there is IPv6: half of this module's import time

    return str(IPv6Address(address))


def _read(host: HostFs, path: str) -> bytes:
    try:
        return host.read(path)
    except OSError as error:
        if error.errno in VANISHED:
            return b""
        raise


def _without_loopback(addresses: Iterable[int]) -> tuple[int, ...]:
    return tuple(address for address in addresses if address >> 24 != 127)


def _on_link(address: int, routes: Iterable[Route4]) -> Route4 | None:
    leading = (r for r in routes if not r.gateway and r.prefix and (address ^ r.destination) >> (32 - r.prefix) == 0)
    return max(leading, key=lambda route: route.prefix, default=None)


def _device_of(address: int, routes: Iterable[Route4]) -> str | None:
    route = _on_link(address, routes)
    return route and route.dev


def _cidr4(address: int, routes: Iterable[Route4]) -> str:
    route = _on_link(address, routes)
    return f"{text4(address)}/{route.prefix if route else 32}"


def _route4(route: Route4) -> Route:
    return Route(
        dst=f"{text4(route.destination)}/{route.prefix}" if route.prefix else "default",
        gateway=text4(route.gateway) if route.gateway else None,
        dev=route.dev,
        src=None,
    )


def _swapped(word: bytes) -> int:
    return int.from_bytes(bytes.fromhex(word.decode()), "little")


def _number4(word: bytes) -> int:
    try:
        octets = [int(part) for part in word.split(b".")]
        if len(octets) != 4:
            raise ValueError("not four octets")
        return int.from_bytes(bytes(octets))
    except ValueError as error:
        raise ParseError(f"not an IPv4 address: {word[:40]!r}") from error


def _name(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")
