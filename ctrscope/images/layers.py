"""The layers of an image, applied one upon the other to a directory.

*Source:* OCI image specification 1.1, layer.md: changesets, whiteouts, opaque directories; tar(5), pax extended headers.

Each entry is written through a descriptor of its parent directory (``parents``), and no link is followed at the end of a
path. Links are stored as they are: an absolute one means the container's own root. What has no place in an image is refused.
"""

import errno
import hashlib
import io
import os
import stat
import tarfile
from contextlib import suppress
from shutil import copyfileobj, rmtree
from typing import IO

from ctrscope.images.parents import Parents, open_directory, parts_of
from ctrscope.oci.errors import LauncherError

_HEADER_LIMIT = 1 << 20  # bytes that tarfile may ask for at once: a pax header says itself how long it is
_SIZE_LIMIT = 64 << 30  # bytes of all files together
_ENTRY_LIMIT = 1_000_000
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_PLAIN = os.O_NOFOLLOW | os.O_CLOEXEC


class _Stream(io.RawIOBase):
    """A layer, read once from beginning to end, and its digest."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._digest = hashlib.sha256()
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        """As of a file, but nothing that has to be held in memory as a whole."""
        if not 0 <= size <= _HEADER_LIMIT:
            raise LauncherError(f"a header of {size} bytes: refused")
        parts = []
        while size > 0 and (part := self._source.read(size)):
            parts.append(part)
            size -= len(part)
        content = b"".join(parts)
        self._digest.update(content)
        self._position += len(content)
        return content

    def tell(self) -> int:
        """Bytes that were read."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Forward only. The end may come first."""
        if whence != os.SEEK_SET or offset < self._position:
            raise LauncherError("an archive that leads backwards: refused")
        while self._position < offset and self.read(min(offset - self._position, 65536)):
            pass
        return self._position

    def diff_id(self) -> str:
        """Digest of the whole archive."""
        while self.read(_HEADER_LIMIT):
            pass
        return f"sha256:{self._digest.hexdigest()}"


class Budget:
    """How much an image may bring: what the file system has left, and never more than the limits."""

    def __init__(self, root: str) -> None:
        found = os.statvfs(root)
        self._bytes = min(found.f_bavail * found.f_frsize, _SIZE_LIMIT)
        self._entries = _ENTRY_LIMIT

    def take(self, member: tarfile.TarInfo) -> None:
        """Count an entry. Errors: LauncherError."""
        self._entries -= 1
        self._bytes -= max(member.size, 0)
        if self._bytes < 0:
            raise LauncherError(f"{member.name[:80]!r}: more bytes than it may bring, or than are free: refused")
        if self._entries < 0:
            raise LauncherError(f"more than {_ENTRY_LIMIT} entries: refused")


def apply_layer(content: IO[bytes], diff_id: str, root: str, budget: Budget, owner: tuple[int, int]) -> None:
    """Apply one layer; *owner* is who root inside is. What it removes is of the layers below it only, wherever that stands."""
    stream, tree = _Stream(content), _Tree(root, owner)
    try:
        with tarfile.TarFile(fileobj=stream) as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined] # kept for looking up by name, which nobody does
                budget.take(member)
                tree.add(member, archive)
        tree.finish()
    finally:
        tree.close()
    if (found := stream.diff_id()) != diff_id:
        raise LauncherError(f"its content is {found[:19]}, the configuration says {diff_id[:19]}")


