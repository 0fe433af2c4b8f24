"""What a packet filter does with one packet that passes through: accepts it, drops it, or it depends.

*Source:* nft(8), iptables(8). A packet is accepted when every base chain at the hook accepts it; of each the first verdict
counts, else its policy.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from ctrscope.probes.packet_filter import Chain, Match, contains, name_matches

_MAX_DEPTH, _MAX_STEPS = 16, 50_000

Chains = Mapping[tuple[str, str], Chain]


class Packet(NamedTuple):
    """The first packet of a connection, as the hook forward sees it: after destination NAT."""

    family: Literal["ipv4", "ipv6"]
    proto: str
    dst: str
    dport: int
    in_interface: str
    out_interface: str
    not_src: tuple[str, ...] = ()  # networks that its sender is in none of: those behind other interfaces


class Verdict(NamedTuple):
    """What becomes of it."""

    is_accepted: bool | None  # None: it depends on what is not known
    source: str  # the rule or policy that decides: "nftables ip filter FORWARD policy drop"


def judge_forwarded(chains: Chains, packet: Packet) -> Verdict:
    """Verdict of all base chains at the hook forward. A namespace without any accepts everything."""
    uncertain: Verdict | None = None
    budget = [_MAX_STEPS]
    for base in sorted(chains.values(), key=lambda chain: chain.priority):
        if base.hook != "forward" or base.kind != "filter" or not _is_of(base, packet):
            continue
        walk = _Walk(chains, packet, budget)
        kind, source = walk.run(base, 0) or (base.policy, f"{base.table} {base.name} policy {base.policy}")
        if walk.maybe - {kind} or budget[0] < 0:
            uncertain = uncertain or Verdict(None, source)
        elif kind == "drop":
            return Verdict(False, source)
    return uncertain or Verdict(True, "")


class _Walk:
    def __init__(self, chains: Chains, packet: Packet, budget: list[int]) -> None:
        self._chains, self._packet, self._budget = chains, packet, budget
        self.maybe: set[str] = set()  # verdicts of rules that may or may not apply

    def run(self, chain: Chain, depth: int) -> tuple[str, str] | None:
        """The verdict of a chain and what gave it; None when the packet comes out at its end."""
        for rule in chain.rules:
            for match, action in rule.branches:
                self._budget[0] -= 1
                applies = self._applies(match)
                if applies is False or action.kind == "pass" or self._budget[0] < 0:
                    continue
                if action.kind in ("accept", "drop"):
                    if applies:
                        return action.kind, f"{chain.table} {chain.name} {rule.name}"
                    self.maybe.add(action.kind)
                elif action.kind == "return":
                    if applies:
                        return None
                    self.maybe.add("return")
                else:
                    target = self._chains.get((chain.table, action.chain))
                    found = self.run(target, depth + 1) if target is not None and depth < _MAX_DEPTH else None
                    if found is not None and applies:
                        return found
                    if found is not None:
                        self.maybe.add(found[0])
                    elif action.kind == "goto" and applies:
                        return None
        return None

    def _applies(self, match: Match) -> bool | None:
        packet = self._packet
        if (
            (match.family and match.family != packet.family)
            or (match.proto and match.proto != packet.proto)
            or (match.dst and not contains(match.dst, packet.dst))
            or any(contains(refused, packet.dst) for refused in match.not_dst)
            or (match.dport is not None and not match.dport[0] <= packet.dport <= match.dport[1])
            or (match.in_interface and not name_matches(match.in_interface, packet.in_interface))
            or (match.out_interface and not name_matches(match.out_interface, packet.out_interface))
            or any(name_matches(refused, packet.in_interface) for refused in match.not_in)
            or any(name_matches(refused, packet.out_interface) for refused in match.not_out)
            or match.is_local
            or match.is_known
            or (match.src and any(contains(behind, match.src) for behind in packet.not_src))
        ):
            return False
        return None if match.other or match.src else True


def _is_of(chain: Chain, packet: Packet) -> bool:
    family = chain.table.split(" ")[1]
    return family not in ("ip", "ip6") or (family == "ip6") == (packet.family == "ipv6")
