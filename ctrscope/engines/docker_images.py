"""Docker's image store: names, configurations, and the size of every layer.

*Source:* moby reference/store.go (``repositories.json``), image/fs.go (``imagedb``), layer/filestore.go (``layerdb``),
OCI image specification config.md, "Layer ChainID".
*Shape:* ``DATA_ROOT/image/DRIVER/repositories.json``, ``imagedb/content/sha256/ID`` (the OCI configuration),
``layerdb/sha256/CHAIN/size`` (bytes of one layer, in digits).
*Versions:* 1.10 to 29. With the containerd image store, the default of new installations since 29, images are containerd's.
"""

import hashlib
from collections.abc import Iterator

import msgspec

from ctrscope.engines.claims import is_full_id
from ctrscope.engines.image_config import parse_outline
from ctrscope.engines.kept import KeptReader
from ctrscope.engines.state_file import parse_json
from ctrscope.model.container import EngineName
from ctrscope.model.gap import ParseError
from ctrscope.model.storage import Image, ImageLayer

_SHA256 = "sha256:"
#: Docker itself takes no more; 127 is what overlay2 can mount.
_MOST_LAYERS = 500


class _Repositories(msgspec.Struct, rename="pascal"):
    repositories: dict[str, dict[str, str]] = {}


_decoder = msgspec.json.Decoder(_Repositories)


def read_docker_images(reader: KeptReader, root: str) -> tuple[Image, ...]:
    """Images of one data root, those without a name too. Gaps: what of them could not be read."""
    return tuple(image for driver in reader.names(f"{root}/image") for image in _read_store(reader, f"{root}/image/{driver}"))


def _read_store(reader: KeptReader, store: str) -> Iterator[Image]:
    directory = f"{store}/imagedb/content/sha256"
    ids = [name for name in reader.names(directory) if is_full_id(name)]
    names = _names(reader, f"{store}/repositories.json") if ids else {}
    sizes: dict[str, int | None] = {}
    for image_id in ids:
        path = f"{directory}/{image_id}"
        try:
            outline = parse_outline(reader.read(path), path)
            if len(outline.diff_ids) > _MOST_LAYERS:
                raise ParseError(f"{path}: {len(outline.diff_ids)} layers")
        except (OSError, ParseError) as error:
            reader.note(error, path)
            continue
        layers = tuple(_layers(reader, store, outline.diff_ids, sizes))
        known = [layer.size for layer in layers if layer.size is not None]
        named = names.get(_SHA256 + image_id, ())
        yield Image(
            engine=EngineName.DOCKER,
            owner_uid=reader.owner or 0,
            store=store,
            source=path,
            created_at=outline.created_at,
            labels=outline.labels,
            id=_SHA256 + image_id,
            names=tuple(name for name in named if "@" not in name),
            digests=tuple(name for name in named if "@" in name),
            size=sum(known) if len(known) == len(layers) else None,
            size_source=f"{store}/layerdb/sha256/*/size",
            layers=layers,
            config_path=path,
        )


def _names(reader: KeptReader, path: str) -> dict[str, tuple[str, ...]]:
    """References of every image, by its id."""
    try:
        repositories = parse_json(_decoder, reader.read(path), path).repositories
    except (OSError, ParseError) as error:
        reader.note(error, path)
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for references in repositories.values():
        for reference, image_id in references.items():
            found[image_id] = (*found.get(image_id, ()), reference)
    return found


def _layers(reader: KeptReader, store: str, diff_ids: tuple[str, ...], sizes: dict[str, int | None]) -> Iterator[ImageLayer]:
    chain = ""
    for diff_id in diff_ids:
        chain = _SHA256 + hashlib.sha256(f"{chain} {diff_id}".encode()).hexdigest() if chain else diff_id
        if chain not in sizes:
            sizes[chain] = _size(reader, store, chain)
        yield ImageLayer(chain, sizes[chain])


def _size(reader: KeptReader, store: str, chain: str) -> int | None:
    name = chain.removeprefix(_SHA256)
    path = f"{store}/layerdb/sha256/{name}/size"
    try:
        if not is_full_id(name):
            raise ParseError(f"{store}: a layer {name[:80]!r}")
        text = reader.read(path, limit=64)
        if not (text.isascii() and text.isdigit()):
            raise ParseError(f"{path}: {text[:20]!r} is no number")
        return int(text)
    except (OSError, ParseError) as error:
        # A layer of which nothing is left is as unknown as one that cannot be read.
        reader.note(error, path, even_vanished=True)
        return None
