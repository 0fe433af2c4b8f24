"""A process that puts back what we changed, when we are killed before we could.

*Source:* pipe(7): who reads sees the end when nobody has the other end open any more, however they ended.
"""

import _signal as signal
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

_READER = 3


@contextmanager
def undone(undo: Callable[[], None]) -> Iterator[None]:
    """*undo* is called when the context is left, however: by a guard when a signal ends us, be it SIGKILL."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    guard = os.fork()
    if guard == 0:
        _guard(reader, writer, undo)
    os.close(reader)
    try:
        yield
    finally:
        undo()
        with suppress(BrokenPipeError):  # somebody killed the guard
            os.write(writer, b"done")
        os.close(writer)
        os.waitpid(guard, 0)


def _guard(reader: int, writer: int, undo: Callable[[], None]) -> NoReturn:
    """Wait for the end of us: a word, or silence when we were killed."""
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.setsid()  # with no controlling terminal of its own it may set ours, foreground or not
        os.close(writer)
        os.dup2(reader, _READER)
        os.closerange(_READER + 1, os.sysconf("SC_OPEN_MAX"))
        if not os.read(_READER, 1):
            undo()
    finally:
        os._exit(0)