class _Tree:
    """A directory that entries of one layer are added to, each through a descriptor of its parent."""

    def __init__(self, root: str, owner: tuple[int, int]) -> None:
        self._owner = owner
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._parents = Parents(self._root, owner)
        self._added: set[tuple[str, ...]] = set()
        self._times: dict[tuple[str, ...], int] = {}  # of directories, which change with what is put in

    def close(self) -> None:
        """Let go of the directory."""
        self._parents.close()
        os.close(self._root)

    def add(self, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        """One entry. Errors: LauncherError for what has no place in an image; OSError."""
        path = parts_of(member.name)
        if not path:
            self._dress(self._root, member, path)
            return
        above, parent = self._parents.enter(path[:-1])
        path, name = (*above, path[-1]), path[-1]
        if name == _OPAQUE:
            for lower in os.listdir(parent):
                self._remove(parent, (*path[:-1], lower))
        elif name.startswith(_WHITEOUT):
            hidden = name.removeprefix(_WHITEOUT)
            if hidden in ("", ".", ".."):
                raise LauncherError(f"{member.name!r}: removes nothing that may be removed: refused")
            self._remove(parent, (*path[:-1], hidden))
        else:
            self._put(parent, path, member, archive)
            self._added.update(path[: depth + 1] for depth in range(len(path)))

    def finish(self) -> None:
        """Set what writing into directories changed, the deepest first."""
        for path in sorted(self._times, key=len, reverse=True):
            _, handle = self._parents.enter(path)
            os.utime(handle, ns=(self._times[path], self._times[path]))

    def _put(self, parent: int, path: tuple[str, ...], member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        name = path[-1]
        if not member.isdir() or not _is_directory(name, parent):
            self._discard(parent, path)
        if member.isdir():
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
            handle = open_directory(name, parent)
        elif member.isreg():
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN, 0o600, dir_fd=parent)
        elif member.issym():
            os.symlink(member.linkname, name, dir_fd=parent)
            self._own(name, member, parent)
            os.utime(name, ns=(_mtime(member),) * 2, dir_fd=parent, follow_symlinks=False)
            return
        elif member.islnk():
            self._link(path, member)
            return
        elif member.isfifo():
            os.mkfifo(name, 0o600, dir_fd=parent)
            handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _PLAIN, dir_fd=parent)
        else:
            raise LauncherError(f"{member.name!r}: a device node, or of an unknown type: refused")
        try:
            if member.isreg():
                content = archive.extractfile(member)
                assert content is not None
                with open(handle, "wb", closefd=False) as file:
                    copyfileobj(content, file)
                if os.fstat(handle).st_size != member.size:
                    raise LauncherError(f"{member.name!r}: the archive ends before it does")
            self._dress(handle, member, path)
        finally:
            os.close(handle)

    def _link(self, path: tuple[str, ...], member: tarfile.TarInfo) -> None:
        target = parts_of(member.linkname)
        if not target:
            raise LauncherError(f"{member.name!r}: a link to nothing: refused")
        source = os.dup(self._parents.enter(target[:-1], make=False)[1])
        try:
            os.link(
                target[-1], path[-1], src_dir_fd=source, dst_dir_fd=self._parents.enter(path[:-1])[1], follow_symlinks=False
            )
        finally:
            os.close(source)

    def _dress(self, handle: int, member: tarfile.TarInfo, path: tuple[str, ...]) -> None:
        """Owner, mode, attributes, time, in this order: a new owner takes set-user-ID bits and capabilities away."""
        self._own(handle, member)
        os.fchmod(handle, stat.S_IMODE(member.mode))
        for key, value in member.pax_headers.items():
            attribute = key.removeprefix("SCHILY.xattr.")
            if attribute != key and attribute.startswith(("user.", "security.capability")):
                _set_attribute(handle, attribute, os.fsencode(value))
        if member.isdir():
            self._times[path] = _mtime(member)
        else:
            os.utime(handle, ns=(_mtime(member),) * 2)

    def _own(self, target: int | str, member: tarfile.TarInfo, parent: int | None = None) -> None:
        """Give it its owner. An ordinary user gives nothing away: everything is the user's, which inside is root's."""
        if os.geteuid() == 0:
            uid, gid = self._owner[0] + member.uid, self._owner[1] + member.gid
            os.chown(target, uid, gid, dir_fd=parent, follow_symlinks=parent is None)

    def _remove(self, parent: int, path: tuple[str, ...]) -> None:
        """Remove what lower layers put there, and keep what this one did."""
        if path not in self._added:
            self._discard(parent, path)
        elif _is_directory(path[-1], parent):
            handle = open_directory(path[-1], parent)
            try:
                for name in os.listdir(handle):
                    self._remove(handle, (*path, name))
            finally:
                os.close(handle)

    def _discard(self, parent: int, path: tuple[str, ...]) -> None:
        """Remove whatever is there, and forget what was still to be done about it."""
        if _remove_tree(path[-1], parent):
            self._times = {one: time for one, time in self._times.items() if one[: len(path)] != path}


def _is_directory(name: str, parent: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _remove_tree(name: str, parent: int) -> bool:
    """Remove what has that name; whether it was a directory."""
    if _is_directory(name, parent):
        rmtree(name, dir_fd=parent)
        return True
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)
    return False


def _mtime(member: tarfile.TarInfo) -> int:
    """Nanoseconds. tarfile makes a float of the text of a pax header, which has fewer digits."""
    seconds, _, fraction = member.pax_headers.get("mtime", str(int(member.mtime))).partition(".")
    return int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


def _set_attribute(handle: int, name: str, value: bytes) -> None:
    try:
        os.setxattr(handle, name, value)
    except OSError as error:
        # EPERM: capabilities of a file are root's to give; EOPNOTSUPP: this file system has none. Programs go without.
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP):
            raise
