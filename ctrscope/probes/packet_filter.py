"""Chains and rules of a packet filter, whoever wrote them down, and the walk through jumps that finds destination NAT.

*Source:* nft(8), iptables(8), iptables-extensions(8): rules are tried in order; ``jump`` comes back, ``goto`` comes back to
where the chain was jumped from, ``return`` leaves the chain, the first verdict or NAT ends it.

nf_tables and the older tables of iptables become the same few words here. What a rule asks for and these words cannot say
is kept as text in ``Match.other``: the rule may then not apply to every packet.
"""

import functools
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

import msgspec

from ctrscope.model.nat import DnatRule
from ctrscope.model.value import Value

#: The kernel's own bound is 16 (NFT_JUMP_STACK_SIZE, include/net/netfilter/nf_tables.h).
_MAX_DEPTH = 16
#: Rules looked at in one walk. Chains of a hostile namespace may jump to each other in a tree of any size.
_MAX_STEPS = 200_000
_MAX_FOUND = 20_000
#: Every rule further down is held against each of them.
_MAX_DENIED = 64

Hook = Literal["prerouting", "input", "forward", "output", "postrouting", ""]
#: By number: include/uapi/linux/netfilter.h.
HOOKS: tuple[Hook, ...] = ("prerouting", "input", "forward", "output", "postrouting")
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "icmpv6", 132: "sctp", 136: "udplite"}


class Match(Value, frozen=True, kw_only=True):
    """What a packet must be. Every default asks for nothing."""

    family: Literal["ipv4", "ipv6", ""] = ""
    proto: str = ""
    src: str = ""
    dst: str = ""
    not_dst: tuple[str, ...] = ()
    is_local: bool = False
    is_known: bool = False  # a packet of a connection that is known already (established, related), or opens none (no SYN)
    dport: tuple[int, int] | None = None
    in_interface: str = ""
    not_in: tuple[str, ...] = ()
    out_interface: str = ""
    not_out: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


EVERYTHING = Match()


class Action(NamedTuple):
    """What happens to a packet that matches."""

    kind: Literal["jump", "goto", "return", "accept", "drop", "dnat", "redirect", "pass"]  # pass: nothing that matters here
    chain: str = ""  # of jump and goto
    to_ip: str = ""  # of dnat; "": the address stays
    to_port: int | None = None


class Rule(NamedTuple):
    """One rule: what it does for each of the packets that it distinguishes (a map distinguishes many)."""

    name: str  # "handle 12", "rule 3"
    branches: tuple[tuple[Match, Action], ...]


class Chain(NamedTuple):
    """One chain of one table."""

    table: str  # "nftables ip nat", "iptables-legacy ip6 nat"
    name: str
    hook: Hook  # "": only jumped to
    priority: int
    rules: tuple[Rule, ...]
    kind: str = "nat"  # of a base chain: "filter", "nat", "route"
    policy: Literal["accept", "drop"] = "accept"


def narrow(first: Match, second: Match) -> Match | None:
    """What is asked for when both are; None when no packet can be both."""
    if first is EVERYTHING:
        return second
    if second is EVERYTHING:
        return first
    changes: dict[str, object] = {}
    for name in ("family", "proto"):
        mine, theirs = getattr(first, name), getattr(second, name)
        if mine and theirs and mine != theirs:
            return None
        changes[name] = mine or theirs
    for name in ("src", "dst"):
        inner = _inner_network(getattr(first, name), getattr(second, name))
        if inner is None:
            return None
        changes[name] = inner
    if first.dport is not None and second.dport is not None:
        low, high = max(first.dport[0], second.dport[0]), min(first.dport[1], second.dport[1])
        if low > high:
            return None
        changes["dport"] = (low, high)
    else:
        changes["dport"] = first.dport or second.dport
    for name, excluded in (("in_interface", "not_in"), ("out_interface", "not_out")):
        link = _inner_name(getattr(first, name), getattr(second, name))
        refused = _together(getattr(first, excluded), getattr(second, excluded))
        if link is None or (link and any(name_matches(pattern, link) for pattern in refused)):
            return None
        changes[name], changes[excluded] = link, refused
    not_dst = _together(first.not_dst, second.not_dst)
    dst = str(changes["dst"])
    if dst and any(_inner_network(refused, dst) == dst for refused in not_dst):
        return None
    return Match(
        **changes,  # type: ignore[arg-type]
        not_dst=not_dst,
        is_local=first.is_local or second.is_local,
        is_known=first.is_known or second.is_known,
        other=_together(first.other, second.other),
    )


