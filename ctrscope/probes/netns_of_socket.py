"""The network namespace of somebody else's socket: it may be one that no process is in any more.

*Source:* pidfd_getfd(2), socket(7), include/uapi/linux/sockios.h ``SIOCGSKNS``. *Needs:* CAP_SYS_PTRACE over the process,
CAP_NET_ADMIN in the user namespace that owns the network namespace.
*Versions:* pidfd_getfd(2) since Linux 5.6, SIOCGSKNS since 4.9.
*Cost:* six system calls a socket. The copy of the descriptor is closed at once; nothing is sent or received through it.
"""

import ctypes
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ctrscope.probes.hostfs import HostFs

_SYS_PIDFD_GETFD = 438
_SIOCGSKNS = 0x894C
_libc = ctypes.CDLL(None, use_errno=True)
#: File of /proc/PID/net → the column, from 0, that has the inode number.
_LISTS = {"unix": 6, "netlink": 9, "packet": 8, "tcp": 9, "tcp6": 9, "udp": 9, "udp6": 9, "raw": 9, "raw6": 9}


class Sockets:
    """The sockets of one process, which stays the same process however long this is kept."""

    def __init__(self, pidfd: int) -> None:
        self._pidfd = pidfd

    @contextmanager
    def network_namespace(self, descriptor: int, ino: int) -> Iterator[int | None]:
        """Hold the network namespace of its descriptor number *descriptor* open.

        None when that is no longer the socket with inode number *ino*.
        Errors: EPERM; EBADF when it was closed, ESRCH when the process is gone; ENOSYS; EINVAL for a socket without one.
        """
        copy = _libc.syscall(_SYS_PIDFD_GETFD, self._pidfd, descriptor, 0)  # O_CLOEXEC
        if copy < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        try:
            handle = fcntl.ioctl(copy, _SIOCGSKNS) if os.fstat(copy).st_ino == ino else None
        finally:
            os.close(copy)
        try:
            yield handle
        finally:
            if handle is not None:
                os.close(handle)


@contextmanager
def sockets_of(pid: int) -> Iterator[Sockets]:
    """Hold a process of our own /proc. Errors: ESRCH when it is gone."""
    pidfd = os.pidfd_open(pid)
    try:
        yield Sockets(pidfd)
    finally:
        os.close(pidfd)


def read_listed(host: HostFs, pid: int) -> frozenset[int]:
    """Inode numbers of the sockets that the network namespace of a process lists as its own; proc_pid_net(5).

    What is not bound or connected is in none of these files, and a file that cannot be read lists nothing: this only
    saves asking one by one.
    """
    found: set[int] = set()
    for name, column in _LISTS.items():
        try:
            lines = host.read(f"/proc/{pid}/net/{name}").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split(None, column + 1)
            if len(words) > column and words[column].isdigit():
                found.add(int(words[column]))
    return frozenset(found)
