"""The command line: which verb, and the options that all of them share, before it or after it.

argparse is imported for lines that are more than flags and a name, for help and for errors: it takes 5 ms, and ``ps`` has 60.
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
    end = list(argv).index("--") if flags.takes_command and "--" in argv else len(argv)
    arguments: argparse.Namespace = flags.parse(argv[:end]) or parser_of(verb).parse_args(argv[:end])
    if end < len(argv):
        arguments.argv = tuple(argv[end + 1 :])
        if not arguments.argv:
            parser_of(verb).error("no command after --")
    return arguments


class _Flags:
    """Stands for an ArgumentParser as far as a line has options with any text or no value, and at most one word besides."""

    def __init__(self) -> None:
        self._defaults: dict[str, object] = {}
        self._flags: dict[str, tuple[str, bool]] = {}  # "-a" and "--all" → "all", True
        self._texts: dict[str, tuple[str, bool]] = {}  # "-v" → "volumes", and that there may be several
        self._grouped: set[str] = set()  # those since the first group: of several argparse knows whether they go together
        self._has_groups = False
        self._word: tuple[str, str | None] | None = None  # the positional argument, and how many there may be of it
        self._is_enough = True
        self.takes_command = False

    def add_argument(
        self, *names: str, action: Any = "store", dest: str | None = None, nargs: str | None = None, **more: object
    ) -> None:
        """As of ArgumentParser."""
        dest = dest or names[-1].lstrip("-").replace("-", "_")
        if not names[0].startswith("-"):
            self._is_enough = self._is_enough and self._word is None and not more.keys() & {"type", "choices", "default"}
            self._word = dest, nargs
        elif action in ("store_true", "store_false"):
            self._flags.update(dict.fromkeys(names, (dest, action == "store_true")))
            self._defaults.setdefault(dest, more.get("default", action == "store_false"))
        elif action != "version":
            default = more.get("default")
            if nargs is None and not more.keys() & {"type", "choices", "required"}:
                self._texts.update(dict.fromkeys(names, (dest, action == "append")))
            self._is_enough = self._is_enough and "required" not in more and not ("type" in more and isinstance(default, str))
            self._defaults[dest] = default
        if self._has_groups:
            self._grouped.update(names)

    def add_argument_group(self, *_: object) -> Any:
        """As of ArgumentParser."""
        return self

    def add_mutually_exclusive_group(self) -> Any:
        """As of ArgumentParser."""
        self._has_groups = True
        return self

    def set_defaults(self, *, argv: tuple[str, ...]) -> None:
        """As of ArgumentParser; *argv* says that the verb takes a command."""
        self._defaults["argv"] = argv
        self.takes_command = True

    def parse(self, argv: Sequence[str]) -> Any:
        """The arguments, or None: argparse has to say what the line means."""
        found: dict[str, Any] = {}
        words, rest = [], iter(argv)
        for argument in rest:
            if argument in self._flags:
                dest, value = self._flags[argument]
                found[dest] = value
            elif argument in self._texts:
                dest, is_one_of_several = self._texts[argument]
                text = next(rest, "-")
                if text.startswith("-"):
                    return None
                found[dest] = [*found.get(dest, ()), text] if is_one_of_several else text
            else:
                words.append(argument)
        least, most = {None: (1, 1), "?": (0, 1), "*": (0, 1)}.get(self._word[1], (1, 0)) if self._word else (0, 0)
        if (
            not self._is_enough
            or not least <= len(words) <= most
            or any(word.startswith("-") for word in words)
            or len(self._grouped.intersection(argv)) > 1
        ):
            return None
        if self._word is not None:
            dest, nargs = self._word
            found[dest] = words if nargs == "*" else words[0] if words else None
        return SimpleNamespace(**self._defaults | found)

    def __getattr__(self, name: str) -> Any:
        self._is_enough = False  # argparse's
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


def wrong_value(message: str) -> Exception:
    """What the type of an option raises for a value that means nothing."""
    import argparse  # only for those who mistyped

    return argparse.ArgumentTypeError(message)


def options_of(argv: Sequence[str]) -> Sequence[str]:
    """The arguments before ``--``: what stands behind it belongs to the command that attach runs."""
    return argv[: argv.index("--")] if "--" in argv else argv


def unknown_verb(name: str) -> str:
    """Message for a verb that there is none of."""
    import difflib  # only for those who mistyped

    nearest = difflib.get_close_matches(name, VERBS, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else "ctrscope help lists them."
    return f"no such command: {name}; {hint}"
