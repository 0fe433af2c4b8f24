"""A terminal for the container: a new pseudoterminal of its own devpts, whose other end is sent to whoever asked for it.

*Source:* pty(7), unix(7) SCM_RIGHTS; runc's docs/terminals.md for what engines expect at ``--console-socket``.
"""

import array
import fcntl
import os
import socket
import struct
import termios

from ctrscope.attach.terminal import open_pty_here
from ctrscope.oci.errors import LauncherError, step
from ctrscope.oci.spec import ConsoleSize


def connect_console(path: str) -> int:
    """Connect to the socket that waits for the terminal; returns its descriptor. Errors: LauncherError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as console:
        with step(f"--console-socket {path}"):
            console.connect(path)
        return console.detach()


def take_terminal(size: ConsoleSize | None) -> tuple[int, str]:
    """Make a new terminal ours and standard input, output and error; returns its other end, and its name inside."""
    pair = open_pty_here()
    if pair is None:
        raise LauncherError("$.process.terminal: there is no devpts in $.mounts that a terminal could be taken from")
    master, slave = pair
    if size is not None:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size.height, size.width, 0, 0))
    name = os.ttyname(slave)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in (0, 1, 2):
        os.dup2(slave, number)
    os.close(slave)
    return master, name


def send_terminal(console: int, master: int, name: str) -> None:
    """Send our end of the terminal over the socket that waits for it."""
    with socket.socket(fileno=os.dup(console)) as end:
        end.sendmsg([name.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [master]))])
