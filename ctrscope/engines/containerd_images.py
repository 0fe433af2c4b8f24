"""Images of containerd: names in every namespace of ``meta.db``, and the blobs that they lead to.

*Source:* containerd core/metadata/buckets.go (``v1/NAMESPACE/images/NAME/{createdat,labels,target}`` and
``…/content/blob/DIGEST/{size,labels}``), core/images/handlers.go (the labels ``containerd.io/gc.ref.content.*`` name what a
blob leads to: ``config``, ``l.0`` … layers, ``m.0`` … manifests of an index).
*Shape:* sizes are Go's varints. What is counted is the content store: blobs as they came, compressed layers among them.
*Versions:* the same since 1.2. Docker with the containerd image store keeps its images here, in the namespace ``moby``.
"""

from collections.abc import Iterator, Mapping
from functools import partial

import msgspec

from ctrscope.engines.bolt import Bucket, read_bolt
from ctrscope.engines.claims import is_full_id
from ctrscope.engines.containerd_meta import parse_go_time
from ctrscope.engines.kept import KeptReader
from ctrscope.model.container import EngineName
from ctrscope.model.gap import ParseError
from ctrscope.model.storage import Image, ImageLayer

_META = "io.containerd.metadata.v1.bolt/meta.db"
_BLOBS = "io.containerd.content.v1.content/blobs"
_SHA256 = "sha256:"
_REFERENCE = "containerd.io/gc.ref.content."
#: Manifests of an index, and layers of each.
_MOST_BLOBS = 2_000


class _Blob(msgspec.Struct, frozen=True):
    size: int
    leads_to: Mapping[str, str]  # "config", "l.0", "m.1" → digest


class _Name(msgspec.Struct, frozen=True):
    name: str
    target: str  # digest
    created_at: str | None
    labels: Mapping[str, str]


def read_containerd_images(reader: KeptReader, root: str) -> tuple[Image, ...]:
    """Images of one root directory, names that lead to the same manifest together. Gaps: what of them could not be read."""
    path = f"{root}/{_META}"
    try:
        return read_bolt(reader.host, path, partial(_read_meta, reader, root, path), reader.owner)
    except (OSError, ParseError) as error:
        reader.note(error, path)
        return ()


def _read_meta(reader: KeptReader, root: str, path: str, meta: Bucket) -> tuple[Image, ...]:
    namespaces = meta.bucket(b"v1")
    if namespaces is None:
        return ()
    return tuple(
        image for name, bucket in namespaces.buckets() for image in _read_namespace(reader, root, path, _text(name), bucket)
    )


def _read_namespace(reader: KeptReader, root: str, path: str, namespace: str, bucket: Bucket) -> Iterator[Image]:
    images = bucket.bucket(b"images")
    names = [_parse_name(_text(name), one) for name, one in images.buckets()] if images is not None else []
    by_target: dict[str, list[_Name]] = {}
    for one in reader.first_of(names, path):
        by_target.setdefault(one.target, []).append(one)
    content = bucket.bucket(b"content", b"blob") if by_target else None
    for target, named in by_target.items():
        blobs = _reached(content, target)
        config = next((one.leads_to["config"] for one in blobs.values() if "config" in one.leads_to), None)
        layers = _layers(blobs)
        hexadecimal = (config or "").removeprefix(_SHA256)
        made = [one.created_at for one in named if one.created_at is not None]
        yield Image(
            engine=EngineName.CONTAINERD,
            engine_namespace=namespace,
            owner_uid=reader.owner or 0,
            store=root,
            source=path,
            created_at=min(made, default=None),
            labels={key: value for one in named for key, value in one.labels.items()},
            id=target,
            # CRI gives an image its own id for a second name.
            names=tuple(one.name for one in named if not one.name.startswith(_SHA256) and "@" not in one.name),
            digests=(
                *(one.name for one in named if "@" in one.name),
                *([config] if config is not None else []),
            ),
            size=sum(one.size for one in blobs.values()) if target in blobs else None,
            size_source=f"{path} (sizes of {len(blobs)} blobs)",
            layers=layers,
            config_path=f"{root}/{_BLOBS}/sha256/{hexadecimal}" if is_full_id(hexadecimal) else None,
        )


def _reached(content: Bucket | None, target: str) -> dict[str, _Blob]:
    """Every blob that is there and that the target leads to, itself first."""
    found: dict[str, _Blob] = {}
    waiting = [target]
    while waiting and content is not None and len(found) < _MOST_BLOBS:
        digest = waiting.pop(0)
        bucket = content.bucket(digest.encode("utf-8", "surrogateescape")) if digest not in found else None
        if bucket is None:  # of an index, manifests for other machines are named and not there
            continue
        labels = bucket.bucket(b"labels")
        leads_to = {
            _text(key).removeprefix(_REFERENCE): _text(value)
            for key, value in (labels.values() if labels is not None else ())
            if _text(key).startswith(_REFERENCE)
        }
        found[digest] = _Blob(parse_varint(bucket.get(b"size") or b""), leads_to)
        waiting += leads_to.values()
    return found


def _layers(blobs: Mapping[str, _Blob]) -> tuple[ImageLayer, ...]:
    """Of every manifest that is there, the lowest layer first."""
    found: dict[str, ImageLayer] = {}
    for blob in blobs.values():
        numbered = [
            (int(name[2:]), digest) for name, digest in blob.leads_to.items() if name[:2] == "l." and name[2:].isdecimal()
        ]
        for _, digest in sorted(numbered):
            found.setdefault(digest, ImageLayer(digest, blobs[digest].size if digest in blobs else None))
    return tuple(found.values())


def _parse_name(name: str, bucket: Bucket) -> _Name:
    target, labels = bucket.bucket(b"target"), bucket.bucket(b"labels")
    created = bucket.get(b"createdat")
    return _Name(
        name,
        _text(target.get(b"digest") or b"") if target is not None else "",
        parse_go_time(created) if created is not None else None,
        {_text(key): _text(value) for key, value in labels.values()} if labels is not None else {},
    )


def parse_varint(data: bytes) -> int:
    """A number as Go's ``binary.PutVarint`` writes it: as ``parse_uvarint``, the sign in the last bit. Errors: ParseError."""
    value = parse_uvarint(data)
    return value >> 1 if not value & 1 else ~(value >> 1)


def parse_uvarint(data: bytes) -> int:
    """A number as Go's ``binary.PutUvarint`` writes it: seven bits a byte, the lowest first. Errors: ParseError."""
    value = 0
    for place, byte in enumerate(data[:10]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value
    raise ParseError(f"a number of {len(data)} bytes does not end")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
