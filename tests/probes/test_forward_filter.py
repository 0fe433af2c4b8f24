"""What a packet filter does with a packet that passes through."""

import pytest

from ctrscope.probes.forward_filter import Packet, judge_forwarded
from ctrscope.probes.packet_filter import EVERYTHING, Action, Chain, Match, Rule

PACKET = Packet("ipv4", "tcp", "172.17.0.2", 80, "eth0", "docker0", ("172.17.0.0/16",))
ACCEPT, DROP, RETURN = Action("accept"), Action("drop"), Action("return")


def forward(*branches: tuple[Match, Action], policy: str = "drop", **more: object) -> Chain:
    rules = tuple(Rule(f"handle {number}", (branch,)) for number, branch in enumerate(branches, 1))
    return Chain("nftables ip filter", "FORWARD", "forward", 0, rules, "filter", policy)._replace(**more)  # type: ignore[arg-type]


def verdict(*chains: Chain) -> tuple[bool | None, str]:
    found = judge_forwarded({(chain.table, chain.name): chain for chain in chains}, PACKET)
    return found.is_accepted, found.source


def test_without_a_chain_everything_passes() -> None:
    assert verdict() == (True, "")
    assert verdict(forward(hook="input")) == (True, "")
    assert verdict(forward(table="nftables ip6 filter")) == (True, "")


def test_the_policy_decides_when_no_rule_does() -> None:
    assert verdict(forward()) == (False, "nftables ip filter FORWARD policy drop")
    assert verdict(forward(policy="accept")) == (True, "")


@pytest.mark.parametrize(
    "match",
    [
        EVERYTHING,
        Match(family="ipv4", proto="tcp", dst="172.17.0.0/16", dport=(80, 81), in_interface="eth*", out_interface="docker0"),
        Match(not_in=("docker0",), not_dst=("10.0.0.0/8",), not_out=("eth0",)),
    ],
)
def test_a_rule_that_matches_decides(match: Match) -> None:
    assert verdict(forward((match, ACCEPT)))[0] is True
    assert verdict(forward((match, DROP), policy="accept")) == (False, "nftables ip filter FORWARD handle 1")


@pytest.mark.parametrize(
    "match",
    [
        Match(family="ipv6"),
        Match(proto="udp"),
        Match(dst="172.18.0.0/16"),
        Match(dport=(81, 90)),
        Match(in_interface="docker0"),
        Match(out_interface="eth0"),
        Match(not_in=("eth0",)),
        Match(not_out=("docker*",)),
        Match(not_dst=("172.17.0.0/24",)),
        Match(is_known=True),
        Match(is_local=True),
        Match(src="172.17.0.0/16"),
    ],
)
def test_a_rule_that_does_not_match_is_passed_over(match: Match) -> None:
    assert verdict(forward((match, ACCEPT)))[0] is False


@pytest.mark.parametrize("match", [Match(other=("mark",)), Match(src="198.51.100.0/24")])
def test_a_rule_that_may_match_makes_it_uncertain_only_when_it_says_otherwise(match: Match) -> None:
    assert verdict(forward((match, ACCEPT)))[0] is None
    assert verdict(forward((match, DROP)))[0] is False
    assert verdict(forward((match, ACCEPT), policy="accept"))[0] is True


def test_a_jump_comes_back_and_a_goto_does_not() -> None:
    inner = Chain("nftables ip filter", "MINE", "", 0, (Rule("handle 9", ((Match(proto="udp"), ACCEPT),)),))
    jump, goto = Action("jump", chain="MINE"), Action("goto", chain="MINE")
    assert verdict(forward((EVERYTHING, jump), (EVERYTHING, ACCEPT)), inner)[0] is True
    assert verdict(forward((EVERYTHING, goto), (EVERYTHING, ACCEPT)), inner)[0] is False
    assert verdict(forward((EVERYTHING, RETURN), (EVERYTHING, ACCEPT)))[0] is False


def test_every_base_chain_has_to_accept() -> None:
    other = forward(table="nftables inet firewalld", policy="accept")
    assert verdict(other, forward((EVERYTHING, ACCEPT)))[0] is True
    assert verdict(other, forward())[0] is False


def test_chains_that_jump_to_each_other_end() -> None:
    loop = Chain("nftables ip filter", "LOOP", "", 0, (Rule("handle 1", ((EVERYTHING, Action("jump", chain="LOOP")),) * 8),))
    assert verdict(forward((EVERYTHING, Action("jump", chain="LOOP"))), loop)[0] in (None, False)
