"""``start``, ``state``, ``kill``, ``delete``, ``pause`` and ``resume``."""

import os
import signal
import sys

import msgspec

from ctrscope.cli.oci.arguments import Arguments
from ctrscope.launcher import lifecycle
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.state import container_state, default_root, directory_of, read_state


def start(arguments: Arguments) -> int:
    """Let a container begin that was created."""
    lifecycle.start(_root(arguments), arguments.id)
    return 0


def state(arguments: Arguments) -> int:
    """Print what the specification calls its state."""
    found = read_state(_root(arguments), arguments.id)
    text = msgspec.json.encode(container_state(found, lifecycle.read_status(_root(arguments), found)))
    print(msgspec.json.format(text, indent=2).decode())  # noqa: T201
    return 0


def kill(arguments: Arguments) -> int:
    """Send its init a signal, SIGTERM unless another is named."""
    word = arguments.words[1] if len(arguments.words) > 1 else "TERM"
    lifecycle.kill(_root(arguments), arguments.id, parse_signal(word), everybody=arguments.has("all"))
    return 0


def delete(arguments: Arguments) -> int:
    """Remove what there is of a container."""
    force, root = arguments.has("force"), _root(arguments)
    if force and not os.path.isdir(directory_of(root, arguments.id)):
        return 0
    for warning in lifecycle.delete(root, arguments.id, force=force):
        print(f"ctrscope-oci: {warning}", file=sys.stderr)  # noqa: T201
    return 0


def pause(arguments: Arguments) -> int:
    """Hold all of its processes."""
    lifecycle.pause(_root(arguments), arguments.id)
    return 0


def resume(arguments: Arguments) -> int:
    """Let them go on."""
    lifecycle.resume(_root(arguments), arguments.id)
    return 0


def parse_signal(word: str) -> int:
    """``9``, ``KILL`` or ``SIGKILL``. Errors: LauncherError."""
    if word.isdecimal() and 0 < int(word) <= signal.SIGRTMAX:
        return int(word)
    try:
        return signal.Signals[f"SIG{word.upper().removeprefix('SIG')}"]
    except KeyError:
        raise LauncherError(f"unknown signal {word!r}: expected a number, or a name as TERM or SIGTERM") from None


def _root(arguments: Arguments) -> str:
    return arguments.find("root") or default_root()
