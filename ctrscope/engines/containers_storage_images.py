"""Images of containers/storage, which Podman, CRI-O and Buildah share.

*Source:* containers/storage ``images.go`` (``DRIVER-images/images.json``), ``layers.go`` (``DRIVER-layers/layers.json``),
``store.go`` (ImageSize: layers up to the base, and what is kept of the image beside them).
*Shape:* ``[{"id": …, "names": […], "layer": …, "big-data-names": […], "big-data-sizes": {…}, "created": …}]`` and
``[{"id": …, "parent": …, "diff-size": …}]``; a layer that somebody writes to has no size.
*Versions:* the same since 2017. ``volatile-layers.json`` since 1.46 has layers of containers only.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping

import msgspec

from ctrscope.engines.containers_storage import Store, is_safe_id
from ctrscope.engines.kept import KeptReader
from ctrscope.engines.state_file import parse_json
from ctrscope.model.container import EngineName
from ctrscope.model.gap import ParseError
from ctrscope.model.storage import Image, ImageLayer

_MOST_LAYERS = 500


class _Layer(msgspec.Struct, rename="kebab"):
    id: str
    parent: str = ""
    diff_size: int | None = None


class _Image(msgspec.Struct, rename="kebab"):
    id: str
    digest: str = ""
    names: list[str] | None = None
    layer: str = ""
    mapped_layers: list[str] | None = None
    big_data_names: list[str] | None = None
    big_data_sizes: dict[str, int] | None = None
    created: str | None = None


_layers_decoder = msgspec.json.Decoder(list[_Layer])
_images_decoder = msgspec.json.Decoder(list[_Image])


def read_stored_images(reader: KeptReader, store: Store, engine: EngineName) -> tuple[Image, ...]:
    """Images of every storage driver of a store. Gaps: what of them could not be read."""
    names = reader.names(store.graphroot)
    drivers = [name.removesuffix("-images") for name in names if name.endswith("-images")]
    return tuple(image for driver in drivers for image in _read_driver(reader, store, driver, engine))


def _read_driver(reader: KeptReader, store: Store, driver: str, engine: EngineName) -> Iterator[Image]:
    path = f"{store.graphroot}/{driver}-images/images.json"
    layers_path = f"{store.graphroot}/{driver}-layers/layers.json"
    try:
        images = reader.first_of(parse_json(_images_decoder, reader.read(path), path), path)
    except (OSError, ParseError) as error:
        reader.note(error, path)
        return
    layers: dict[str, _Layer] = {}
    try:
        layers = {one.id: one for one in parse_json(_layers_decoder, reader.read(layers_path), layers_path)}
    except (OSError, ParseError) as error:
        reader.note(error, layers_path, even_vanished=bool(images))
    for image in images:
        if not is_safe_id(image.id):
            reader.note(ParseError(f"{path}: id {image.id[:80]!r}"), path)
            continue
        chain = _chain(image.layer, layers)
        others = [layer for top in image.mapped_layers or () for layer in _chain(top, layers)]
        counted = {layer.id: layer.size for layer in (*chain, *others)}
        data = image.big_data_sizes or {}
        is_known = all(size is not None for size in counted.values()) and (bool(chain) or not image.layer)
        names = image.names or []
        config = f"sha256:{image.id}"
        yield Image(
            engine=engine,
            owner_uid=store.uid,
            store=store.graphroot,
            source=path,
            created_at=image.created,
            id=image.id,
            names=tuple(name for name in names if "@" not in name),
            digests=(*(name for name in names if "@" in name), *([image.digest] if image.digest else [])),
            size=sum(size or 0 for size in counted.values()) + sum(data.values()) if is_known else None,
            size_source=f"{layers_path}, {path}",
            layers=chain,
            config_path=f"{store.graphroot}/{driver}-images/{image.id}/{_file_name(config)}" if config in data else None,
        )


def _chain(top: str, layers: Mapping[str, _Layer]) -> tuple[ImageLayer, ...]:
    """Layers of an image, the lowest first; as far as they are known, and no round twice."""
    found: dict[str, ImageLayer] = {}
    while top in layers and top not in found and len(found) < _MOST_LAYERS:
        layer = layers[top]
        found[top] = ImageLayer(top, layer.diff_size)
        top = layer.parent
    return tuple(reversed(found.values()))


def _file_name(name: str) -> str:
    """What a piece of data about an image is called on disk, where its name has more than small letters, digits and dots."""
    return "=" + b64encode(name.encode()).decode("ascii")