def find_dnat(chains: Mapping[tuple[str, str], Chain], netns: int) -> tuple[DnatRule, ...]:
    """Destination NAT that packets can reach from the hooks prerouting and output, first match first.

    Shape: *chains* by (table, name). A rule that both hooks reach alike comes once, with both in ``hooks``.
    """
    found: dict[tuple[Match, Action, str, str, str], DnatRule] = {}
    budget = [_MAX_STEPS]
    bases = [chain for chain in chains.values() if chain.hook in ("prerouting", "output") and chain.kind == "nat"]
    for base in sorted(bases, key=lambda chain: chain.priority):
        for match, action, chain, rule in _walk(base, _family_of(base), chains, 0, budget):
            key = (match, action, chain.table, chain.name, rule.name)
            if (before := found.get(key)) is not None:
                if base.hook not in before.hooks:
                    found[key] = msgspec.structs.replace(before, hooks=(*before.hooks, base.hook))
                continue
            if len(found) < _MAX_FOUND:
                found[key] = _dnat_rule(match, action, f"{chain.table} {chain.name} {rule.name}", base.hook, netns)
    return tuple(found.values())


def _family_of(chain: Chain) -> Match:
    """What the family of its table asks for: the second word of ``nftables ip nat``."""
    return {"ip": Match(family="ipv4"), "ip6": Match(family="ipv6")}.get(chain.table.split(" ")[1], EVERYTHING)


def _walk(
    chain: Chain, asked: Match, chains: Mapping[tuple[str, str], Chain], depth: int, budget: list[int]
) -> Iterator[tuple[Match, Action, Chain, Rule]]:
    """DNAT and redirect actions below a chain, each with everything asked for on the way."""
    for rule in chain.rules:
        for match, action in rule.branches:
            budget[0] -= 1 + len(asked.not_dst) // 8
            if budget[0] < 0:
                return
            both = narrow(asked, match)
            if both is None:
                continue
            if action.kind in ("dnat", "redirect"):
                yield both, action, chain, rule
            elif action.kind in ("jump", "goto"):
                target = chains.get((chain.table, action.chain))
                if target is not None and depth < _MAX_DEPTH:
                    yield from _walk(target, both, chains, depth + 1, budget)
            if action.kind in ("return", "accept", "drop", "dnat", "redirect", "goto"):
                rest = _without(asked, match)
                if rest is None:
                    return
                asked = rest


def _without(asked: Match, gone: Match) -> Match | None:
    """What is left of *asked* once *gone* has left the chain; None is nothing.

    Only what Match can deny is denied: an interface or an address that alone was asked for, and not more than a few of them.
    """
    if gone.family in ("", asked.family):  # the family of the table is in every rule of it
        gone = msgspec.structs.replace(gone, family="")
    if gone == EVERYTHING:
        return None
    if len(asked.not_dst) + len(asked.not_in) >= _MAX_DENIED:
        return asked
    if gone == Match(in_interface=gone.in_interface):
        return narrow(asked, Match(not_in=(gone.in_interface,)))
    if gone == Match(dst=gone.dst):
        return narrow(asked, Match(not_dst=(gone.dst,)))
    return asked


def _dnat_rule(match: Match, action: Action, source: str, hook: Hook, netns: int) -> DnatRule:
    return DnatRule(
        netns=netns,
        source=source,
        family=match.family,
        proto=match.proto,
        dst=match.dst,
        is_local_only=match.is_local,
        not_dst=match.not_dst,
        dport=match.dport,
        in_interface=match.in_interface,
        not_in_interfaces=match.not_in,
        src=match.src,
        conditions=match.other,
        hooks=(hook,),
        to_ip=None if action.kind == "redirect" else action.to_ip,
        to_port=action.to_port,
    )


def name_matches(pattern: str, name: str) -> bool:
    """Whether an interface name is *pattern*, of which a trailing ``*`` stands for any ending."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def network_of(address: bytes, mask: bytes | None = None) -> str:
    """``192.0.2.1`` or ``192.0.2.0/24`` of packed bytes; "" for a mask of nothing. Errors: ValueError."""
    whole = ipaddress.ip_address(address)
    if mask is None or mask == b"\xff" * len(address):
        return str(whole)
    length = int.from_bytes(mask, "big").bit_count()
    return f"{whole}/{length}" if length else ""


def contains(network: str, address: str) -> bool:
    """Whether an address or network lies in a network; "" holds everything."""
    return not network or _inner_network(network, address) == address


def _inner_network(first: str, second: str) -> str | None:
    if not first or not second or first == second:
        return first or second
    try:
        one, two = _network(first), _network(second)
    except ValueError:
        return None
    if one.version != two.version or not one.overlaps(two):
        return None
    return first if one.prefixlen >= two.prefixlen else second


@functools.lru_cache(maxsize=4096)  # the same few are compared with every rule
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


def _inner_name(first: str, second: str) -> str | None:
    if not first or not second or first == second:
        return first or second
    if name_matches(first, second):
        return second
    return first if name_matches(second, first) else None


def _together(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
