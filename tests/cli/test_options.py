"""A line of flags is understood without argparse, and as argparse understands it."""

import itertools
import os

import pytest

from ctrscope.cli.help import overview
from ctrscope.cli.options import fill, parse_arguments, parser_of
from ctrscope.cli.verb import DASHBOARD, VERBS, load_verb

FLAGS = ("--json", "--strict", "--read-only", "--no-color", "--debug")


@pytest.mark.parametrize("where", [DASHBOARD, VERBS["ps"], VERBS["doctor"], VERBS["schema"]])
def test_flags_mean_what_argparse_says(where: str) -> None:
    verb = load_verb(where)
    own = ("-a", "-q", "--all") if where == VERBS["ps"] else ()
    for count in (0, 1, 2):
        for line in itertools.combinations((*FLAGS, *own), count):
            assert vars(parse_arguments(verb, line)) == vars(parser_of(verb).parse_args(line)), line


def test_what_is_more_than_flags_is_argparses() -> None:
    verb = load_verb(VERBS["ps"])
    assert parse_arguments(verb, ["-a", "--root", "/mnt"]).root == "/mnt"
    assert parse_arguments(verb, ["-aq"]).quiet
    with pytest.raises(SystemExit):
        parse_arguments(verb, ["--al"])


@pytest.mark.parametrize("where", VERBS.values())
def test_help_fits_a_terminal_that_does_not_know_its_width(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((0, 0)))
    lines = parser_of(load_verb(where)).format_help().splitlines()
    assert all(len(line) <= 80 for line in lines if not line.startswith("  ")), lines
    assert any(line.startswith("  --json ") and len(line) > 40 for line in lines)


@pytest.mark.parametrize("width", [80, 200])
def test_the_overview_fits_the_terminal(width: int) -> None:
    assert max(map(len, overview(width))) <= max(width, 110)  # options and examples stay as they are
    assert "exit status:" in overview(width)


def test_paragraphs_are_filled_and_what_is_indented_stays() -> None:
    text = "one two\nthree four\n\nexamples:\n  a long line of an example\n"
    assert fill(text, 9) == ["one two", "three", "four", "", "examples:", "  a long line of an example"]
