"""/proc/PID/timens_offsets: how far the clocks of a time namespace are from the host's.

*Source:* time_namespaces(7). Lines are ``monotonic seconds nanoseconds`` and ``boottime …``; before Linux 5.9 the clocks are
numbers (1 and 7). They are of the namespace that children of the process will be in (``time_for_children``), which is its
own unless it called unshare(2).
"""

from ctrscope.model.gap import ParseError
from ctrscope.model.namespace import TimeOffsets
from ctrscope.probes.hostfs import HostFs

_CLOCKS = {b"monotonic": "monotonic", b"1": "monotonic", b"boottime": "boottime", b"7": "boottime"}


def read_time_offsets(host: HostFs, pid: int) -> TimeOffsets:
    """Read and parse. Errors: ENOENT when the process is gone or the kernel has no time namespaces; EACCES; ParseError."""
    return parse_time_offsets(host.read(f"/proc/{pid}/timens_offsets"))


def parse_time_offsets(text: bytes) -> TimeOffsets:
    """Parse both lines. Units: seconds."""
    found: dict[str, float] = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            clock, seconds, nanoseconds = line.split()
            found[_CLOCKS[clock]] = int(seconds) + int(nanoseconds) / 1e9
        except (ValueError, KeyError) as error:
            raise ParseError(f"not the offset of a clock: {line[:40]!r}", number) from error
    try:
        return TimeOffsets(**found)
    except TypeError as error:
        raise ParseError("a clock is missing") from error
