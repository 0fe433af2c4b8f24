"""The file that an engine reads the reason of a failure from, in the words of logrus, as runc's ``--log`` has them."""

import time
from contextlib import suppress

import msgspec

from ctrscope.model.timestamp import rfc3339


def write_report(path: str, message: str, *, as_json: bool) -> None:
    """Append one line; where that is refused, what stands on standard error has to do."""
    moment = rfc3339(time.time())
    if as_json:
        line = msgspec.json.encode({"level": "error", "msg": message, "time": moment}).decode()
    else:
        line = f'time="{moment}" level=error msg={msgspec.json.encode(message).decode()}'
    with suppress(OSError), open(path, "a", encoding="utf-8") as file:
        file.write(f"{line}\n")
