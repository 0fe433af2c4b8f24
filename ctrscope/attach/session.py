"""A command that runs, seen from outside: signals passed on, its terminal carried, its end waited for.

*Source:* pidfd_open(2), signal(7). Here and in all of ``attach`` what is in C suffices: ``signal`` makes enumerations first,
and of every number that it is handed. That is 1.5 ms of 60 that it takes to enter a container.
"""

import _signal as signal
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ctrscope.model.value import Value

FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_PATIENCE = 2000  # milliseconds that a command gets to end after its terminal is gone
_SIGNALS_LIMIT = 8192


class Started(Value, frozen=True):
    """The command, running."""

    pidfd: int
    master: int | None  # our end of its terminal


def is_interactive() -> bool:
    """Whether a person sits at both ends: with a pipe at either, bytes have to arrive as they are."""
    return os.isatty(0) and os.isatty(1)


def attend(started: Started, signals: int, escape: bytes) -> None:
    """Wait for the command, passing signals on and carrying its terminal, which the keys *escape* leave."""

    def pass_on(number: int) -> bool:
        if number in FORWARDED:
            send_signal(started.pidfd, number)
        # An interactive shell ignores SIGTERM. What it does not survive is the loss of its terminal.
        return started.master is None or number not in (signal.SIGHUP, signal.SIGTERM)

    if started.master is None:
        poll = select.poll()
        poll.register(started.pidfd, select.POLLIN)
        poll.register(signals, select.POLLIN)
        while started.pidfd not in dict(poll.poll()):
            for number in os.read(signals, _SIGNALS_LIMIT):
                pass_on(number)
        return
    from ctrscope.attach.terminal import EscapeKeys, carry, raw_mode  # where there is one

    with raw_mode():
        carry(started.master, started.pidfd, signals, pass_on, EscapeKeys(escape))
    poll = select.poll()
    poll.register(started.pidfd, select.POLLIN)
    if not poll.poll(0):
        _hang_up(started.master)
        if not poll.poll(_PATIENCE):
            send_signal(started.pidfd, signal.SIGKILL)


def _hang_up(master: int) -> None:
    """Close our end of the terminal: its foreground processes get SIGHUP. The number stays taken until it is closed again."""
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), master, inheritable=False)


def send_signal(pidfd: int, number: int) -> None:
    """Signal that very process, if it still lives."""
    with suppress(ProcessLookupError):  # it ended by itself
        signal.pidfd_send_signal(pidfd, number)


@contextmanager
def caught_signals() -> Iterator[int]:
    """Signals come as bytes on the descriptor that this yields. Those that were ignored (nohup) stay ignored."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    previous = {}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        for number in (*FORWARDED, signal.SIGWINCH):
            if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None):
                previous[number] = handler
                signal.signal(number, lambda number, frame: None)
        yield reader
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(reader)
        os.close(writer)


def exit_status(status: int) -> int:
    """What a shell makes of the status that wait(2) gives: 128+N when signal N ended it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
