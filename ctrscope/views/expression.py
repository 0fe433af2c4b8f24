r"""Regular expressions that somebody types, in time that grows with the text only. Pure.

Python's own go back and try again: ``(a+)+$`` takes a second for 24 letters and twice that for each more, and holds every
thread meanwhile. What is typed here is looked for in what containers wrote, so neither is anybody's to choose. The syntax is
``re``'s, read by ``re``'s own parser; here all ways through it are followed at once, and where that has led from one
character to the next is remembered. What only going back can do, ``\1`` and ``(?=…)``, is refused.

*Source:* Ken Thompson, Regular Expression Search Algorithm, CACM 11(6), 1968.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

_MOST_STEPS = 1000  # of an expression; x{1000} is a thousand
_MOST_REMEMBERED = 20_000  # ways from a state over a character
_Test = Callable[[str], bool]


class NotPossible(ValueError):  # noqa: N818 -- it reads as what happened
    """It is no regular expression, or none that can be matched in time; why, in words."""


class _Step(NamedTuple):
    """One thing that an expression asks for: a character, or something of the place between two, and what comes then."""

    takes: _Test | None  # None: no character is taken
    holds: Callable[[str, str], bool] | None  # of the characters before and after this place; "": there is none
    then: list[int]


class _State:
    """Steps that may come next, after a character."""

    __slots__ = ("before", "steps", "ways")

    def __init__(self, steps: frozenset[int], before: str) -> None:
        self.steps, self.before = steps, before
        self.ways: dict[str, _State] = {}


#: Number of the step that is none: everything was found.
_END = 0
_FOUND = _State(frozenset(), "")


class Expression:
    """One expression, ready to be looked for.

    *Errors:* NotPossible.
    """

    def __init__(self, text: str, *, ignore_case: bool = False) -> None:
        self.pattern = text
        self._steps = [_Step(None, None, [])]
        try:
            parsed = _parser.parse(text, re.IGNORECASE if ignore_case else 0)
            self._first = self._add(parsed, parsed.state.flags, _END)
        except re.error as error:
            raise NotPossible(f"not a regular expression: {error}") from error
        except (RecursionError, OverflowError) as error:
            raise NotPossible("too large for a filter") from error
        self._forget()

    def search(self, text: str) -> bool:
        """Whether it is found anywhere in a text."""
        state = self._start
        for char in text:
            state = state.ways.get(char) or self._go(state, char)
            if state is _FOUND:
                return True
        return _END in self._reached(state, "")

    # Going on from a state

    def _forget(self) -> None:
        self._states: dict[tuple[frozenset[int], str], _State] = {}
        self._remembered = 0
        self._start = _State(frozenset({self._first}), "")

    def _go(self, state: _State, char: str) -> _State:
        reached = self._reached(state, char)
        if _END in reached:
            following = _FOUND
        else:
            steps = {then for number in reached if self._takes(number, char) for then in self._steps[number].then}
            # Of the character before only that matters: whether it is one of a word.
            key = (frozenset({*steps, self._first}), "w" if _is_word(char) else " ")
            if self._remembered >= _MOST_REMEMBERED:
                self._forget()
            following = self._states.setdefault(key, _State(*key))
        state.ways[char] = following
        self._remembered += 1
        return following

    def _takes(self, number: int, char: str) -> bool:
        takes = self._steps[number].takes
        return takes is not None and takes(char)

    def _reached(self, state: _State, after: str) -> set[int]:
        """Every step that can be come to without a character."""
        reached: set[int] = set()
        waiting = list(state.steps)
        while waiting:
            number = waiting.pop()
            if number not in reached:
                reached.add(number)
                step = self._steps[number]
                if step.takes is None and (step.holds is None or step.holds(state.before, after)):
                    waiting += step.then
        return reached

    # From what was parsed to steps, from the end to the beginning

    def _step(self, takes: _Test | None, holds: Callable[[str, str], bool] | None, then: list[int]) -> int:
        if len(self._steps) > _MOST_STEPS:
            raise NotPossible("too large for a filter")
        self._steps.append(_Step(takes, holds, then))
        return len(self._steps) - 1

    def _add(self, items: Iterable[tuple[Any, Any]], flags: int, then: int) -> int:
        for code, argument in reversed(list(items)):
            then = self._add_one(code, argument, flags, then)
        return then

    def _add_one(self, code: Any, argument: Any, flags: int, then: int) -> int:
        if code is op.AT:
            if argument not in _PLACES:
                raise NotPossible("a filter has no such place as that")
            return self._step(None, _PLACES[argument], [then])
        if code is op.BRANCH:
            return self._step(None, None, [self._add(branch, flags, then) for branch in argument[1]])
        if code is op.SUBPATTERN:
            _, added, removed, inside = argument
            return self._add(inside, (flags | added) & ~removed, then)
        if code in (op.MAX_REPEAT, op.MIN_REPEAT):
            return self._add_repeated(argument, flags, then)
        takes = _character(code, argument, flags)
        if takes is None:
            raise NotPossible(r"a filter cannot look back (\1) or ahead (?=…): leave that out")
        return self._step(takes, None, [then])

    def _add_repeated(self, argument: tuple[int, int, Sequence[tuple[Any, Any]]], flags: int, then: int) -> int:
        least, most, inside = argument
        if most == op.MAXREPEAT:
            again = self._step(None, None, [then])
            self._steps[again].then.append(self._add(inside, flags, again))
            then = again
        else:
            end = then
            for _ in range(most - least):
                then = self._step(None, None, [end, self._add(inside, flags, then)])
        for _ in range(least):
            then = self._add(inside, flags, then)
        return then


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _is_edge(before: str, after: str) -> bool:
    return _is_word(before) != _is_word(after)


_PLACES: dict[Any, Callable[[str, str], bool]] = {
    op.AT_BEGINNING: lambda before, after: not before,
    op.AT_BEGINNING_STRING: lambda before, after: not before,
    op.AT_END: lambda before, after: not after,  # a text is one line
    op.AT_END_STRING: lambda before, after: not after,
    op.AT_BOUNDARY: _is_edge,
    op.AT_NON_BOUNDARY: lambda before, after: not _is_edge(before, after),
}
_CATEGORIES: dict[Any, _Test] = {
    op.CATEGORY_DIGIT: str.isdecimal,
    op.CATEGORY_NOT_DIGIT: lambda char: not char.isdecimal(),
    op.CATEGORY_SPACE: str.isspace,
    op.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    op.CATEGORY_WORD: _is_word,
    op.CATEGORY_NOT_WORD: lambda char: not _is_word(char),
}


def _character(code: Any, argument: Any, flags: int) -> _Test | None:
    """Which characters are meant; None: it is none."""
    if code is op.ANY:
        return lambda char: True
    if code is op.LITERAL:
        return _one_of([(op.LITERAL, argument)], flags)
    if code is op.NOT_LITERAL:
        return _one_of([(op.NEGATE, None), (op.LITERAL, argument)], flags)
    return _one_of(argument, flags) if code is op.IN else None


def _one_of(items: Sequence[tuple[Any, Any]], flags: int) -> _Test:
    negated = any(code is op.NEGATE for code, _ in items)
    ranges = [(chr(argument), chr(argument)) for code, argument in items if code is op.LITERAL]
    ranges += [(chr(argument[0]), chr(argument[1])) for code, argument in items if code is op.RANGE]
    categories = [_CATEGORIES[argument] for code, argument in items if code is op.CATEGORY]

    def meant(char: str) -> bool:
        return any(first <= char <= last for first, last in ranges) or any(category(char) for category in categories)

    if flags & re.IGNORECASE:
        return lambda char: any(map(meant, {char, char.lower(), char.upper()})) != negated
    return lambda char: meant(char) != negated
