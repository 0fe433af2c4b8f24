"""An OCI image, unpacked into a root directory: index → manifest → configuration and layers.

*Source:* OCI image specification 1.1: image-layout.md, image-index.md, manifest.md, config.md, layer.md (whiteouts).
*Shape:* a layout is a directory (``skopeo copy … oci:DIR:TAG``) or one tar archive of it (``oci-archive:FILE``).

Whoever made the image is a stranger. Digests are compared before anything is believed; each entry is written through a descriptor of
its parent directory, which is reached from the root without following any link; what has no place in an image is refused.
Links are stored as they are and never followed: an absolute one means the container's own root.
"""

import errno
import hashlib
import io
import os
import platform
import stat
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from shutil import copyfileobj, rmtree
from typing import IO, TypeVar

import msgspec

from ctrscope.launcher.errors import LauncherError

_DOCUMENT_LIMIT = 4 << 20  # bytes of an index, a manifest, a configuration: what registries take
_HEADER_LIMIT = 1 << 20  # bytes that tarfile may ask for at once: a pax header says itself how long it is
_SIZE_LIMIT = 64 << 30  # bytes of all files together
_ENTRY_LIMIT = 1_000_000
_PATH_LIMIT = 4096  # PATH_MAX
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
T = TypeVar("T")


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str
    media_type: str = ""
    annotations: dict[str, str] = {}
    platform: dict[str, object] | None = None


class _Index(msgspec.Struct):
    manifests: list[_Descriptor]


class _Manifest(msgspec.Struct):
    config: _Descriptor
    layers: list[_Descriptor]


class ImageSettings(msgspec.Struct, rename="pascal"):
    """What an image says about the process: the part ``config`` of its configuration."""

    user: str = ""
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    working_dir: str = ""


class _RootFs(msgspec.Struct):
    diff_ids: list[str]


class _Configuration(msgspec.Struct):
    rootfs: _RootFs
    config: ImageSettings | None = None


class Image:
    """One image of a layout that is open: its settings, and its layers for ``unpack``."""

    def __init__(self, blobs: "_Blobs", manifest: _Descriptor) -> None:
        self._blobs = blobs
        contents = blobs.document(manifest, _Manifest)
        configuration = blobs.document(contents.config, _Configuration)
        self.settings = configuration.config or ImageSettings()
        self._layers = contents.layers
        self._diff_ids = configuration.rootfs.diff_ids
        if len(self._layers) != len(self._diff_ids):
            raise LauncherError(f"{blobs.name}: {len(self._layers)} layers, but {len(self._diff_ids)} diff_ids")

    def unpack(self, root: str) -> None:
        """Apply every layer to the empty directory *root*. Errors: LauncherError, and then *root* holds a part."""
        budget = _Budget(root)
        for layer, diff_id in zip(self._layers, self._diff_ids, strict=True):
            where = f"{self._blobs.name}: layer {layer.digest[:19]}"
            with self._blobs.opened(layer) as blob:
                try:
                    _apply(_Stream(_decompressed(blob, layer.media_type, where)), diff_id, root, budget)
                except (LauncherError, tarfile.TarError, EOFError, zlib.error, ValueError, RecursionError, OSError) as error:
                    raise LauncherError(f"{where}: {error}") from error


@contextmanager
def opened_image(reference: str) -> Iterator[Image]:
    """The image that ``LAYOUT[:TAG]`` means. Errors: LauncherError."""
    path, colon, tag = reference, "", ""
    if not os.path.exists(path):
        path, colon, tag = reference.rpartition(":")
    if not path or not os.path.exists(path):
        raise LauncherError(f"--image {reference}: neither a directory nor an archive is there; skopeo copy … oci:DIR:TAG makes one")
    with _opened_layout(path) as blobs:
        found = blobs.parse(blobs.read("index.json"), _Index, "index.json").manifests
        yield Image(blobs, _choose(blobs, found, tag if colon else None))


def _choose(blobs: "_Blobs", found: list[_Descriptor], tag: str | None) -> _Descriptor:
    """The manifest of that tag, or the only one there is; of an image for several platforms that of ours."""
    names = [one.annotations.get("org.opencontainers.image.ref.name", "") for one in found]
    wanted = [one for one, name in zip(found, names, strict=True) if tag is None or name == tag]
    if len(wanted) != 1:
        what = "no such tag" if tag is not None and not wanted else "say which tag" if tag is None else "the tag is there twice"
        raise LauncherError(f"{blobs.name}: {what}; it has {', '.join(filter(None, names)) or 'no tags'}")
    chosen = wanted[0]
    if chosen.media_type.endswith(("image.index.v1+json", "manifest.list.v2+json")):
        machine = platform.machine()
        ours = {"os": "linux", "architecture": _ARCHITECTURES.get(machine, machine)}
        for one in blobs.document(chosen, _Index).manifests:
            if one.platform and {**one.platform, **ours} == one.platform:
                return one
        raise LauncherError(f"{blobs.name}: nothing in it is for {ours['os']}/{ours['architecture']}")
    return chosen


