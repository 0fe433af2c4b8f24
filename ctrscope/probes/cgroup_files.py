"""Interface files of one cgroup, read one by one; what is missing becomes a Gap. For ``cgroup1`` and ``cgroup2``.

*Source:* kernel documents cgroup-v2 and cgroup-v1.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from ctrscope.model.cgroup import CgroupStats, DeviceIo, HugetlbStats, Limit, Pressure
from ctrscope.model.gap import VANISHED, Gap, ParseError, Reason, gap_of
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.keyed import find_number, parse_flat
from ctrscope.probes.proc_pressure import read_pressure

T = TypeVar("T")

#: What cpu.stat and cpu.max say only where the cpu controller is on.
CPU_CONTROLLER = (
    "cpu.quota_usec",
    "cpu.period_usec",
    "cpu.weight",
    "cpu.nr_periods",
    "cpu.nr_throttled",
    "cpu.throttled_usec",
)

#: What a reading that takes limits over from an earlier one leaves out.
LIMIT_FILES = frozenset({
    "cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpuset.effective_cpus", "memory.max", "memory.limit_in_bytes",
    "memory.swap.max", "memory.memsw.limit_in_bytes", "pids.max",
})  # fmt: skip


class InterfaceFiles:
    """Reads interface files on behalf of one subject.

    *full*: whether all that there is shall be read. *known*: an earlier reading, whose limits are taken over.
    """

    def __init__(self, host: HostFs, subject: str, *, full: bool, known: CgroupStats | None = None) -> None:
        self.host, self.subject, self.full, self.known = host, subject, full, known or CgroupStats()
        self.gaps: list[Gap] = []
        self._read = host.read if full else host.reread  # a lean reading is one of many
        self.missed = False  # whether some file was not there: then the cgroup may have gone

    def read(self, directory: str, name: str, parse: Callable[[bytes], T], *fields: str) -> T | None:
        """Parsed content, or None with a Gap for *fields*."""
        path = f"{directory}/{name}"
        try:
            return parse(self._read(path))
        except ParseError as error:
            self.gaps.append(Gap(subject=self.subject, fields=fields, source=path, reason=Reason.MALFORMED, detail=str(error)))
        except OSError as error:
            if error.errno in VANISHED:
                self.missed = True
                self.unsupported(path, "no such file: the controller is off for this cgroup, or the kernel older", *fields)
            else:
                self.gaps.append(gap_of(error, self.subject, fields, path))
        return None

    def find(self, directory: str, name: str, parse: Callable[[bytes], T], *fields: str) -> T | None:
        """Parsed content; None without a Gap where there is no such file: it does not apply to every kernel or cgroup."""
        before = len(self.gaps), self.missed
        value = self.read(directory, name, parse, *fields)
        if len(self.gaps) > before[0] and self.gaps[-1].reason is Reason.UNSUPPORTED:
            self.gaps.pop()
            self.missed = before[1]
        return value

    def flat(self, directory: str, name: str, *fields: str) -> Mapping[str, int]:
        """A flat keyed file; empty with a Gap when it cannot be read."""
        return self.read(directory, name, parse_flat, *fields) or {}

    def number_of(self, directory: str, name: str, key: bytes, *fields: str) -> int | None:
        """One number of a flat keyed file that has many."""
        return self.read(directory, name, lambda text: find_number(text, key), *fields)

    def unsupported(self, source: str, detail: str, *fields: str) -> None:
        """Note that there is no such thing here."""
        self.gaps.append(Gap(subject=self.subject, fields=fields, source=source, reason=Reason.UNSUPPORTED, detail=detail))

    def pressure(self, directory: str) -> Mapping[str, Pressure] | None:
        """The three pressure files."""
        reading = read_pressure(self.host, self.subject, directory + "/{}.pressure", read=self._read)
        self.gaps += reading.gaps
        self.missed = self.missed or bool(reading.gaps)
        return reading.value

    def hugetlb(
        self, directory: str, names: tuple[str, str, str], parse: Callable[[bytes], Limit], count: Callable[[bytes], int]
    ) -> Mapping[str, HugetlbStats] | None:
        """Huge pages by their size. *names* of the files for current, limit and how often the limit was hit."""
        try:
            sizes = [name.split(".")[1] for name in self.host.names(directory) if name.endswith("B." + names[0])]
        except OSError:
            return None
        stats: dict[str, HugetlbStats] = {}
        for size in sorted(sizes):
            fields = [f"hugetlb.{size}.{field}" for field in ("current", "limit", "max_events")]
            current, limit, hits = (f"hugetlb.{size}.{name}" for name in names)
            used = self.read(directory, current, parse, fields[0])
            stats[size] = HugetlbStats(
                current=used if isinstance(used, int) else None,
                limit=self.read(directory, limit, parse, fields[1]),
                max_events=self.read(directory, hits, count, fields[2]),
            )
        return stats or None

    def named_devices(self, found: Mapping[str, dict[str, Limit]]) -> Mapping[str, DeviceIo]:
        """Devices of block input and output, by number, each with the name it has now."""
        return {number: DeviceIo(name=self._device_name(number), **found[number]) for number in sorted(found)}  # type: ignore[arg-type]

    def _device_name(self, number: str) -> str | None:
        try:
            return self.host.readlink(f"/sys/dev/block/{number}").rpartition("/")[2]
        except OSError:
            return None
