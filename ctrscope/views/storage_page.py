"""Everything about one thing that an engine keeps, line by line. Pure."""

from collections.abc import Iterable, Sequence

from textual.content import Content

from ctrscope.model.gap import Gap, Reading
from ctrscope.model.storage import BuildRecord, Image, ImageConfig, KeptNetwork, Secret, Volume, WritableLayer
from ctrscope.model.timestamp import unix_time
from ctrscope.render.fields import engine_text, status_sign
from ctrscope.render.gaps import describe_gap
from ctrscope.render.safe import inert, inert_command
from ctrscope.render.tables import Column
from ctrscope.render.units import NOT_PERMITTED, format_bytes, format_duration
from ctrscope.views.panes.opened import facts, heading, table, wrapped
from ctrscope.views.storage_rows import Item, store_text
from ctrscope.views.tones import line

#: Layers, steps and names that are listed.
_LISTED = 200


def storage_page(
    item: Item, sharing: Sequence[tuple[str, int]], config: Reading[ImageConfig] | None, now: float, width: int
) -> list[Content]:
    """Everything about it. *sharing*: names of images that have layers of it, and how many; *config*: None while it is read."""
    kept = item.kept
    lines = [
        *facts("engine", store_text(kept), width),
        *facts("made", _moment(kept.created_at, now), width),
    ]
    if isinstance(kept, Image):
        lines += _image_facts(kept, width)
    elif isinstance(kept, BuildRecord):
        size = NOT_PERMITTED if kept.size is None else f"{format_bytes(kept.size)} ({kept.size} bytes)"
        lines += [*facts("id", inert(kept.id), width), *facts("step", inert(kept.description), width, "strong")]
        lines += facts("size", size + (", of a layer that an image has, too" if kept.is_shared else ""), width)
        lines += facts("used", f"by {kept.used} builds" if kept.used is not None else "", width)
        lines += facts("last used", _moment(kept.last_used_at, now), width)
    elif isinstance(kept, WritableLayer):
        lines += _layer_facts(kept, item, width)
    elif isinstance(kept, Volume):
        lines += _volume_facts(kept, item, width)
    elif isinstance(kept, KeptNetwork):
        lines += _network_facts(kept, width)
    elif isinstance(kept, Secret):
        lines += [*facts("id", inert(kept.id), width), *facts("driver", inert(kept.driver or ""), width)]
        lines += facts("changed", _moment(kept.updated_at, now), width)
        lines += facts("value", "is in another file, which is never opened", width, "muted")
    lines += _pairs("labels", kept.labels.items(), width)
    lines += facts("written in", inert(kept.source), width, "muted")
    lines += [line(), *_users(item, width)] if not isinstance(kept, BuildRecord) else []
    if isinstance(kept, Image):
        lines += [line(), *_layers(kept, sharing, width), line(), *_config(config, now, width)]
    return lines


def _image_facts(image: Image, width: int) -> list[Content]:
    lines = facts("id", inert(image.id), width)
    for index, name in enumerate(image.names[:_LISTED]):
        lines += facts("" if index else "names", inert(name), width, "strong")
    for index, digest in enumerate(image.digests[:_LISTED]):
        lines += facts("" if index else "digests", inert(digest), width)
    size = NOT_PERMITTED if image.size is None else f"{format_bytes(image.size)} ({image.size} bytes)"
    if image.shared_size:
        size += f", {format_bytes(image.shared_size)} of it in layers that other images have too"
    return [*lines, *facts("size", size, width), *facts("", f"added up from {inert(image.size_source)}", width, "muted")]


def _volume_facts(volume: Volume, item: Item, width: int) -> list[Content]:
    measured = item.measured
    size = "not counted: z counts it, file by file"
    if measured is not None:
        size = f"{format_bytes(measured.size)} ({measured.size} bytes) on disk in {measured.files} files"
        size += "" if measured.is_whole else f", and more: {inert(measured.trouble)}"
    return [
        *facts("name", inert(volume.name), width, "strong"),
        *facts("", "anonymous: made for one container" if volume.is_anonymous else "", width, "muted"),
        *facts("driver", inert(volume.driver or "not known"), width),
        *facts("on the host", inert(volume.mount_point or "its driver knows where"), width),
        *facts("size", size, width),
        *_pairs("options", volume.options.items(), width),
    ]


