"""The only module that opens files of the host: bounded reads, another root, symlinks kept inside it.

*Source:* open(2), path_resolution(7), proc(5).

Everything below a root other than ``/`` is resolved inside that root, component by component through directory
descriptors, so a symlink of a disk image or of a container can never lead out of it, not even in a race.
Nothing here writes, connects or locks. Special files are never opened.
"""

import errno
import functools
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast

#: No state file, /proc file or cgroup file that we parse is larger; a larger one is somebody's joke.
READ_LIMIT = 16 * 1024 * 1024
_MAX_SYMLINKS = 40  # as the kernel: MAXSYMLINKS in include/linux/namei.h
_CHUNK = 65536
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_PATH_FOLLOWED = os.O_PATH | os.O_CLOEXEC
_PATH = os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW


class ProcDir(Protocol):
    """An open /proc/PID: every read through it is of the same process, or fails with ESRCH once that is gone."""

    def read(self, name: str) -> bytes:
        """Whole content of the file *name* below it."""

    def readlink(self, name: str) -> str:
        """Target of the link *name* below it."""

    def names(self, name: str) -> list[str]:
        """Entries of the directory *name* below it."""


_Method = TypeVar("_Method", bound=Callable[..., Any])


def _on_any_path(method: _Method) -> _Method:
    """A path that no file can have (NUL, a lone surrogate) is EINVAL like any other error, not a ValueError."""

    @functools.wraps(method)
    def call(self: "HostFs", path: str, **options: Any) -> Any:
        try:
            return method(self, path, **options)
        except ValueError as error:
            raise OSError(errno.EINVAL, "not a path", path) from error

    return cast(_Method, call)


class HostFs:
    """Files of the host, or of another root. All paths are absolute, as the host itself would name them."""

    def __init__(self, root: str = "/") -> None:
        self.root = os.path.normpath(root)
        self._native = self.root == "/"

    @_on_any_path
    def read(self, path: str, *, limit: int = READ_LIMIT, owner: int | None = None) -> bytes:
        """Whole content of a regular file.

        Errors: EFBIG when it is longer than *limit*; EINVAL when it is not a regular file; EPERM when *owner* is given
        and the file is somebody else's (a user's store may hold links to what only root may read).
        """
        if self._native and path.startswith(("/proc/", "/sys/")):
            return _read_all(os.open(path, _OPEN), path, limit)
        # Looked at before it is opened: opening a device can do something (/dev/watchdog reboots the host).
        handle = os.open(path, _PATH_FOLLOWED) if self._native else resolve_in_root(self.root, path)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            if owner is not None and found.st_uid != owner:
                raise OSError(errno.EPERM, f"owned by uid {found.st_uid}, not by uid {owner}", path)
            return _read_all(os.open(f"/proc/self/fd/{handle}", _OPEN), path, limit)
        finally:
            os.close(handle)

    @_on_any_path
    def readlink(self, path: str) -> str:
        """Target of a symlink, as it is written; bytes that are not UTF-8 come back as surrogates."""
        if self._native:
            return os.readlink(path)
        with self._opened_path(path, follow=False) as handle:
            return os.readlink("", dir_fd=handle)

    @_on_any_path
    def names(self, path: str) -> list[str]:
        """Entries of a directory, in no order."""
        if self._native:
            return os.listdir(path)
        with self._opened_path(path) as handle:
            descriptor = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                return os.listdir(descriptor)
            finally:
                os.close(descriptor)

    @_on_any_path
    def lstat(self, path: str) -> os.stat_result:
        """Attributes of the file itself; a symlink is not followed."""
        if self._native:
            return os.lstat(path)
        with self._opened_path(path, follow=False) as handle:
            return os.fstat(handle)

    @_on_any_path
    def stat(self, path: str) -> os.stat_result:
        """Attributes of the file; symlinks are followed, inside the root."""
        if self._native:
            return os.stat(path)
        with self._opened_path(path) as handle:
            return os.fstat(handle)

    def exists(self, path: str) -> bool:
        """Whether there is such a file that we may look at."""
        try:
            self.stat(path)
        except OSError:
            return False
        return True

    @contextmanager
    def process(self, pid: int) -> Iterator[ProcDir]:
        """Hold /proc/PID open. Errors: ENOENT when there is no such process."""
        with self._opened_path(f"/proc/{pid}") as handle:
            yield _ProcDir(handle)

    @contextmanager
    def inside(self, pid: int) -> Iterator["HostFs"]:
        """Files as the process *pid* sees them: its root directory is the root of the HostFs, and nothing leads out of it.

        Errors: ENOENT when there is no such process; EACCES without the right to trace it; ENOTSUP when /proc is a copy of
        one, where ``root`` is an ordinary symlink that may lead anywhere.
        """
        with self._opened_path(f"/proc/{pid}") as process:
            # Only the links that the kernel follows by itself have no length.
            if os.stat("root", dir_fd=process, follow_symlinks=False).st_size:
                raise OSError(errno.ENOTSUP, "not a live /proc", f"/proc/{pid}/root")
            handle = os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=process)
            try:
                yield HostFs(f"/proc/self/fd/{handle}")
            finally:
                os.close(handle)

    @contextmanager
    def _opened_path(self, path: str, *, follow: bool = True) -> Iterator[int]:
        """An O_PATH descriptor of *path*, resolved inside the root."""
        if self._native:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
        else:
            handle = resolve_in_root(self.root, path, follow=follow)
        try:
            yield handle
        finally:
            os.close(handle)


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


class _ProcDir:
    """ProcDir over a directory descriptor."""

    __slots__ = ("_handle",)

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def read(self, name: str) -> bytes:
        return _read_all(os.open(name, _OPEN, dir_fd=self._handle), name, READ_LIMIT)

    def readlink(self, name: str) -> str:
        return os.readlink(name, dir_fd=self._handle)

    def names(self, name: str) -> list[str]:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._handle)
        try:
            return os.listdir(descriptor)
        finally:
            os.close(descriptor)


def _components(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _read_all(descriptor: int, path: str, limit: int) -> bytes:
    """Read to the end, and close."""
    # Sizes of /proc and cgroup files are 0 or a lie: only an empty read is the end.
    chunks: list[bytes] = []
    size = 0
    try:
        while chunk := os.read(descriptor, _CHUNK):
            size += len(chunk)
            if size > limit:
                raise OSError(errno.EFBIG, f"longer than {limit} bytes", path)
            chunks.append(chunk)
    finally:
        os.close(descriptor)
    return b"".join(chunks)
