"""Where containerd keeps the writable layer of a container: two databases lead from its id to a directory.

*Source:* containerd core/metadata/buckets.go (``v1/NAMESPACE/containers/ID/{snapshotKey,snapshotter}``,
``…/snapshots/SNAPSHOTTER/KEY/name``), core/snapshots/storage/bolt.go (``v1/snapshots/NAME/{id,parent}``, the id a Go uvarint),
plugins/snapshots/overlay (``snapshots/ID/fs``).
*Versions:* the same since 1.0.
"""

from ctrscope.engines.bolt import Bucket, read_bolt
from ctrscope.engines.containerd_images import parse_uvarint
from ctrscope.model.gap import ParseError
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs

_SNAPSHOTTER = "io.containerd.snapshotter.v1"
_OVERLAY = "overlayfs"
_MOST_LAYERS = 500


class Snapshot(Value, frozen=True):
    """The snapshot of a container."""

    snapshotter: str
    directories: tuple[str, ...]  # its own, then those below it; none: it is no overlay
    source: str


def find_snapshot(host: HostFs, meta: str, namespace: str, container_id: str, owner: int | None) -> Snapshot | None:
    """The snapshot of a container of ``meta.db``; None where that knows none. Errors: OSError, ParseError."""

    def look(root: Bucket) -> tuple[str, str] | None:
        containers = root.bucket(b"v1", namespace.encode(), b"containers", container_id.encode())
        key = containers.get(b"snapshotKey") if containers is not None else None
        snapshotter = containers.get(b"snapshotter") if containers is not None else None
        if not key or not snapshotter:
            return None
        named = root.bucket(b"v1", namespace.encode(), b"snapshots", snapshotter, key)
        name = named.get(b"name") if named is not None else None
        return (snapshotter.decode("utf-8", "replace"), name.decode("utf-8", "surrogateescape")) if name else None

    found = read_bolt(host, meta, look, owner)
    if found is None:
        return None
    snapshotter, name = found
    if snapshotter != _OVERLAY:
        return Snapshot(snapshotter, (), meta)
    directory = f"{meta.rsplit('/', 2)[0]}/{_SNAPSHOTTER}.{_OVERLAY}"
    source = f"{directory}/metadata.db"
    numbers = read_bolt(host, source, lambda root: _chain(root, name), owner)
    return Snapshot(snapshotter, tuple(f"{directory}/snapshots/{number}/fs" for number in numbers), source)


def _chain(root: Bucket, name: str) -> list[int]:
    """Ids of a snapshot and of those that it stands on."""
    numbers: list[int] = []
    while name and len(numbers) < _MOST_LAYERS:
        bucket = root.bucket(b"v1", b"snapshots", name.encode("utf-8", "surrogateescape"))
        number = bucket.get(b"id") if bucket is not None else None
        if bucket is None or not number:
            raise ParseError(f"there is no snapshot {name[:80]!r}")
        numbers.append(parse_uvarint(number))
        name = (bucket.get(b"parent") or b"").decode("utf-8", "surrogateescape")
    return numbers
