"""/proc/pressure/{cpu,memory,io} and ``*.pressure`` of a cgroup: time lost to waiting for a resource.

*Source:* kernel document accounting/psi. A line is ``some avg10=0.00 avg60=0.12 avg300=0.05 total=67842``.
*Versions:* since Linux 4.20, cgroups v2 only. ``full`` is missing for CPU before 5.13; for the CPU of the whole host it is
all zero after that, and means nothing. Switched off at boot (``psi=0``): no file, or EOPNOTSUPP on reading.
"""

from collections.abc import Mapping

from ctrscope.model.cgroup import Pressure, PressureLine
from ctrscope.model.gap import Gap, ParseError, Reading, Reason, gap_of
from ctrscope.probes.hostfs import HostFs

RESOURCES = ("cpu", "memory", "io")


def read_pressure(host: HostFs, subject: str, pattern: str = "/proc/pressure/{}") -> Reading[Mapping[str, Pressure]]:
    """Pressure of all resources: by default of the host; with another *pattern* (``DIR/{}.pressure``) of a cgroup.

    Gaps: unsupported when the kernel was built or started without it.
    """
    found: dict[str, Pressure] = {}
    gaps: list[Gap] = []
    for resource in RESOURCES:
        path, fields = pattern.format(resource), (f"pressure.{resource}",)
        try:
            found[resource] = parse_pressure(host.read(path))
        except FileNotFoundError as error:
            gaps.append(
                Gap(
                    subject=subject,
                    fields=fields,
                    source=path,
                    reason=Reason.UNSUPPORTED,
                    needs="psi=1",
                    detail=str(error.strerror),
                )
            )
        except OSError as error:
            gaps.append(gap_of(error, subject, fields, path, needs="psi=1"))
        except ParseError as error:
            gaps.append(Gap(subject=subject, fields=fields, source=path, reason=Reason.MALFORMED, detail=str(error)))
    return Reading(found or None, tuple(gaps))


def parse_pressure(text: bytes) -> Pressure:
    """Parse one pressure file. Units: avg* percent of wall time, total microseconds. Lines of other names are ignored."""
    lines: dict[str, PressureLine] = {}
    for number, line in enumerate(text.decode("ascii", "replace").splitlines(), 1):
        kind, *pairs = line.split() or [""]
        if kind in ("some", "full"):
            try:
                values = dict(pair.split("=", 1) for pair in pairs)
                lines[kind] = PressureLine(
                    avg10=float(values["avg10"]),
                    avg60=float(values["avg60"]),
                    avg300=float(values["avg300"]),
                    total=int(values["total"]),
                )
            except (ValueError, KeyError) as error:
                raise ParseError(f"not a pressure line: {error}", number) from error
    if "some" not in lines:
        raise ParseError("no line 'some'")
    return Pressure(some=lines["some"], full=lines.get("full"))
