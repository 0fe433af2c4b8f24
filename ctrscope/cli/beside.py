"""Work that a copy of this process does while this one does other work.

``ns`` spends most of its time in system calls, of which a thread would give up the interpreter's lock at each one: they are
shorter than it takes to hand that over. A copy has a lock of its own, and a host that has so many processes has more than
one CPU: a third of the time is saved.
"""

import os
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def beside(work: Callable[[], T], type_: type[T]) -> Callable[[], T]:
    """Begin *work* in a copy of this process; what is returned waits for its result, a value of *type_*.

    Where there is no other CPU or no process may be started (``--read-only``, RLIMIT_NPROC), and where the copy ends without
    a result, the work is done here when it is waited for.
    """
    import msgspec

    if len(os.sched_getaffinity(0)) < 2:
        return work
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return work
    if pid == 0:
        _work_and_end(lambda: msgspec.msgpack.encode(work()), writing)
    os.close(writing)

    def result() -> T:
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        try:
            return msgspec.msgpack.decode(answer, type=type_)
        except msgspec.DecodeError:  # it ended before it had said all
            return work()
        finally:
            os.waitpid(pid, 0)

    return result


def _work_and_end(work: Callable[[], bytes], writing: int) -> None:
    """What the copy does. Why it could not is said by the other one, which tries as well.

    All is said when the pipe is closed: until a process has ended, its memory has to be taken apart.
    """
    try:
        left = memoryview(work())
        while left:
            left = left[os.write(writing, left) :]
        os.close(writing)
    finally:
        os._exit(0)
