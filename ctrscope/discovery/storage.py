"""What engines keep beside containers, found in their stores, and which containers use what.

Who has a volume mounted is the kernel's word (``volume_mounts``); who is to have it, and what was made from which image or
is in which network, is the engine's.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ctrscope.discovery.volume_mounts import find_mounted
from ctrscope.discovery.writable_layers import find_writable_layer
from ctrscope.engines import containerd_root, docker_root
from ctrscope.engines.cni_results import read_cni_attachments
from ctrscope.engines.containerd_images import read_containerd_images
from ctrscope.engines.containers_storage import Store, find_stores
from ctrscope.engines.containers_storage_images import read_stored_images
from ctrscope.engines.docker_build_cache import read_docker_build_cache
from ctrscope.engines.docker_images import read_docker_images
from ctrscope.engines.engine import Survey
from ctrscope.engines.kept import KeptReader
from ctrscope.engines.kept_secrets import read_podman_secrets
from ctrscope.engines.networks import read_cni_networks, read_docker_networks, read_podman_networks
from ctrscope.engines.users import read_users
from ctrscope.engines.volumes import VolumeRecord, read_docker_volumes, read_podman_volumes
from ctrscope.model.container import Container, EngineName
from ctrscope.model.gap import Gap, Reading, Reason
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.storage import BuildRecord, Image, Kept, KeptNetwork, Kind, Secret, Storage, Usage, Volume, WritableLayer
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable


def read_storage(hostfs: HostFs, snapshot: Snapshot) -> Reading[Storage]:
    """Read every store of the host. Gaps: what an engine's files would not tell; the rest stands.

    *Cost:* of an image of Docker one file and one for each of its layers, of the other stores some files each; a mountinfo of
    every running container for its writable layer, and one where there are volumes.
    """
    stores = _Stores(hostfs, snapshot)
    stores.read()
    volumes = [_with_declared(record, snapshot.containers) for record in stores.volumes]
    mounted = find_mounted(hostfs, snapshot, volumes)
    found = Storage(
        layers=tuple(_layers(hostfs, snapshot.containers, stores.gaps)),
        images=tuple(_with_shared([_with_makers(image, snapshot.containers) for image in stores.images])),
        builds=tuple(stores.builds),
        volumes=tuple(msgspec.structs.replace(one, containers=mounted.get(one.key, ())) for one in volumes),
        networks=tuple(_with_members(one, snapshot.containers, stores.attached) for one in stores.networks),
        secrets=tuple(stores.secrets),
    )
    return Reading(msgspec.structs.replace(found, usage=usage_of(found)), tuple(dict.fromkeys(stores.gaps)))


class _Stores:
    """Everything that stands in the stores, before it is known who uses it."""

    def __init__(self, hostfs: HostFs, snapshot: Snapshot) -> None:
        self._hostfs = hostfs
        self._snapshot = snapshot
        self._survey = Survey(hostfs, ProcessTable(hostfs), read_users(hostfs))
        self._found = {one.engine for one in snapshot.engines if one.found}
        self.gaps: list[Gap] = []
        self.images: list[Image] = []
        self.builds: list[BuildRecord] = []
        self.volumes: list[VolumeRecord] = []
        self.networks: list[KeptNetwork] = []
        self.secrets: list[Secret] = []
        self.attached: dict[str, list[str]] = {}  # name of a network of CNI → ids of containers

    def read(self) -> None:
        """Read all of them."""
        # What discovery could not read of where things are is a gap of its own already.
        for path, owner in _docker_roots(self._survey, self._snapshot):
            self._read_docker(path, owner)
        for store in self._podman_stores():
            self._read_podman(store)
        for path, owner in _containerd_roots(self._survey):
            self.images += read_containerd_images(self._reader(EngineName.CONTAINERD, owner), path)
        cni = KeptReader(self._hostfs, "cni", None, self.gaps)
        self.networks += read_cni_networks(cni)
        for attachment in read_cni_attachments(cni):
            self.attached.setdefault(attachment.network, []).append(attachment.container)

    def _reader(self, engine: EngineName, owner: int | None) -> KeptReader:
        return KeptReader(self._hostfs, engine, owner or None, self.gaps)

    def _read_docker(self, path: str, owner: int | None) -> None:
        reader = self._reader(EngineName.DOCKER, owner)
        suffix = "/config.v2.json"
        configs = {
            one.source: container.id
            for container in self._snapshot.containers
            if container.engine is EngineName.DOCKER and container.outer is None
            for one in container.evidence
            if one.source.startswith(f"{path}/containers/") and one.source.endswith(suffix)
        }
        images = read_docker_images(reader, path)
        self.images += images
        self.builds += read_docker_build_cache(reader, path, {layer.id for image in images for layer in image.layers})
        self.volumes += read_docker_volumes(reader, path, configs)
        self.networks += read_docker_networks(reader, path)

    def _podman_stores(self) -> list[Store]:
        known = list(find_stores(self._survey, "engine podman").value or ())
        return [store for store in known if self._hostfs.exists(store.graphroot)]

    def _read_podman(self, store: Store) -> None:
        is_crio = EngineName.CRI_O in self._found and EngineName.PODMAN not in self._found and not store.uid
        engine = EngineName.CRI_O if is_crio else EngineName.PODMAN
        reader = self._reader(engine, store.owner)
        self.images += read_stored_images(reader, store, engine)
        if not is_crio:
            self.volumes += read_podman_volumes(reader, store)
            self.networks += read_podman_networks(reader, store.graphroot)
            self.secrets += read_podman_secrets(reader, store)


def _layers(hostfs: HostFs, containers: Iterable[Container], gaps: list[Gap]) -> Iterable[WritableLayer]:
    """Of every container that has one; that many have none is no gap."""
    for container in containers:
        layer, missing = find_writable_layer(hostfs, container)
        gaps += [gap for gap in missing if gap.reason in (Reason.DENIED, Reason.MALFORMED, Reason.TRUNCATED)]
        if layer is not None:
            yield layer


def _docker_roots(survey: Survey, snapshot: Snapshot) -> Iterable[tuple[str, int | None]]:
    """Data roots with their owners: the usual and configured ones, and those that discovery found a daemon in."""
    owners = {root.path: root.owner for root in docker_root.find_roots(survey)[0]}
    there = [path for one in snapshot.engines if one.engine is EngineName.DOCKER for path in one.state_roots]
    for path in dict.fromkeys((*owners, *there)):
        try:
            names = survey.host.names(path)
        except OSError:
            continue
        # Of a root that only a process named, and of a remapped user namespace's: what is in it has its owner.
        owner = next((owners[one] for one in (path, path.rpartition("/")[0]) if one in owners), _owner_of(survey.host, path))
        if "image" in names or "volumes" in names:
            yield path, owner


def _owner_of(hostfs: HostFs, path: str) -> int | None:
    try:
        uid = hostfs.stat(path).st_uid
    except OSError:
        return None
    return uid or None


def _containerd_roots(survey: Survey) -> Iterable[tuple[str, int | None]]:
    seen = set()
    for root in (*containerd_root.find_roots(survey)[0], *containerd_root.find_running_roots(survey)[0]):
        if root.root is not None and root.root not in seen:
            seen.add(root.root)
            yield root.root, root.owner


# Who uses what


def _is_same_engine(kept: Kept, container: Container) -> bool:
    is_same = kept.engine == container.engine and kept.engine_namespace == container.engine_namespace
    return is_same and kept.owner_uid == (container.owner_uid or 0) and container.outer is None


def _with_makers(image: Image, containers: Sequence[Container]) -> Image:
    """With the containers that were made from it: by its id, or where the engine has names only, by its name."""
    ids = {image.id, *image.digests}
    keys = [
        one.key
        for one in containers
        if _is_same_engine(image, one) and (one.image_id in ids or (one.image_id is None and one.image in image.names))
    ]
    return msgspec.structs.replace(image, containers=tuple(keys))


def _with_shared(images: Sequence[Image]) -> list[Image]:
    """With the bytes of layers that another image of the same store has, too."""
    counts = Counter(
        (image.store, layer.id) for image in images for layer in {layer.id: layer for layer in image.layers}.values()
    )

    def shared(image: Image) -> int | None:
        sizes = [layer.size for layer in image.layers if counts[image.store, layer.id] > 1]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    return [msgspec.structs.replace(image, shared_size=shared(image)) for image in images]


def _with_declared(record: VolumeRecord, containers: Sequence[Container]) -> Volume:
    ids = set(record.container_ids)
    keys = [one.key for one in containers if one.id in ids and _is_same_engine(record.volume, one)]
    return msgspec.structs.replace(record.volume, declared=tuple(keys))


def _with_members(network: KeptNetwork, containers: Sequence[Container], attached: Mapping[str, Sequence[str]]) -> KeptNetwork:
    if network.engine is None:
        ids = set(attached.get(network.name, ()))
        keys = [one.key for one in containers if one.id in ids]
    else:
        keys = [one.key for one in containers if network.name in one.networks and _is_same_engine(network, one)]
    return msgspec.structs.replace(network, containers=tuple(keys))


# What it comes to


def usage_of(storage: Storage) -> dict[Kind, Usage]:
    """Totals of every kind. Pure."""
    used_volumes = sum(bool(one.containers or one.declared) for one in storage.volumes)
    return {
        Kind.IMAGE: _image_usage(storage.images),
        Kind.LAYER: Usage(len(storage.layers), len(storage.layers)),
        Kind.BUILD: _build_usage(storage.builds),
        Kind.VOLUME: Usage(len(storage.volumes), used_volumes),
        Kind.NETWORK: Usage(len(storage.networks), sum(bool(one.containers) for one in storage.networks)),
        Kind.SECRET: Usage(len(storage.secrets), 0),
    }


def _image_usage(images: Sequence[Image]) -> Usage:
    """Bytes on disk: each layer of a store once, and what an image has beside its layers."""
    used = [image for image in images if image.containers]
    whole, kept = _bytes_of(images), _bytes_of(used)
    return Usage(len(images), len(used), whole, None if whole is None or kept is None else whole - kept)


def _build_usage(records: Sequence[BuildRecord]) -> Usage:
    """What images have too is counted with them."""
    sizes = [one.size for one in records if not one.is_shared]
    size = None if None in sizes else sum(one for one in sizes if one is not None)
    return Usage(len(records), 0, size, size)


def _bytes_of(images: Iterable[Image]) -> int | None:
    layers: dict[tuple[str, str], int] = {}
    beside: dict[tuple[str, str], int] = {}  # several names of containerd's may lead to one image in several namespaces
    for image in images:
        own = {layer.id: layer.size for layer in image.layers}
        sizes = [size for size in own.values() if size is not None]
        if image.size is None or len(sizes) < len(own):
            return None
        beside[image.store, image.id] = image.size - sum(sizes)
        layers |= {(image.store, layer): size for layer, size in zip(own, sizes, strict=True)}
    return sum(layers.values()) + sum(beside.values())
