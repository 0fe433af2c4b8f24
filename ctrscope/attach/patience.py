"""Files of a container that may lie on a file system that never answers: each is asked for in a process of its own.

*Source:* FUSE (request_wait_answer in fs/fuse/dev.c), nfs(5): who waits for a server is ended by nothing but SIGKILL, and no
key of a terminal sends that.
"""

import errno
import os
import select
import time
from collections.abc import Callable
from typing import NoReturn

from ctrscope.probes.hostfs import READ_LIMIT, HostFs

_PATIENCE = 2.0  # seconds for one question
_CHUNK = 65536


class PatientFs(HostFs):
    """What is not answered in time is ETIMEDOUT."""

    def read(self, path: str, *, limit: int = READ_LIMIT, owner: int | None = None) -> bytes:
        """As of HostFs."""
        return self._asked(path, lambda: super(PatientFs, self).read(path, limit=limit, owner=owner))

    def stat(self, path: str) -> os.stat_result:
        """As of HostFs, in whole seconds."""
        return os.stat_result(map(int, self._asked(path, lambda: _numbers(super(PatientFs, self).stat(path))).split()))

    def _asked(self, path: str, question: Callable[[], bytes]) -> bytes:
        answer = _ask(question)
        if answer is None:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), path)
        kind, content = answer[:1], answer[1:]
        if kind == b"-":
            raise OSError(int(content), os.strerror(int(content)), path)
        return content


def _numbers(found: os.stat_result) -> bytes:
    return b" ".join(b"%d" % number for number in tuple(found))


def _ask(question: Callable[[], bytes]) -> bytes | None:
    """What a child of ours has to say: ``+`` and the answer, ``-`` and the errno. None: nothing in time."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        _answer(question, writer)
    os.close(writer)
    said, deadline, poll = bytearray(), time.monotonic() + _PATIENCE, select.poll()
    poll.register(reader, select.POLLIN)
    try:
        while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            if not (piece := os.read(reader, _CHUNK)):
                return bytes(said) or None
            said += piece
        return None
    finally:
        os.close(reader)
        os.kill(child, 9)
        os.waitpid(child, 0)


def _answer(question: Callable[[], bytes], writer: int) -> NoReturn:
    try:
        try:
            answer = b"+" + question()
        except OSError as error:
            answer = b"-%d" % (error.errno or errno.EIO)
        while answer:
            answer = answer[os.write(writer, answer) :]
    finally:
        os._exit(0)
