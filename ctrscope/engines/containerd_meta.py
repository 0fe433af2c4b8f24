"""containerd's ``meta.db``: what it knows of containers, also of those without a task.

*Source:* containerd core/metadata/buckets.go (``v1/NAMESPACE/containers/ID/…``), core/metadata/boltutil (time and Any).
*Shape:* keys ``createdat`` (Go's binary time), ``image``, ``spec`` (protobuf Any around the OCI ``config.json``), buckets
``labels``, ``runtime`` (key ``name``) and ``extensions`` (protobuf Any around JSON).
*Versions:* the same since 1.0; 2.0 added ``sandboxid``.
"""

from collections.abc import Callable, Mapping

from ctrscope.engines.bolt import Bucket, read_bolt
from ctrscope.engines.protobuf import parse_fields
from ctrscope.model.gap import ParseError
from ctrscope.model.timestamp import rfc3339_ns
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs

#: Go counts seconds from the year 1.
_GO_EPOCH = -62135596800


class MetaContainer(Value, frozen=True, kw_only=True):
    """One container as ``meta.db`` has it."""

    created_at: str | None = None  # RFC 3339, nanoseconds
    image: str | None = None
    runtime: str | None = None
    labels: Mapping[str, str] = {}
    extensions: Mapping[str, bytes] = {}  # JSON, by name
    spec: bytes = b""  # config.json as it was asked for; empty when there is none
    error: ParseError | None = None  # why nothing else is known


def read_meta_database(
    host: HostFs, path: str, is_wanted: Callable[[str, str], bool], owner: int | None = None
) -> dict[tuple[str, str], MetaContainer]:
    """Containers by namespace and id, of those that are wanted. Errors: as ``bolt.read_bolt``."""

    def read(root: Bucket) -> dict[tuple[str, str], MetaContainer]:
        found = {}
        namespaces = root.bucket(b"v1")
        for namespace, bucket in namespaces.buckets() if namespaces is not None else ():
            containers = bucket.bucket(b"containers")
            for container_id, container in containers.buckets() if containers is not None else ():
                names = _text(namespace), _text(container_id)
                if is_wanted(*names):
                    try:
                        found[names] = _decode(container)
                    except ParseError as error:  # the others stand; of what was torn ``read_bolt`` takes nothing
                        found[names] = MetaContainer(error=error)
        return found

    return read_bolt(host, path, read, owner)


def parse_any(data: bytes) -> bytes:
    """Value of a protobuf Any: field 1 is the type's URL, field 2 the value. Errors: ParseError."""
    value = b""
    for number, found in parse_fields(data):
        if not isinstance(found, bytes):
            raise ParseError("protobuf Any: a number")
        if number == 2:
            value = found
    return value


def parse_go_time(data: bytes) -> str | None:
    """RFC 3339 of Go's ``time.MarshalBinary``; None for "never". Errors: ParseError.

    Shape: version 1 or 2, seconds since the year 1 (8 bytes), nanoseconds (4), offset in minutes (2), all big endian.
    """
    if len(data) not in (15, 16) or data[0] not in (1, 2):
        raise ParseError(f"Go time: {len(data)} bytes")
    seconds, nanoseconds = int.from_bytes(data[1:9], "big", signed=True), int.from_bytes(data[9:13], "big")
    return rfc3339_ns((seconds + _GO_EPOCH) * 1_000_000_000 + nanoseconds) if seconds or nanoseconds else None


def _decode(bucket: Bucket) -> MetaContainer:
    values: dict[bytes, bytes] = {}
    buckets: dict[bytes, Bucket] = {}
    for key, found in bucket.items():
        if isinstance(found, Bucket):
            buckets[key] = found
        else:
            values[key] = found
    runtime = buckets[b"runtime"].get(b"name") if b"runtime" in buckets else None
    extensions = buckets[b"extensions"].values() if b"extensions" in buckets else ()
    labels = buckets[b"labels"].values() if b"labels" in buckets else ()
    return MetaContainer(
        created_at=parse_go_time(values[b"createdat"]) if b"createdat" in values else None,
        image=_text(values.get(b"image", b"")) or None,
        runtime=_text(runtime) if runtime else None,
        labels={_text(key): _text(value) for key, value in labels},
        extensions={_text(key): parse_any(value) for key, value in extensions},
        spec=parse_any(values.get(b"spec", b"")),
    )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
