"""What a register of nf_tables holds, and what a comparison with it asks of a packet.

*Source:* kernel include/uapi/linux/netfilter/nf_tables.h ``nft_cmp_ops``; net/netfilter/nft_cmp.c, nft_range.c.
"""

import sys
from typing import NamedTuple

from ctrscope.probes.nfnetlink import number
from ctrscope.probes.packet_filter import PROTOCOLS, Action, Match, narrow, network_of

EQUAL, NOT_EQUAL, _LESS, _LESS_EQUAL, _GREATER, _GREATER_EQUAL = range(6)


class Field(NamedTuple):
    """What a register holds: a field of the packet, maybe masked, or bytes that are known."""

    name: str  # "dst", "dport", "in"…; "" for bytes; others are fields that Match has no word for
    size: int
    value: bytes = b""
    mask: bytes = b""


class State(NamedTuple):
    """How far a packet has come in a rule."""

    match: Match
    registers: dict[int, Field]
    action: Action | None = None


def between(state: State, field: Field, low: bytes, high: bytes) -> State | None:
    """The state after a comparison with a first and a last value; None when no packet can pass."""
    if low == high:
        return constrained(state, field, EQUAL, low)
    if field.name == "dport":
        return _narrowed(state, Match(dport=(number(low), number(high))))
    if field.name in ("src", "dst") and len(low) == len(high):
        flipped = int.from_bytes(low, "big") ^ int.from_bytes(high, "big")
        is_whole = len(low) == field.size and not field.mask
        if is_whole and flipped & (flipped + 1) == 0 and not int.from_bytes(low, "big") & flipped:  # a network
            network = f"{network_of(low)}/{8 * len(low) - flipped.bit_length()}"
            return _narrowed(state, Match(**{field.name: network}))  # type: ignore[arg-type]
    return asking(state, field.name)


def constrained(state: State, field: Field, operator: int, value: bytes) -> State | None:
    """The state after a comparison; None when no packet can pass."""
    if not field.name:  # both sides are known
        return state if (field.value[: len(value)] == value) == (operator == EQUAL) else None
    if field.name == "dport" and not field.mask:
        return _narrowed_port(state, operator, number(value))
    if operator not in (EQUAL, NOT_EQUAL):
        return asking(state, field.name)
    asked = _asked(field, value, is_equal=operator == EQUAL)
    return asking(state, field.name) if asked is None else _narrowed(state, asked)


def _asked(field: Field, value: bytes, *, is_equal: bool) -> Match | None:
    """What equality, or its opposite, asks for; None when Match has no word for it."""
    if field.name in ("in", "out"):
        name = value.split(b"\0")[0].decode("utf-8", "surrogateescape")
        pattern = name if b"\0" in value or len(value) >= 16 else f"{name}*"
        words = {"in": ("in_interface", "not_in"), "out": ("out_interface", "not_out")}[field.name]
        return Match(**({words[0]: pattern} if is_equal else {words[1]: (pattern,)}))
    if field.name in ("src", "dst"):
        whole = len(field.mask) or len(value)
        try:
            network = network_of(value.ljust(whole, b"\0")[:whole], field.mask or None)
        except ValueError:
            return None
        if is_equal:
            return Match(**{field.name: network})  # type: ignore[arg-type]
        return Match(not_dst=(network,)) if field.name == "dst" else None
    if field.name == "ct state" and not is_equal and field.mask and not any(value):
        # ``ct state established,related`` is: of the bits of the mask one is set.
        return None if int.from_bytes(field.mask, sys.byteorder) & ~_NOT_NEW else Match(is_known=True)
    if not is_equal or field.mask:
        return None
    if field.name == "proto":
        return Match(proto=PROTOCOLS.get(value[0], str(value[0])))
    if field.name == "family":
        return {2: Match(family="ipv4"), 10: Match(family="ipv6")}.get(value[0])
    if field.name == "dst type":
        return Match(is_local=True) if value == _LOCAL_TYPE else None
    return None


_LOCAL_TYPE = (2).to_bytes(4, sys.byteorder)  # RTN_LOCAL, a number of the host's byte order
_NOT_NEW = 0b111  # NF_CT_STATE_BIT of invalid, established, related; untracked may be the first packet, too


def _narrowed_port(state: State, operator: int, port: int) -> State | None:
    ranges = {
        EQUAL: (port, port),
        _LESS: (0, port - 1),
        _LESS_EQUAL: (0, port),
        _GREATER: (port + 1, 65535),
        _GREATER_EQUAL: (port, 65535),
    }
    if operator not in ranges:
        return asking(state, "dport")
    return _narrowed(state, Match(dport=ranges[operator]))


def _narrowed(state: State, asked: Match) -> State | None:
    both = narrow(state.match, asked)
    return None if both is None else state._replace(match=both)


def asking(state: State, what: str) -> State:
    """A condition that Match has no word for."""
    return _narrowed(state, Match(other=(what,))) or state
