"""Where an engine keeps the writable layer of a container, as its store says: for those that are not mounted, and by FUSE.

*Source:* moby daemon/graphdriver/overlay2 and containers/storage drivers/overlay: ``STORE/ID/{diff,lower,merged}``, of which
``lower`` has the layers below as ``l/SHORT:l/SHORT``, links to ``../ID/diff``; ``.has-mount-program`` says whether
fuse-overlayfs mounts it. containers/storage ``containers.json`` names the layer of a container.
*Versions:* the same since Docker 1.12 and containers/storage of 2017.
"""

import msgspec

from ctrscope.engines.containerd_snapshots import find_snapshot
from ctrscope.engines.state_file import parse_json
from ctrscope.model.container import Container, EngineName
from ctrscope.model.gap import Gap, ParseError, Reading, Reason, gap_of
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs

_MERGED = "/merged"
_LISTS = ("/containers.json", "/volatile-containers.json")
_META = "/meta.db"
_OVERLAYS = ("overlay", "overlay2")


class KeptLayer(Value, frozen=True, kw_only=True):
    """The writable layer of a container, and what is below it."""

    upper: str
    lower: tuple[str, ...]
    source: str
    is_fuse: bool = False  # fuse-overlayfs mounts it, and has marks of its own


class _Stored(msgspec.Struct):
    id: str
    layer: str = ""


_decoder = msgspec.json.Decoder(list[_Stored])


def find_kept_layer(host: HostFs, container: Container) -> Reading[KeptLayer]:
    """The writable layer of a container by what its engine wrote down. Gaps: why there is none, or it cannot be found."""
    owner = container.owner_uid or None
    source = container.rootfs or ""
    try:
        if container.rootfs is not None and container.rootfs.endswith(_MERGED):
            return Reading(_in_directory(host, container.rootfs.removesuffix(_MERGED), owner))
        for source in (one.source for one in container.evidence):
            if source.endswith(_LISTS):
                return _stored(host, container, source, owner)
            if source.endswith(_META) and container.engine is EngineName.CONTAINERD:
                return _snapshot(host, container, source, owner)
    except (OSError, ParseError) as error:
        return Reading(None, (gap_of(error, _subject(container), ("layer",), source),))
    detail = "nothing is known that leads to its writable layer"
    return _none(container, container.evidence[0].source if container.evidence else "", Reason.UNAVAILABLE, detail)


def _in_directory(host: HostFs, directory: str, owner: int | None) -> KeptLayer:
    store = directory.rpartition("/")[0]
    source = f"{directory}/lower"
    text = host.read(source, owner=owner).decode("utf-8", "surrogateescape").strip()
    if "\0" in text:
        raise ParseError(f"{source}: a NUL in a path")
    layers = [layer for layer in text.split(":") if layer]
    try:
        is_fuse = host.read(f"{store}/.has-mount-program", owner=owner) == b"true"
    except OSError:
        is_fuse = False
    return KeptLayer(
        upper=f"{directory}/diff",
        lower=tuple(layer if layer.startswith("/") else f"{store}/{layer}" for layer in layers),
        source=source,
        is_fuse=is_fuse,
    )


def _stored(host: HostFs, container: Container, source: str, owner: int | None) -> Reading[KeptLayer]:
    """By ``GRAPHROOT/DRIVER-containers/containers.json``, or its volatile sister."""
    graphroot, directory, _ = source.rsplit("/", 2)
    driver = directory.removesuffix("-containers")
    if driver not in _OVERLAYS:
        detail = f"storage driver {driver}: it copies what a container is made from, and keeps no changes of its own"
        return _none(container, source, Reason.UNSUPPORTED, detail)
    stored = parse_json(_decoder, host.read(source, owner=owner), source)
    layer = next((one.layer for one in stored if one.id == container.id), "")
    if not layer or "/" in layer or layer.startswith("."):
        return _none(container, source, Reason.UNAVAILABLE, "it names no layer of the container")
    return Reading(_in_directory(host, f"{graphroot}/{driver}/{layer}", owner))


def _snapshot(host: HostFs, container: Container, source: str, owner: int | None) -> Reading[KeptLayer]:
    found = find_snapshot(host, source, container.engine_namespace or "", container.id, owner)
    if found is None:
        return _none(container, source, Reason.UNAVAILABLE, "it names no snapshot of the container")
    if not found.directories:
        detail = f"snapshotter {found.snapshotter}: it keeps no changes of its own in a directory"
        return _none(container, source, Reason.UNSUPPORTED, detail)
    return Reading(KeptLayer(upper=found.directories[0], lower=found.directories[1:], source=found.source))


def _subject(container: Container) -> str:
    return f"container {container.key}"


def _none(container: Container, source: str, reason: Reason, detail: str) -> Reading[KeptLayer]:
    return Reading(None, (Gap(subject=_subject(container), fields=("layer",), source=source, reason=reason, detail=detail),))
