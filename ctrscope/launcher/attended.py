"""A container from its making to its end, with somebody who waits: ``run``, and ``exec`` without ``--detach``."""

import os
from collections.abc import Callable
from contextlib import ExitStack

from ctrscope.attach.session import Started, attend, caught_signals, exit_status, is_interactive
from ctrscope.launcher import lifecycle
from ctrscope.launcher.lifecycle import Made, Wish
from ctrscope.oci.spec import Spec


def run_attached(wish: Wish, spec: Spec, *, warn: Callable[[tuple[str, ...]], None], keep: bool = False) -> int:
    """Run it to its end and delete it, unless *keep* and it began; returns its exit status, 128+N when signal N ended it."""
    with caught_signals() as signals:  # from the beginning: what comes before it runs is passed on then
        made = lifecycle.launch(wish, spec, lambda made: warn(made.warnings))
        try:
            status = attend_made(made, signals)
        except BaseException:
            warn(lifecycle.delete(wish.root, wish.id, force=True))
            raise
        if not keep:
            warn(lifecycle.delete(wish.root, wish.id, force=True))
        return status


def attend_made(made: Made, signals: int) -> int:
    """Wait for a program that is our child, with our terminal if it has one; returns its exit status.

    *signals* delivers those that are to be passed on (``caught_signals``).
    """
    with ExitStack() as stack:
        pidfd = os.pidfd_open(made.pid)
        stack.callback(os.close, pidfd)
        if made.terminal is not None:
            stack.callback(os.close, made.terminal)
            if is_interactive():
                import fcntl
                import termios

                from ctrscope.attach.terminal import read_window_size

                fcntl.ioctl(made.terminal, termios.TIOCSWINSZ, read_window_size())
        attend(Started(pidfd, made.terminal), signals, b"")
        return exit_status(os.waitpid(made.pid, 0)[1])
