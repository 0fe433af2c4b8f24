"""A line of flags is understood without argparse, and as argparse understands it."""

import itertools

import pytest

from ctrscope.cli.options import parse_arguments, parser_of
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
