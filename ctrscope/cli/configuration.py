"""``$XDG_CONFIG_HOME/ctrscope/config.toml``: what a person has set once and for all.

*Source:* XDG Base Directory Specification; TOML 1.0. A file with a mistake in it is said to have one and is not used.
"""

import os
import re
from collections.abc import Callable, Iterable

import msgspec

from ctrscope.cli.environment import Environment
from ctrscope.model.preferences import Preferences
from ctrscope.model.thresholds import Thresholds
from ctrscope.probes.hostfs import HostFs
from ctrscope.render.safe import inert

_LIMIT = 64 * 1024


class Configuration(Preferences, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that config.toml may hold."""

    thresholds: Thresholds = Thresholds()


#: (key, what is wrong with it) of what only the dashboard knows about.
Check = Callable[[Configuration], Iterable[tuple[str, str]]]


def configuration_path() -> str:
    """Where it is looked for. A relative ``XDG_CONFIG_HOME`` does not count, as the specification has it."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return f"{base if base.startswith('/') else os.path.expanduser('~/.config')}/ctrscope/config.toml"


def read_configuration(environment: Environment) -> Configuration:
    """What is set, or the defaults. What is wrong with the file is said on standard error."""
    configuration, complaints = load_configuration()
    for complaint in complaints:
        environment.say(f"ctrscope: {complaint}")
    return configuration


def load_configuration(check: Check = lambda _: ()) -> tuple[Configuration, tuple[str, ...]]:
    """What is set, or the defaults and what is wrong with the file, by line and key; inert."""
    path = configuration_path()
    try:
        text = HostFs().read(path, limit=_LIMIT)
    except FileNotFoundError:
        return Configuration(), ()
    except OSError as error:
        return Configuration(), (f"{inert(path)}: {error.strerror or error}: the defaults are used",)
    try:
        configuration = parse_configuration(text)
    except ValueError as error:
        return Configuration(), (f"{inert(path)}: {inert(str(error))}: the defaults are used",)
    mistakes = tuple(f"{inert(path)}: {inert(_placed(text, key, what))}" for key, what in check(configuration))
    if not mistakes:
        return configuration, ()
    return Configuration(), (*mistakes[:-1], f"{mistakes[-1]}: the defaults are used")


def parse_configuration(text: bytes) -> Configuration:
    """Parse config.toml. Errors: ValueError, which names the line and the key, and what was expected."""
    import tomllib  # 4 ms, for those who have a file

    try:
        return msgspec.convert(tomllib.loads(text.decode()), Configuration)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason} at byte {error.start}") from error
    except msgspec.ValidationError as error:
        # "Expected `float`, got `str` - at `$.thresholds.memory_percent`", "… - at `key` in `$.keys`"
        what, _, where = str(error).partition(" - at `")
        key = where.strip("$`.").partition("[")[0]  # of `$.columns[...][0]` it says no more
        if what.startswith("Object contains unknown field"):
            name = what.partition("`")[2].rstrip("`")
            raise ValueError(_placed(text, f"{key}.{name}".strip("."), "there is no such key")) from error
        raise ValueError(_placed(text, key, what)) from error


def format_configuration(configuration: Preferences) -> str:
    """The same as a file: what differs from the defaults."""
    values = msgspec.to_builtins(configuration)
    defaults = msgspec.to_builtins(type(configuration)())
    scalars, tables = [], []
    for key, value in values.items():
        if value == defaults[key]:
            continue
        if isinstance(value, dict):
            before = defaults[key]
            lines = (f"{_named(name)} = {_toml(one)}\n" for name, one in value.items() if before.get(name) != one)
            tables.append(f"\n[{key}]\n{''.join(lines)}")
        else:
            scalars.append(f"{key} = {_toml(value)}\n")
    return "".join((*scalars, *tables)).lstrip("\n")


def _named(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: object) -> str:
    """Texts, numbers, lists and tables are written as in JSON, but for the sign between key and value.

    JSON's escape for what is beyond U+FFFF is two halves, which TOML takes for no characters: such a text stands as it is.
    """
    import json

    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_named(name)} = {_toml(one)}" for name, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _placed(text: bytes, key: str, what: str) -> str:
    line = line_of(text, key)
    return f"line {line}: {key}: {what}" if line else f"{key}: {what}" if key else what


def line_of(text: bytes, key: str) -> int:
    """Number of the line, from 1, on which a key stands (``thresholds.zombies``), or its table; 0 when none does.

    TOML's own parser does not say. This one knows headers and keys, which is all that our file is made of.
    """
    best = 0
    table = ""
    for number, line in enumerate(text.decode("utf-8", "replace").split("\n"), 1):
        header = re.fullmatch(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?", line)
        if header:
            table = _unquoted(header[1])
            best = number if key == table or (key.startswith(f"{table}.") and not best) else best
            continue
        name, equals, _ = line.partition("=")
        if equals and f"{table}.{_unquoted(name)}".strip(".") in (key, key.rpartition(".")[0]):
            return number
    return best


def _unquoted(name: str) -> str:
    return name.replace('"', "").replace("'", "").replace(" ", "").strip()
