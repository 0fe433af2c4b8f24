"""Pages of a container's log, from any place in either direction, across the files that it was rotated into."""

from collections.abc import Iterator, Sequence
from itertools import islice

from ctrscope.discovery.log_look import Keep, Told, look_through
from ctrscope.engines.log_line import LogRecord, parse_record
from ctrscope.model.log import LogFormat, LogLine, LogPage, LogPlace, LogSource
from ctrscope.model.timestamp import unix_time
from ctrscope.probes.framed_log_file import FramedLogFile
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.log_file import BLOCK, LogFile

#: Longest text of one line; what a container writes without a newline goes on in the next.
_TEXT_LIMIT = 64 * 1024
_RECORD = 64  # what a record counts that has no text in it
#: Lines without a time (a stack trace that was written past the engine) that a search for a time passes over.
_UNTIMED = 200


class LogReader:
    """Keeps the files of one log open. Not for two threads at once."""

    beginning = LogPlace(0, 0)
    members: Sequence[str] = ()
    left_out: Sequence[str] = ()

    def __init__(self, host: HostFs, source: LogSource) -> None:
        """Open what there is; what cannot be opened is a remark of every page. Errors: OSError when that is the newest file."""
        self._host, self.source = host, source
        self._files: list[LogFile] = []
        self._unreadable: list[str] = []
        self._limit: LogPlace | None = None  # what is behind it is another start's; None: there is no such
        for path in source.paths[:-1]:
            try:
                self._files.append(self._open(path))
            except OSError as error:
                self._unreadable.append(f"{path}: {error.strerror or error}")
        try:
            self._files.append(self._open(source.paths[-1]))
        except OSError:
            self.close()
            raise
        self._seen = self._files[-1].size()
        if source.until is not None:
            self._limit = self.find_time(source.until) or self.beginning

    def _open(self, path: str) -> LogFile:
        kind = FramedLogFile if self.source.format is LogFormat.LOCAL else LogFile
        return kind(self._host, path, self.source.owner)

    def close(self) -> None:
        """Let the files go."""
        while self._files:
            self._files.pop().close()

    def size(self) -> int:
        """Bytes that all files take."""
        return sum(file.size_on_disk() for file in self._files)

    @property
    def where(self) -> str:
        """The file that is written to, and how many older ones there are."""
        older = len(self.source.paths) - 1
        return f"{self.source.paths[-1]} with {older} older" if older else self.source.paths[-1]

    @property
    def has_times(self) -> bool:
        """Whether its lines begin with when they were written."""
        return self.source.format is not LogFormat.PLAIN

    @property
    def remarks(self) -> tuple[str, ...]:
        """What could not be read, as far as somebody looked."""
        cut = (f"{file.path}: only its beginning was unpacked" for file in self._files if file.is_cut)
        return (*self._unreadable, *cut)

    # Pages

    def before(self, place: LogPlace | None, count: int, keep: Keep | None = None) -> LogPage:
        """The last *count* lines before *place* (None: the end) that are to be kept, as far as one look goes."""
        self.notice_rotation()
        end = place or self.end()
        look = look_through(self.lines_before(end), end, count, keep)
        return LogPage(
            lines=look.lines[::-1],
            start=self.beginning if look.is_over else look.reached,
            end=end,
            is_first=look.is_over,
            is_last=place is None or place >= self.end(),
            unfinished=self._unfinished(end) if place is None else None,
            looked_through=look.looked_through,
            remarks=self.remarks,
        )

    def after(self, place: LogPlace, count: int, keep: Keep | None = None) -> LogPage:
        """The first *count* lines from *place* on that are to be kept, as far as one look goes."""
        self.notice_rotation()
        look = look_through(self.lines_after(place), place, count, keep)
        end = max(look.reached, LogPlace(self.end().file, 0)) if look.is_over else look.reached
        return LogPage(
            lines=look.lines,
            start=place,
            end=end,
            is_first=place <= self.beginning,
            is_last=look.is_over,
            unfinished=self._unfinished(end) if look.is_over else None,
            looked_through=look.looked_through,
            remarks=self.remarks,
        )

    def end(self) -> LogPlace:
        """Behind the last line."""
        return self._limit or LogPlace(len(self._files) - 1, self._files[-1].end_of_lines())

    def find_time(self, moment: float) -> LogPlace | None:
        """Where the first line of that unix time or later begins; None when the lines have no times.

        Times are taken to rise, as they do unless somebody set the clock back.
        """
        self.notice_rotation()
        number = -1
        for candidate in range(len(self._files) - 1, -1, -1):  # older ones are not unpacked for a moment that is newer
            first = self._time_from(candidate, 0)
            if first is not None:
                number = candidate
                if first < moment:
                    break
        if number < 0:
            return None
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

    def lines_before(self, end: LogPlace) -> Iterator[Told]:
        """Each line before *end*, the last first."""
        line = _Pieces()
        for number in range(end.file, -1, -1):
            file = self._files[number]
            offset = min(end.offset, file.size()) if number == end.file else file.end_of_lines()
            for start, stop, raw in file.lines_before(offset):
                record = parse_record(raw, self.source.format)
                if line and (not record.goes_on or line.is_full):
                    yield line.take_back()
                line.put(LogPlace(number, start), LogPlace(number, stop), record)
        if line:
            yield line.take_back()

    def lines_after(self, place: LogPlace) -> Iterator[Told]:
        """Each line from *place* on. One without its rest is a line too: the rest may never come."""
        line = _Pieces()
        for number in range(place.file, self._limit.file + 1 if self._limit else len(self._files)):
            for start, stop, raw in self._files[number].lines_after(place.offset if number == place.file else 0):
                if self._limit is not None and (number, start) >= self._limit:
                    break
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

    def notice_rotation(self) -> None:
        """Take the file that has the name now for the newest. One that was cut off begins anew, as another file."""
        newest, path = self._files[-1], self.source.paths[-1]
        try:
            found = self._host.stat(path)
        except OSError:
            return  # renamed, and the next one is not there yet
        is_same = (found.st_dev, found.st_ino) == newest.identity
        if not is_same or found.st_size < self._seen:
            try:
                self._files.append(self._open(path))
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

    def take_back(self) -> Told:
        """The line, as it is told backwards; nothing is left."""
        line, _, size = self.take()
        return line, line.place, size

    def take(self) -> Told:
        """The line, as it is told forwards; nothing is left."""
        records, size = sorted(self._records, key=lambda one: one[0]), self._size
        start, _, first = records[0]
        text = first.text if len(records) == 1 else "".join(record.text for _, _, record in records)
        self._records, self._length, self._size = [], 0, 0
        return LogLine(start, text, first.at, first.stream), records[-1][1], size
