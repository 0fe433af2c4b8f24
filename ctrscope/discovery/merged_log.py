"""Logs of several containers read as one: their lines by time, from any place in either direction.

A place is a place in each of them, so that no line is told twice or left out wherever one turns round. What one log says stays
in that log's own order, whatever its clock did. A line without a time (a stack trace that was written past the engine) stays
with the line before it. A log whose lines have no times at all has no place among the others: it is left out, and that is said.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from ctrscope.discovery.log_look import Keep, Told, look_through
from ctrscope.discovery.log_reader import LogReader
from ctrscope.engines.log_source import find_log
from ctrscope.model.container import Container
from ctrscope.model.log import LogFormat, LogPage, LogPlace
from ctrscope.model.timestamp import unix_time
from ctrscope.probes.hostfs import HostFs

#: Logs that are read at once: each takes a block in memory and a few open files.
_MOST = 100
#: Bytes of lines without a time that wait for the line before them, when they are told backwards: a long stack trace.
_WAITING = 256 * 1024
#: Places in all logs, in the order of the names.
_Places = tuple[LogPlace, ...]
#: When, which log, and what it tells.
_Dated = tuple[float, int, Told]


def open_logs(host: HostFs, containers: Mapping[str, Container]) -> "MergedLog":
    """The logs of *containers*, by the name that their lines are to have. Errors: OSError with why, when there is none."""
    readers: dict[str, LogReader] = {}
    left_out: list[str] = []
    with ExitStack() as stack:
        for name, container in sorted(containers.items(), key=lambda one: not one[1].is_running):
            if len(readers) >= _MOST:
                left_out.append(f"{name}: {_MOST} logs are read at once")
                continue
            source = find_log(host, container)
            if not source.paths:
                left_out.append(f"{name}: {source.elsewhere}")
            elif source.format is LogFormat.PLAIN:
                left_out.append(f"{name}: the lines of {source.paths[-1]} have no times")
            else:
                try:
                    readers[name] = LogReader(host, source)
                except OSError as error:
                    left_out.append(f"{name}: {source.paths[-1]}: {error.strerror or error}")
                else:
                    stack.callback(readers[name].close)
        if not readers:
            raise OSError("; ".join(left_out) or "it has no containers")
        stack.pop_all()
    return MergedLog({name: readers[name] for name in containers if name in readers}, left_out)


class MergedLog:
    """Several logs, open. Not for two threads at once."""

    has_times = True
    source = None

    def __init__(self, readers: Mapping[str, LogReader], left_out: Sequence[str] = ()) -> None:
        self.members, self.left_out = tuple(readers), tuple(left_out)
        self._readers = tuple(readers.values())

    @property
    def beginning(self) -> _Places:
        """Before the first line of each."""
        return tuple(reader.beginning for reader in self._readers)

    @property
    def where(self) -> str:
        """How many there are."""
        return f"{len(self._readers)} log{'s' if len(self._readers) != 1 else ''}"

    def size(self) -> int:
        """Bytes that all files take."""
        return sum(reader.size() for reader in self._readers)

    # Pages

    def before(self, place: _Places | None, count: int, keep: Keep | None = None) -> LogPage:
        """The last *count* lines before *place* (None: the end) that are to be kept, as far as one look goes."""
        self._notice_rotation()
        ends = self._ends()
        end = place or ends
        look = look_through(self._backwards(end), end, count, keep)
        return LogPage(
            lines=look.lines[::-1],
            start=self.beginning if look.is_over else look.reached,
            end=end,
            is_first=look.is_over,
            is_last=all(own >= last for own, last in zip(end, ends, strict=True)),
            looked_through=look.looked_through,
            remarks=self._remarks(),
        )

    def after(self, place: _Places, count: int, keep: Keep | None = None) -> LogPage:
        """The first *count* lines from *place* on that are to be kept, as far as one look goes."""
        self._notice_rotation()
        look = look_through(self._forwards(place), place, count, keep)
        return LogPage(
            lines=look.lines,
            start=place,
            end=look.reached,
            is_first=place == self.beginning,
            is_last=look.is_over,
            looked_through=look.looked_through,
            remarks=self._remarks(),
        )

    def find_time(self, moment: float) -> _Places | None:
        """Where the lines of that unix time begin in each; None when nobody wrote a line with a time yet."""
        found = [reader.find_time(moment) for reader in self._readers]
        if all(place is None for place in found):
            return None
        return tuple(reader.end() if place is None else place for place, reader in zip(found, self._readers, strict=True))

    def _notice_rotation(self) -> None:
        for reader in self._readers:
            reader.notice_rotation()

    def _ends(self) -> _Places:
        return tuple(reader.end() for reader in self._readers)

    def _remarks(self) -> tuple[str, ...]:
        return tuple(remark for reader in self._readers for remark in reader.remarks)

    # Lines

    def _forwards(self, places: _Places) -> Iterator[Told]:
        """Each line from there on. Of one moment, the log that is named first comes first."""
        logs = [_dated(number, reader.lines_after(places[number])) for number, reader in enumerate(self._readers)]
        reached = list(places)
        for _, number, (line, end, size) in heapq.merge(*logs, key=lambda one: one[:2]):
            place = tuple(reached)
            reached[number] = end
            yield line._replace(place=place, whose=self.members[number]), tuple(reached), size

    def _backwards(self, places: _Places) -> Iterator[Told]:
        """Each line before there, the last first."""
        logs = [_dated_back(number, reader.lines_before(places[number])) for number, reader in enumerate(self._readers)]
        reached = list(places)
        for _, number, (line, start, size) in heapq.merge(*logs, key=lambda one: one[:2], reverse=True):
            reached[number] = start
            place = tuple(reached)
            yield line._replace(place=place, whose=self.members[number]), place, size


def _dated(number: int, told: Iterator[Told]) -> Iterator[_Dated]:
    """Lines with their times; those without one have that of the line before them."""
    at = float("-inf")
    for one in told:
        found = unix_time(one[0].at)
        at = at if found is None else found
        yield at, number, one


def _dated_back(number: int, told: Iterator[Told]) -> Iterator[_Dated]:
    """The same of lines that are told backwards: those without a time wait for the line that was written before them."""
    at, waiting, size = float("inf"), list[Told](), 0
    for one in told:
        found = unix_time(one[0].at)
        if found is None and size < _WAITING:
            waiting.append(one)
            size += one[2]
            continue
        at = at if found is None else found
        yield from ((at, number, later) for later in waiting)
        waiting, size = [], 0
        yield at, number, one
    yield from ((float("-inf"), number, later) for later in waiting)
