"""The only module that opens files of the host: bounded reads, another root, symlinks kept inside it.

*Source:* open(2), path_resolution(7), proc(5).

Everything below a root other than ``/`` is resolved inside that root, component by component through directory
descriptors, so a symlink of a disk image or of a container can never lead out of it, not even in a race.
Nothing here writes, connects or locks. Special files are never opened, save the kernel log, checked to be that device.
"""

import errno
import functools
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from ctrscope.probes.in_root import resolve_in_root

if TYPE_CHECKING:
    from ctrscope.probes.disk_usage import DiskUsage

#: No state file, /proc file or cgroup file that we parse is larger; a larger one is somebody's joke.
READ_LIMIT = 16 * 1024 * 1024
_CHUNK = 65536
#: seq_file, which writes the files of /proc and cgroups, fills a page before it hands out less than was asked for, and a
#: record of theirs takes less than half of one: what is shorter than this is the whole file. The second read that would say
#: so is a tenth of what reading one costs.
_ONE_PIECE = 2048
#: Their records may take a page (the layers of an overlay): seq_file stops before one that does not fit.
_LONG_RECORDS = ("mountinfo", "mounts")
#: No engine keeps that many files in one directory; whoever owns it may.
_MOST_NAMES = 500_000
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_PATH_FOLLOWED = os.O_PATH | os.O_CLOEXEC
_PATH = os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW
_AT_EMPTY_PATH, _AT_STATX_DONT_SYNC = 0x1000, 0x4000  # statx(2)
_STATX_TYPE, _STATX_MNT_ID = 0x1, 0x1000
_KMSG, _KMSG_DEVICE = "/dev/kmsg", os.makedev(1, 11)  # kernel document devices.txt
_RECORD = 8192  # one record of the kernel log with its header: PRINTK_MESSAGE_MAX was never more


class ProcDir(Protocol):
    """An open /proc/PID: every read through it is of the same process, or fails with ESRCH once that is gone."""

    def read(self, name: str) -> bytes:
        """Whole content of the file *name* below it."""

    def readlink(self, name: str) -> str:
        """Target of the link *name* below it."""

    def names(self, name: str) -> list[str]:
        """Entries of the directory *name* below it."""

    def directories(self, most: int) -> Iterator[tuple[str, int]]:
        """Directories that it holds, each with the ID of the mount it is on: cwd, root, fd/N, as links below it.

        Of its descriptors the first *most* are looked at. Errors: ENOTSUP before Linux 5.8, which does not tell the mount, and
        when /proc is a copy of one, whose links lead anywhere.
        """


_Method = TypeVar("_Method", bound=Callable[..., Any])


