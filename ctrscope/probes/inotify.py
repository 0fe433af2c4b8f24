"""Told by the kernel what changes in directories, rather than looking at them again and again.

*Source:* inotify(7), inotify_init1(2), inotify_add_watch(2). A record is ``struct inotify_event``: wd, mask, cookie, len, and a
name padded with NUL. A watch changes nothing of what is watched; it takes the right to read the directory.
*Kernel:* cgroupfs tells as well: directories that are made and removed, files that somebody writes, and ``cgroup.events`` and
``memory.events`` when the kernel changes them, once somebody has looked at the file.
*Limits:* ``max_user_instances`` and ``max_user_watches`` of /proc/sys/fs/inotify are shared with everything else of this user.
"""

import ctypes
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs

MODIFY, CLOSE_WRITE, MOVED_TO, CREATE, DELETE = 0x2, 0x8, 0x80, 0x100, 0x200
IGNORED, OVERFLOW, IS_DIR = 0x8000, 0x4000, 0x40000000
_ONLYDIR = 0x01000000
_HEADER = struct.Struct("=iIII")
_BUFFER = 65536
_libc = ctypes.CDLL(None, use_errno=True)


class Change(NamedTuple):
    """One record."""

    watch: int  # -1: some were lost
    mask: int
    name: str  # of what changed in the watched directory


class Inotify:
    """One instance, whose descriptor is ready when there is something to read. Errors: EMFILE at the limit of instances."""

    def __init__(self) -> None:
        self._descriptor = _checked(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))

    def fileno(self) -> int:
        """For poll(2)."""
        return self._descriptor

    def add(self, host: HostFs, path: str, mask: int) -> int:
        """Watch a directory; its number, the same again for one that is watched already.

        Errors: ENOENT, ENOTDIR, EACCES as from open(2); ENOSPC at the limit of watches.
        """
        with host.held(path) as handle:
            # Through the descriptor, so that the directory is the one that was found inside the root.
            name = f"/proc/self/fd/{handle}".encode()
            return _checked(_libc.inotify_add_watch(self._descriptor, name, mask | _ONLYDIR))

    def remove(self, watch: int) -> None:
        """Watch a directory no longer. One that went away is no longer watched anyway."""
        _libc.inotify_rm_watch(self._descriptor, watch)

    def read(self) -> list[Change]:
        """What changed since; empty when nothing did."""
        try:
            return list(parse_changes(os.read(self._descriptor, _BUFFER)))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self._descriptor)


def parse_changes(data: bytes) -> Iterator[Change]:
    """Records of what one read(2) brought. Errors: ParseError."""
    place = 0
    while place < len(data):
        if place + _HEADER.size > len(data):
            raise ParseError("an inotify record is cut off")
        watch, mask, _, length = _HEADER.unpack_from(data, place)
        place += _HEADER.size
        if place + length > len(data):
            raise ParseError(f"an inotify record with a name of {length} bytes, where {len(data) - place} are left")
        yield Change(watch, mask, data[place : place + length].partition(b"\0")[0].decode("utf-8", "surrogateescape"))
        place += length


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
