"""The supervisor of a detached container: one small process that reaps it, keeps its log and notes how it ended.

*Source:* prctl(2) PR_SET_CHILD_SUBREAPER and PR_SET_NAME, pidfd_open(2), proc_pid_stat(5) arg_start.

It is forked, not started: no second interpreter comes up. Whoever asked for the container waits until the supervisor says that
it runs, or why it does not. When the supervisor is killed the container runs on; its state has all that ``rm --force`` needs.
"""

import ctypes
import os
import select
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NoReturn

from ctrscope.attach import syscalls
from ctrscope.attach.session import FORWARDED, caught_signals, exit_status, send_signal
from ctrscope.oci.errors import LauncherError
from ctrscope.run.log import Log

COMM = "ctrscope-mon"
_PR_SET_NAME = 15
_CHUNK = 65536


@contextmanager
def redirected() -> Iterator[dict[int, str]]:
    """As long as it lasts our output goes to pipes, and we read nothing. What reads them: the name of the stream."""
    before = [os.dup(number) for number in (0, 1, 2)]
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    pipes = {number: os.pipe2(os.O_CLOEXEC) for number in (1, 2)}
    try:
        os.dup2(nothing, 0)
        os.close(nothing)
        for number, (_, writer) in pipes.items():
            os.dup2(writer, number)
            os.close(writer)
        yield {reader: name for (reader, _), name in zip(pipes.values(), ("stdout", "stderr"), strict=True)}
    finally:
        for number, handle in enumerate(before):
            os.dup2(handle, number)
            os.close(handle)


def detach(title: str, supervise: Callable[[Callable[[], None]], None]) -> None:
    """Run *supervise* in a process of its own; returns once that calls what it is handed. Errors: LauncherError as there."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        os.close(reader)
        _become_monitor(title, supervise, writer)
    os.close(writer)
    with open(reader, "rb") as report:
        said = report.read()
    if said[:1] == b"+":
        return
    os.waitpid(child, 0)
    status, _, message = said.decode("utf-8", "surrogateescape").partition(" ")
    raise LauncherError(message or "its supervisor was killed while it was being started", int(status or 125))


def _become_monitor(title: str, supervise: Callable[[Callable[[], None]], None], writer: int) -> NoReturn:
    status = 0

    def tell_started() -> None:
        # Whoever reads our caller's output is not to wait for us.
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        with suppress(BrokenPipeError):  # who asked was killed meanwhile
            os.write(writer, b"+")
        os.close(writer)

    try:
        os.setsid()
        os.chdir("/")
        set_title(title)
        supervise(tell_started)
    except BaseException as error:
        status = error.status if isinstance(error, LauncherError) else 125
        with suppress(OSError):  # it was told already, or is gone
            os.write(writer, f"{status} {error or type(error).__name__}".encode("utf-8", "surrogateescape"))
    finally:
        os._exit(status)


def set_title(title: str) -> None:
    """What ps(1) shows of us: a name, and the title where our arguments stand.

    Behind them is the environment, which is copied away. When the last byte of the arguments is no NUL, the kernel shows what
    stands there up to the first one (get_mm_proctitle in fs/proc/base.c).
    """
    for key, value in os.environ.items():
        os.putenv(key, value)
    name = ctypes.create_string_buffer(COMM.encode())
    syscalls.prctl(_PR_SET_NAME, ctypes.addressof(name))
    with open("/proc/self/stat", "rb") as file:
        start, _, environment, end = map(int, file.read().rpartition(b")")[2].split()[45:49])
    room = (end if environment else start) - start
    if room > 0:
        ctypes.memmove(start, title.encode("utf-8", "surrogateescape")[: room - 1].ljust(room, b"\0"), room)


def keep(pid: int, log: Log, pipes: Mapping[int, str], master: int | None) -> int:
    """Attend to init until it ends: signals go to it, what it writes goes to the log. Returns its exit status.

    We are its reaper: ``PR_SET_CHILD_SUBREAPER`` was set before it was started.
    """
    streams = dict(pipes) if master is None else {master: "stdout"}
    pidfd = os.pidfd_open(pid)
    with caught_signals() as signals:
        poll = select.poll()
        for handle in (*streams, pidfd, signals):
            poll.register(handle, select.POLLIN)
        for handle in streams:
            os.set_blocking(handle, False)
        is_over = False
        while not is_over:
            for handle, _ in poll.poll():
                if handle == pidfd:
                    is_over = True
                elif handle == signals:
                    for number in os.read(signals, _CHUNK):
                        if number in FORWARDED:
                            send_signal(pidfd, number)
                elif not _copy(handle, streams[handle], log):
                    poll.unregister(handle)
                    log.write(streams.pop(handle), b"")
        for handle, stream in streams.items():
            while _copy(handle, stream, log):
                pass
            log.write(stream, b"")
        os.close(pidfd)
        return exit_status(os.waitpid(pid, 0)[1])


def _copy(handle: int, stream: str, log: Log) -> bool:
    """Whether there was something, and may be more."""
    try:
        content = os.read(handle, _CHUNK)
    except OSError:  # EAGAIN: nothing now; EIO: nobody has the terminal open
        return False
    if content:
        log.write(stream, content)
    return bool(content)