def _on_any_path(method: _Method) -> _Method:
    """A path that no file can have (NUL, a lone surrogate) is EINVAL like any other error, not a ValueError.

    ``/proc/PID/root/…`` is resolved inside that root: a symlink in a container must not lead to a file of the host.
    """

    @functools.wraps(method)
    def call(self: "HostFs", path: str, **options: Any) -> Any:
        if self._native and "/root/" in path and (found := _process_root(path)) is not None:
            self, path = HostFs(found[0]), found[1]
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
        self._kept: dict[str, int] = {}  # path → descriptor that stays open
        self._reread: set[str] = set()  # those of them that were read of late
        self._keep_at_most = 0

    def keep_open(self, at_most: int) -> None:
        """Let ``reread`` keep that many files open from now on. Those that are open are closed."""
        self._keep_at_most = at_most
        for descriptor in self._kept.values():
            os.close(descriptor)
        self._kept.clear()

    @contextmanager
    def closing_unread(self) -> Iterator[None]:
        """Close what stays open and is not read meanwhile: it may be of what is gone."""
        self._reread.clear()
        yield
        for path in self._kept.keys() - self._reread:
            os.close(self._kept.pop(path))

    def reread(self, path: str) -> bytes:
        """Content of an interface file of cgroupfs that is read again and again: opening it is most of what reading it costs.

        Errors: as ``read``. A descriptor of a cgroup that was removed answers ENODEV: the path is opened anew.
        """
        descriptor = self._kept.get(path)
        if descriptor is not None:
            self._reread.add(path)
            try:
                # From the beginning, where seq_file makes its content anew.
                chunk = os.pread(descriptor, 2 * _ONE_PIECE, 0)
                if len(chunk) < _ONE_PIECE:
                    return chunk
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
                os.close(self._kept.pop(path))
        if self._native and len(self._kept) < self._keep_at_most and path not in self._kept:
            descriptor = self._kept[path] = os.open(path, _OPEN)
            self._reread.add(path)
            chunk = os.pread(descriptor, 2 * _ONE_PIECE, 0)
            if len(chunk) < _ONE_PIECE:
                return chunk
        return self.read(path)

    def read(self, path: str, *, limit: int = READ_LIMIT, owner: int | None = None) -> bytes:
        """Whole content of a regular file.

        Errors: EFBIG when it is longer than *limit*; EINVAL when it is not a regular file; EPERM when *owner* is given
        and the file is somebody else's (a user's store may hold links to what only root may read).
        """
        try:  # not by _on_any_path: that call is a tenth of what a small file costs
            if self._native and path.startswith(("/proc/", "/sys/")):
                if "/root/" not in path or (found_root := _process_root(path)) is None:
                    return _read_all(os.open(path, _OPEN), path, limit)
                return HostFs(found_root[0]).read(found_root[1], limit=limit, owner=owner)
            # Looked at before it is opened: opening a device can do something (/dev/watchdog reboots the host).
            handle = os.open(path, _PATH_FOLLOWED) if self._native else resolve_in_root(self.root, path)
        except ValueError as error:
            raise OSError(errno.EINVAL, "not a path", path) from error
        try:
            size = _check_regular(handle, path, owner)
            return _read_all(os.open(f"/proc/self/fd/{handle}", _OPEN), path, limit, size)
        finally:
            os.close(handle)

    def lines(self, path: str) -> Iterator[bytes]:
        """Lines of a file, as far as they are asked for: the kernel writes /proc/mounts no further. Errors: as ``read``."""
        descriptor = self.open_file(path)
        try:
            left, length = b"", 0
            while piece := os.read(descriptor, _CHUNK):
                length += len(piece)
                if length > READ_LIMIT:
                    raise OSError(errno.EFBIG, f"longer than {READ_LIMIT} bytes", path)
                *whole, left = (left + piece).split(b"\n")
                yield from whole
            if left:
                yield left
        finally:
            os.close(descriptor)

    @_on_any_path
    def open_file(self, path: str, *, owner: int | None = None) -> int:
        """A descriptor, to be closed, of a regular file of which only pieces are read. Errors: as ``read``, save EFBIG."""
        with self._opened_path(path) as handle:
            _check_regular(handle, path, owner)
            return os.open(f"/proc/self/fd/{handle}", _OPEN)

    @_on_any_path
    def open_directory(self, path: str, *, follow: bool = True) -> int:
        """A descriptor, to be closed, of a directory. Errors: ENOTDIR, of a symlink too unless *follow*."""
        with self._opened_path(path, follow=follow) as handle:
            return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @_on_any_path
    def readlink(self, path: str) -> str:
        """Target of a symlink, as it is written; bytes that are not UTF-8 come back as surrogates."""
        if self._native:
            return os.readlink(path)
        with self._opened_path(path, follow=False) as handle:
            return os.readlink("", dir_fd=handle)

    @_on_any_path
    def readlinks(self, directory: str, *, names: Iterable[str]) -> list[str | None]:
        """Targets of several links of one directory, in the order of *names*; None where there is none (any more)."""
        found: list[str | None] = []
        # Not by _opened_path, which takes as long as two links. The path of eight links is walked once.
        handle = os.open(directory, _PATH_FOLLOWED) if self._native else resolve_in_root(self.root, directory)
        try:
            for name in names:
                try:
                    found.append(os.readlink(name, dir_fd=handle))
                except (FileNotFoundError, ProcessLookupError):
                    found.append(None)
        finally:
            os.close(handle)
        return found

    @_on_any_path
    def names(self, path: str) -> list[str]:
        """Entries of a directory, in no order. Errors: EFBIG when there are more than anybody needs."""
        if self._native:
            return os.listdir(path) if path.startswith(("/proc/", "/sys/")) else _listed(path, path)
        descriptor = self.open_directory(path)
        try:
            return _listed(descriptor, path)
        finally:
            os.close(descriptor)

    @_on_any_path
    def disk_usage(self, path: str, *, most: int) -> "DiskUsage":
        """What lies below a directory, as du(1) counts: blocks on disk, each file once, other file systems apart.

        Symlinks are not followed, and nothing is opened but directories.
        Errors: OSError when the directory itself cannot be listed.
        """
        from ctrscope.probes.disk_usage import measure

        with self._opened_path(path) as handle:
            return measure(handle, most)

    @_on_any_path
    def files(self, path: str, *, most: int) -> Iterator[tuple[str, os.stat_result]]:
        """Regular files in a directory, each with its attributes; of the first *most* entries. Links are left out."""
        with self._opened_path(path) as handle:
            descriptor = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                with os.scandir(descriptor) as entries:
                    for entry in islice(entries, most):
                        if entry.is_file(follow_symlinks=False):
                            yield entry.name, entry.stat(follow_symlinks=False)
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
        if self._native and "/root/" not in path:
            try:
                return os.access(path, os.F_OK)  # says no without an exception: a microsecond of three
            except ValueError:
                return False
        try:
            self.stat(path)
        except OSError:
            return False
        return True

    def kernel_log(self, *, limit: int = READ_LIMIT) -> list[bytes]:
        """Records of the kernel log as /dev/kmsg has them, the oldest first; no reader takes anything away from others.

        Errors: ENOTSUP when that is not the device (another root's log is not this kernel's); EPERM without CAP_SYSLOG where
        kernel.dmesg_restrict is 1; EFBIG when it is longer than *limit*.
        """
        if not self._native:
            raise OSError(errno.ENOTSUP, "the kernel log is that of the running kernel, not of another root", _KMSG)
        handle = os.open(_KMSG, _PATH)
        try:
            found = os.fstat(handle)
            if not stat.S_ISCHR(found.st_mode) or found.st_rdev != _KMSG_DEVICE:
                raise OSError(errno.ENOTSUP, "not the kernel log", _KMSG)
            log = os.open(f"/proc/self/fd/{handle}", _OPEN)
        finally:
            os.close(handle)
        records: list[bytes] = []
        size = 0
        try:
            while size <= limit:
                try:
                    records.append(os.read(log, _RECORD))
                except BlockingIOError:
                    return records
                except BrokenPipeError:  # overwritten while we read: goes on with the oldest that is left
                    continue
                size += len(records[-1])
        finally:
            os.close(log)
        raise OSError(errno.EFBIG, f"longer than {limit} bytes", _KMSG)

    @contextmanager
    def held(self, path: str) -> Iterator[int]:
        """Hold a file by a descriptor that can neither be read nor written (O_PATH), for calls that take one."""
        with self._opened_path(path) as handle:
            yield handle

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
    def namespace(self, path: str) -> Iterator[int]:
        """Hold the file of a namespace open; as ``open_namespace``."""
        descriptor = self.open_namespace(path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def open_namespace(self, path: str) -> int:
        """A descriptor, to be closed, of a namespace: a link below /proc/PID/ns, a descriptor below /proc/PID/fd, a bind mount.

        Errors: EACCES without the right to trace the process; EINVAL when it is no namespace; ENOTSUP when /proc is a copy
        of one, whose links lead nowhere.
        """
        return os.open(path, _OPEN) if self._native and _is_ns_link(path) else self._checked_namespace(path)

    def _checked_namespace(self, path: str) -> int:
        """A descriptor of what is looked at before it is opened: a descriptor below /proc/PID/fd may be of a device."""
        handle = self._namespace_path(path)
        try:
            if _device_of(handle) != _nsfs_device():
                raise OSError(errno.EINVAL, "not a namespace", path)
            return os.open(f"/proc/self/fd/{handle}", _OPEN)
        finally:
            os.close(handle)

    def _namespace_path(self, path: str) -> int:
        """An O_PATH descriptor; of a link of /proc/PID the kernel follows, never its text."""
        if self._native:
            if "/root/" in path and (found_root := _process_root(path)) is not None:
                return HostFs(found_root[0])._namespace_path(found_root[1])
            return os.open(path, _PATH_FOLLOWED)
        directory, _, name = path.rpartition("/")
        with self._opened_path(directory) as parent:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if not stat.S_ISLNK(found.st_mode):
                return os.open(name, _PATH, dir_fd=parent)
            # Links that the kernel follows by itself have no length, those below fd always 64. A true one of 64 may lead
            # out of the root: what is there does no harm unless it is a namespace, and then it is not the one wanted.
            if found.st_size not in (0, 64):
                raise OSError(errno.ENOTSUP, "not a live /proc", path)
            return os.open(name, _PATH_FOLLOWED, dir_fd=parent)

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


def _is_ns_link(path: str) -> bool:
    """Whether it is ``/proc/PID/ns/NAME``, which is a namespace whatever it is called."""
    parts = path.split("/", 5)
    return len(parts) == 5 and parts[1] == "proc" and parts[3] == "ns" and (parts[2].isdecimal() or parts[2] == "self")


def _device_of(handle: int) -> int:
    """Device of a file, as the kernel has it."""
    from struct import unpack_from

    return os.makedev(*unpack_from("=II", _statx(handle, b"", _AT_EMPTY_PATH, 0), 136))


def _statx(directory: int, name: bytes, flags: int, mask: int) -> bytes:
    """``struct statx`` of a file: stx_mode at 28, stx_dev_major at 136, stx_mnt_id at 144.

    stat(2) would ask whoever serves the file system, who may never answer.
    """
    import ctypes

    from ctrscope.probes.libc import libc

    answer = ctypes.create_string_buffer(256)
    if libc().statx(directory, name, flags | _AT_STATX_DONT_SYNC, mask, answer) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer.raw


@functools.cache
def _nsfs_device() -> int:
    return os.stat("/proc/self/ns/mnt").st_dev


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

    def directories(self, most: int) -> Iterator[tuple[str, int]]:
        from struct import unpack_from

        if os.stat("cwd", dir_fd=self._handle, follow_symlinks=False).st_size:
            raise OSError(errno.ENOTSUP, "not a live /proc", "cwd")  # as HostFs.inside
        descriptor = os.open("fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._handle)
        try:
            with os.scandir(descriptor) as entries:
                names = ["cwd", "root", *(f"fd/{entry.name}" for entry in islice(entries, most))]
        finally:
            os.close(descriptor)
        for name in names:
            try:
                answer = _statx(self._handle, name.encode(), 0, _STATX_TYPE | _STATX_MNT_ID)
            except FileNotFoundError:
                continue  # closed meanwhile
            if not unpack_from("=I", answer)[0] & _STATX_MNT_ID:
                raise OSError(errno.ENOTSUP, "before Linux 5.8 nothing tells which mount a directory is on", name)
            if stat.S_ISDIR(unpack_from("=H", answer, 28)[0]):
                yield name, unpack_from("=Q", answer, 144)[0]


def _process_root(path: str) -> tuple[str, str] | None:
    """``/proc/4711/root`` and the path below it."""
    process, _, rest = path.partition("/root/")
    is_process = process.startswith("/proc/") and process[len("/proc/") :].isdecimal()
    return (f"{process}/root", f"/{rest}") if is_process else None


def _listed(directory: int | str, path: str) -> list[str]:
    with os.scandir(directory) as entries:
        names = [entry.name for entry in islice(entries, _MOST_NAMES + 1)]
    if len(names) > _MOST_NAMES:
        raise OSError(errno.EFBIG, f"more than {_MOST_NAMES} files", path)
    return names


def _check_regular(handle: int, path: str, owner: int | None) -> int:
    """Size of a file that is regular, and of *owner* when one is given. Errors: OSError, as of ``HostFs.read``."""
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", path)
    if owner is not None and found.st_uid != owner:
        raise OSError(errno.EPERM, f"owned by uid {found.st_uid}, not by uid {owner}", path)
    return found.st_size


def _read_all(descriptor: int, path: str, limit: int, size: int | None = None) -> bytes:
    """Read to the end, and close. *size*: of a file that knows its own; those of /proc and cgroups say 0, or lie."""
    try:
        piece = os.read(descriptor, _CHUNK if size is None else min(size, limit) + 1)
        is_whole = len(piece) == size or (size is None and len(piece) < _ONE_PIECE and not path.endswith(_LONG_RECORDS))
        if is_whole and len(piece) <= limit:
            return piece
        pieces: list[bytes] = []
        length = 0
        while piece:
            length += len(piece)
            if length > limit:
                raise OSError(errno.EFBIG, f"longer than {limit} bytes", path)
            pieces.append(piece)
            piece = os.read(descriptor, _CHUNK)
    finally:
        os.close(descriptor)
    return b"".join(pieces)
