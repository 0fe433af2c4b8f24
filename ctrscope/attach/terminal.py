"""Terminals: ours made raw and put back, a new one made inside, and the bytes carried between the two.

*Source:* pty(7), ioctl_tty(2), termios(3). *Versions:* TIOCGPTPEER, which opens the other end without a path that the
container could have prepared, since Linux 4.13.
"""

import _signal as signal
import fcntl
import os
import select
import stat
import struct
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ctrscope.attach.guard import undone
from ctrscope.model.value import Value

_TIOCSPTLCK = 0x40045431  # include/uapi/asm-generic/ioctls.h; the same on x86-64 and arm64
_TIOCGPTPEER = 0x5441
_PTMX = os.makedev(5, 2)
_CHUNK = 65536
_STDIN, _STDOUT = 0, 1


def open_pty_here() -> tuple[int, int] | None:
    """Master and slave of a new pseudoterminal of the devpts that is mounted where we are; None when there is none."""
    for path in ("/dev/pts/ptmx", "/dev/ptmx"):
        master = -1
        try:
            found = os.stat(path)
            if not stat.S_ISCHR(found.st_mode) or found.st_rdev != _PTMX:
                continue
            master = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
            fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
            return master, fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            # EACCES: ptmxmode=000 for other users; EPERM: a devices cgroup; ENODEV: no devpts beside it; ENOSPC: full.
            if master >= 0:
                os.close(master)
    return None


class Likeness(Value, frozen=True):
    """What a new terminal is to be like, and one of the host's for a container that has no devpts."""

    attributes: list[Any]  # as termios.tcgetattr returns them
    size: bytes  # struct winsize
    spare_master: int
    spare_slave: int

    def open_pty(self) -> tuple[int, int]:
        """A terminal of the container's own devpts, so that ``tty`` has a name for it; else the spare one of the host's."""
        return open_pty_here() or (self.spare_master, self.spare_slave)

    def make_controlling(self, slave: int) -> None:
        """Make *slave* the controlling terminal of this session and standard input, output and error.

        Standard error stays what it is when it was redirected.
        """
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        termios.tcsetattr(slave, termios.TCSANOW, self.attributes)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, self.size)
        redirected = not os.isatty(2)
        for descriptor in (0, 1) if redirected else (0, 1, 2):
            os.dup2(slave, descriptor)


@contextmanager
def read_likeness() -> Iterator[Likeness]:
    """The settings of our own terminal; the spare one lives as long as the context."""
    master, slave = os.openpty()
    try:
        yield Likeness(termios.tcgetattr(_STDIN), read_window_size(), master, slave)
    finally:
        os.close(master)
        os.close(slave)


def read_window_size() -> bytes:
    """The ``struct winsize`` of our terminal."""
    return fcntl.ioctl(_STDIN, termios.TIOCGWINSZ, bytes(8))


@contextmanager
def raw_mode() -> Iterator[None]:
    """Our terminal passes every key on as it is; put back however this ends, by a guard when we are killed."""
    before = termios.tcgetattr(_STDIN)

    def put_back() -> None:
        with suppress(termios.error):  # EIO: the terminal itself went away
            termios.tcsetattr(_STDIN, termios.TCSADRAIN, before)

    with undone(put_back):
        tty.setraw(_STDIN, termios.TCSADRAIN)
        yield


class EscapeKeys:
    """Watches for the keys that leave a session. What may be the beginning of them is held back until it is decided."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys  # empty: there are none
        self._matched = 0
        self.pressed = False

    def pass_on(self, typed: bytes) -> bytes:
        """What of *typed* is for the program; nothing after the keys."""
        if not self._keys:
            return typed
        passed = bytearray()
        for key in typed:
            if key == self._keys[self._matched]:
                self._matched += 1
                if self._matched == len(self._keys):
                    self.pressed = True
                    break
                continue
            passed += self._keys[: self._matched]
            self._matched = 1 if key == self._keys[0] else 0
            if not self._matched:
                passed.append(key)
        return bytes(passed)


def carry(master: int, ended: int, signals: int, on_signal: Callable[[int], bool], escape: EscapeKeys) -> None:
    """Carry bytes between our terminal and *master* until the descriptor *ended* is readable, then what is left.

    The keys of *escape* end it as well.
    *signals* delivers signal numbers as bytes; *on_signal* says whether to go on. Our input is read only when the last
    of it was taken, and written without blocking: a program that reads nothing can still be seen and stopped.
    """
    os.set_blocking(master, False)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(signals, select.POLLIN)
    poll.register(master, select.POLLIN)
    poll.register(_STDIN, select.POLLIN)
    waiting = b""
    is_open = True
    while True:
        events = dict(poll.poll())
        if signals in events:
            for number in os.read(signals, _CHUNK):
                if number == signal.SIGWINCH:
                    fcntl.ioctl(master, termios.TIOCSWINSZ, read_window_size())
                elif not on_signal(number):
                    return
        if ended in events:
            while _copy_out(master):
                pass
            return
        if events.get(master, 0) & ~select.POLLOUT and _copy_out(master) is False:
            poll.unregister(master)  # EIO: nobody has the other end open; only the end, or our keys, are to be waited for
            is_open = False
            continue
        if _STDIN in events:
            typed = _read_in()
            if not typed:
                if not on_signal(signal.SIGHUP):
                    return
                poll.unregister(_STDIN)
            waiting = escape.pass_on(typed)
            if escape.pressed:
                return
        if waiting and is_open:
            waiting = waiting[_write_in(master, waiting) :]
            poll.modify(_STDIN, 0 if waiting else select.POLLIN)
            poll.modify(master, select.POLLIN | (select.POLLOUT if waiting else 0))


def _copy_out(master: int) -> bool | None:
    """True: some bytes went out; None: none are there now; False: there will be none."""
    try:
        content = os.read(master, _CHUNK)
    except BlockingIOError:
        return None
    except OSError:
        return False
    while content:
        content = content[os.write(_STDOUT, content) :]
    return True


def _read_in() -> bytes:
    try:
        return os.read(_STDIN, _CHUNK)
    except OSError:  # EIO: our terminal hung up
        return b""


def _write_in(master: int, content: bytes) -> int:
    try:
        return os.write(master, content)
    except BlockingIOError:
        return 0
    except OSError:
        return len(content)