def _layer_facts(layer: WritableLayer, item: Item, width: int) -> list[Content]:
    measured = item.measured
    size = "not counted: z counts it, file by file"
    if measured is not None:
        size = f"{format_bytes(measured.size)} ({measured.size} bytes) in {measured.files} files and directories"
        size += "" if measured.is_whole else f", and more: {inert(measured.trouble)}"
    mounted = {"fuse": "by fuse-overlayfs", "user": "by its owner"}.get(layer.marks, "by root")
    lines = [
        *facts("container", inert(layer.name), width, "strong"),
        *facts("on the host", inert(layer.upper), width),
        *facts("size", size, width),
        *facts("mounted", mounted, width),
    ]
    for index, below in enumerate(layer.lower[:_LISTED]):
        lines += facts("" if index else "over", inert(below), width)
    return [*lines, *facts("what changed", "is on the container's page, tab Changes", width, "muted")]


def _network_facts(network: KeptNetwork, width: int) -> list[Content]:
    return [
        *facts("name", inert(network.name), width, "strong"),
        *facts("id", inert(network.id), width),
        *facts("driver", inert(network.driver or ""), width),
        *facts("subnets", inert(", ".join(network.subnets)), width),
        *facts("gateways", inert(", ".join(network.gateways)), width),
        *facts("link", f"{inert(network.bridge)} (g i goes there)" if network.bridge else "", width),
        *facts("way out", "none: internal" if network.is_internal else "", width),
    ]


def _pairs(label: str, pairs: Iterable[tuple[str, str]], width: int) -> list[Content]:
    lines: list[Content] = []
    for key, value in sorted(pairs)[:_LISTED]:
        lines += facts("" if lines else label, f"{inert(key)}={inert(value)}", width)
    return lines


def _users(item: Item, width: int) -> list[Content]:
    if not item.users:
        return [heading("Used by", "no container")]
    kept = item.kept
    rows = []
    for one in item.users[:_LISTED]:
        how = str(one.status)
        if isinstance(kept, Volume):
            how += ", mounted" if one.key in kept.containers else ", not mounted" if one.is_running else ""
        rows.append((status_sign(one), inert(one.name), engine_text(one), how))
    columns = [Column(""), Column("CONTAINER", least=16), Column("ENGINE", rank=1), Column("STATUS")]
    return [heading("Used by", f"{len(item.users)}, u opens one"), *table(columns, rows, width)]


def _layers(image: Image, sharing: Sequence[tuple[str, int]], width: int) -> list[Content]:
    rows = [
        (str(number), inert(layer.id), NOT_PERMITTED if layer.size is None else format_bytes(layer.size))
        for number, layer in enumerate(image.layers[:_LISTED], 1)
    ]
    lines = [heading("Layers", f"{len(image.layers)}, the lowest first")]
    lines += table([Column("", "right"), Column("LAYER", least=20), Column("SIZE", "right")], rows, width) if rows else []
    for index, (name, count) in enumerate(sharing[:_LISTED]):
        lines += facts("" if index else "shared with", f"{inert(name)}: {count} of them", width)
    return lines


def _config(reading: Reading[ImageConfig] | None, now: float, width: int) -> list[Content]:
    if reading is None:
        return [line((" reading its configuration …", "muted"))]
    if reading.value is None:
        return [heading("Configuration"), *(one for gap in reading.gaps for one in _gap(gap, width))]
    config = reading.value
    lines = [
        heading("Configuration", "what its containers are made with"),
        *facts("platform", inert("/".join(filter(None, (config.os, config.architecture)))), width),
        *facts("built", _moment(config.created_at, now), width),
        *facts("author", inert(config.author), width),
        *facts("entrypoint", inert_command(config.entrypoint), width),
        *facts("command", inert_command(config.command), width),
        *facts("directory", inert(config.working_dir), width),
        *facts("user", inert(config.user), width),
        *facts("ports", inert(" ".join(config.exposed_ports)), width),
        *facts("volumes", inert(" ".join(config.volumes)), width),
    ]
    for index, one in enumerate(config.environment[:_LISTED]):
        lines += facts("" if index else "environment", inert(one), width)
    lines += _pairs("labels", config.labels.items(), width)
    if config.history:
        rows = [
            (
                "" if step.size is None else format_bytes(step.size) if step.size else "–",
                _age(step.created_at, now),
                " ".join(inert(step.created_by or step.comment).split()),
            )
            for step in config.history[-_LISTED:]
        ]
        columns = [Column("SIZE", "right"), Column("AGE", "right"), Column("STEP", least=20)]
        lines += [line(), heading("History", "the oldest step first"), *table(columns, rows, width)]
    return lines


def _gap(gap: Gap, width: int) -> list[Content]:
    return wrapped(f"· {describe_gap(gap)}", width, "watch")


def _age(moment: str | None, now: float) -> str:
    at = unix_time(moment)
    return "" if at is None else format_duration(now - at)


def _moment(moment: str | None, now: float) -> str:
    return f"{inert(moment)}, {_age(moment, now)} ago" if moment and unix_time(moment) is not None else ""
