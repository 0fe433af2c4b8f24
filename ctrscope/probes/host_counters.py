"""What the kernel counts for the whole host: time lost to waiting, bytes of its disks and of its links to the wire.

*Source:* kernel documents accounting/psi and admin-guide/iostats (``/proc/diskstats``, sectors of 512 bytes); proc_pid_net(5)
``dev``, of PID 1, whose network namespace is the host's.
*Shape:* counted is only what is there, with a ``device`` in sysfs: partitions, dm, md and loop devices, bridges,
bonds and veth pairs would count the same bytes again. Where no link is one (a host that is a container itself), those that
default routes lead to.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_net import parse_dev, parse_route
from ctrscope.probes.proc_pressure import read_pressure

_SECTOR = 512


class HostCounters(NamedTuple):
    """Since the host was booted. None: not read, or there is no such device."""

    stalled: Mapping[str, int] = {}  # microseconds in which some task waited, by resource
    disk: tuple[int, int] | None = None  # bytes read, written
    wire: tuple[int, int] | None = None  # bytes received, sent


class HostCountersReader:
    """Keeps which devices are there, so that sysfs is asked once about each."""

    def __init__(self, host: HostFs) -> None:
        self._host = host
        self._disks = _Devices(lambda name: host.exists(f"/sys/block/{name}/device"))
        self._links = _Devices(lambda name: host.exists(f"/sys/class/net/{name}/device"))

    def read(self) -> HostCounters:
        """Read them all."""
        pressure = read_pressure(self._host, "host").value or {}
        disks, links = parse_diskstats(self._text("/proc/diskstats")), self._read_links()
        return HostCounters(
            stalled={name: one.some.total for name, one in pressure.items()},
            disk=_sum(disks, self._disks.there(disks)),
            wire=_sum(links, self._links.there(links) or self._ways_out()),
        )

    def _read_links(self) -> Mapping[str, tuple[int, int]]:
        try:
            links = parse_dev(self._text("/proc/1/net/dev"))
        except ParseError:
            return {}
        return {name: (link.rx_bytes, link.tx_bytes) for name, link in links.items()}

    def _ways_out(self) -> frozenset[str]:
        try:
            routes = parse_route(self._text("/proc/1/net/route"))
        except ParseError:
            return frozenset()
        return frozenset(route.dev for route in routes if route.prefix == 0)

    def _text(self, path: str) -> bytes:
        try:
            return self._host.read(path)
        except OSError:
            return b""  # a chart of which nothing is known is not drawn


class _Devices:
    """Which of the devices that are counted are no others' doubles."""

    def __init__(self, is_there: Callable[[str], bool]) -> None:
        self._is_there = is_there
        self._known: dict[str, bool] = {}

    def there(self, names: Mapping[str, object]) -> frozenset[str]:
        if names.keys() != self._known.keys():
            self._known = {name: self._known[name] if name in self._known else self._is_there(name) for name in names}
        return frozenset(name for name, is_there in self._known.items() if is_there)


def _sum(counted: Mapping[str, tuple[int, int]], names: Iterable[str]) -> tuple[int, int] | None:
    found = [counted[name] for name in names if name in counted]
    return (sum(one for one, _ in found), sum(other for _, other in found)) if found else None


def parse_diskstats(text: bytes) -> dict[str, tuple[int, int]]:
    """Bytes read and written by name of the block device. Lines of another shape are passed over."""
    found = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) > 9 and fields[5].isdigit() and fields[9].isdigit():
            found[fields[2].decode("utf-8", "replace")] = (int(fields[5]) * _SECTOR, int(fields[9]) * _SECTOR)
    return found
