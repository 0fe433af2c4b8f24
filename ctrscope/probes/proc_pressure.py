"""/proc/pressure/{cpu,memory,io} and ``*.pressure`` of a cgroup: time lost to waiting for a resource.

*Source:* kernel document accounting/psi. A line is ``some avg10=0.00 avg60=0.12 avg300=0.05 total=67842``.
*Versions:* since Linux 4.20, cgroups v2 only. ``full`` is missing for CPU before 5.13; for the CPU of the whole host it is
all zero after that, and means nothing. Switched off at boot (``psi=0``): no file, or EOPNOTSUPP on reading.
"""

import functools
import re
from collections.abc import Callable, Mapping

from ctrscope.model.cgroup import Pressure, PressureLine
from ctrscope.model.gap import Gap, ParseError, Reading, Reason, gap_of
from ctrscope.probes.hostfs import HostFs

RESOURCES = ("cpu", "memory", "io")


def read_pressure(
    host: HostFs, subject: str, pattern: str = "/proc/pressure/{}", *, read: Callable[[str], bytes] | None = None
) -> Reading[Mapping[str, Pressure]]:
    """Pressure of all resources: by default of the host; with another *pattern* (``DIR/{}.pressure``) of a cgroup.

    *read*: which of the host's ways to read a file. Gaps: unsupported when the kernel was built or started without it.
    """
    found: dict[str, Pressure] = {}
    gaps: list[Gap] = []
    for resource in RESOURCES:
        path = pattern.format(resource)
        try:
            found[resource] = parse_pressure((read or host.read)(path))
        except (OSError, ParseError) as error:
            gaps.append(_gap(error, subject, f"pressure.{resource}", path))
    return Reading(found or None, tuple(gaps))


def _gap(error: OSError | ParseError, subject: str, field: str, path: str) -> Gap:
    if isinstance(error, FileNotFoundError):
        reason, detail = Reason.UNSUPPORTED, str(error.strerror)
        return Gap(subject=subject, fields=(field,), source=path, reason=reason, needs="psi=1", detail=detail)
    return gap_of(error, subject, (field,), path, needs="psi=1")


_LINE = re.compile(rb"(some|full) avg10=([0-9.]+) avg60=([0-9.]+) avg300=([0-9.]+) total=([0-9]+)")


@functools.lru_cache(maxsize=2048)  # nobody waits in most cgroups: with 240 containers 2 ms of a tick
def parse_pressure(text: bytes) -> Pressure:
    """Parse one pressure file. Units: avg* percent of wall time, total microseconds. Lines of other names are ignored."""
    lines: dict[bytes, PressureLine] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if (match := _LINE.match(line)) is not None:
            kind, avg10, avg60, avg300, total = match.groups()
            try:
                lines[kind] = PressureLine(avg10=float(avg10), avg60=float(avg60), avg300=float(avg300), total=int(total))
            except ValueError as error:
                raise ParseError(f"not a pressure line: {error}", number) from error
        elif line.startswith((b"some", b"full")):
            raise ParseError(f"not a pressure line: {line[:80]!r}", number)
    if b"some" not in lines:
        raise ParseError("no line 'some'")
    return Pressure(some=lines[b"some"], full=lines.get(b"full"))
