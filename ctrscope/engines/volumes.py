"""Volumes: what Docker and Podman wrote down of each, and which containers they are for.

*Source:* moby volume/service/db.go (``volumes/metadata.db``, bucket ``volumes``), volume/local (``volumes/NAME/_data``),
daemon/container ``MountPoints``; libpod boltdb_state.go (buckets ``vol``, ``vol-dependencies``) and sqlite_state_internal.go
(``VolumeConfig``, ``ContainerVolume``).
*Versions:* Docker marks anonymous volumes with a label since 23; before, and always besides, their names are 64 digits.
Podman's JSON has ``isAnon`` since 3.0 (2.x: ``isCtrSpecific``).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import msgspec

from ctrscope.engines.bolt import Bucket, read_bolt
from ctrscope.engines.claims import is_full_id
from ctrscope.engines.containers_storage import Store
from ctrscope.engines.kept import KeptReader, values_of
from ctrscope.engines.podman_database import database_paths
from ctrscope.engines.podman_json import real_time
from ctrscope.engines.sqlite_file import open_sqlite_copy
from ctrscope.engines.state_file import parse_json
from ctrscope.model.container import EngineName
from ctrscope.model.gap import ParseError
from ctrscope.model.storage import Volume

#: JSON of a volume, and the ids of the containers that depend on it.
_PodmanRow = tuple[bytes, tuple[str, ...]]
_ANONYMOUS = "com.docker.volume.anonymous"


class VolumeRecord(msgspec.Struct, frozen=True):
    """A volume, and the ids of the containers that its engine says it is for."""

    volume: Volume
    container_ids: tuple[str, ...]


class _DockerVolume(msgspec.Struct, rename="pascal"):
    name: str
    driver: str = ""
    labels: dict[str, str] | None = None
    options: dict[str, str] | None = None


class _MountPoint(msgspec.Struct, rename="pascal"):
    name: str = ""


class _DockerContainer(msgspec.Struct, rename="pascal"):
    mount_points: dict[str, _MountPoint] | None = None


class _PodmanVolume(msgspec.Struct):
    name: str
    labels: dict[str, str] | None = None
    driver: str = msgspec.field(name="volumeDriver", default="")
    mount_point: str = msgspec.field(name="mountPoint", default="")
    created_at: str | None = msgspec.field(name="createdAt", default=None)
    options: dict[str, str] | None = msgspec.field(name="volumeOptions", default=None)
    is_anonymous: bool = msgspec.field(name="isAnon", default=False)


_docker_decoder = msgspec.json.Decoder(_DockerVolume)
_container_decoder = msgspec.json.Decoder(_DockerContainer)
_podman_decoder = msgspec.json.Decoder(_PodmanVolume)


def read_docker_volumes(reader: KeptReader, root: str, configs: Mapping[str, str]) -> tuple[VolumeRecord, ...]:
    """Volumes of one data root. *configs*: path of ``config.v2.json`` → id, of its containers."""
    store = f"{root}/volumes"
    source = f"{store}/metadata.db"
    recorded: dict[str, _DockerVolume] = {}
    try:
        for key, value in read_bolt(reader.host, source, partial(values_of, b"volumes"), reader.owner):
            recorded[key.decode("utf-8", "surrogateescape")] = parse_json(_docker_decoder, value, source)
    except (OSError, ParseError) as error:
        reader.note(error, source)
    there = [name for name in reader.names(store) if name not in ("metadata.db", "backingFsBlockDev")]
    users = _docker_users(reader, configs) if recorded or there else {}
    found = []
    for name in reader.first_of(sorted({*recorded, *there}), store):
        record = recorded.get(name) or _DockerVolume(name)
        labels = record.labels or {}
        # A directory of its own is the local driver's way.
        directory = f"{store}/{name}" if name in there and _is_name(name) else None
        volume = Volume(
            engine=EngineName.DOCKER,
            owner_uid=reader.owner or 0,
            store=store,
            source=source if name in recorded else store,
            created_at=_made_at(reader, directory) if directory is not None else None,
            labels=labels,
            name=name,
            driver=record.driver or ("local" if directory is not None else None),
            mount_point=f"{directory}/_data" if directory is not None else None,
            options=record.options or {},
            is_anonymous=_ANONYMOUS in labels or is_full_id(name),
        )
        found.append(VolumeRecord(volume, tuple(users.get(name, ()))))
    return tuple(found)


def _docker_users(reader: KeptReader, configs: Mapping[str, str]) -> dict[str, list[str]]:
    """Ids of containers by the name of a volume that they are to have."""
    users: dict[str, list[str]] = {}
    for path, container_id in configs.items():
        try:
            points = parse_json(_container_decoder, reader.read(path), path).mount_points or {}
        except (OSError, ParseError) as error:
            reader.note(error, path)
            continue
        for name in dict.fromkeys(point.name for point in points.values() if point.name):
            users.setdefault(name, []).append(container_id)
    return users


def _made_at(reader: KeptReader, directory: str) -> str | None:
    """When something in the directory of a volume was made last: with the volume, which nobody writes down."""
    try:
        moment = datetime.fromtimestamp(int(reader.host.stat(directory).st_mtime), UTC)
    except (OSError, ValueError, OverflowError):
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def read_podman_volumes(reader: KeptReader, store: Store) -> tuple[VolumeRecord, ...]:
    """Volumes of every database of a store."""
    found: dict[str, VolumeRecord] = {}
    for path in database_paths(store):
        try:
            rows = (_from_sqlite if path.endswith(".sql") else _from_bolt)(reader, path)
        except (OSError, ParseError) as error:
            reader.note(error, path)
            continue
        for text, container_ids in rows:
            try:
                record = VolumeRecord(_podman_volume(text, path, store), container_ids)
                found.setdefault(record.volume.name, record)
            except ParseError as error:
                reader.note(error, path)
    return tuple(found.values())


def _from_bolt(reader: KeptReader, path: str) -> list[_PodmanRow]:
    return reader.first_of(read_bolt(reader.host, path, _rows_of_bolt, reader.owner), path)


def _rows_of_bolt(root: Bucket) -> list[_PodmanRow]:
    volumes, rows = root.bucket(b"vol"), []
    for _, bucket in volumes.buckets() if volumes is not None else ():
        users = bucket.bucket(b"vol-dependencies")
        ids = tuple(key.decode("utf-8", "replace") for key, _ in users.items()) if users is not None else ()
        rows.append((bucket.get(b"config") or b"", ids))
    return rows


def _from_sqlite(reader: KeptReader, path: str) -> list[_PodmanRow]:
    with open_sqlite_copy(reader.host, path, owner=reader.owner) as copy:
        users: dict[object, list[str]] = {}
        for container_id, name in copy.rows("ContainerVolume", "ContainerID", "VolumeName"):
            if isinstance(container_id, bytes):
                users.setdefault(name, []).append(container_id.decode("utf-8", "replace"))
        rows = [
            (text if isinstance(text, bytes) else b"", tuple(users.get(name, ())))
            for name, text in copy.rows("VolumeConfig", "Name", "JSON")
        ]
    return reader.first_of(rows, path)


def _podman_volume(text: bytes, path: str, store: Store) -> Volume:
    record = parse_json(_podman_decoder, text, path)
    mount_point = record.mount_point
    return Volume(
        engine=EngineName.PODMAN,
        owner_uid=store.uid,
        store=store.graphroot,
        source=path,
        created_at=real_time(record.created_at),
        labels=record.labels or {},
        name=record.name,
        driver=record.driver or "local",
        mount_point=mount_point if mount_point.startswith("/") and "\0" not in mount_point else None,
        options=record.options or {},
        is_anonymous=record.is_anonymous,
    )


def _is_name(name: str) -> bool:
    """Whether it can be one directory: a database may say anything."""
    return "/" not in name and "\0" not in name and name not in ("", ".", "..")
