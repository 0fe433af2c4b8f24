"""The walk through chains, where somebody made as many rules as he could."""

import time

from ctrscope.probes.packet_filter import Action, Chain, Match, Rule, find_dnat


def test_many_addresses_that_are_left_out_do_not_make_every_later_rule_dear() -> None:
    returns = [Rule(f"rule {n}", ((Match(dst=f"10.{n >> 8}.{n & 255}.1"), Action("return")),)) for n in range(5000)]
    last = Rule("rule 5000", ((Match(proto="tcp", dport=(80, 80)), Action("dnat", to_ip="10.0.0.2", to_port=80)),))
    chain = Chain("nftables ip nat", "PREROUTING", "prerouting", -100, (*returns, last))
    started = time.process_time()
    (rule,) = find_dnat({(chain.table, chain.name): chain}, 1)
    assert time.process_time() - started < 10
    assert rule.not_dst[0] == "10.0.0.1"
