"""Rules of nf_tables as the kernel writes them down, and what they mean."""

import time

import pytest

from ctrscope.model.gap import ParseError
from ctrscope.probes.nftables import join, parse_chains, parse_elements
from ctrscope.probes.nftables_match import Field, State, between
from ctrscope.probes.nftables_rule import Element, _intervals, parse_rule
from ctrscope.probes.packet_filter import Action, Chain, Match, find_dnat
from tests.probes.nat_captures import CHAINS, RULES, SET_ELEMENTS, XT_RULES

IP = 2


def chains_of(rules: tuple[bytes, ...]) -> list[Chain]:
    def elements(name: str) -> tuple[Element, ...]:
        assert name == "__set0"
        return parse_elements([(IP, message) for message in SET_ELEMENTS])

    return list(join(parse_chains([(IP, one) for one in CHAINS]), [(IP, one) for one in rules], IP, "nat", elements, [100_000]))


def test_a_base_chain_has_a_hook_and_a_priority_below_zero() -> None:
    docker, prerouting = parse_chains([(IP, one) for one in CHAINS])
    assert (docker.name, docker.kind) == ("DOCKER", "")
    assert (prerouting.name, prerouting.kind, prerouting.hook, prerouting.priority) == ("PREROUTING", "nat", 0, -100)


def test_chains_of_other_families_are_left_out() -> None:
    assert parse_chains([(7, CHAINS[0])]) == []  # bridge


def test_a_set_of_ports_and_ranges_makes_a_branch_for_each() -> None:
    docker = next(chain for chain in chains_of(RULES) if chain.name == "DOCKER")
    first, second = docker.rules
    assert first.branches == ((Match(family="ipv4", in_interface="docker0"), Action("return")),)
    expected = Action("dnat", to_ip="172.17.0.2", to_port=80)
    assert [(match.dport, action) for match, action in second.branches] == [((8000, 8010), expected), ((80, 80), expected)]
    assert {(match.proto, match.dst, match.not_in) for match, _ in second.branches} == {("tcp", "127.0.0.0/8", ("docker0",))}


def test_a_jump_hands_on_what_was_asked_before_it() -> None:
    chains = {(chain.table, chain.name): chain for chain in chains_of(RULES)}
    rules = find_dnat(chains, 42)
    assert [(rule.dport, rule.is_local_only, rule.not_in_interfaces) for rule in rules] == [
        ((8000, 8010), True, ("docker0",)),
        ((80, 80), True, ("docker0",)),
    ]
    assert {rule.netns for rule in rules} == {42}
    assert rules[0].source == "nftables ip nat DOCKER handle 6"


def test_records_of_xtables_inside_nf_tables_are_understood() -> None:
    chains = {(chain.table, chain.name): chain for chain in chains_of(XT_RULES)}
    rules = find_dnat(chains, 42)
    assert [(rule.proto, rule.dport, rule.to_ip, rule.to_port, rule.is_local_only) for rule in rules] == [
        ("tcp", (80, 80), "172.17.0.2", 8080, True),
        ("tcp", (443, 443), "172.17.0.2", 8080, True),
    ]
    assert rules[0].not_in_interfaces == ("docker0", "br*")


def test_a_cut_off_rule_is_malformed_and_no_traceback() -> None:
    with pytest.raises(ParseError):
        parse_rule(RULES[0][60:110], "ip", lambda name: (), [1000])


def test_a_set_that_is_gone_matches_nothing() -> None:
    chains = join(parse_chains([(IP, one) for one in CHAINS]), [(IP, one) for one in RULES], IP, "nat", lambda name: (), [1000])
    docker = next(chain for chain in chains if chain.name == "DOCKER")
    assert docker.rules[1].branches == ()


@pytest.mark.parametrize("elements", [tuple(Element(number.to_bytes(2, "big")) for number in range(2000)), None])
def test_a_long_set_is_named_and_not_told_one_by_one(elements: tuple[Element, ...] | None) -> None:
    heads = parse_chains([(IP, one) for one in CHAINS])
    chains = join(heads, [(IP, RULES[1])], IP, "nat", lambda name: elements, [1000])
    docker = next(chain for chain in chains if chain.name == "DOCKER")
    assert [(match.other, action.to_ip) for match, action in docker.rules[0].branches] == [(("in __set0",), "172.17.0.2")]


def test_rules_whose_sets_make_more_branches_than_are_followed_end() -> None:
    elements = tuple(Element(number.to_bytes(2, "big")) for number in range(1000))
    heads = parse_chains([(IP, one) for one in CHAINS])
    with pytest.raises(OSError, match="more rules"):
        list(join(heads, [(IP, RULES[1])] * 100, IP, "nat", lambda name: elements, [10_000]))


def test_the_end_of_an_interval_is_found_in_the_time_that_sorting_takes() -> None:
    listed = tuple(Element(number.to_bytes(4, "big"), flags=number % 2) for number in range(8192))
    started = time.process_time()
    found = list(_intervals(listed))
    assert time.process_time() - started < 1
    assert [(low, high) for low, high, _ in found[:2]] == [(bytes(4), bytes(4)), (b"\0\0\0\2", b"\0\0\0\2")]


def test_part_of_an_address_between_two_values_is_a_condition_and_no_traceback() -> None:
    field = Field("dst", 4, mask=b"\xff\xff\0\0")
    state = between(State(Match(), {}), field, b"\x0a\0", b"\x0a\xff")
    assert state is not None
    assert state.match == Match(other=("dst",))


@pytest.mark.parametrize("length", range(0, 620, 7))
def test_no_shortening_of_a_rule_raises_anything_else(length: int) -> None:
    for rule in (*RULES, *XT_RULES):
        try:
            chains_of((rule[:length],))
        except ParseError:
            continue
