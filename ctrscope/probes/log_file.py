"""A log file read in pieces, forwards and backwards: however long it is, what is read is what is looked at.

The descriptor stays open, so that the file is the same one after it was renamed or removed by whoever rotates it. One that was
compressed is unpacked when somebody looks into it, and of all of them only so much is kept unpacked.
*Source:* pread(2); RFC 1952 for those that were compressed when they were rotated.
"""

import os
import threading
import weakref
import zlib
from collections.abc import Iterator

from ctrscope.probes.hostfs import HostFs

BLOCK = 64 * 1024
#: No engine writes longer records (Docker and conmon cut at 16 KiB of text); longer ones are taken in pieces.
LINE_LIMIT = 256 * 1024
#: What is unpacked of one compressed file: Docker's usual ``max-size`` is a sixth of it.
_UNPACKED_LIMIT = 64 * 1024 * 1024
#: What is kept of all that was unpacked, whatever is read at the same time.
_HELD_LIMIT = 128 * 1024 * 1024
_GZIP = b"\x1f\x8b"


class LogFile:
    """One file; offsets are bytes of its text."""

    def __init__(self, host: HostFs, path: str, owner: int | None) -> None:
        """Open it. Errors: OSError as of ``HostFs.open_file``."""
        self.path = path
        self.is_cut = False  # it was found that only its beginning could be unpacked
        self._descriptor = host.open_file(path, owner=owner)
        self.close = weakref.finalize(self, os.close, self._descriptor)  # at the latest when nobody has it any more
        found = os.fstat(self._descriptor)
        self.identity = (found.st_dev, found.st_ino)
        self._is_packed = path.endswith(".gz")
        self._length: int | None = None  # unpacked
        if self._is_packed and os.pread(self._descriptor, len(_GZIP), 0) != _GZIP:
            self.close()
            raise OSError(0, "not gzip", path)

    def forget(self) -> None:
        """Take it for empty: it was cut off, and what is in it now is of another time."""
        self._is_packed, self._length = True, 0

    def size(self) -> int:
        """Bytes of its text."""
        if not self._is_packed:
            return os.fstat(self._descriptor).st_size
        return len(self._unpacked()) if self._length is None else self._length

    def size_on_disk(self) -> int:
        """Bytes that it takes, packed or not."""
        return 0 if self._length == 0 else os.fstat(self._descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """A piece of it."""
        if self._is_packed:
            return self._unpacked()[offset : offset + length]
        return os.pread(self._descriptor, length, offset)

    def _unpacked(self) -> bytes:
        if self._length == 0:
            return b""
        text = _held.get(self)
        if text is None:
            text, self.is_cut = _unpack(self._descriptor)
            self._length = len(text)
            _held.put(self, text)
        return text

    def lines_after(self, offset: int) -> Iterator[tuple[int, int, bytes]]:
        """(beginning, end, text) of each finished line from *offset* on, which is the beginning of one."""
        rest, at = b"", offset
        while chunk := self.read(at + len(rest), BLOCK):
            rest += chunk
            *whole, rest = rest.split(b"\n")
            for raw in whole:
                yield at, at + len(raw) + 1, raw
                at += len(raw) + 1
            if len(rest) > LINE_LIMIT:
                yield at, at + len(rest), rest
                at, rest = at + len(rest), b""

    def lines_before(self, offset: int) -> Iterator[tuple[int, int, bytes]]:
        """The same backwards, the last before *offset* first; *offset* is the end of a line."""
        rest, end = b"", offset
        start = offset  # of what was read
        while start > 0:
            length = min(BLOCK, start)
            chunk = self.read(start - length, length)
            if len(chunk) < length:  # cut off meanwhile
                return
            start -= length
            rest = chunk + rest
            # The newline at the very end belongs to the last line of it.
            while (newline := rest.rfind(b"\n", 0, max(0, len(rest) - 1))) >= 0:
                at = start + newline + 1
                yield at, end, rest[newline + 1 :].removesuffix(b"\n")
                rest, end = rest[: newline + 1], at
            if len(rest) > LINE_LIMIT:
                yield start, end, rest.removesuffix(b"\n")
                rest, end = b"", start
        if rest:
            yield 0, end, rest.removesuffix(b"\n")

    def end_of_lines(self) -> int:
        """Offset behind the last newline."""
        size = self.size()
        at = size
        while at > 0 and size - at < LINE_LIMIT:
            length = min(BLOCK, at)
            newline = self.read(at - length, length).rfind(b"\n")
            if newline >= 0:
                return at - length + newline + 1
            at -= length
        return at

    def line_at(self, offset: int) -> int:
        """Beginning of the first line that begins at *offset* or behind it; the end of the lines when none does."""
        if offset <= 0:
            return 0
        at = offset - 1
        while chunk := self.read(at, BLOCK):
            newline = chunk.find(b"\n")
            if newline >= 0:
                return at + newline + 1
            at += len(chunk)
        return self.end_of_lines()


class _Held:
    """The texts that were looked into last; those of files that nobody has open are gone with them."""

    def __init__(self) -> None:
        self._texts: weakref.WeakKeyDictionary[LogFile, bytes] = weakref.WeakKeyDictionary()  # the last one last
        self._lock = threading.Lock()  # two logs may be read at the same time

    def get(self, file: LogFile) -> bytes | None:
        with self._lock:
            text = self._texts.pop(file, None)
            if text is not None:
                self._texts[file] = text
            return text

    def put(self, file: LogFile, text: bytes) -> None:
        with self._lock:
            self._texts[file] = text
            held = list(self._texts.items())
            total = sum(len(one) for _, one in held)
            for other, one in held[:-1]:
                if total <= _HELD_LIMIT:
                    break
                del self._texts[other]
                total -= len(one)


_held = _Held()


def _unpack(descriptor: int) -> tuple[bytes, bool]:
    """Text of a compressed file, and whether there is more that was not unpacked: too much, or torn."""
    unpacker = zlib.decompressobj(wbits=31)
    pieces: list[bytes] = []
    length = offset = 0
    while not unpacker.eof and (chunk := os.pread(descriptor, BLOCK, offset)):
        offset += len(chunk)
        while chunk:
            try:
                piece = unpacker.decompress(chunk, _UNPACKED_LIMIT - length + 1)
            except zlib.error:
                return b"".join(pieces), True
            chunk = unpacker.unconsumed_tail
            pieces.append(piece)
            length += len(piece)
            if length > _UNPACKED_LIMIT:
                return b"".join(pieces)[:_UNPACKED_LIMIT], True
    return b"".join(pieces), not unpacker.eof
