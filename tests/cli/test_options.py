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


@pytest.mark.parametrize(
    "line",
    [
        "ns", "ns --deep", "ns --tree --json", "ns web", "ns --json web --matrix", "ns -o lsns", "stats", "stats web --json",
        "stats web db", "stats --count 3", "inspect web --show-secrets", "attach web --confined", "attach --no-cgroup web",
        "attach web --cgroup", "attach web --tools", "attach web -u root", "attach web -w /tmp", "ps --root /",
        "run -d --name web -v /a:/b -m 64m --volume /c:/d --net none -e A=", "run --image=x:y -it", "run --rm --image x -i",
    ],
)  # fmt: skip
def test_a_name_means_what_argparse_says(line: str) -> None:
    name, *rest = line.split()
    verb = load_verb(VERBS[name])
    assert vars(parse_arguments(verb, rest)) == vars(parser_of(verb).parse_args(rest))


@pytest.mark.parametrize(
    "line",
    [
        "ns --tree --matrix",
        "ns a b",
        "inspect",
        "inspect a b",
        "attach",
        "attach --json",
        "ps web",
        "run -v",
        "run -m --rm",
        "run --image x --rootfs y",
    ],
)
def test_what_argparse_refuses_is_refused(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, *rest = line.split()
    with pytest.raises(SystemExit):
        parse_arguments(load_verb(VERBS[name]), rest)
    assert "usage: ctrscope" in capsys.readouterr().err


def test_the_command_stands_after_the_dashes_and_is_not_looked_at() -> None:
    verb = load_verb(VERBS["attach"])
    arguments = parse_arguments(verb, ["web", "--confined", "--", "ls", "--json", "--"])
    assert (arguments.id, arguments.confined, arguments.cgroup, arguments.json) == ("web", True, None, False)
    assert arguments.argv == ("ls", "--json", "--")
    assert parse_arguments(verb, ["web"]).argv == ()
    assert parse_arguments(verb, ["web", "-u", "root", "--", "id"]).argv == ("id",)
    with pytest.raises(SystemExit):
        parse_arguments(verb, ["web", "--"])


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
