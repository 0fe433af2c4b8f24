"""A bridge, and a pair of interfaces between it and a network namespace, made and removed over netlink.

*Source:* rtnetlink(7), veth(4); kernel include/uapi/linux/{if_link,if_addr,rtnetlink,veth}.h.
*Errors:* LauncherError with what was asked for and what the kernel answered.
*Cost:* 0.5 ms for a bridge and 0.5 ms for a pair, most of it in the kernel; importing pyroute2 for it would take 300 ms.
"""

import errno
import os
import socket
import struct

from ctrscope.oci.errors import LauncherError, step
from ctrscope.probes.netlink import attribute, messages_of
from ctrscope.probes.netns import run_in_network_namespace

_NEW_LINK, _DELETE_LINK, _NEW_ADDRESS, _NEW_ROUTE = 16, 17, 20, 24
_REQUEST, _ACKNOWLEDGE, _CREATE_NEW = 0x1, 0x4, 0x600  # NLM_F_CREATE | NLM_F_EXCL
_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")  # family, type, ifindex, flags, which of them
_ADDRESS = struct.Struct("=BBBBi")  # family, prefix length, flags, scope, ifindex
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_NLMSG_ERROR, _IFF_UP, _AF_INET = 2, 1, 2
_MAC, _NAME, _MASTER, _INFO, _NETNS_FD = 1, 3, 10, 18, 28  # IFLA_…
_KIND, _DATA, _PEER = 1, 2, 1  # IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER
_LOOPBACK = 1  # ifindex of lo in every namespace


def make_bridge(name: str, address: str) -> None:
    """A bridge with an address (``10.1.2.1/24``), up. What is there already stays."""
    # With an address of its own choice a bridge takes that of the port with the lowest: it changes as containers come.
    body = _link_body(_text(_NAME, name), attribute(_MAC, _mac(address)), _info("bridge"), is_up=True)
    _change(f"bridge {name}", _NEW_LINK, body, fine=errno.EEXIST)
    _set_address(name, address)


def make_pair(host_name: str, bridge: str, address: str, pid: int) -> None:
    """A port of the bridge, whose other end is eth0 of the network namespace that a process of ours is in."""
    with open(f"/proc/{pid}/ns/net", "rb") as namespace:
        inner = attribute(_NETNS_FD, struct.pack("=i", namespace.fileno()))
        peer = _LINK.pack(0, 0, 0, 0, 0) + _text(_NAME, "eth0") + attribute(_MAC, _mac(address)) + inner
        master = attribute(_MASTER, struct.pack("=I", socket.if_nametoindex(bridge)))
        body = _link_body(_text(_NAME, host_name), master, _info("veth", attribute(_PEER, peer)), is_up=True)
        _change(f"pair of interfaces {host_name} and eth0", _NEW_LINK, body)


def configure(pid: int, address: str, gateway: str) -> None:
    """Address, loopback and default route, inside the network namespace of a process of ours."""

    def inside() -> None:
        _change("lo", _NEW_LINK, _LINK.pack(0, 0, _LOOPBACK, _IFF_UP, _IFF_UP), flags=0)
        _set_address("eth0", address)
        _change("eth0", _NEW_LINK, _LINK.pack(0, 0, socket.if_nametoindex("eth0"), _IFF_UP, _IFF_UP), flags=0)
        route = _ROUTE.pack(_AF_INET, 0, 0, 0, 254, 4, 0, 1, 0)  # RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST
        _change(f"default route over {gateway}", _NEW_ROUTE, route + attribute(5, socket.inet_aton(gateway)))  # RTA_GATEWAY

    run_in_network_namespace(pid, inside)


def delete_link(name: str) -> None:
    """Remove a link, and the other end with it; that there is none is fine."""
    _change(name, _DELETE_LINK, _LINK.pack(0, 0, 0, 0, 0) + _text(_NAME, name), flags=0, fine=errno.ENODEV)


def _set_address(name: str, address: str) -> None:
    own, _, prefix = address.partition("/")
    body = _ADDRESS.pack(_AF_INET, int(prefix), 0, 0, socket.if_nametoindex(name))
    body += attribute(2, socket.inet_aton(own)) + attribute(1, socket.inet_aton(own))  # IFA_LOCAL, IFA_ADDRESS
    _change(f"{address} on {name}", _NEW_ADDRESS, body, fine=errno.EEXIST)


def _change(what: str, kind: int, body: bytes, flags: int = _CREATE_NEW, fine: int = 0) -> None:
    """Ask for one change and wait for the kernel's word on it; the error *fine* is none."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as connection:
        connection.bind((0, 0))
        head = _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _ACKNOWLEDGE | flags, 1, 0)
        with step(f"network: {what}"):
            connection.send(head + body)
            sender = None
            while sender != 0:  # but another process
                packet, (sender, _) = connection.recvfrom(65536)
    for answered, _, _, payload in messages_of(packet):
        code = -struct.unpack_from("=i", payload)[0] if answered == _NLMSG_ERROR else 0
        if code not in (0, fine):
            verb = "removed" if kind == _DELETE_LINK else "made"
            raise LauncherError(f"network: {what} cannot be {verb}: {os.strerror(code)}")


def _link_body(*attributes: bytes, is_up: bool) -> bytes:
    state = _IFF_UP if is_up else 0
    return _LINK.pack(0, 0, 0, state, state) + b"".join(attributes)


def _info(kind: str, data: bytes = b"") -> bytes:
    return attribute(_INFO, _text(_KIND, kind) + attribute(_DATA, data))


def _text(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode() + b"\0")


def _mac(address: str) -> bytes:
    """Locally administered, and always the same for the same address: neighbours that remember it are right."""
    return b"\x02\xc5" + socket.inet_aton(address.partition("/")[0])
