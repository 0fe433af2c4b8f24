"""The log of a detached container: what it writes, line by line with the moment, in the format of the CRI.

*Source:* Kubernetes' CRI logging, which podman's ``k8s-file`` has too: ``TIME stdout|stderr F|P TEXT``, P for a part of a line.
*Shape:* ``log``, and ``log.1`` with what was before it: never more than twice the limit.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress

_LIMIT = 8 << 20  # bytes of one file: below /run they are memory
_LONGEST = 16384  # bytes of a line that is kept in one piece, as in Kubernetes


class Log:
    """Two streams, written line by line."""

    def __init__(self, path: str, limit: int = _LIMIT) -> None:
        self._path = path
        self._limit = limit
        self._rest = {"stdout": b"", "stderr": b""}
        self._size = 0
        self._handle = self._open()

    def write(self, stream: str, content: bytes) -> None:
        """Take what ``stdout`` or ``stderr`` has brought; nothing means that it is over."""
        moment = time.time_ns()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment // 10**9))
        head = f"{stamp}.{moment % 10**9:09}Z {stream} ".encode()
        for tag, line in self._lines(stream, content):
            self._append(head + tag + line + b"\n")

    def _lines(self, stream: str, content: bytes) -> Iterator[tuple[bytes, bytes]]:
        *lines, rest = (self._rest[stream] + content).split(b"\n")
        if rest and not content:
            lines, rest = [rest], b""
        for line in lines:
            while len(line) > _LONGEST:
                yield b"P ", line[:_LONGEST]
                line = line[_LONGEST:]
            yield b"F ", line
        while len(rest) > _LONGEST:
            yield b"P ", rest[:_LONGEST]
            rest = rest[_LONGEST:]
        self._rest[stream] = rest

    def _append(self, record: bytes) -> None:
        if self._size + len(record) > self._limit and self._size:
            os.close(self._handle)
            os.replace(self._path, f"{self._path}.1")
            self._handle, self._size = self._open(), 0
        self._size += len(record)
        with suppress(OSError):  # ENOSPC: a container does not stop because its log has no room
            os.write(self._handle, record)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
