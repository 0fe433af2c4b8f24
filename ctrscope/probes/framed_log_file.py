"""A log whose records stand between their lengths, as Docker's ``local`` driver writes them.

*Source:* moby daemon/logger/local: a length (uint32, big endian), that many bytes, the length once more.
A record that was torn (the disk was full, the host lost its power) is given as the bytes that are there, and what follows it is
found again where a record begins and ends with the same length.
"""

from collections.abc import Iterator

from ctrscope.probes.log_file import BLOCK, LINE_LIMIT, LogFile

_LENGTH = 4
_AROUND = 2 * _LENGTH
#: Longer ones moby does not read either (``maxMsgLen``).
_MOST = 1_000_000
_SHORT, _TORN = -1, -2  # more of the file has to be read to tell; no record


class FramedLogFile(LogFile):
    """One file; what ``LogFile`` calls a line is a record, given without its lengths."""

    def lines_after(self, offset: int) -> Iterator[tuple[int, int, bytes]]:
        """(beginning, end, record) from *offset* on, which is the beginning of one."""
        at, rest, is_over = offset, b"", False
        while not is_over:
            chunk = self.read(at + len(rest), BLOCK)
            rest += chunk
            begin = 0
            while (end := _end(rest, begin)) >= 0:
                yield at + begin, at + end, rest[begin + _LENGTH : end - _LENGTH]
                begin = end
            at, rest = at + begin, rest[begin:]
            is_over = not chunk
            if end == _TORN or (is_over and rest):  # a length may reach beyond all that was written after it
                following = self.line_at(at + 1)
                is_over = following <= at  # it is being written
                if not is_over:
                    yield at, following, self.read(at, min(following - at, LINE_LIMIT))
                    at, rest = following, b""

    def lines_before(self, offset: int) -> Iterator[tuple[int, int, bytes]]:
        """The same backwards, the last before *offset* first; *offset* is the end of one."""
        start, rest, end = offset, b"", 0  # from where was read, what, and how much of that is left
        while start + end > 0:
            begin = _begin(rest, end)
            if begin >= 0:
                yield start + begin, start + end, rest[begin + _LENGTH : end - _LENGTH]
                end = begin
            elif begin == _SHORT and start > 0:
                length = min(BLOCK, start)
                chunk = self.read(start - length, length)
                if len(chunk) < length:  # cut off meanwhile
                    return
                start, rest, end = start - length, chunk + rest[:end], length + end
            else:
                before = self._whole_before(start + end)
                yield before, start + end, self.read(before, min(start + end - before, LINE_LIMIT))
                start, rest, end = before, b"", 0

    def end_of_lines(self) -> int:
        """Offset behind the last whole record."""
        size = self.size()
        return size if self._begin_of(size) is not None else self._whole_before(size)

    def line_at(self, offset: int) -> int:
        """Beginning of the first record that begins at *offset* or behind it; the end of the records when none does."""
        if offset <= 0:
            return 0
        at = offset
        while chunk := self.read(at, BLOCK):
            found = chunk.find(b"\0")  # with which every length below _MOST begins
            while found >= 0:
                if self._is_record(at + found):
                    return at + found
                found = chunk.find(b"\0", found + 1)
            at += len(chunk)
        return self.end_of_lines()

    def _whole_before(self, offset: int) -> int:
        """End of the last whole record that ends before *offset*; 0 when there is none."""
        start = offset
        while start > 0:
            length = min(BLOCK, start)
            chunk = self.read(start - length, length)
            start -= length
            found = chunk.rfind(b"\0")
            while found >= 0:
                end = start + found + _LENGTH
                if end < offset and self._begin_of(end) is not None:
                    return end
                found = chunk.rfind(b"\0", 0, found)
        return 0

    def _begin_of(self, end: int) -> int | None:
        """Beginning of the record that ends there; None when none does."""
        length = int.from_bytes(self.read(end - _LENGTH, _LENGTH), "big") if end > _AROUND else 0
        begin = end - length - _AROUND
        return begin if 0 < length <= _MOST and begin >= 0 and self._is_record(begin) else None

    def _is_record(self, begin: int) -> bool:
        head = self.read(begin, _LENGTH)
        length = int.from_bytes(head, "big")
        return 0 < length <= _MOST and self.read(begin + _LENGTH + length, _LENGTH) == head


def _end(text: bytes, begin: int) -> int:
    """Where the record ends that begins there."""
    if len(text) < begin + _LENGTH:
        return _SHORT
    head = text[begin : begin + _LENGTH]
    length = int.from_bytes(head, "big")
    if not 0 < length <= _MOST:
        return _TORN
    end = begin + length + _AROUND
    if end > len(text):
        return _SHORT
    return end if text[end - _LENGTH : end] == head else _TORN


def _begin(text: bytes, end: int) -> int:
    """Where the record begins that ends there."""
    if end < _LENGTH:
        return _SHORT
    tail = text[end - _LENGTH : end]
    length = int.from_bytes(tail, "big")
    if not 0 < length <= _MOST:
        return _TORN
    begin = end - length - _AROUND
    if begin < 0:
        return _SHORT
    return begin if text[begin : begin + _LENGTH] == tail else _TORN
