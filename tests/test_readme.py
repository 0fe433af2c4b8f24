"""The README says about commands and exit statuses what the program says."""

import re
from pathlib import Path

import pytest

from ctrscope.cli.exit_status import ExitStatus
from ctrscope.cli.help import overview
from ctrscope.cli.options import parser_of
from ctrscope.cli.verb import DASHBOARD, VERBS, load_verb

README = Path(__file__).parent.parent / "README.md"


def table(title: str) -> list[list[str]]:
    """Rows of the first table below a heading, without header and ruler."""
    text = README.read_text(encoding="utf-8")
    section = re.split(r"^##+ ", text.split(f"## {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines[2:]]


def test_the_command_table_lists_the_verbs_with_their_sentences() -> None:
    verbs = [load_verb(where) for where in (DASHBOARD, *VERBS.values())]
    documented = {re.sub(r"^`ctrscope ?([a-z]*).*`$", r"\1", command): sentence for command, sentence in table("Commands")}
    assert list(documented) == [verb.name for verb in verbs]
    for verb in verbs:
        # The README may add what the options do.
        assert documented[verb.name].replace("`", "").startswith(verb.help)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_in_the_command_table_exists(verb: str) -> None:
    parser = parser_of(load_verb(VERBS[verb]))
    known = {option for action in parser._actions for option in action.option_strings} | {"--"}
    command = next(command for command, _ in table("Commands") if command.startswith(f"`ctrscope {verb}"))
    assert set(re.findall(r"(?<![\w-])-{1,2}[a-z-]*", command)) <= known


def test_the_exit_status_table_lists_every_status() -> None:
    documented = [int(row[0]) for row in table("Exit status")]
    assert documented == [status for status in ExitStatus if status <= ExitStatus.FOUND] + [130, 141]


def test_help_names_every_command() -> None:
    for name in VERBS:
        assert any(line.startswith(f"  ctrscope {name} ") for line in overview())
