"""The table of iptables-legacy as the kernel hands it out."""

from pathlib import Path

import pytest

from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.iptables_legacy import Table, parse_table, read_iptables_legacy
from ctrscope.probes.packet_filter import find_dnat
from tests.probes.nat_captures import LEGACY_ENTRIES, LEGACY_HOOKS


def table(entries: bytes = LEGACY_ENTRIES) -> Table:
    return Table("ip", "nat", 0b11011, LEGACY_HOOKS, entries)


def test_chains_have_their_names_and_hooks() -> None:
    chains = parse_table(table())
    assert [(chain.name, chain.hook) for chain in chains] == [
        ("PREROUTING", "prerouting"),
        ("INPUT", "input"),
        ("OUTPUT", "output"),
        ("POSTROUTING", "postrouting"),
        ("DOCKER", ""),
    ]


def test_a_rule_of_multiport_is_one_for_each_port() -> None:
    chains = {(chain.table, chain.name): chain for chain in parse_table(table())}
    rules = find_dnat(chains, 1)
    assert [(rule.proto, rule.dport, rule.to_ip, rule.to_port, rule.source) for rule in rules] == [
        ("tcp", (80, 80), "172.17.0.2", 8080, "iptables-legacy ip nat DOCKER rule 2"),
        ("tcp", (443, 443), "172.17.0.2", 8080, "iptables-legacy ip nat DOCKER rule 2"),
    ]
    assert {(rule.is_local_only, rule.not_in_interfaces) for rule in rules} == {(True, ("docker0", "br*"))}


@pytest.mark.parametrize("length", range(9, len(LEGACY_ENTRIES), 48))  # no entry has an odd length
def test_a_table_that_is_cut_off_is_malformed(length: int) -> None:
    with pytest.raises(ParseError):
        parse_table(table(LEGACY_ENTRIES[:length]))


def test_entries_that_lead_nowhere_are_malformed() -> None:
    broken = bytearray(LEGACY_ENTRIES)
    broken[88:92] = b"\0\0\0\0"  # target and next offset of the first entry
    with pytest.raises(ParseError):
        parse_table(table(bytes(broken)))


def test_a_kernel_without_the_older_tables_has_no_rules(tmp_path: Path) -> None:
    assert read_iptables_legacy(HostFs(str(tmp_path))) == ()
