"""A path as a process with another root directory would find it, and never out of that root.

*Source:* path_resolution(7), open(2) ``O_PATH``.
"""

import errno
import os
import stat
from types import TracebackType

_MAX_SYMLINKS = 40  # as the kernel: MAXSYMLINKS in include/linux/namei.h
_PATH = os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW


def resolve_in_root(root: str, path: str, *, follow: bool = True) -> int:
    """Open *path* as a process whose root directory is *root* would find it; returns an O_PATH descriptor.

    ``..`` stops at the root, absolute symlinks start again at the root. *follow* is about the last component.
    Errors: ENOENT, ENOTDIR, EACCES as from open(2); ELOOP after 40 symlinks.
    """
    with _Descent(root) as descent:
        waiting = _components(path)
        links = 0
        while waiting:
            name = waiting.pop(0)
            if name == "..":
                descent.up()
                continue
            handle = os.open(name, _PATH, dir_fd=descent.here)
            if stat.S_ISLNK(os.fstat(handle).st_mode) and (waiting or follow):
                try:
                    target = os.readlink("", dir_fd=handle)
                finally:
                    os.close(handle)
                links += 1
                if links > _MAX_SYMLINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if target.startswith("/"):
                    descent.to_root()
                waiting[:0] = _components(target)
                continue
            descent.down(handle)
        return os.dup(descent.here)


class _Descent:
    """The directories from the root to where we stand, each held open, so that ``..`` never asks the file system."""

    def __init__(self, root: str) -> None:
        self._held = [os.open(root, os.O_PATH | os.O_CLOEXEC)]

    def __enter__(self) -> "_Descent":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for handle in self._held:
            os.close(handle)

    @property
    def here(self) -> int:
        return self._held[-1]

    def down(self, handle: int) -> None:
        self._held.append(handle)

    def up(self) -> None:
        if len(self._held) > 1:
            os.close(self._held.pop())

    def to_root(self) -> None:
        while len(self._held) > 1:
            os.close(self._held.pop())


def _components(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]
