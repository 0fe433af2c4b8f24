"""Chains of nf_tables with their rules, as far as destination NAT needs them: nft's own, and those that iptables-nft writes.

*Source:* kernel include/uapi/linux/netfilter/nf_tables.h: NFT_MSG_GETCHAIN, GETRULE, GETSETELEM; nft(8), libnftnl(3).
*Shape:* a rule is a list of expressions that load fields into registers, compare them, look them up in sets, and act.
``nftables_rule.py`` follows them, and ``nftables_match.py`` says what a comparison asks for.
*Versions:* iptables-nft before 1.8.8 wrote every match and target as an xtables record (``match``, ``target``); since then
ports are compared by nf_tables itself. Linux before 5.x ignores the table asked for and lists all rules.
"""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from ctrscope.model.gap import VANISHED
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.netlink import Connection, attributes_of
from ctrscope.probes.nfnetlink import NETLINK_NETFILTER, dump, list_of, number, signed, text, text_attribute
from ctrscope.probes.nftables_rule import Element, parse_rule
from ctrscope.probes.packet_filter import HOOKS, Chain, Rule

_SUBSYSTEM = 10 << 8
_GET_CHAIN, _GET_RULE, _GET_SET_ELEMENTS = _SUBSYSTEM | 4, _SUBSYSTEM | 7, _SUBSYSTEM | 13
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY, _CHAIN_TYPE = 1, 3, 4, 5, 7
_HOOK_NUMBER, _HOOK_PRIORITY = 1, 2
_RULE_TABLE, _RULE_CHAIN, _RULE_HANDLE, _RULE_EXPRESSIONS = 1, 2, 3, 4
_SET_TABLE, _SET_NAME, _SET_ELEMENTS = 1, 2, 3
_ELEMENT_KEY, _ELEMENT_DATA, _ELEMENT_FLAGS, _ELEMENT_KEY_END = 1, 2, 3, 10
_DATA_VALUE, _DATA_VERDICT, _VERDICT_CODE, _VERDICT_CHAIN = 1, 2, 1, 2
#: Families with packets of IP, by NFPROTO number.
FAMILIES = {1: "inet", 2: "ip", 10: "ip6"}
#: Elements that are kept of one set, messages that are read of it, and elements that rules may look at, in one namespace.
_MAX_ELEMENTS, _MAX_MESSAGES, _MAX_LOOKED_AT = 8192, 1000, 500_000
_MAX_BRANCHES = 500_000

#: Elements of a set by its name; None: too many.
Sets = Callable[[str], tuple[Element, ...] | None]


def read_nftables(host: HostFs, kinds: tuple[str, ...] = ("nat",)) -> tuple[Chain, ...]:
    """Chains of every table that has a base chain of one of *kinds*, in the network namespace of this thread.

    Empty where nf_tables is not in the kernel: asking would load its module.
    Errors: OSError (EPERM without CAP_NET_ADMIN); ParseError, of which TornReadError says that rules kept changing.
    """
    if not _is_loaded(host):
        return ()
    with Connection(NETLINK_NETFILTER) as connection:
        chains = parse_chains(dump(connection, _GET_CHAIN))
        wanted = dict.fromkeys((chain.family, chain.table) for chain in chains if chain.kind in kinds)
        found: list[Chain] = []
        branches, looked_at = [_MAX_BRANCHES], [_MAX_LOOKED_AT]
        for family, table in wanted:
            asked = text_attribute(_RULE_TABLE, table)
            rules = dump(connection, _GET_RULE, family, asked)
            sets = _SetReader(connection, family, table, looked_at)
            found += join(chains, rules, family, table, sets.elements, branches)
        return tuple(found)


def read_chain_heads(host: HostFs) -> "list[ChainHead]":
    """Every chain of the network namespace of this thread, without rules. Errors: as ``read_nftables``."""
    if not _is_loaded(host):
        return []
    with Connection(NETLINK_NETFILTER) as connection:
        return parse_chains(dump(connection, _GET_CHAIN))


def read_last_rule(host: HostFs, head: "ChainHead") -> Rule | None:
    """The last rule of one chain, which all packets come to that no other has a verdict on; None of an empty one.

    What a set holds is not looked up. Errors: as ``read_nftables``.
    """
    if not _is_loaded(host):
        return None
    asked = text_attribute(_RULE_TABLE, head.table) + text_attribute(_RULE_CHAIN, head.name)
    with Connection(NETLINK_NETFILTER) as connection:
        rules = list(dump(connection, _GET_RULE, head.family, asked))
    # Before Linux 4.9 the rules of all chains come.
    chains = join([head], rules, head.family, head.table, lambda _: None, [_MAX_BRANCHES])
    return next((chain.rules[-1] for chain in chains if chain.rules), None)


class ChainHead(NamedTuple):
    """A chain without its rules."""

    family: int
    table: str
    name: str
    kind: str  # "" of one that is only jumped to
    hook: int
    priority: int
    is_dropping: bool