class _Blobs:
    """The files of a layout, by name."""

    def __init__(self, name: str, archive: tarfile.TarFile | None) -> None:
        self.name = name
        self._archive = archive

    @contextmanager
    def _opened(self, path: str) -> Iterator[IO[bytes]]:
        try:
            if self._archive is None:
                file: IO[bytes] | None = open(f"{self.name}/{path}", "rb")
            else:
                file = self._archive.extractfile(path)
        except (OSError, KeyError, tarfile.TarError) as error:
            raise LauncherError(f"{self.name}: {path} is missing in this image layout") from error
        if file is None:
            raise LauncherError(f"{self.name}: {path} is no file")
        with file:
            yield file

    def read(self, path: str) -> bytes:
        """A whole document."""
        with self._opened(path) as file:
            text = file.read(_DOCUMENT_LIMIT + 1)
        if len(text) > _DOCUMENT_LIMIT:
            raise LauncherError(f"{self.name}: {path} is larger than {_DOCUMENT_LIMIT} bytes")
        return text

    def parse(self, text: bytes, type_: type[T], path: str) -> T:
        """A document of that shape."""
        try:
            return msgspec.json.decode(text, type=type_)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise LauncherError(f"{self.name}: {path}: {error}") from None

    def document(self, descriptor: _Descriptor, type_: type[T]) -> T:
        """The document that a descriptor means; its digest is compared."""
        with self.opened(descriptor) as file:
            return self.parse(file.read(_DOCUMENT_LIMIT), type_, descriptor.digest)

    @contextmanager
    def opened(self, descriptor: _Descriptor) -> Iterator[IO[bytes]]:
        """The blob that a descriptor means, from its beginning, once its digest was compared."""
        algorithm, _, digits = descriptor.digest.partition(":")
        if algorithm not in ("sha256", "sha512") or len(digits) not in (64, 128) or digits.strip("0123456789abcdef"):
            raise LauncherError(f"{self.name}: {descriptor.digest[:80]!r} is no sha256 or sha512 digest")
        with self._opened(f"blobs/{algorithm}/{digits}") as file:
            if hashlib.file_digest(file, algorithm).hexdigest() != digits:  # type: ignore[arg-type]
                raise LauncherError(f"{self.name}: blob {descriptor.digest[:19]} is not what its digest says: copy the image again")
            file.seek(0)
            yield file


@contextmanager
def _opened_layout(path: str) -> Iterator[_Blobs]:
    if os.path.isdir(path):
        yield _Blobs(path, None)
        return
    try:
        archive = tarfile.open(path, "r:")
    except (OSError, tarfile.TarError) as error:
        raise LauncherError(f"{path}: no image layout: {error}") from error
    with archive:
        yield _Blobs(path, archive)


def _decompressed(blob: IO[bytes], media_type: str, where: str) -> IO[bytes]:
    """The tar archive inside, by what the blob begins with: media types have been wrong before."""
    magic = blob.read(4)
    blob.seek(0)
    if magic[:2] == b"\x1f\x8b":
        gzip = import_module("gzip")
        return gzip.GzipFile(fileobj=blob)  # type: ignore[no-any-return]
    if magic == b"\x28\xb5\x2f\xfd":
        try:
            return import_module("compression.zstd").ZstdFile(blob)  # type: ignore[no-any-return]
        except ImportError:
            message = f"{where} is compressed with zstd, which takes Python 3.14; skopeo copy --dest-compress-format gzip"
            raise LauncherError(message) from None
    return blob


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


class _Budget:
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
            raise LauncherError(f"{member.name[:80]!r}: {member.size} bytes are more than an image may bring, or than is free: refused")
        if self._entries < 0:
            raise LauncherError(f"more than {_ENTRY_LIMIT} entries: refused")


def _apply(stream: _Stream, diff_id: str, root: str, budget: _Budget) -> None:
    """Apply one layer. What it removes is of the layers below it only, wherever in the archive that stands."""
    tree = _Tree(root)
    try:
        with tarfile.TarFile(fileobj=stream) as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # kept for looking up by name, which nobody does
                budget.take(member)
                tree.add(member, archive)
        tree.finish()
    finally:
        tree.close()
    if (found := stream.diff_id()) != diff_id:
        raise LauncherError(f"its content is {found[:19]}, the configuration says {diff_id[:19]}")


