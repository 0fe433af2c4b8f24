"""A regular expression that somebody types finds what Python's own finds, and never takes long over it."""

import re
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ctrscope.views.expression import Expression, NotPossible

_ATOMS = st.sampled_from(
    ["a", "b", "-", r"\d", r"\w", r"\s", r"\W", ".", "[ab]", "[^a]", "[a-c0-9]", "^", "$", r"\b", r"\B", r"\A", r"\Z", "ä", ""]
)
_REPEATED = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"])
_EXPRESSIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"])).map(
            lambda one: f"(?:{one[0]}){one[1]}"
        ),
        inner.map(lambda one: f"({one})"),
    ),
    max_leaves=8,
)
_TEXTS = st.text(alphabet="ab1 -_cäAB", max_size=12)


@given(_EXPRESSIONS, _TEXTS, st.booleans())
@settings(max_examples=600, deadline=None)
def test_it_finds_what_re_finds(expression: str, text: str, ignore_case: bool) -> None:
    assume(text or r"\B" not in expression)  # until Python 3.14 \B is nowhere in nothing
    wanted = re.search(expression, text, re.IGNORECASE if ignore_case else 0) is not None
    assert Expression(expression, ignore_case=ignore_case).search(text) == wanted


@pytest.mark.parametrize(
    ("expression", "line"),
    [
        (r"error.*timeout", "12:00 error: read /srv: timeout"),
        (r"^\d{1,3}(\.\d{1,3}){3} ", "10.99.0.7 - GET /"),
        (r'"(GET|POST) /api/\w+', '10.0.0.1 "POST /api/items HTTP/1.1"'),
        (r"(?i)ERROR|warn", "Warning"),
        (r"\[[0-9a-f]{8}\]", "[0badcafe] x"),
        (r"took [5-9]\d{2,}ms$", "took 1700ms, took 700ms"),
        (r"(\w+\s?)*$", "anything"),
        ("", "anything"),
    ],
)
def test_what_people_look_for_in_a_log(expression: str, line: str) -> None:
    assert Expression(expression).search(line)
    assert re.search(expression, line)
    assert Expression(f"{expression}zzz").search(line) is False


@pytest.mark.parametrize(
    "expression", ["(a+)+$", "(a|a)+$", "(a|aa)+$", "(.*)(.*)(.*)(.*)(.*)b$", "(a*)*b", "a{0,200}a{0,200}b"]
)
def test_no_expression_takes_long(expression: str) -> None:
    line = "a" * 16_000 + "!"
    found = Expression(expression)
    started = time.process_time()
    assert not found.search(line)
    assert time.process_time() - started < 2  # Python's own takes a minute for the first when there are 30 letters


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("(", "not a regular expression: missing ), unterminated subpattern at position 0"),
        (r"(a)\1", "cannot look back"),
        ("(?=a)b", "cannot look back"),
        ("(?<!a)b", "cannot look back"),
        ("(?>a+)b", "cannot look back"),
        ("a*+b", "cannot look back"),
        ("(a{500}){500}", "too large for a filter"),
        ("(" * 4000 + ")" * 4000, "too large for a filter"),
    ],
)
def test_what_is_not_possible_is_said(expression: str, why: str) -> None:
    with pytest.raises(NotPossible) as caught:
        Expression(expression)
    assert why in str(caught.value)


def test_what_is_remembered_is_bounded_and_what_is_found_stays_right() -> None:
    found = Expression(r"(\w+)x(\w+)y")
    for number in range(200):
        text = "".join(chr(0x4E00 + (number * 131 + step * 7) % 20_000) for step in range(200))
        assert not found.search(text)
        assert found.search(text + "axby")
    assert found._remembered <= 20_000
