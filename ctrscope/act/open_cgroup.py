"""A cgroup held open: its files are read and written, it is frozen and thawed.

*Source:* openat(2), kernel documents cgroup-v2 (cgroup.freeze, ``frozen`` of cgroup.events) and cgroup-v1/freezer-subsystem
(freezer.state). *Versions:* the v2 freezer since Linux 5.2. v1 says FREEZING while some task cannot be stopped yet, and tries
again when FROZEN is written again.
"""

import os
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO

_LIMIT = 65536  # bytes of an interface file
#: Seconds until every task has to be frozen or thawed; a task that waits for a disk may take longer.
PATIENCE = 5.0
_PAUSE = 0.01


class OpenCgroup:
    """The directory of a cgroup, held open: what is read and written is of that very cgroup or fails with ENODEV."""

    def __init__(self, handle: int, path: str) -> None:
        self._handle, self.path = handle, path

    def opened(self, name: str) -> FileIO:
        """An interface file, for reading again and again. Errors: OSError."""
        return FileIO(os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._handle))

    def read(self, name: str) -> bytes:
        """Content of an interface file. Errors: OSError."""
        with self.opened(name) as file:
            return file.read(_LIMIT)

    def write(self, name: str, text: str) -> None:
        """Write an interface file, in one write as the kernel wants it. Errors: OSError."""
        handle = os.open(name, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._handle)
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)


@contextmanager
def opened_cgroup(path: str) -> Iterator[OpenCgroup]:
    """Hold a cgroup open. Errors: OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield OpenCgroup(handle, path)
    finally:
        os.close(handle)


def set_frozen(cgroup: OpenCgroup, *, frozen: bool, is_v1: bool) -> bool:
    """Freeze or thaw, and wait for it: whether the kernel says in time that it is so. Errors: OSError."""
    return _set_v1(cgroup, frozen=frozen) if is_v1 else _set_v2(cgroup, frozen=frozen)


def _set_v2(cgroup: OpenCgroup, *, frozen: bool) -> bool:
    wanted = b"frozen 1" if frozen else b"frozen 0"
    deadline = time.monotonic() + PATIENCE
    with cgroup.opened("cgroup.events") as events:
        # The kernel wakes whoever polls the file when one of its lines has changed since it was read.
        poller = select.poll()
        poller.register(events, select.POLLPRI)
        events.seek(0)
        events.read()
        cgroup.write("cgroup.freeze", "1" if frozen else "0")
        while True:
            events.seek(0)
            if wanted in events.read().splitlines():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            poller.poll(left * 1000)


def _set_v1(cgroup: OpenCgroup, *, frozen: bool) -> bool:
    wanted = "FROZEN" if frozen else "THAWED"
    deadline = time.monotonic() + PATIENCE
    while True:
        cgroup.write("freezer.state", wanted)
        if cgroup.read("freezer.state").decode().strip() == wanted:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
