"""An OCI image, unpacked into a root directory: index → manifest → configuration and layers.

*Source:* OCI image specification 1.1: image-layout.md, image-index.md, manifest.md, config.md, layer.md (whiteouts).
*Shape:* a layout is a directory (``skopeo copy … oci:DIR:TAG``) or one tar archive of it (``oci-archive:FILE``).

Whoever made the image is a stranger: digests are compared before anything is believed.
"""

import hashlib
import os
import platform
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import IO, TypeVar

import msgspec

from ctrscope.images.layers import Budget, apply_layer
from ctrscope.images.settings import ImageSettings
from ctrscope.images.zstd import MAGIC, unzstd
from ctrscope.oci.errors import LauncherError

_DOCUMENT_LIMIT = 4 << 20  # bytes of an index, a manifest, a configuration: what registries take
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

    def unpack(self, root: str, uid: int = 0, gid: int = 0) -> None:
        """Apply every layer to the empty directory *root*; *uid* and *gid* are those of root inside.

        Errors: LauncherError, and then *root* holds a part.
        """
        budget, owner = Budget(root), (uid, gid)
        if os.geteuid() == 0:
            os.chown(root, uid, gid)
        for layer, diff_id in zip(self._layers, self._diff_ids, strict=True):
            where = f"{self._blobs.name}: layer {layer.digest[:19]}"
            with self._blobs.opened(layer) as blob:
                try:
                    with _decompressed(blob) as content:
                        apply_layer(content, diff_id, root, budget, owner)
                except (LauncherError, tarfile.TarError, EOFError, zlib.error, ValueError, RecursionError, OSError) as error:
                    raise LauncherError(f"{where}: {error}") from error


@contextmanager
def opened_image(reference: str) -> Iterator[Image]:
    """The image that ``LAYOUT[:TAG]`` means. Errors: LauncherError."""
    path, colon, tag = reference, "", ""
    if not os.path.exists(path):
        path, colon, tag = reference.rpartition(":")
    if not path or not os.path.exists(path):
        raise LauncherError(f"--image {reference}: there is no such image layout; skopeo copy … oci:DIR:TAG makes one")
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
        file: IO[bytes] | None
        try:
            file = open(f"{self.name}/{path}", "rb") if self._archive is None else self._archive.extractfile(path)  # noqa: SIM115
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
                raise LauncherError(f"{self.name}: blob {descriptor.digest[:19]} is not what its digest says")
            file.seek(0)
            yield file


@contextmanager
def _opened_layout(path: str) -> Iterator[_Blobs]:
    if os.path.isdir(path):
        yield _Blobs(path, None)
        return
    try:
        archive = tarfile.open(path, "r:")  # noqa: SIM115
    except (OSError, tarfile.TarError) as error:
        raise LauncherError(f"{path}: no image layout: {error}") from error
    with archive:
        yield _Blobs(path, archive)


@contextmanager
def _decompressed(blob: IO[bytes]) -> Iterator[IO[bytes]]:
    """The tar archive inside, by what the blob begins with: media types have been wrong before."""
    magic = blob.read(4)
    blob.seek(0)
    if magic[:2] == b"\x1f\x8b":
        with import_module("gzip").GzipFile(fileobj=blob) as content:
            yield content
    elif magic == MAGIC:
        with unzstd(blob) as content:
            yield content
    else:
        yield blob
