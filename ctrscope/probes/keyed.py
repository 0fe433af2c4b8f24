"""The file formats that the kernel's cgroup-v2 document names; cgroup v1 uses the same ones.

*Source:* kernel document cgroup-v2, section "Format".
*Shape:* a single value (``4096``, ``max``), flat keyed (``anon 4096`` a line), nested keyed (``8:0 rbytes=1 wbytes=2`` a line).
"""

import functools
from collections.abc import Mapping

from ctrscope.model.cgroup import Limit
from ctrscope.model.gap import ParseError


def parse_number(text: bytes) -> int:
    """One number."""
    try:
        return int(text)
    except ValueError as error:
        raise ParseError(f"not a number: {text[:40]!r}") from error


def parse_limit(text: bytes) -> Limit:
    """One number or ``max``."""
    return "max" if text.strip() == b"max" else parse_number(text)


@functools.lru_cache(maxsize=1024)  # events are rare, and the same in most cgroups
def parse_flat(text: bytes) -> Mapping[str, int]:
    """Flat keyed: key → number."""
    words = text.split()
    try:
        return {key.decode(): int(value) for key, value in zip(words[::2], words[1::2], strict=True)}
    except ValueError as error:
        raise ParseError(f"not flat keyed: {error}") from error


def parse_text(text: bytes) -> str:
    """Whatever it says, without the line break."""
    return text.decode("utf-8", "surrogateescape").rstrip("\n")


def find_number(text: bytes, key: bytes) -> int:
    """One number of a flat keyed file, without a look at the others: memory.stat has fifty.

    Errors: ParseError when there is no such key.
    """
    text = b"\n" + text
    start = text.find(b"\n" + key + b" ")
    if start < 0:
        raise ParseError(f"no {key.decode()}")
    return parse_number(text[start + len(key) + 2 :].partition(b"\n")[0])


def parse_nested(text: bytes) -> Mapping[str, Mapping[str, Limit]]:
    """Nested keyed: outer key → inner key → number or ``max``. Words count and not the lines, as in parse_nested_sums."""
    found: dict[str, dict[str, Limit]] = {}
    inner: dict[str, Limit] = {}
    for word in text.split():
        key, equals, value = word.partition(b"=")
        name = key.decode("utf-8", "surrogateescape")
        if not equals:
            inner = found.setdefault(name, {})
        else:
            inner[name] = parse_limit(value)
    return found


def parse_nested_sums(text: bytes) -> Mapping[str, int]:
    """Nested keyed: inner key → sum over the lines.

    *Kernel:* io.stat may name a device and say nothing about it, with or without a line break after it, so the words
    count and not the lines.
    """
    sums: dict[str, int] = {}
    for word in text.split():
        key, equals, value = word.partition(b"=")
        if equals and value.isdigit():
            name = key.decode("utf-8", "surrogateescape")
            sums[name] = sums.get(name, 0) + int(value)
    return sums
