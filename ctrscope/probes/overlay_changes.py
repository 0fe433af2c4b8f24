"""What the upper directory of an overlay shows otherwise than the directories below it: added, changed, deleted.

A path is compared with what the lower layers together show there, so the answer is that of comparing both trees, and costs
what is in the upper directory only.

*Source:* kernel document filesystems/overlayfs (whiteouts, opaque directories, ``redirect_dir``); fuse-overlayfs main.c
(``.wh.NAME``, ``.wh..wh..opq``, ``user.fuseoverlayfs.opaque``), which it has where it may not make devices.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ctrscope.model.changes import Change, ChangeKind, FileType

#: Directories below each other that are gone through; each takes a descriptor.
_DEEPEST = 256
_BATCH = 500
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_TYPES = {
    stat.S_IFREG: FileType.FILE,
    stat.S_IFDIR: FileType.DIRECTORY,
    stat.S_IFLNK: FileType.LINK,
    stat.S_IFCHR: FileType.CHARACTER,
    stat.S_IFBLK: FileType.BLOCK,
    stat.S_IFIFO: FileType.FIFO,
    stat.S_IFSOCK: FileType.SOCKET,
}


class Marks(NamedTuple):
    """How layers say that something is deleted or replaced: by whoever mounted them, never by who is inside."""

    attributes: tuple[str, ...]  # what the names of extended attributes begin with
    files: bool = False  # files called .wh.NAME too


#: Mounted by root, by a user (option ``userxattr``), and what fuse-overlayfs writes.
KERNEL, KERNEL_OF_USER = Marks(("trusted.overlay.",)), Marks(("user.overlay.",))
FUSE = Marks(("trusted.overlay.", "user.overlay.", "user.fuseoverlayfs."), files=True)


class _Directory:
    """One directory of the upper layer while it is gone through."""

    __slots__ = ("below", "handle", "is_merged", "path", "unsaid", "waiting")

    def __init__(self, handle: int, path: str, below: Sequence[int], is_merged: bool, unsaid: Change | None) -> None:
        self.handle = handle
        self.path = path  # inside the layer, with a slash at its end; "" is its root
        self.below = below  # lower layers that have a directory there which takes part
        self.is_merged = is_merged  # False: it hides theirs
        self.unsaid = unsaid  # said as soon as something in it has changed
        self.waiting: list[_Waiting] = []


class _Waiting(NamedTuple):
    """A directory that is still to be gone through."""

    name: str
    found: os.stat_result
    old: os.stat_result | None
    below: tuple[int, ...]


class OverlayWalk:
    """Goes through an upper directory that others change meanwhile: each is opened from the one above it, no link is followed.

    *upper*, *lower*: descriptors of directories, the topmost layer first. All are closed when the walk ends or is dropped.
    *most*: files that are looked at.
    """

    def __init__(self, upper: int, lower: Sequence[int], marks: Marks, most: int) -> None:
        self._marks = marks
        self._most = most
        self._looked_at = 0
        self._device = os.fstat(upper).st_dev
        self._lower = tuple(lower)
        self._open = [_Directory(upper, "", self._lower, True, None)]
        self._seen: set[int] = set()  # inodes with several names
        self.size = 0  # bytes of its files, each once
        self.sizes = dict.fromkeys(ChangeKind, 0)
        self.trouble = ""

    def changes(self) -> Iterator[list[Change]]:
        """Some changes after the other; now and then none, so that whoever asks can stop."""
        try:
            yield from self._list(self._open[0])
            while self._open:
                here = self._open[-1]
                if not here.waiting:
                    os.close(self._open.pop().handle)
                elif self._looked_at >= self._most:
                    here.waiting.clear()
                elif len(self._open) > _DEEPEST:
                    self.trouble = f"more than {_DEEPEST} directories below each other"
                    here.waiting.clear()
                else:
                    yield from self._descend(here, here.waiting.pop())
        finally:
            for handle in (*(one.handle for one in self._open), *self._lower):
                os.close(handle)

    def _descend(self, above: _Directory, entry: _Waiting) -> Iterator[list[Change]]:
        try:
            handle = os.open(entry.name, _DIRECTORY, dir_fd=above.handle)
        except OSError as error:
            if not isinstance(error, (FileNotFoundError, NotADirectoryError)):  # it went away, or is another file now
                self.trouble = f"{above.path}{entry.name}: {error.strerror}"
            return
        path = f"{above.path}{entry.name}"
        is_merged = above.is_merged and bool(entry.below) and not self._is_opaque(handle)
        note = "replaced" if above.is_merged and entry.below and not is_merged else ""
        if not entry.below and (origin := self._attribute(handle, "redirect")):
            note = f"renamed, with what {os.fsdecode(origin)} has"
        kind = ChangeKind.ADDED if entry.old is None else ChangeKind.CHANGED
        change = Change(kind, f"/{path}", FileType.DIRECTORY, None, entry.found.st_mtime, note)
        here = _Directory(handle, f"{path}/", entry.below, is_merged, change)
        self._open.append(here)
        if entry.old is None or note or _differ(entry.old, entry.found):
            yield self._unsaid()
        yield from self._list(here)

    def _list(self, here: _Directory) -> Iterator[list[Change]]:
        """Judge the entries of one directory; what is a directory waits."""
        found: list[Change] = []
        try:
            with os.scandir(here.handle) as entries:
                for entry in entries:
                    if self._looked_at >= self._most:
                        self.trouble = f"more than {self._most} files"
                        break
                    self._looked_at += 1
                    try:
                        change = self._judge(here, entry.name, entry.stat(follow_symlinks=False))
                    except OSError:
                        continue  # it went away meanwhile
                    found += [change] if change is not None else []
                    if self._looked_at % _BATCH == 0:
                        yield self._said(found)
                        found = []
            if not here.is_merged and here.below:
                found += self._hidden(here)
        except OSError as error:
            self.trouble = f"{here.path}: {error.strerror}"
        yield self._said(found)

    def _said(self, changes: list[Change]) -> list[Change]:
        """With the directories that they are in: those have changed, too."""
        return [*self._unsaid(), *changes] if changes else []

    def _unsaid(self) -> list[Change]:
        """Directories that were not said yet, of which what is gone through now is the innermost."""
        above: list[Change] = []
        for directory in reversed(self._open):
            if directory.unsaid is None:
                break
            above.append(directory.unsaid)
            directory.unsaid = None
        above.reverse()
        return above

    def _judge(self, here: _Directory, name: str, found: os.stat_result) -> Change | None:
        path = here.path + name
        if self._marks.files and name.startswith(_WHITEOUT):
            return self._deleted(here, here.path + name.removeprefix(_WHITEOUT)) if name != _OPAQUE else None
        if _is_whiteout(found):
            return self._deleted(here, path)
        old, below = self._below(here.below, path)
        if stat.S_ISDIR(found.st_mode):
            if found.st_dev == self._device:
                here.waiting.append(_Waiting(name, found, old, below))
            return None
        kind = ChangeKind.ADDED if old is None else ChangeKind.CHANGED
        is_changed = old is None or _differ(old, found)
        if found.st_nlink == 1 or found.st_ino not in self._seen:
            self._seen |= {found.st_ino} if found.st_nlink > 1 else set()
            self.size += found.st_size
            self.sizes[kind] += found.st_size if is_changed else 0
        return Change(kind, f"/{path}", _type(found), found.st_size, found.st_mtime) if is_changed else None

    def _deleted(self, here: _Directory, path: str) -> Change | None:
        """What a whiteout hides; None where there is nothing to hide."""
        old, _ = self._below(here.below, path)
        return None if old is None else Change(ChangeKind.DELETED, f"/{path}", _type(old))

    def _hidden(self, here: _Directory) -> Iterator[Change]:
        """What the layers below have in a directory that this one replaced, and it has not."""
        hidden: dict[str, None] = {}
        for layer in here.below:
            try:
                handle = os.open(here.path, _DIRECTORY, dir_fd=layer)
            except OSError:
                continue
            try:
                with os.scandir(handle) as entries:
                    hidden |= dict.fromkeys(entry.name for entry in islice(entries, self._most))
            finally:
                os.close(handle)
        for name in hidden:
            is_there = _exists(name, here.handle)
            if self._marks.files:
                is_there = is_there or name.startswith(_WHITEOUT) or _exists(_WHITEOUT + name, here.handle)
            change = None if is_there else self._deleted(here, here.path + name)
            if change is not None:
                yield change

    def _below(self, layers: Sequence[int], path: str) -> tuple[os.stat_result | None, tuple[int, ...]]:
        """What the layers below show at a path; and if that is a directory, those that take part in it."""
        first: os.stat_result | None = None
        parts: list[int] = []
        for number, layer in enumerate(layers):
            try:
                found = os.stat(path, dir_fd=layer, follow_symlinks=False)
            except OSError:
                if self._marks.files and self._has_whiteout(layer, path):
                    break
                continue
            if _is_whiteout(found) or self._is_marked_whiteout(layer, path, found):
                break
            first = first or found
            if not stat.S_ISDIR(found.st_mode):
                break
            parts.append(layer)
            if number < len(layers) - 1 and self._is_opaque_below(layer, path):
                break
        return first, tuple(parts)

    # Marks

    def _attribute(self, handle: int, name: str) -> bytes:
        for prefix in self._marks.attributes:
            try:
                return os.getxattr(handle, prefix + name)
            except OSError:  # it has none, or the file system knows none
                continue
        return b""

    def _is_opaque(self, handle: int) -> bool:
        return self._attribute(handle, "opaque") == b"y" or (self._marks.files and _exists(_OPAQUE, handle))

    def _is_opaque_below(self, layer: int, path: str) -> bool:
        try:
            handle = os.open(path, _DIRECTORY, dir_fd=layer)
        except OSError:
            return False
        try:
            return self._is_opaque(handle)
        finally:
            os.close(handle)

    def _has_whiteout(self, layer: int, path: str) -> bool:
        above, slash, name = path.rpartition("/")
        return _exists(f"{above}{slash}{_WHITEOUT}{name}", layer)

    def _is_marked_whiteout(self, layer: int, path: str, found: os.stat_result) -> bool:
        """Whether an empty file is one by its attribute, which is so in lower layers since Linux 6.7."""
        if not stat.S_ISREG(found.st_mode) or found.st_size:
            return False
        for prefix in self._marks.attributes:
            try:
                os.getxattr(f"/proc/self/fd/{layer}/{path}", f"{prefix}whiteout", follow_symlinks=False)
            except OSError:
                continue
            return True
        return False


def _is_whiteout(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def _exists(path: str, directory: int) -> bool:
    try:
        os.stat(path, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return True


def _type(found: os.stat_result) -> FileType:
    return _TYPES[stat.S_IFMT(found.st_mode)]


def _differ(old: os.stat_result, new: os.stat_result) -> bool:
    """Whether a file is another than it was; of a directory, what is in it does not count.

    A file is copied up as soon as somebody opens it for writing: the same owner, mode, size and time is the same file.
    """
    if (old.st_mode, old.st_uid, old.st_gid, old.st_rdev) != (new.st_mode, new.st_uid, new.st_gid, new.st_rdev):
        return True
    if stat.S_ISDIR(new.st_mode):
        return False
    return old.st_size != new.st_size or not _is_same_time(old.st_mtime_ns, new.st_mtime_ns)


def _is_same_time(one: int, other: int) -> bool:
    """Layers that came in an archive have whole seconds."""
    if one % 1_000_000_000 == 0 or other % 1_000_000_000 == 0:
        return one // 1_000_000_000 == other // 1_000_000_000
    return one == other
