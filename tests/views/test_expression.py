"""A regular expression that somebody types finds what Python's own finds, and never takes long over it."""

import re
import time

import pytest

from ctrscope.views.expression import Expression, NotPossible


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
        ("größe .*€", "die größe in €"),
        ("", "anything"),
    ],
)
def test_what_people_look_for_in_a_log(expression: str, line: str) -> None:
    assert Expression(expression).search(line)
    assert re.search(expression, line)
    assert Expression(f"{expression}zzz").search(line) is False


def test_case_counts_unless_it_is_told_not_to() -> None:
    assert not Expression("über").search("ÜBER")
    assert Expression("über", ignore_case=True).search("ÜBER")


def test_bytes_that_are_no_text_are_gone_over() -> None:
    assert Expression("b$").search("a\udcffb")


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
        ("(", "not a regular expression: missing ): ("),
        ("x**", "bad repetition operator: **"),
        (r"(a)\1", "cannot look back"),
        ("(?=a)b", "cannot look back"),
        ("(?<!a)b", "cannot look back"),
        ("(a{500}){500}", "invalid repetition size"),
        ("((a{100}){9}|b{900}){1}" * 400, "too large"),
    ],
)
def test_what_is_not_possible_is_said(expression: str, why: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotPossible) as caught:
        Expression(expression)
    assert why in str(caught.value)
    assert capfd.readouterr() == ("", "")
