"""What lies below a directory, counted as du(1) does: blocks on disk, each file once, other file systems apart."""

import errno
import os
import stat
from typing import NamedTuple

#: Directories below each other that are gone through; each takes a descriptor.
_DEEPEST = 256
_BLOCK = 512  # what st_blocks counts, whatever the file system's own; stat(2)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class DiskUsage(NamedTuple):
    """What lies below a directory."""

    size: int  # bytes of blocks
    files: int
    trouble: str  # why that is not all; "" when it is
    content: int  # bytes that files which are no directories say they have, as engines count layers


def measure(handle: int, most: int) -> DiskUsage:
    """What lies below a directory, which *handle* is.

    Errors: OSError when the directory itself cannot be listed.
    """
    found = os.fstat(handle)
    measuring = _Measuring(found.st_dev, most)
    measuring.walk(os.open(f"/proc/self/fd/{handle}", _DIRECTORY))
    size = measuring.size + found.st_blocks * _BLOCK
    return DiskUsage(size, measuring.files, measuring.trouble, measuring.content)


class _Measuring:
    """Goes through a directory that others change meanwhile: each is opened from the one above it, no link is followed."""

    def __init__(self, device: int, most: int) -> None:
        self._device = device
        self._most = most
        self._seen: set[int] = set()  # inodes with several names
        self.size = self.files = self.content = 0
        self.trouble = ""

    def walk(self, top: int) -> None:
        """Add what is below a directory. *top*: a descriptor of it, which is closed."""
        waiting = [(top, self._list(top))]
        try:
            while waiting:
                here, names = waiting[-1]
                if not names or self.files >= self._most:
                    os.close(waiting.pop()[0])
                elif len(waiting) > _DEEPEST:
                    self.trouble = f"more than {_DEEPEST} directories below each other"
                    names.clear()
                else:
                    self._descend(here, names.pop(), waiting)
        finally:
            for left, _ in waiting:
                os.close(left)
        if self.files >= self._most:
            self.trouble = f"more than {self._most} files"

    def _descend(self, here: int, name: str, waiting: list[tuple[int, list[str]]]) -> None:
        try:
            below = os.open(name, _DIRECTORY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=here)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):  # it went away, or is another file now
                self.trouble = f"{name}: {error.strerror}"
            return
        try:
            waiting.append((below, self._list(below)))
        except OSError as error:
            os.close(below)
            self.trouble = f"{name}: {error.strerror}"

    def _list(self, directory: int) -> list[str]:
        """Count the entries of one directory; the names of those that are directories."""
        below = []
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # it went away meanwhile
                is_directory = stat.S_ISDIR(found.st_mode)
                if found.st_dev != self._device or found.st_ino in self._seen or self.files >= self._most:
                    continue
                if found.st_nlink > 1 and not is_directory:
                    self._seen.add(found.st_ino)
                self.size += found.st_blocks * _BLOCK
                self.files += 1
                if is_directory:
                    below.append(entry.name)
                else:
                    self.content += found.st_size
        return below
