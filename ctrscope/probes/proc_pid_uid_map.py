"""/proc/PID/uid_map and gid_map: how ids inside a user namespace map to ours.

*Source:* user_namespaces(7). A line is ``inside outside count``; the initial user namespace has ``0 0 4294967295``.
The outside ids are those of the reader's user namespace. A namespace whose map was not written yet has an empty file.
"""

from typing import Literal

from ctrscope.model.gap import ParseError
from ctrscope.model.namespace import IdMapLine
from ctrscope.probes.hostfs import HostFs


def read_id_map(host: HostFs, pid: int, name: Literal["uid_map", "gid_map"]) -> tuple[IdMapLine, ...]:
    """Read and parse. Errors: ENOENT or ESRCH when the process is gone; ParseError."""
    return parse_id_map(host.read(f"/proc/{pid}/{name}"))


def parse_id_map(text: bytes) -> tuple[IdMapLine, ...]:
    """Parse a map, in the order it was written."""
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            inside, outside, count = map(int, line.split())
        except ValueError as error:
            raise ParseError(f"not three numbers: {line[:40]!r}", number) from error
        lines.append(IdMapLine(inside=inside, outside=outside, count=count))
    return tuple(lines)
