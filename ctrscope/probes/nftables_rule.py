"""One rule of nf_tables: its expressions followed through the registers, to what a packet must be and what happens to it.

*Source:* kernel include/uapi/linux/netfilter/nf_tables.h, net/netfilter/nft_*.c. Registers are counted in words of 4 bytes:
``NFT_REG_1`` … ``4`` are 16 bytes each, ``NFT_REG32_00`` … 4 bytes each, over the same 64 bytes.

A look-up in a set or map makes one branch for each element, so that ``dnat to tcp dport map {…}`` and
``tcp dport vmap {…}`` come out as the rules that they stand for.
"""

import errno
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ctrscope.model.gap import ParseError
from ctrscope.probes.netlink import attributes_of
from ctrscope.probes.nfnetlink import list_of, number, signed, text
from ctrscope.probes.nftables_match import EQUAL, NOT_EQUAL, Field, State, asking, between, constrained
from ctrscope.probes.packet_filter import EVERYTHING, Action, Match, narrow, network_of
from ctrscope.probes.xtables import parse_match, parse_target

_EXPRESSION_NAME, _EXPRESSION_DATA = 1, 2
_VALUE, _VERDICT = 1, 2
_VERDICT_REGISTER = 0
_JUMP, _GOTO, _RETURN, _ACCEPT, _DROP = -3, -4, -5, 1, 0
_INTERVAL_END, _CATCH_ALL = 1, 2
#: A set may have a million elements; a rule that publishes ports has a few thousand at most.
_MAX_BRANCHES = 8192
#: Elements of a set that are told one by one; of a longer one (a block list) only its name is.
_MAX_SET = 1024

_NETWORK, _TRANSPORT = 1, 2
#: Header of a family and offset into it → what is there, and its size. nft loads only the first bytes of an address to compare
#: it with a prefix of whole bytes.
_FIELDS = {
    ("ip", 9): ("proto", 1),
    ("ip", 12): ("src", 4),
    ("ip", 16): ("dst", 4),
    ("ip6", 6): ("proto", 1),
    ("ip6", 8): ("src", 16),
    ("ip6", 24): ("dst", 16),
}
_META = {4: "in index", 5: "out index", 6: "in", 7: "out", 15: "family", 16: "proto"}
_META_SIZES = {"in": 16, "out": 16, "proto": 1, "family": 1}


class Element(NamedTuple):
    """An element of a set or map."""

    key: bytes
    key_end: bytes = b""  # of concatenated intervals
    flags: int = 0
    data: bytes = b""
    verdict: tuple[int, str] | None = None  # code and chain


def parse_rule(expressions: bytes, family: str, elements: "_Elements", budget: list[int]) -> tuple[tuple[Match, Action], ...]:
    """Branches of a rule: what a packet must be, and what happens to it then. Errors: ParseError.

    *family* is "ip", "ip6" or "inet"; *elements* gives those of a set by name, or None of a set that is too large to follow.
    *budget*: branches that may still be followed in this namespace; OSError EFBIG when they are used up.
    """
    try:
        return _follow(expressions, family, elements, budget)
    except (IndexError, ValueError) as error:  # a value of another size than its field has
        raise (
            error if isinstance(error, ParseError) else ParseError(f"nftables: a rule that makes no sense: {error}")
        ) from error


def _follow(expressions: bytes, family: str, elements: "_Elements", budget: list[int]) -> tuple[tuple[Match, Action], ...]:
    states = [State(_FAMILY_MATCH.get(family, EVERYTHING), {})]
    for item in list_of(expressions):
        attributes = attributes_of(item)
        name = text(attributes.get(_EXPRESSION_NAME))
        step = _STEPS.get(name)
        data = attributes_of(attributes.get(_EXPRESSION_DATA, b"")) if name != "offload" else {}
        if step is None:
            if name not in _HARMLESS:
                states = [asking(state, name) for state in states]
            continue
        following: list[State] = []
        for state in states:
            for after in step(state, data, family, elements) if state.action is None else (state,):
                following.append(after)
                if len(following) > _MAX_BRANCHES:
                    raise ParseError(f"nftables: a rule with more than {_MAX_BRANCHES} branches")
        states = following
        if len(states) > 1:
            budget[0] -= len(states)
            if budget[0] < 0:
                raise OSError(errno.EFBIG, "more rules with sets and maps than are followed")
    return tuple((state.match, state.action or Action("pass")) for state in states)


_FAMILY_MATCH = {"ip": Match(family="ipv4"), "ip6": Match(family="ipv6")}
_HARMLESS = ("counter", "log", "last", "masq", "notrack", "objref", "dynset")

_Data = Mapping[int, bytes]  # attributes of one expression
_Elements = Callable[[str], tuple[Element, ...] | None]


