"""The launcher's own table of nf_tables: addresses translated on the way out, published ports on the way in.

*Source:* nft(8). The whole table is written anew from what is to be, in one transaction, so no rule is forgotten.
A port of every address is translated where packets come in and where this host sends them itself. Of connections to 127.0.0.1
the sender would stay 127.0.0.1, which only routes out of an interface with ``route_localnet``: the bridge gets that, and the
table drops what comes in from the bridge for 127.0.0.0/8. So no proxy has to run. *Cost:* 10 ms for the program.
"""

import json
import shutil
from collections.abc import Iterable
from typing import Any

from ctrscope.model.container import Port
from ctrscope.model.gap import ParseError
from ctrscope.oci.errors import LauncherError, run_program
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.iptables_legacy import read_iptables_legacy
from ctrscope.probes.nftables import FAMILIES, read_chain_heads, read_last_rule
from ctrscope.probes.packet_filter import EVERYTHING, HOOKS, Match, Rule

#: A base chain of others: family, table, name.
ForeignChain = tuple[str, str, str]
_PATIENCE = 30
_EVERYTHING_OF_IPV4 = Match(family="ipv4")


def find_nft() -> str:
    """The program. Errors: LauncherError where there is none."""
    found = shutil.which("nft", path="/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin")  # not everybody's PATH has it
    if found is None:
        raise LauncherError("a bridge needs the program nft for its rules: install nftables, or use --net none or --net host")
    return found


def write_rules(bridge: str, subnet: str, ports: Iterable[Port], lock: int) -> None:
    """Put the table of this bridge in place of the one before."""
    _nft(f"table ip {bridge}\ndelete table ip {bridge}\n{rules_text(bridge, subnet, ports)}", lock)


def delete_rules(bridge: str, opened: Iterable[ForeignChain], lock: int) -> None:
    """Remove the table, and what was added to chains of others; that there is none is fine."""
    commands = [f"table ip {bridge}", f"delete table ip {bridge}"]
    for family, table, chain in opened:
        commands += (f"delete rule {family} {table} {chain} handle {one}" for one in _ours(bridge, (family, table, chain)))
    _nft("\n".join(commands) + "\n", lock)


def find_dropping() -> list[ForeignChain]:
    """Chains of others that drop what they do not name of all that is forwarded. Errors: LauncherError.

    By their policy, as Docker's, or by a last rule that rejects the rest, as firewalld's.
    """
    host = HostFs()
    try:
        return [
            (FAMILIES[head.family], head.table, head.name)
            for head in read_chain_heads(host)
            if head.kind == "filter" and HOOKS[head.hook] == "forward" and FAMILIES[head.family] != "ip6"
            if head.is_dropping or _drops_the_rest(read_last_rule(host, head))
        ]
    except (OSError, ParseError) as error:
        raise LauncherError(f"network: the rules of this host cannot be read: {error}") from None


def _drops_the_rest(last: Rule | None) -> bool:
    return last is not None and any(
        action.kind == "drop" and match in (EVERYTHING, _EVERYTHING_OF_IPV4) for match, action in last.branches
    )


def find_closed_legacy(bridge: str) -> str | None:
    """What to say where the older tables of iptables, which nft does not change, drop whatever they do not name.

    The policy of a chain is the last of its entries; RHEL's own rules have one that rejects the rest before it.
    """
    try:
        chains = read_iptables_legacy(HostFs(), "filter")
    except (OSError, ParseError):
        return None  # nobody but root may ask, and root is who makes a bridge; ParseError: then we know nothing of it
    for chain in chains:
        actions = [branch for rule in chain.rules for branch in rule.branches]
        is_open = any(match.in_interface == bridge and action.kind == "accept" for match, action in actions)
        is_closed = any(map(_drops_the_rest, chain.rules[-2:]))
        if chain.hook == "forward" and " ip " in chain.table and is_closed and not is_open:
            ways = (f"iptables-legacy -I FORWARD {way} {bridge} -j ACCEPT" for way in ("-i", "-o"))
            advice = f"{' && '.join(ways)} lets {bridge} through"
            return f"FORWARD of iptables-legacy drops what it does not name, and is left as it is: {advice}"
    return None


def open_chain(bridge: str, chain: ForeignChain, lock: int) -> None:
    """Let through what comes from the bridge or goes to it, where a chain drops whatever it does not name.

    Docker makes such a chain for all that the host forwards, and a verdict of acceptance counts for its own table only.
    """
    if not _ours(bridge, chain):
        where = " ".join(chain)
        rules = (f'insert rule {where} {way} "{bridge}" accept comment "{bridge}"\n' for way in ("iifname", "oifname"))
        _nft("".join(rules), lock)


def rules_text(bridge: str, subnet: str, ports: Iterable[Port]) -> str:
    """The table as nft(8) reads it."""
    translated, accepted = [], []
    for port in ports:
        to = f"ip daddr {port.host_ip}" if port.host_ip else "fib daddr type local"
        translated.append(f"{to} {port.proto} dport {port.host_port} dnat to {port.container_ip}:{port.container_port}")
        accepted.append(f'oifname "{bridge}" ip daddr {port.container_ip} {port.proto} dport {port.container_port} accept')
    chains = {
        "guard": ("filter hook prerouting priority raw", [f'iifname "{bridge}" ip daddr 127.0.0.0/8 drop']),
        "prerouting": ("nat hook prerouting priority dstnat", translated),
        "output": ("nat hook output priority -100", translated),  # dstnat has no name there before nft 1.0.3
        "forward": (
            "filter hook forward priority filter",
            [
                f'iifname "{bridge}" accept',
                f'oifname "{bridge}" ct state established,related accept',
                *accepted,
                f'oifname "{bridge}" drop',
            ],
        ),
        "postrouting": (
            "nat hook postrouting priority srcnat",
            [
                f'ip saddr {subnet} oifname != "{bridge}" masquerade',
                # The answer has to come back this way: from this host by 127.0.0.1, from the bridge by a published port.
                f'ip saddr {{ 127.0.0.0/8, {subnet} }} oifname "{bridge}" ct status dnat masquerade',
            ],
        ),
    }
    lines = [f"table ip {bridge} {{"]
    for name, (hook, rules) in chains.items():
        lines += [f"\tchain {name} {{", f"\t\ttype {hook}; policy accept;", *(f"\t\t{rule}" for rule in rules), "\t}"]
    return "\n".join((*lines, "}", ""))


def _ours(bridge: str, chain: ForeignChain) -> list[int]:
    """Handles of our rules in a chain of others."""
    try:
        listed = _run(("-j", "-a", "list", "chain", *chain))
    except LauncherError:
        return []  # the chain is gone, and they with it
    rules = (one["rule"] for one in json.loads(listed)["nftables"] if "rule" in one)
    return [rule["handle"] for rule in rules if rule.get("comment") == bridge]


def _nft(commands: str, lock: int) -> None:
    # It inherits the lock: were we killed meanwhile, nobody else would touch the table before it is done.
    _run(("-f", "-"), input=commands, pass_fds=(lock,))


def _run(arguments: tuple[str, ...], **options: Any) -> str:
    what = "network: nft (are nf_tables and its NAT in this kernel?)"
    return run_program(what, (find_nft(), *arguments), timeout=_PATIENCE, **options)
