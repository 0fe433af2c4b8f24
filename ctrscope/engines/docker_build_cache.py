"""Docker's build cache: what BuildKit keeps of builds, by its records.

*Source:* moby/buildkit cache/metadata (``metadata_v2.db``, bucket ``_main``: a record of JSON values by key), cache/refs.go
(``cache.equalMutable``: the same data under two ids, of which the one that can still be written counts), moby
builder/builder-next/adapters/snapshot (``snapshots.db``: ``ID/chainid`` of what is a layer of Docker's) and imagerefchecker
(what is a layer of an image is counted with the image).
*Shape:* ``{"value": …, "index": …}``; times in nanoseconds since 1970, a size of -1 was not counted.
*Versions:* BuildKit 0.4 (Docker 19.03) and later. Which records a build uses now is only in the daemon's memory.
"""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import msgspec

from ctrscope.engines.bolt import Bucket, read_bolt
from ctrscope.engines.kept import KeptReader
from ctrscope.model.container import EngineName
from ctrscope.model.gap import ParseError
from ctrscope.model.storage import BuildRecord
from ctrscope.model.timestamp import rfc3339_ns

_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_Records = dict[str, dict[str, Any]]


def read_docker_build_cache(reader: KeptReader, root: str, layers: Collection[str]) -> tuple[BuildRecord, ...]:
    """Records of one data root. *layers*: chain ids of the layers that its images have. Gaps: what could not be read."""
    path = f"{root}/buildkit/metadata_v2.db"
    records: _Records = {}
    try:
        records = read_bolt(reader.host, path, _read_records, reader.owner)
        chains = read_bolt(reader.host, f"{root}/buildkit/snapshots.db", _read_chains, reader.owner) if records else {}
    except (OSError, ParseError) as error:
        reader.note(error, path)
        if not records:
            return ()
        chains = {}
    twins = {values["cache.equalMutable"]: values for values in records.values() if values.get("cache.equalMutable")}
    shown = {key: values for key, values in records.items() if not values.get("cache.equalMutable")}
    make = partial(_record, reader=reader, store=f"{root}/buildkit", path=path)
    shared = _with_parents((key for key in shown if chains.get(key) in layers), shown)
    return tuple(make(key, values | _size_of(twins.get(key)), key in shared) for key, values in _first(reader, shown, path))


def _first(reader: KeptReader, shown: _Records, path: str) -> list[tuple[str, dict[str, Any]]]:
    return reader.first_of(list(shown.items()), path)


def _with_parents(keys: Any, records: _Records) -> set[str]:
    """Records with those that they stand on."""
    found: set[str] = set()
    for key in keys:
        while isinstance(key, str) and key in records and key not in found:
            found.add(key)
            key = records[key].get("cache.parent")
    return found


def _size_of(twin: Mapping[str, Any] | None) -> dict[str, Any]:
    """The size that the record with the same data has."""
    return {"snapshot.size": twin["snapshot.size"]} if twin is not None and "snapshot.size" in twin else {}


def _record(key: str, values: Mapping[str, Any], is_shared: bool, *, reader: KeptReader, store: str, path: str) -> BuildRecord:
    size, used = values.get("snapshot.size"), values.get("cache.usageCount")
    return BuildRecord(
        engine=EngineName.DOCKER,
        owner_uid=reader.owner or 0,
        store=store,
        source=path,
        created_at=_moment(values.get("cache.createdAt")),
        id=key,
        description=str(values.get("cache.description") or ""),
        size=size if isinstance(size, int) and size >= 0 else None,
        is_shared=is_shared,
        last_used_at=_moment(values.get("cache.lastUsedAt")),
        used=used if isinstance(used, int) else None,
    )


def _moment(value: Any) -> str | None:
    try:
        return rfc3339_ns(value) if isinstance(value, int) and value > 0 else None
    except ParseError:
        return None


def _read_records(root: Bucket) -> _Records:
    main = root.bucket(b"_main")
    return {_text(key): dict(_values(bucket)) for key, bucket in main.buckets()} if main is not None else {}


def _values(bucket: Bucket) -> Any:
    for key, text in bucket.values():
        if text:  # an empty value was taken back
            try:
                yield _text(key), msgspec.json.decode(_decoder.decode(text).get("value", b"null"))
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                raise ParseError(f"{_text(key)}: {error}") from error


def _read_chains(root: Bucket) -> dict[str, str]:
    """Chain id of every snapshot that is a layer of Docker's."""
    return {_text(key): _text(bucket.get(b"chainid") or b"") for key, bucket in root.buckets()}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
