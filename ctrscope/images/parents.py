"""Where a path of an image leads: the directory that an entry is put in, reached without ever leaving the root.

*Source:* path_resolution(7); as containerd and umoci do: Debian's ``/bin`` is a link to ``usr/bin``, layers use either.
A link on the way is followed as by a process whose root directory this is: "/" in one is the root, and nothing is above it.
"""

import errno
import os
from contextlib import suppress

from ctrscope.oci.errors import LauncherError

_PATH_LIMIT = 4096  # PATH_MAX
_DEPTH_LIMIT = 256  # directories
_LINK_LIMIT = 40  # on the way to one directory, as the kernel: MAXSYMLINKS
Path = tuple[str, ...]


class Parents:
    """The directories below a root, each opened from the one above it."""

    def __init__(self, root: int, owner: tuple[int, int]) -> None:
        self._root = root
        self._owner = owner
        #: The last, as it was asked for, as it really is, and open: most entries have the same as the one before.
        self._last: tuple[Path, Path, int] | None = None

    def enter(self, path: Path, *, make: bool = True) -> tuple[Path, int]:
        """Where a directory really is, made where it is missing, and a descriptor of it that lasts until the next call.

        Errors: LauncherError for what is no directory or too far away; OSError.
        """
        if self._last is not None and self._last[0] == path:
            return self._last[1:]
        waiting, names, handles, links = list(reversed(path)), list[str](), [os.dup(self._root)], 0
        try:
            while waiting:
                name = waiting.pop()
                if name == "..":
                    if names:
                        names.pop()
                        os.close(handles.pop())
                    continue
                found = self._step(name, handles[-1], (*names, name), make=make)
                if isinstance(found, int):
                    handles.append(found)
                    names.append(name)
                    if len(names) > _DEPTH_LIMIT:
                        raise LauncherError(f"{'/'.join(path)[:80]!r}: leads {len(names)} directories deep: refused")
                    continue
                links += 1
                if links > _LINK_LIMIT:
                    raise LauncherError(f"{'/'.join(path)[:80]!r}: more than {_LINK_LIMIT} links on the way: refused")
                if found.startswith("/"):
                    while names:
                        names.pop()
                        os.close(handles.pop())
                waiting += (part for part in reversed(found.split("/")) if part not in ("", "."))
            here = os.dup(handles[-1])
        finally:
            for handle in handles:
                os.close(handle)
        self.close()
        self._last = path, tuple(names), here
        return tuple(names), here

    def close(self) -> None:
        """Let go of the last."""
        if self._last is not None:
            os.close(self._last[2])
            self._last = None

    def _step(self, name: str, parent: int, path: Path, *, make: bool) -> int | str:
        """The directory of that name, opened; of a link what it says."""
        if make:
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=parent)
                if os.geteuid() == 0:
                    os.chown(name, *self._owner, dir_fd=parent, follow_symlinks=False)
        try:
            return open_directory(name, parent)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
        try:
            return os.readlink(name, dir_fd=parent)
        except OSError:  # EINVAL: it is neither
            raise LauncherError(f"{'/'.join(path)[:80]!r} is no directory: refused") from None


def open_directory(name: str, parent: int) -> int:
    """A descriptor of a directory, which no link stands for. Errors: OSError."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def parts_of(name: str) -> Path:
    """The components of a path of the archive. Errors: LauncherError."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts:
        raise LauncherError(f"{name[:80]!r} leads out of the image: refused")
    if len(parts) > _DEPTH_LIMIT:
        raise LauncherError(f"{name[:80]!r}…: {len(parts)} directories deep: refused")
    if len(os.fsencode(name)) > _PATH_LIMIT or any(len(os.fsencode(part)) > 255 for part in parts):
        raise LauncherError(f"{name[:80]!r}…: a name too long: refused")
    return parts
