"""The nat tables that iptables-legacy fills: one binary record a rule, copied out by getsockopt(2).

*Source:* kernel include/uapi/linux/netfilter_ipv4/ip_tables.h, netfilter_ipv6/ip6_tables.h, netfilter/x_tables.h:
``IPT_SO_GET_INFO``, ``IPT_SO_GET_ENTRIES``.
*Shape:* entries one after the other: header, matches, target. A base chain starts at its hook's offset and ends with its
policy; a chain of one's own starts with an ERROR target that has its name; a jump is an offset.
*Versions:* merely asking for a table creates it in this network namespace, and may load a module. So ``ip_tables_names``
is read first, and a table that is not in it is not there: nothing is asked, and nothing changes.
*Needs:* CAP_NET_ADMIN.
"""

import errno
import os
import socket
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from struct import Struct, error
from typing import NamedTuple

from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.libc import libc
from ctrscope.probes.packet_filter import HOOKS, PROTOCOLS, Action, Chain, Hook, Match, Rule, narrow, network_of
from ctrscope.probes.xtables import parse_match, parse_target

_GET_INFO, _GET_ENTRIES = 64, 65  # the same numbers for both families
_INFO = Struct("=32sI5I5III")  # name, hooks, entry offsets, underflow offsets, entries, size
_ENTRIES_AT = 40  # of ipt_get_entries: name, size, padding
_XT_HEADER = Struct("=H29sB")  # size, name, revision
_OFFSETS = Struct("=IHHI")  # nfcache, target, next, comefrom; before the counters
_VERDICT = Struct("=i")
_RETURN, _ACCEPT, _DROP = -5, -2, -1  # -NF_REPEAT - 1, -NF_ACCEPT - 1, -NF_DROP - 1
_MOST_BYTES = 16 * 1024 * 1024
_MOST_BRANCHES = 225  # of one rule: two multiports with 15 ports each
_ATTEMPTS = 3
_PRIORITY = 0  # of all tables that are read here; the kernel's own is -100 for nat, which no other chain of nat is before


class _Layout(NamedTuple):
    """Where the parts of an entry of one family are."""

    family: int
    level: int
    name: str
    address_size: int
    proto_at: int
    inverted_at: int  # right behind the flags
    offsets_at: int
    size: int
    goto: int  # IPT_F_GOTO, IP6T_F_GOTO


_LAYOUTS = (
    _Layout(socket.AF_INET, 0, "ip", 4, 80, 83, 84, 112, 2),
    _Layout(socket.AF_INET6, 41, "ip6", 16, 128, 132, 136, 168, 4),
)
_GOTO = "goto"  # a jump that does not come back, among the names of targets, which are capitals
_INVERTED_IN, _INVERTED_OUT, _INVERTED_SRC, _INVERTED_DST, _INVERTED_PROTO = 1, 2, 8, 16, 64


class Table(NamedTuple):
    """A table as the kernel gives it."""

    family: str  # "ip", "ip6"
    name: str  # "nat", "filter"
    hooks: int  # bits of those that it has
    hook_entry: tuple[int, ...]
    entries: bytes


def read_iptables_legacy(host: HostFs, name: str = "nat") -> tuple[Chain, ...]:
    """Chains of the tables called *name* in the network namespace of this thread. Empty where there is no such table.

    Errors: OSError (EACCES or EPERM without CAP_NET_ADMIN); ParseError.
    """
    chains: list[Chain] = []
    for layout in _LAYOUTS:
        try:
            names = host.read(f"/proc/thread-self/net/{layout.name}_tables_names").split()
        except FileNotFoundError:
            continue  # a kernel without the older tables, or their module is not loaded
        if name.encode() in names:
            chains += parse_table(_read_table(layout, name))
    return tuple(chains)


def parse_table(table: Table) -> tuple[Chain, ...]:
    """Chains of a table. Errors: ParseError."""
    layout = next(layout for layout in _LAYOUTS if layout.name == table.family)
    entries = list(_entries(table.entries, layout))
    starts = {at: index for index, (at, *_) in enumerate(entries)}
    heads: dict[int, tuple[str, Hook]] = {}  # offset of its first rule → name and hook
    for number, (hook, offset) in enumerate(zip(HOOKS, table.hook_entry, strict=True)):
        if table.hooks & 1 << number and offset in starts:
            heads.setdefault(offset, (hook.upper(), hook))
    for index, (_, _, name, data) in enumerate(entries[:-1]):
        if name == "ERROR":
            heads[entries[index + 1][0]] = (data[:30].split(b"\0")[0].decode("utf-8", "surrogateescape"), "")
    ordered = sorted(heads)
    source = f"iptables-legacy {table.family} {table.name}"
    chains = []
    for head, following in zip_longest(ordered, ordered[1:]):
        name, hook = heads[head]
        inside = [entry for entry in entries[starts[head] : starts.get(following)] if entry[2] != "ERROR"]
        rules = tuple(
            Rule(f"rule {number}", tuple((match, _action(target, data, heads, layout)) for match in matches))
            for number, (_, matches, target, data) in enumerate(inside, 1)
        )
        chains.append(Chain(source, name, hook, _PRIORITY, rules, table.name))
    return tuple(chains)