class _Tree:
    """A directory that entries of one layer are added to, each through a descriptor of its parent."""

    def __init__(self, root: str) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._parent: tuple[tuple[str, ...], int] | None = None  # of the entry before: most have the same
        self._added: set[tuple[str, ...]] = set()
        self._times: dict[tuple[str, ...], int] = {}  # of directories, which change with what is put in

    def close(self) -> None:
        """Let go of the directory."""
        self._leave()
        os.close(self._root)

    def add(self, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        """One entry. Errors: LauncherError for what has no place in an image; OSError."""
        path = _parts(member.name)
        if not path:
            self._dress(self._root, member, path)
            return
        parent, name = self._enter(path[:-1]), path[-1]
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
            handle = self._enter(path)
            os.utime(handle, ns=(self._times[path], self._times[path]))

    def _put(self, parent: int, path: tuple[str, ...], member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        name = path[-1]
        if not member.isdir() or not _is_directory(name, parent):
            _remove_tree(name, parent)
        if member.isdir():
            try:
                os.mkdir(name, 0o700, dir_fd=parent)
            except FileExistsError:
                pass
            handle = _directory(name, parent)
        elif member.isreg():
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=parent)
        elif member.issym():
            os.symlink(member.linkname, name, dir_fd=parent)
            _own(name, member, parent)
            os.utime(name, ns=(_mtime(member),) * 2, dir_fd=parent, follow_symlinks=False)
            return
        elif member.islnk():
            self._link(path, member)
            return
        elif member.isfifo():
            os.mkfifo(name, 0o600, dir_fd=parent)
            handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
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
        target = _parts(member.linkname)
        if not target:
            raise LauncherError(f"{member.name!r}: a link to nothing: refused")
        source = os.dup(self._enter(target[:-1], make=False))
        try:
            os.link(target[-1], path[-1], src_dir_fd=source, dst_dir_fd=self._enter(path[:-1]), follow_symlinks=False)
        finally:
            os.close(source)

    def _dress(self, handle: int, member: tarfile.TarInfo, path: tuple[str, ...]) -> None:
        """Owner, mode, extended attributes, time: in this order, because a new owner takes set-user-ID bits and capabilities away."""
        _own(handle, member)
        os.fchmod(handle, stat.S_IMODE(member.mode))
        for key, value in member.pax_headers.items():
            attribute = key.removeprefix("SCHILY.xattr.")
            if attribute != key and attribute.startswith(("user.", "security.capability")):
                _set_attribute(handle, attribute, os.fsencode(value))
        if member.isdir():
            self._times[path] = _mtime(member)
        else:
            os.utime(handle, ns=(_mtime(member),) * 2)

    def _enter(self, path: tuple[str, ...], *, make: bool = True) -> int:
        """A descriptor of the directory *path*, made where it is missing; no link is followed on the way. It lasts until the next call."""
        if self._parent is not None and self._parent[0] == path:
            return self._parent[1]
        handle = os.dup(self._root)
        try:
            for depth, name in enumerate(path):
                if make:
                    try:
                        os.mkdir(name, 0o755, dir_fd=handle)
                    except FileExistsError:
                        pass
                try:
                    inner = _directory(name, handle)
                except OSError as error:
                    if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                        raise
                    raise LauncherError(f"{'/'.join(path[: depth + 1])!r} is no directory, and no link is followed: refused") from None
                os.close(handle)
                handle = inner
        except BaseException:
            os.close(handle)
            raise
        self._leave()
        self._parent = path, handle
        return handle

    def _leave(self) -> None:
        if self._parent is not None:
            os.close(self._parent[1])
            self._parent = None

    def _remove(self, parent: int, path: tuple[str, ...]) -> None:
        """Remove what lower layers put there, and keep what this one did."""
        if path not in self._added:
            _remove_tree(path[-1], parent)
            self._times = {one: time for one, time in self._times.items() if one[: len(path)] != path}
        elif _is_directory(path[-1], parent):
            handle = _directory(path[-1], parent)
            try:
                for name in os.listdir(handle):
                    self._remove(handle, (*path, name))
            finally:
                os.close(handle)


def _parts(name: str) -> tuple[str, ...]:
    """The components of a path of the archive. Errors: LauncherError."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts:
        raise LauncherError(f"{name[:80]!r} leads out of the image: refused")
    if len(os.fsencode(name)) > _PATH_LIMIT or any(len(os.fsencode(part)) > 255 for part in parts):
        raise LauncherError(f"{name[:80]!r}…: a name too long: refused")
    return parts


def _directory(name: str, parent: int) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _is_directory(name: str, parent: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _remove_tree(name: str, parent: int) -> None:
    if _is_directory(name, parent):
        rmtree(name, dir_fd=parent)
        return
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        pass


def _own(target: int | str, member: tarfile.TarInfo, parent: int | None = None) -> None:
    """Give it its owner. An ordinary user gives nothing away: everything is the user's, which inside is root's."""
    if os.geteuid() == 0:
        os.chown(target, member.uid, member.gid, dir_fd=parent, follow_symlinks=parent is None)


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