def _payload(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    register, base, offset, size = (number(data.get(kind)) for kind in (1, 2, 3, 4))
    if 1 not in data:  # it writes to the packet
        yield state
        return
    if base == _TRANSPORT:
        yield _loaded(state, register, Field("dport" if (offset, size) == (2, 2) else f"transport header {offset}", size))
        return
    header = {"ipv4": "ip", "ipv6": "ip6"}.get(state.match.family, "ip6" if size > 4 else "ip")
    name, whole = _FIELDS.get((header, offset), ("", 0))
    if base != _NETWORK or not name or size > whole:
        yield _loaded(state, register, Field(f"header {base} byte {offset}", size))
        return
    mask = b"\xff" * size + bytes(whole - size) if size < whole else b""
    yield _loaded(state, register, Field(name, size, mask=mask))


def _meta(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    register, key = number(data.get(1)), number(data.get(2))
    if 1 not in data:  # it sets something
        yield state
        return
    name = _META.get(key, f"meta {key}")
    yield _loaded(state, register, Field(name, _META_SIZES.get(name, 4)))


def _fib(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    register, result, flags = (number(data.get(kind)) for kind in (1, 2, 3))
    # NFT_FIB_RESULT_ADDRTYPE of the destination (NFTA_FIB_F_DADDR), with or without an interface.
    yield _loaded(state, register, Field("dst type" if result == 3 and flags & 2 else "fib", 4))


def _immediate(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    register, held = number(data.get(1)), attributes_of(data.get(2, b""))
    if register == _VERDICT_REGISTER:
        verdict = attributes_of(held.get(_VERDICT, b""))
        yield state._replace(action=_action(signed(verdict.get(1)), text(verdict.get(2))))
        return
    value = held.get(_VALUE, b"")
    yield _loaded(state, register, Field("", len(value), value))


def _bitwise(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    source, target, size = (number(data.get(kind)) for kind in (1, 2, 3))
    mask, flipped = (attributes_of(data.get(kind, b"")).get(_VALUE, b"") for kind in (4, 5))
    field = state.registers.get(_word(source))
    if field is None or number(data.get(6)) != 0 or any(flipped):  # 6: an operation other than mask and xor
        yield _loaded(state, target, Field("computed", size))
        return
    yield _loaded(state, target, field._replace(mask=mask))


def _other_value(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    """byteorder, ct, socket, numgen, hash…: a value that Match has no word for."""
    yield _loaded(state, number(data.get(1)), Field("another value", 4))


def _ct(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    """NFT_CT_STATE is a word of bits in the host's byte order; the other keys are values without a word."""
    yield _loaded(state, number(data.get(1)), Field("ct state" if number(data.get(2)) == 0 else "ct", 4))


def _reject(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    yield state._replace(action=Action("drop"))


def _random(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    yield _loaded(state, number(data.get(1)), Field("random", 4))


def _compare(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    register, operator = number(data.get(1)), number(data.get(2))
    value = attributes_of(data.get(3, b"")).get(_VALUE, b"")
    at = _word(register)
    # Two fields that lie side by side may be compared at once.
    states = [state]
    while value:
        field = state.registers.get(at) or Field("a register", len(value))
        part, value = value[: field.size], value[-(-field.size // 4) * 4 :]
        at += -(-field.size // 4)
        states = [after for one in states if (after := constrained(one, field, operator, part)) is not None]
        if field.size == 0:
            break
    yield from states


def _range(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    field = state.registers.get(_word(number(data.get(1)))) or Field("a register", 4)
    low, high = (attributes_of(data.get(kind, b"")).get(_VALUE, b"") for kind in (3, 4))
    if number(data.get(2)) != EQUAL:
        yield asking(state, field.name)
    elif (after := between(state, field, low, high)) is not None:
        yield after


def _lookup(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    name, source, target = text(data.get(1)), number(data.get(2)), data.get(3)
    listed = elements(name)
    if number(data.get(5)) & 1:  # NFT_LOOKUP_F_INV
        yield _not_in(state, name, _word(source), listed)
        return
    if listed is None or (target is None and len(listed) > _MAX_SET):
        if target is not None:
            raise ParseError(f"nftables: the map {name} is too large")
        yield asking(state, f"in {name}")
        return
    for low, high, element in _intervals(listed):
        after: State | None = state
        for field, first, last in _parts(state, _word(source), low, high):
            after = between(after, field, first, last) if after is not None else None
        if element.flags & _CATCH_ALL:
            after = state
        if after is None:
            continue
        if target is None:
            yield after
        elif number(target) == _VERDICT_REGISTER:
            if element.verdict is not None:
                yield after._replace(action=_action(*element.verdict))
        else:
            yield _with_bytes(after, _word(number(target)), element.data)


def _not_in(state: State, name: str, word: int, listed: tuple[Element, ...] | None) -> State:
    """Interfaces and addresses, one by one, are what Match can deny."""
    if listed is None or len(listed) > _MAX_SET or any(one.flags or one.key_end for one in listed):
        return asking(state, f"not in {name}")
    fields = list(_fields_from(state, word, len(listed[0].key) if listed else 0))
    if len(fields) != 1 or fields[0].name not in ("in", "out", "dst"):
        return asking(state, f"not in {name}")
    for element in listed:
        state = constrained(state, fields[0], NOT_EQUAL, element.key) or state
    return state


def _nat(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    if number(data.get(1)) != 1:  # NFT_NAT_DNAT
        yield state._replace(action=Action("accept"))
        return
    ip_family = {2: "ipv4", 10: "ipv6"}.get(number(data.get(2)), "")
    address = _bytes_at(state, data.get(3), 16 if ip_family == "ipv6" else 4)
    port = _bytes_at(state, data.get(5), 2)
    match = narrow(state.match, Match(family=ip_family)) if ip_family and address is not None else state.match  # type: ignore[arg-type]
    if match is None:
        return
    unknown = [
        what for kind, known, what in ((3, address, "an address"), (5, port, "a port")) if kind in data and known is None
    ]
    match = narrow(match, Match(other=tuple(f"{what} from a register" for what in unknown))) or match
    action = Action("dnat", to_ip=network_of(address) if address else "", to_port=number(port) if port else None)
    yield state._replace(match=match, action=action)


def _redirect(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    port = _bytes_at(state, data.get(1), 2)
    yield state._replace(action=Action("redirect", to_port=number(port) if port else None))


def _xt_match(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    for asked in parse_match(text(data.get(1)), number(data.get(2)), data.get(3, b"")):
        if (both := narrow(state.match, asked)) is not None:
            yield state._replace(match=both)


def _xt_target(state: State, data: _Data, family: str, elements: _Elements) -> Iterator[State]:
    action = parse_target(text(data.get(1)), number(data.get(2)), data.get(3, b""), is_ipv6=family == "ip6")
    yield state if action.kind == "pass" else state._replace(action=action)


_STEPS: dict[str, Callable[[State, _Data, str, _Elements], Iterator[State]]] = {
    "payload": _payload,
    "meta": _meta,
    "fib": _fib,
    "immediate": _immediate,
    "bitwise": _bitwise,
    "byteorder": _other_value,
    "ct": _ct,
    "reject": _reject,
    "socket": _other_value,
    "rt": _other_value,
    "numgen": _random,
    "hash": _random,
    "cmp": _compare,
    "range": _range,
    "lookup": _lookup,
    "nat": _nat,
    "redir": _redirect,
    "match": _xt_match,
    "target": _xt_target,
}


def _word(register: int) -> int:
    """Index of the first word of a register; nft_parse_register of net/netfilter/nf_tables_api.c."""
    return register * 4 if register <= 4 else register - 4


def _loaded(state: State, register: int, field: Field) -> State:
    return state._replace(registers={**state.registers, _word(register): field})


def _with_bytes(state: State, word: int, value: bytes) -> State:
    """Known bytes in the registers, reachable at every word: an address and a port may lie in one value."""
    held = {word + at // 4: Field("", len(value) - at, value[at:]) for at in range(0, len(value), 4)}
    return state._replace(registers={**state.registers, **held})


def _bytes_at(state: State, register: bytes | None, size: int) -> bytes | None:
    if register is None:
        return None
    field = state.registers.get(_word(number(register)))
    return field.value[:size] if field is not None and not field.name and len(field.value) >= size else None


def _fields_from(state: State, word: int, size: int) -> Iterator[Field]:
    while size > 0:
        field = state.registers.get(word) or Field("a register", 4)
        yield field
        words = -(-max(1, field.size) // 4)
        word, size = word + words, size - 4 * words


def _parts(state: State, word: int, low: bytes, high: bytes) -> Iterator[tuple[Field, bytes, bytes]]:
    """Fields of a concatenated key, each with the first and last value."""
    at = 0
    for field in _fields_from(state, word, len(low)):
        yield field, low[at : at + field.size], high[at : at + field.size]
        at += -(-max(1, field.size) // 4) * 4


def _intervals(listed: tuple[Element, ...]) -> Iterator[tuple[bytes, bytes, Element]]:
    """First and last key of every element.

    An interval of a simple key is two elements, the second of which, flagged, is the first key beyond it; the kernel lists
    them from the highest down, or from the lowest up.
    """
    ends = sorted(element.key for element in listed if element.flags & _INTERVAL_END)
    starts = sorted(element.key for element in listed if not element.flags & _INTERVAL_END)

    def after(keys: list[bytes], key: bytes) -> bytes | None:
        place = bisect_right(keys, key)
        return keys[place] if place < len(keys) else None

    for element in listed:
        if element.flags & _INTERVAL_END:
            continue
        last = element.key_end or element.key
        if ends and not element.key_end and not element.flags & _CATCH_ALL:
            beyond, following = after(ends, element.key), after(starts, element.key)
            if beyond is not None and (following is None or beyond <= following):
                last = (int.from_bytes(beyond, "big") - 1).to_bytes(len(beyond), "big")
            elif beyond is None:
                last = b"\xff" * len(element.key)
        yield element.key, last, element


def _action(code: int, chain: str) -> Action:
    kinds = {_JUMP: "jump", _GOTO: "goto", _RETURN: "return", _ACCEPT: "accept", _DROP: "drop"}
    return Action(kinds.get(code, "pass"), chain=chain)  # type: ignore[arg-type]
