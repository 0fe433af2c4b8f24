"""Links, addresses and routes of a network namespace, asked over netlink from inside it.

*Source:* rtnetlink(7): RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE (main table).
*Kernel:* a dump during which something changed carries NLM_F_DUMP_INTR: what it says may miss links or name them twice.
*Cost:* 400 ms for the import, once; 5 to 10 ms for a namespace.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ctrscope.model.gap import VANISHED, Gap, Reading, Reason, gap_of
from ctrscope.model.network import Link, Network, Route
from ctrscope.probes.netns import run_in_network_namespace

_NLM_F_DUMP_INTR = 0x10
_MAIN_TABLE = 254

Message = Mapping[str, Any]  # as pyroute2 decodes it: header fields by name, "attrs" a list of (name, value)


class Dump(NamedTuple):
    """The three answers, as they came."""

    links: tuple[Message, ...]
    addresses: tuple[Message, ...]
    routes: tuple[Message, ...]


def read_network(pid: int, subject: str) -> Reading[Network]:
    """Network of the process *pid* of our own /proc, never of another root.

    The value is None without a Gap when the process is gone, and None with one when its namespace cannot be entered.
    """
    source = f"netlink in /proc/{pid}/ns/net"
    try:
        dump = run_in_network_namespace(pid, _dump)
    except OSError as error:
        if error.errno in VANISHED:
            return Reading(None)
        return Reading(None, (gap_of(error, subject, ("network",), source, needs="CAP_SYS_ADMIN"),))
    except Exception as error:  # pyroute2's own: NetlinkError, decoding errors of whatever kind
        return Reading(
            None, (Gap(subject=subject, fields=("network",), source=source, reason=Reason.UNAVAILABLE, detail=str(error)),)
        )
    gaps: tuple[Gap, ...] = ()
    if any(message["header"]["flags"] & _NLM_F_DUMP_INTR for messages in dump for message in messages):
        gaps = (
            Gap(
                subject=subject,
                fields=("network",),
                source=source,
                reason=Reason.TRUNCATED,
                detail="links, addresses or routes changed while they were listed",
            ),
        )
    return Reading(parse_network(dump), gaps)


def parse_network(dump: Dump) -> Network:
    """Network of decoded messages. Shape: links in order of ifindex; routes as the kernel lists them, IPv4 first."""
    addresses: dict[int, list[str]] = {}
    for message in dump.addresses:
        attributes = dict(message["attrs"])
        # On a point-to-point link IFA_ADDRESS is the other end and IFA_LOCAL this one; IPv6 has IFA_ADDRESS alone.
        own = attributes.get("IFA_LOCAL") or attributes.get("IFA_ADDRESS")
        if own:
            addresses.setdefault(message["index"], []).append(f"{own}/{message['prefixlen']}")
    links = sorted((_link(message, addresses) for message in dump.links), key=lambda link: link.ifindex or 0)
    names = {link.ifindex: link.name for link in links}
    return Network(links=tuple(links), routes=tuple(_routes(dump.routes, names)))


def _dump() -> Dump:
    from pyroute2 import IPRoute

    with IPRoute() as socket:
        return Dump(tuple(socket.get_links()), tuple(socket.get_addr()), tuple(socket.get_routes()))


def _link(message: Message, addresses: Mapping[int, Iterable[str]]) -> Link:
    attributes = dict(message["attrs"])
    information = dict((attributes.get("IFLA_LINKINFO") or {}).get("attrs", ()))
    counters = attributes.get("IFLA_STATS64") or {}
    return Link(
        ifindex=message["index"],
        name=attributes.get("IFLA_IFNAME", ""),
        kind=information.get("IFLA_INFO_KIND"),
        mac=attributes.get("IFLA_ADDRESS"),
        mtu=attributes.get("IFLA_MTU"),
        state=attributes.get("IFLA_OPERSTATE"),
        addresses=tuple(addresses.get(message["index"], ())),
        master=attributes.get("IFLA_MASTER"),
        peer_ifindex=attributes.get("IFLA_LINK"),
        peer_netnsid=attributes.get("IFLA_LINK_NETNSID"),
        rx_bytes=counters.get("rx_bytes"),
        tx_bytes=counters.get("tx_bytes"),
    )


def _routes(messages: Iterable[Message], names: Mapping[int | None, str]) -> Iterator[Route]:
    for message in messages:
        attributes = dict(message["attrs"])
        if attributes.get("RTA_TABLE", message["table"]) != _MAIN_TABLE:
            continue
        destination = attributes.get("RTA_DST")
        dst = f"{destination}/{message['dst_len']}" if destination else "default"
        # A multipath route has its next hops inside; a plain one is its own next hop.
        hops = attributes.get("RTA_MULTIPATH") or ({"oif": attributes.get("RTA_OIF"), "attrs": message["attrs"]},)
        for hop in hops:
            inner = dict(hop["attrs"])
            via = inner.get("RTA_VIA") or {}  # an IPv4 route over an IPv6 gateway
            yield Route(
                dst=dst,
                gateway=inner.get("RTA_GATEWAY") or via.get("addr"),
                dev=names.get(hop["oif"]),
                src=attributes.get("RTA_PREFSRC"),
            )
