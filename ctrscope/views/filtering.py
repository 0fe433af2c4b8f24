"""Filters as they are typed: words that have to match, of which some name a field. Pure.

``engine:podman cpu>50 mem>90% age<10m status:stale !note:`` – a word is somewhere in the row; ``field:word`` is in that field;
``field>number`` compares, in the field's own unit or with one of its own; ``!`` in front turns a condition around. Of several
labels one has to match: ``label:tier``, ``label=tier=front``. ``field~expression``, or ``~expression`` of any field, is a
regular expression, whatever the case of the letters.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from ctrscope.views.expression import Expression, NotPossible

#: What a row has: texts, and figures in percent, bytes, seconds or pieces. None: it has no such figure now. Several texts are
#: only looked at by who names the field: labels say of most containers who made them, in words that others are called by.
Fields = Mapping[str, str | float | tuple[str, ...] | None]

_COMPARISON = re.compile(r"(!?)([a-z_]+)(>=|<=|!=|>|<|=)(.*)")
_EXPRESSION = re.compile(r"(!?)([A-Za-z_]*)~(.+)")
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(%|[a-z]*)")
_BYTES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
#: Fields whose figures are not just numbers → their units.
_UNITS: Mapping[str, Mapping[str, int]] = {
    **dict.fromkeys(("memory", "memory_limit", "bound", "net", "disk", "limit", "rx", "tx", "size", "shared"), _BYTES),
    **dict.fromkeys(("age", "created"), _SECONDS),
}
#: What people type → what a field is called.
_ALIASES = {
    "mem": "memory",
    "thr": "throttled",
    "limit": "memory_limit",
    "pod": "group",
    "project": "group",
    "tasks": "pids",
    "last_minute": "cpu",
}
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": lambda one, other: one > other,
    "<": lambda one, other: one < other,
    ">=": lambda one, other: one >= other,
    "<=": lambda one, other: one <= other,
}


class Condition(NamedTuple):
    """One word of a filter, in small letters. Without a field: somewhere."""

    word: str
    field: str = ""
    sign: str = ""  # ":", "~", a comparison, or "" for a bare word
    rest: str = ""
    is_not: bool = False


def parse_filter(text: str) -> tuple[Condition, ...]:
    """The conditions of a filter; what is not finished yet (``cpu>``) is none."""
    found = []
    for typed in text.split():
        word = typed.casefold()
        if (match := _EXPRESSION.fullmatch(typed)) is not None:
            is_not, field, rest = match.groups()  # in a case of its own: \D is not \d
            found.append(Condition(word.removeprefix("!"), _named(field.casefold(), ""), "~", rest, bool(is_not)))
            continue
        if (match := _COMPARISON.fullmatch(word)) is not None:
            is_not, field, sign, rest = match.groups()
            if rest:
                turned = bool(is_not) != (sign == "!=")
                sign = "=" if sign == "!=" else sign
                found.append(Condition(word, _named(field, rest), sign, rest, turned))
            continue
        bare = word.removeprefix("!")
        field, colon, rest = bare.partition(":")
        if bare:
            found.append(Condition(bare, _named(field, rest) if colon else "", colon, rest, bare != word))
    return tuple(found)


def _named(field: str, rest: str) -> str:
    name = _ALIASES.get(field, field)
    return "memory_percent" if name == "memory" and rest.endswith("%") else name


def matches(conditions: Sequence[Condition], fields: Fields) -> bool:
    """Whether a row meets every condition."""
    return all(_meets(condition, fields) != condition.is_not for condition in conditions)


def _meets(condition: Condition, fields: Fields) -> bool:
    field, sign, rest = condition.field, condition.sign, condition.rest
    if sign == "~" and (field in fields or not field):
        searched = [fields[field]] if field else [value for value in fields.values() if isinstance(value, str)]
        expression = _compiled(rest)
        return expression is not None and any(expression.search(text) for value in searched for text in _texts(value))
    if field in fields:
        value = fields[field]
        if isinstance(value, str | tuple):
            texts = _texts(value)
            if sign == ":":
                return any(rest in text.casefold() if rest else bool(text) for text in texts)
            if sign == "=":
                return any(text.casefold() == rest for text in texts)
        elif (wanted := _figure(field, rest)) is not None:
            if value is None:
                return False
            return value == wanted if sign in (":", "=") else _COMPARE[sign](value, wanted)
    return any(condition.word in value.casefold() for value in fields.values() if isinstance(value, str))


def _texts(value: str | float | tuple[str, ...] | None) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,) if isinstance(value, str) else ()


@lru_cache(maxsize=32)
def _compiled(text: str) -> Expression | None:
    """None: it is no expression, or not yet. Nothing matches that."""
    try:
        return Expression(text, ignore_case=True)
    except NotPossible:
        return None


def _figure(field: str, text: str) -> float | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return float("inf") if text == "max" and field in _UNITS else None  # a limit that is none
    unit = match[2].removesuffix("ib") if field not in ("age", "created") else match[2]
    units = _UNITS.get(field, {"": 1, "%": 1})
    return float(match[1]) * units[unit] if unit in units else None