def _read_table(layout: _Layout, name: str) -> Table:
    with socket.socket(layout.family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one:
        for _ in range(_ATTEMPTS):
            info = _INFO.unpack(_getsockopt(one, layout.level, _GET_INFO, name.encode(), _INFO.size))
            size = info[-1]
            if size > _MOST_BYTES:
                raise OSError(errno.EFBIG, f"a table of {size} bytes")
            try:
                answer = _getsockopt(
                    one, layout.level, _GET_ENTRIES, name.encode().ljust(32, b"\0") + _SIZE.pack(size), _ENTRIES_AT + size
                )
            except OSError as error:
                if error.errno == errno.EAGAIN:  # it was replaced in between and has another size
                    continue
                raise
            return Table(layout.name, name, info[1], info[2:7], answer[_ENTRIES_AT:])
    raise OSError(errno.EAGAIN, f"the table {name} changed during each of {_ATTEMPTS} readings")


_SIZE = Struct("=I")


def _getsockopt(one: socket.socket, level: int, option: int, asked: bytes, size: int) -> bytes:
    """getsockopt(2) with something in its buffer, which Python's own cannot."""
    import ctypes

    buffer = ctypes.create_string_buffer(asked, size)
    length = ctypes.c_uint(size)
    if libc().getsockopt(one.fileno(), level, option, buffer, ctypes.byref(length)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return buffer.raw[: length.value]


def _entries(data: bytes, layout: _Layout) -> Iterator[tuple[int, tuple[Match, ...], str, bytes]]:
    """Offset, matches, target name and target data of every entry. Errors: ParseError."""
    at = 0
    while at < len(data):
        try:
            _, target_at, following, _ = _OFFSETS.unpack_from(data, at + layout.offsets_at)
            if not layout.size <= target_at < following or at + following > len(data):
                raise ParseError(f"iptables: an entry of {following} bytes at byte {at}")
            matches = _matches(data[at : at + target_at], layout)
            size, raw, revision = _XT_HEADER.unpack_from(data, at + target_at)
            name = raw.split(b"\0")[0].decode("utf-8", "surrogateescape")
            payload = data[at + target_at + _XT_HEADER.size : at + target_at + size]
        except error as problem:
            raise ParseError(f"iptables: a short entry at byte {at}") from problem
        if name == "" and data[at + layout.inverted_at - 1] & layout.goto:
            name = _GOTO
        # The revision travels with the data, for parse_target.
        yield at, matches, name, payload if name in ("", _GOTO, "ERROR") else bytes((revision,)) + payload
        at += following


def _matches(entry: bytes, layout: _Layout) -> tuple[Match, ...]:
    found = [_header(entry, layout)]
    at = layout.size
    while at + _XT_HEADER.size <= len(entry):
        size, raw, revision = _XT_HEADER.unpack_from(entry, at)
        if size < _XT_HEADER.size:
            raise ParseError(f"iptables: a match of {size} bytes")
        name = raw.split(b"\0")[0].decode("utf-8", "surrogateescape")
        asked = parse_match(name, revision, entry[at + _XT_HEADER.size : at + size])
        if len(found) * len(asked) > _MOST_BRANCHES:
            asked = (Match(other=(name,)),)
        found = [both for one in found for other in asked if (both := narrow(one, other)) is not None]
        at += size
    return tuple(found)


def _header(entry: bytes, layout: _Layout) -> Match:
    """Addresses, interfaces and protocol: the part of an entry that every rule has."""
    width = layout.address_size
    src, dst, src_mask, dst_mask = (entry[index * width : (index + 1) * width] for index in range(4))
    names = 4 * width
    in_name, out_name, in_mask, out_mask = (entry[names + 16 * index : names + 16 * (index + 1)] for index in range(4))
    proto = int.from_bytes(entry[layout.proto_at : layout.proto_at + 2], "little" if _IS_LITTLE else "big")
    inverted = entry[layout.inverted_at]
    to, from_ = network_of(dst, dst_mask), network_of(src, src_mask)
    link_in, link_out = _interface(in_name, in_mask), _interface(out_name, out_mask)
    other = [text for bit, text in ((_INVERTED_SRC, "other source"), (_INVERTED_PROTO, "other protocol")) if inverted & bit]
    return Match(
        family="ipv4" if width == 4 else "ipv6",
        proto="" if inverted & _INVERTED_PROTO or not proto else PROTOCOLS.get(proto, str(proto)),
        src="" if inverted & _INVERTED_SRC else from_,
        dst="" if inverted & _INVERTED_DST else to,
        not_dst=(to,) if inverted & _INVERTED_DST and to else (),
        in_interface="" if inverted & _INVERTED_IN else link_in,
        not_in=(link_in,) if inverted & _INVERTED_IN and link_in else (),
        out_interface="" if inverted & _INVERTED_OUT else link_out,
        not_out=(link_out,) if inverted & _INVERTED_OUT and link_out else (),
        other=tuple(other),
    )


def _interface(name: bytes, mask: bytes) -> str:
    """Name of an interface; the mask ends before the NUL where ``+`` stood for any ending."""
    compared = name[: len(mask.rstrip(b"\0"))]
    if not compared:
        return ""
    text = compared.split(b"\0")[0].decode("utf-8", "surrogateescape")
    return text if b"\0" in compared else f"{text}*"


def _action(target: str, data: bytes, heads: Mapping[int, tuple[str, Hook]], layout: _Layout) -> Action:
    if target not in ("", _GOTO):
        return parse_target(target, data[0], data[1:], is_ipv6=layout.name == "ip6")
    try:
        verdict = _VERDICT.unpack_from(data)[0]
    except error as problem:
        raise ParseError("iptables: a verdict without a number") from problem
    if verdict >= 0:
        return Action("goto" if target else "jump", chain=heads[verdict][0]) if verdict in heads else Action("pass")
    return {_RETURN: Action("return"), _ACCEPT: Action("accept"), _DROP: Action("drop")}.get(verdict, Action("pass"))


_IS_LITTLE = Struct("=H").pack(1) == b"\1\0"