def parse_chains(messages: Iterable[tuple[int, bytes]]) -> list[ChainHead]:
    """Chains of a dump. Errors: ParseError."""
    found = []
    for family, data in messages:
        if family not in FAMILIES:
            continue
        attributes = attributes_of(data)
        hook = attributes_of(attributes.get(_CHAIN_HOOK, b""))
        found.append(
            ChainHead(
                family,
                text(attributes.get(_CHAIN_TABLE)),
                text(attributes.get(_CHAIN_NAME)),
                text(attributes.get(_CHAIN_TYPE)) if hook else "",
                number(hook.get(_HOOK_NUMBER)),
                signed(hook.get(_HOOK_PRIORITY)),
                number(attributes.get(_CHAIN_POLICY), 1) == 0,  # NF_DROP
            )
        )
    return found


def join(
    chains: Iterable[ChainHead],
    rules: Iterable[tuple[int, bytes]],
    family: int,
    table: str,
    sets: Sets,
    budget: list[int],
) -> Iterator[Chain]:
    """Chains of one table with their rules. Errors: ParseError; EFBIG when more than the *budget* of branches comes out."""
    source = f"nftables {FAMILIES[family]} {table}"
    by_chain: dict[str, list[Rule]] = {}
    for rule_family, data in rules:
        attributes = attributes_of(data)
        if rule_family != family or text(attributes.get(_RULE_TABLE)) != table:
            continue
        by_chain.setdefault(text(attributes.get(_RULE_CHAIN)), []).append(
            Rule(
                f"handle {number(attributes.get(_RULE_HANDLE))}",
                parse_rule(attributes.get(_RULE_EXPRESSIONS, b""), FAMILIES[family], sets, budget),
            )
        )
    for head in chains:
        if (head.family, head.table) == (family, table):
            hook = HOOKS[head.hook] if head.kind and head.hook < len(HOOKS) else ""
            policy = "drop" if head.is_dropping else "accept"
            yield Chain(
                source,
                head.name,
                hook,
                head.priority,
                tuple(by_chain.get(head.name, ())),
                head.kind,
                policy,  # type: ignore[arg-type]
            )


def parse_elements(messages: Iterable[tuple[int, bytes]]) -> tuple[Element, ...]:
    """Elements of a set or map. Shape: of an interval, key and end; of concatenated intervals both ends of each part."""
    found: list[Element] = []
    for _, data in messages:
        listed = attributes_of(data).get(_SET_ELEMENTS, b"")
        for item in list_of(listed):
            attributes = attributes_of(item)
            key, end = _value(attributes, _ELEMENT_KEY), _value(attributes, _ELEMENT_KEY_END)
            found.append(
                Element(
                    key=key,
                    key_end=end,
                    flags=number(attributes.get(_ELEMENT_FLAGS)),
                    data=_value(attributes, _ELEMENT_DATA),
                    verdict=_verdict(attributes),
                )
            )
    return tuple(found)


class _SetReader:
    """Elements of the sets of one table, each read when a rule first refers to it."""

    def __init__(self, connection: Connection, family: int, table: str, budget: list[int]) -> None:
        self._connection, self._family, self._table, self._budget = connection, family, table, budget
        self._known: dict[str, tuple[Element, ...] | None] = {}

    def elements(self, name: str) -> tuple[Element, ...] | None:
        """Elements of a set; none when it is gone, None when there are too many."""
        if name not in self._known:
            self._known[name] = self._read(name)
        found = self._known[name]
        self._budget[0] -= len(found or ()) + 1
        if self._budget[0] < 0:
            raise OSError(errno.EFBIG, f"rules look up more than {_MAX_LOOKED_AT} elements of sets")
        return found

    def _read(self, name: str) -> tuple[Element, ...] | None:
        asked = text_attribute(_SET_TABLE, self._table) + text_attribute(_SET_NAME, name)
        try:
            found = parse_elements(dump(self._connection, _GET_SET_ELEMENTS, self._family, asked, _MAX_MESSAGES))
        except OSError as error:
            if error.errno in VANISHED:
                return ()
            if error.errno == errno.EFBIG:
                return None
            raise
        return found if len(found) <= _MAX_ELEMENTS else None


def _value(attributes: Mapping[int, bytes], kind: int) -> bytes:
    return attributes_of(attributes.get(kind, b"")).get(_DATA_VALUE, b"")


def _verdict(attributes: Mapping[int, bytes]) -> tuple[int, str] | None:
    verdict = attributes_of(attributes.get(_ELEMENT_DATA, b"")).get(_DATA_VERDICT)
    if verdict is None:
        return None
    inner = attributes_of(verdict)
    return signed(inner.get(_VERDICT_CODE)), text(inner.get(_VERDICT_CHAIN))


def _is_loaded(host: HostFs) -> bool:
    """Whether nf_tables is in the kernel: loaded, built in, or no module can be loaded at all."""
    try:
        modules = host.read("/proc/modules")
    except FileNotFoundError:
        return True  # a kernel without modules: asking loads none
    except OSError:
        return False
    if b"nf_tables " in modules:
        return True
    try:
        release = host.read("/proc/sys/kernel/osrelease").decode("ascii", "replace").strip()
        return b"/nf_tables.ko" in host.read(f"/lib/modules/{release}/modules.builtin")
    except OSError:
        return False
