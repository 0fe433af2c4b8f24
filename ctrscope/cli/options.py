"""The command line: which verb, and the options that all of them share, before it or after it.

argparse is imported for lines that are more than flags, for help and for errors: it takes 5 ms, and ``ps`` has 60.
"""

import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ctrscope import __version__
from ctrscope.cli.environment import terminal_width
from ctrscope.cli.verb import VERBS, Verb

if TYPE_CHECKING:
    import argparse

_TAKES_VALUE = ("--root",)


def split_verb(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The verb and the arguments without it: the first that is neither an option nor the value of one."""
    skip = False
    for index, argument in enumerate(argv):
        if skip:
            skip = False
        elif argument in _TAKES_VALUE:
            skip = True
        elif argument == "--":
            break
        elif not argument.startswith("-"):
            return argument, [*argv[:index], *argv[index + 1 :]]
    return None, list(argv)


def parse_arguments(verb: Verb, argv: Sequence[str]) -> "argparse.Namespace":
    """Arguments of one verb. Of one that takes a command (``argv``), that is what stands after ``--``, untouched.

    argparse alone cannot say this: positional arguments on both sides of an option, one of them optional, are an error to
    it before Python 3.13.
    """
    flags: Any = _Flags()
    verb.prepare_parser(flags)
    _add_common_options(flags)
    only_flags: argparse.Namespace | None = flags.parse(argv)
    if only_flags is not None:
        return only_flags
    parser = parser_of(verb)
    if parser.get_default("argv") is None or "--" not in argv:
        return parser.parse_args(argv)
    end = list(argv).index("--")
    arguments = parser.parse_args(argv[:end])
    arguments.argv = tuple(argv[end + 1 :])
    if not arguments.argv:
        parser.error("no command after --")
    return arguments


class _Flags:
    """Stands for an ArgumentParser as far as a line has nothing but options without a value."""

    def __init__(self) -> None:
        self._defaults: dict[str, object] = {}
        self._flags: dict[str, str] = {}  # "-a" and "--all" → "all"
        self._is_enough = True

    def add_argument(self, *names: str, action: str = "store", default: object = None, **more: object) -> None:
        """As of ArgumentParser."""
        dest = names[-1].lstrip("-").replace("-", "_")
        if not names[0].startswith("-") or more.keys() & {"dest", "required"}:
            self._is_enough = False
        elif action == "store_true":
            self._flags.update(dict.fromkeys(names, dest))
            self._defaults[dest] = False
        elif action != "version":
            self._defaults[dest] = default

    def parse(self, argv: Sequence[str]) -> Any:
        """The arguments, or None: argparse has to say what the line means."""
        if not self._is_enough or not self._flags.keys() >= set(argv):
            return None
        return SimpleNamespace(**self._defaults | {self._flags[flag]: True for flag in argv})

    def __getattr__(self, name: str) -> Any:
        self._is_enough = False  # groups and the like are argparse's
        return lambda *_, **__: self


def _add_common_options(parser: "argparse._ActionsContainer") -> None:
    parser.add_argument("--json", action="store_true", help="answer as one JSON object (ctrscope schema describes it)")
    parser.add_argument("--root", metavar="DIR", default="/", help="read another root: a mounted image, or the host's /")
    parser.add_argument(
        "--read-only", action="store_true", help="change nothing on the host: the kernel refuses it to this process"
    )
    parser.add_argument("--strict", action="store_true", help="exit 3 when anything could not be read")
    parser.add_argument("--no-color", action="store_true", help="no colour, as with NO_COLOR in the environment")
    parser.add_argument("--debug", action="store_true", help="tracebacks when something goes wrong")
    parser.add_argument("--version", action="version", version=f"ctrscope {__version__}")


def parser_of(verb: Verb) -> "argparse.ArgumentParser":
    """Parser of one verb, global options included."""
    import argparse

    class HelpFormatter(argparse.RawDescriptionHelpFormatter):
        """As wide as the terminal. argparse would import shutil to ask, for every option that it is told of."""

        def __init__(self, prog: str) -> None:
            super().__init__(prog, width=max(terminal_width(sys.stdout), 40) - 2)

        def _fill_text(self, text: str, width: int, indent: str) -> str:
            return "\n".join(fill(text, width))

    parser = argparse.ArgumentParser(
        prog=f"ctrscope {verb.name}".rstrip(),
        description=verb.help,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    verb.prepare_parser(parser)
    _add_common_options(parser.add_argument_group("options of every command"))
    return parser


def fill(text: str, width: int) -> list[str]:
    """Lines of a help text: paragraphs are filled, what is indented (examples) stays as it is."""
    import textwrap

    lines: list[str] = []
    paragraph: list[str] = []
    for line in (*text.splitlines(), ""):
        if line and not line.startswith(" "):
            paragraph.append(line)
            continue
        lines += textwrap.wrap(" ".join(paragraph), width)
        lines.append(line)
        paragraph = []
    return lines[:-1]


def options_of(argv: Sequence[str]) -> Sequence[str]:
    """The arguments before ``--``: what stands behind it belongs to the command that attach runs."""
    return argv[: argv.index("--")] if "--" in argv else argv


def unknown_verb(name: str) -> str:
    """Message for a verb that there is none of."""
    import difflib  # only for those who mistyped

    nearest = difflib.get_close_matches(name, VERBS, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else "ctrscope help lists them."
    return f"no such command: {name}; {hint}"
