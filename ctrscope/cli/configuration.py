"""``$XDG_CONFIG_HOME/ctrscope/config.toml``: what a person has set once and for all.

*Source:* XDG Base Directory Specification; TOML 1.0. A file with a mistake in it is said to have one and is not used.
"""

import os

import msgspec

from ctrscope.cli.environment import Environment
from ctrscope.model.thresholds import Thresholds
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs
from ctrscope.render.safe import inert

_LIMIT = 64 * 1024


class Configuration(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tables of config.toml."""

    thresholds: Thresholds = Thresholds()


def configuration_path() -> str:
    """Where it is looked for. A relative ``XDG_CONFIG_HOME`` does not count, as the specification has it."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return f"{base if base.startswith('/') else os.path.expanduser('~/.config')}/ctrscope/config.toml"


def read_configuration(environment: Environment) -> Configuration:
    """What is set, or the defaults. What is wrong with the file is said on standard error."""
    path = configuration_path()
    try:
        text = HostFs().read(path, limit=_LIMIT)
    except FileNotFoundError:
        return Configuration()
    except OSError as error:
        environment.say(f"ctrscope: {inert(path)}: {error.strerror or error}: the defaults are used")
        return Configuration()
    try:
        return parse_configuration(text)
    except ValueError as error:
        environment.say(f"ctrscope: {inert(path)}: {inert(str(error))}: the defaults are used")
        return Configuration()


def parse_configuration(text: bytes) -> Configuration:
    """Parse config.toml. Errors: ValueError, which names the line or the key and what was expected."""
    import tomllib  # 4 ms, for those who have a file

    try:
        return msgspec.convert(tomllib.loads(text.decode()), Configuration)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason} at byte {error.start}") from error
    except msgspec.ValidationError as error:
        # "Expected `float`, got `str` - at `$.thresholds.memory_percent`"
        what, _, where = str(error).replace("Object contains unknown field", "there is no key").partition(" - at `$")
        key = where.strip("`.")
        raise ValueError(f"{key}: {what}" if key else what) from error
