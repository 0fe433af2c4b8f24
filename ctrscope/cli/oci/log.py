"""The log that an engine reads the reason from: ``--log FILE``, ``--log-format text|json``, in the words of logrus."""

import time

import msgspec

from ctrscope.cli.oci.arguments import Arguments
from ctrscope.model.timestamp import rfc3339


def write_line(arguments: Arguments, level: str, message: str) -> None:
    """Append a line; who cannot be told that way is told on standard error, by our caller."""
    path = arguments.find("log")
    if path is None:
        return
    moment = rfc3339(time.time())
    if arguments.find("log-format") == "json":
        line = msgspec.json.encode({"level": level, "msg": message, "time": moment}).decode()
    else:
        line = f"time={msgspec.json.encode(moment).decode()} level={level} msg={msgspec.json.encode(message).decode()}"
    try:
        with open(path, "a", encoding="utf-8") as file:  # the engine's file, not the host's state
            file.write(f"{line}\n")
    except OSError:
        return
