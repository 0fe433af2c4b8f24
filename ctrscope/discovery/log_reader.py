"""Pages of a container's log, from any place in either direction, across the files that it was rotated into.

A page looks through so much and no more: whoever wants a rare line asks again from where it ended, and can say how far it got.
"""

from collections.abc import Callable, Iterator
from itertools import islice

from ctrscope.engines.log_line import LogRecord, parse_record
from ctrscope.model.log import LogFormat, LogLine, LogPage, LogPlace, LogSource
from ctrscope.model.timestamp import unix_time
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.log_file import BLOCK, LogFile

#: Bytes that one page looks through.
_AT_ONCE = 4 * 1024 * 1024
#: Longest text of one line; what a container writes without a newline goes on in the next.
_TEXT_LIMIT = 64 * 1024
_RECORD = 64  # what a record counts that has no text in it
#: Lines without a time (a stack trace that was written past the engine) that a search for a time passes over.
_UNTIMED = 200

Keep = Callable[[LogLine], bool]


class LogReader:
    """Keeps the files of one log open. Not for two threads at once."""

    def __init__(self, host: HostFs, source: LogSource) -> None:
        """Open what there is; what cannot be opened is a remark of every page. Errors: OSError when that is the newest file."""
        self._host, self.source = host, source
        self._files: list[LogFile] = []
        self._remarks: list[str] = []
        for path in source.paths[:-1]:
            try:
                file = LogFile(host, path, source.owner)
            except OSError as error:
                self._remarks.append(f"{path}: {error.strerror or error}")
                continue
            self._files.append(file)
            if file.is_cut:
                self._remarks.append(f"{path}: only its beginning was unpacked")
        try:
            self._files.append(LogFile(host, source.paths[-1], source.owner))
        except OSError:
            self.close()
            raise
        self._seen = self._files[-1].size()

    def close(self) -> None:
        """Let the files go."""
        while self._files:
            self._files.pop().close()

    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size() for file in self._files)

    # Pages

    def before(self, place: LogPlace | None, count: int, keep: Keep | None = None) -> LogPage:
        """The last *count* lines before *place* (None: the end) that are to be kept, as far as one look goes."""
        self._notice_rotation()
        end = place or LogPlace(len(self._files) - 1, self._files[-1].end_of_lines())
        lines: list[LogLine] = []
        start, looked, is_first = end, 0, True
        for line, _, size in self._backwards(end):
            if len(lines) >= count or looked >= _AT_ONCE:
                is_first = False
                break
            looked += size
            start = line.place
            if keep is None or keep(line):
                lines.append(line)
        is_last = place is None or self._is_end(place)
        unfinished = self._unfinished(end) if place is None else None
        if is_first:
            start = LogPlace(0, 0)
        return LogPage(tuple(lines[::-1]), start, end, is_first, is_last, unfinished, looked, tuple(self._remarks))

    def after(self, place: LogPlace, count: int, keep: Keep | None = None) -> LogPage:
        """The first *count* lines from *place* on that are to be kept, as far as one look goes."""
        self._notice_rotation()
        lines: list[LogLine] = []
        end, looked, is_last = place, 0, True
        for line, finish, size in self._forwards(place):
            if len(lines) >= count or looked >= _AT_ONCE:
                is_last = False
                break
            looked += size
            end = finish
            if keep is None or keep(line):
                lines.append(line)
        if is_last:
            end = max(end, LogPlace(len(self._files) - 1, 0))
        unfinished = self._unfinished(end) if is_last else None
        return LogPage(tuple(lines), place, end, place <= (0, 0), is_last, unfinished, looked, tuple(self._remarks))

    def find_time(self, moment: float) -> LogPlace | None:
        """Where the first line of that unix time or later begins; None when the lines have no times.

        Times are taken to rise, as they do unless somebody set the clock back.
        """
        self._notice_rotation()
        timed = [(number, first) for number in range(len(self._files)) if (first := self._time_from(number, 0)) is not None]
        if not timed:
            return None
        number = next((number for number, first in reversed(timed) if first < moment), timed[0][0])
        file = self._files[number]
        low, high = 0, file.end_of_lines()
        while high - low > BLOCK:
            middle = file.line_at((low + high) // 2)
            at = self._time_from(number, middle) if middle < high else None
            if at is not None and at < moment:
                low = middle
            else:
                high = (low + high) // 2
        for start, _, raw in file.lines_after(low):
            at = unix_time(parse_record(raw, self.source.format).at)
            if at is not None and at >= moment:
                return LogPlace(number, start)
            if start > high + BLOCK:
                break
        following = number + 1
        return LogPlace(following, 0) if following < len(self._files) else LogPlace(number, file.end_of_lines())

    def _time_from(self, number: int, offset: int) -> float | None:
        """Time of the first line from *offset* on that has one."""
        for _, _, raw in islice(self._files[number].lines_after(offset), _UNTIMED):
            at = unix_time(parse_record(raw, self.source.format).at)
            if at is not None:
                return at
        return None

    # Lines

    def _backwards(self, end: LogPlace) -> Iterator[tuple[LogLine, LogPlace, int]]:
        """Each line before *end*, the last first, where it ends, and the bytes that it takes."""
        line = _Pieces()
        for number in range(end.file, -1, -1):
            file = self._files[number]
            offset = min(end.offset, file.size()) if number == end.file else file.end_of_lines()
            for start, stop, raw in file.lines_before(offset):
                record = parse_record(raw, self.source.format)
                if line and (not record.goes_on or line.is_full):
                    yield line.take()
                line.put(LogPlace(number, start), LogPlace(number, stop), record)
        if line:
            yield line.take()

    def _forwards(self, place: LogPlace) -> Iterator[tuple[LogLine, LogPlace, int]]:
        """Each line from *place* on, in the same words. One without its rest is a line too: the rest may never come."""
        line = _Pieces()
        for number in range(place.file, len(self._files)):
            for start, stop, raw in self._files[number].lines_after(place.offset if number == place.file else 0):
                record = parse_record(raw, self.source.format)
                line.put(LogPlace(number, start), LogPlace(number, stop), record)
                if not record.goes_on or line.is_full:
                    yield line.take()
        if line:
            yield line.take()

    def _unfinished(self, end: LogPlace) -> LogLine | None:
        """What stands behind the last newline of a console: a prompt. An engine writes whole records."""
        if self.source.format is not LogFormat.PLAIN or end.file != len(self._files) - 1:
            return None
        raw = self._files[-1].read(end.offset, BLOCK)
        return LogLine(end, parse_record(raw, LogFormat.PLAIN).text) if raw and b"\n" not in raw else None

    def _is_end(self, place: LogPlace) -> bool:
        return place.file == len(self._files) - 1 and place.offset >= self._files[-1].end_of_lines()

    def _notice_rotation(self) -> None:
        """Take the file that has the name now for the newest. One that was cut off begins anew, as another file."""
        newest, path = self._files[-1], self.source.paths[-1]
        try:
            found = self._host.stat(path)
        except OSError:
            return  # renamed, and the next one is not there yet
        is_same = (found.st_dev, found.st_ino) == newest.identity
        if not is_same or found.st_size < self._seen:
            try:
                self._files.append(LogFile(self._host, path, self.source.owner))
            except OSError:
                return
            if is_same:
                newest.forget()
        self._seen = self._files[-1].size()


class _Pieces:
    """The records that one line was written in, from its beginning or from its end; a file may end between two."""

    def __init__(self) -> None:
        self._records: list[tuple[LogPlace, LogPlace, LogRecord]] = []
        self._length = 0  # of the text; empty records count, too
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._records)

    @property
    def is_full(self) -> bool:
        return self._length > _TEXT_LIMIT

    def put(self, start: LogPlace, end: LogPlace, record: LogRecord) -> None:
        self._records.append((start, end, record))
        self._length += len(record.text) + _RECORD
        self._size += end.offset - start.offset

    def take(self) -> tuple[LogLine, LogPlace, int]:
        """The line, where it ends, and the bytes that it takes; nothing is left."""
        records, size = sorted(self._records, key=lambda one: one[0]), self._size
        start, _, first = records[0]
        text = first.text if len(records) == 1 else "".join(record.text for _, _, record in records)
        self._records, self._length, self._size = [], 0, 0
        return LogLine(start, text, first.at, first.stream), records[-1][1], size
