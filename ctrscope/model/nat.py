"""Destination NAT: rules of the kernel that send what comes in to another address."""

from typing import Literal

from ctrscope.model.value import Value


class DnatRule(Value, frozen=True, kw_only=True):
    """One rule with everything that has to be so on the way to it, jumps between chains followed."""

    netns: int  # inode of the network namespace that has the rule
    source: str  # "nftables ip nat DOCKER handle 12", "iptables-legacy ip nat DOCKER rule 3"
    family: Literal["ipv4", "ipv6", ""]  # "" is both
    proto: str  # "tcp", "udp", "sctp"; "" is every protocol
    dst: str  # address or network that a packet is for; "" is every one
    is_local_only: bool = False  # only what is for an address of this namespace: fib daddr type local, -m addrtype
    not_dst: tuple[str, ...] = ()
    dport: tuple[int, int] | None = None  # first and last; None is every port
    in_interface: str = ""  # "" is every one; a trailing * is any ending
    not_in_interfaces: tuple[str, ...] = ()
    src: str = ""
    conditions: tuple[str, ...] = ()  # what else it asks for and was not looked into: "random", "mark"
    hooks: tuple[str, ...] = ()  # "prerouting": what comes from a wire; "output": what this namespace itself sends
    to_ip: str | None  # None: to this namespace itself (redirect); "": the address stays
    to_port: int | None = None  # of the first port of dport; None: it stays
