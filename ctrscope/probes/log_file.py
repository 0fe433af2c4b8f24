"""A log file read in pieces, forwards and backwards: however long it is, what is read is what is looked at.

The descriptor stays open, so that the file is the same one after it was renamed or removed by whoever rotates it.
*Source:* pread(2); RFC 1952 for those that were compressed when they were rotated.
"""

import os
import weakref
import zlib
from collections.abc import Iterator

from ctrscope.probes.hostfs import HostFs

BLOCK = 64 * 1024
#: No engine writes longer records (Docker and conmon cut at 16 KiB of text); longer ones are taken in pieces.
LINE_LIMIT = 256 * 1024
#: What is unpacked of one compressed file: Docker's usual ``max-size`` is a sixth of it.
_UNPACKED_LIMIT = 64 * 1024 * 1024


class LogFile:
    """One file; offsets are bytes of its text."""

    def __init__(self, host: HostFs, path: str, owner: int | None) -> None:
        """Open it. Errors: OSError as of ``HostFs.open_file``."""
        self.path = path
        self.is_cut = False  # compressed, and longer than what is unpacked of it
        self._descriptor = host.open_file(path, owner=owner)
        self.close = weakref.finalize(self, os.close, self._descriptor)  # at the latest when nobody has it any more
        self._unpacked: bytes | None = None
        found = os.fstat(self._descriptor)
        self.identity = (found.st_dev, found.st_ino)
        if path.endswith(".gz"):
            try:
                self._unpacked, self.is_cut = _unpack(self._descriptor)
            except (OSError, zlib.error) as error:
                self.close()
                raise OSError(0, f"not gzip: {error}", path) from error

    def forget(self) -> None:
        """Take it for empty: it was cut off, and what is in it now is of another time."""
        self._unpacked = b""

    def size(self) -> int:
        """Bytes that it has now."""
        return len(self._unpacked) if self._unpacked is not None else os.fstat(self._descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """A piece of it."""
        if self._unpacked is not None:
            return self._unpacked[offset : offset + length]
        return os.pread(self._descriptor, length, offset)

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


def _unpack(descriptor: int) -> tuple[bytes, bool]:
    """Text of a compressed file, and whether it goes on beyond what was unpacked."""
    unpacker = zlib.decompressobj(wbits=31)
    pieces: list[bytes] = []
    length = offset = 0
    while not unpacker.eof and (chunk := os.pread(descriptor, BLOCK, offset)):
        offset += len(chunk)
        while chunk:
            piece = unpacker.decompress(chunk, _UNPACKED_LIMIT - length + 1)
            chunk = unpacker.unconsumed_tail
            pieces.append(piece)
            length += len(piece)
            if length > _UNPACKED_LIMIT:
                return b"".join(pieces)[:_UNPACKED_LIMIT], True
    return b"".join(pieces), False
