"""What engines keep as lines: one list for each kind, who uses what, and the words about each. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ctrscope.model.container import Container
from ctrscope.model.storage import BuildRecord, Image, Kept, KeptNetwork, Kind, Measured, Secret, Storage, Volume, WritableLayer
from ctrscope.model.timestamp import unix_time
from ctrscope.render.fields import status_sign
from ctrscope.render.safe import cell_width, inert
from ctrscope.render.units import NOT_APPLICABLE, NOT_PERMITTED, format_bytes, format_duration
from ctrscope.views.filtering import Condition, Fields, matches
from ctrscope.views.grouping import GROUP
from ctrscope.views.ordering import Order, ordered
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

TITLES: Mapping[Kind, str] = {
    Kind.IMAGE: "Images",
    Kind.LAYER: "Writable layers",
    Kind.BUILD: "Build cache",
    Kind.VOLUME: "Volumes",
    Kind.NETWORK: "Networks",
    Kind.SECRET: "Secrets",
}
_NAME_LEAST, _NAME_MOST = 20, 44
_ENGINE_LEAST, _ENGINE_MOST = 12, 22
_USERS_LEAST, _NOTE_LEAST = 10, 20
_WIDE = 100  # from this width on there are notes
_SHORT_ID = 12
UNNAMED = "<none>"


class Item(NamedTuple):
    """One line: what is kept, and what else is known of it."""

    kind: Kind
    kept: Kept
    users: tuple[Container, ...]  # those that run first
    measured: Measured | None

    @property
    def key(self) -> str:
        """Tells it apart."""
        return kept_key(self.kept)

    @property
    def name(self) -> str:
        """What people call it; not inert."""
        kept = self.kept
        if isinstance(kept, Image):
            return kept.names[0] if kept.names else (kept.digests[0] if kept.digests and "@" in kept.digests[0] else UNNAMED)
        if isinstance(kept, BuildRecord):
            return kept.description or kept.id
        assert isinstance(kept, WritableLayer | Volume | KeptNetwork | Secret)
        return kept.name

    @property
    def size(self) -> int | None:
        """Bytes, where somebody counted them."""
        if isinstance(self.kept, Image | BuildRecord):
            return self.kept.size
        return self.measured.size if self.measured is not None else None


def kept_key(kept: Kept) -> str:
    """Key of anything that is kept."""
    assert isinstance(kept, Image | WritableLayer | BuildRecord | Volume | KeptNetwork | Secret)
    return kept.key


def full_id(kept: Kept) -> str:
    """What an engine would be asked for; a volume has a name only, a writable layer its container's."""
    assert isinstance(kept, Image | WritableLayer | BuildRecord | Volume | KeptNetwork | Secret)
    return kept.name if isinstance(kept, Volume | WritableLayer) else kept.id


def items_of(storage: Storage, containers: Sequence[Container], measured: Mapping[str, Measured]) -> list[Item]:
    """Everything that there is, kind by kind."""
    by_key = {one.key: one for one in containers}

    def users(kept: Kept) -> tuple[Container, ...]:
        keys = dict.fromkeys((*kept.containers, *(kept.declared if isinstance(kept, Volume) else ())))
        found = [by_key[key] for key in keys if key in by_key]
        return tuple(sorted(found, key=lambda one: (not one.is_running, one.name.casefold())))

    lists: Mapping[Kind, Sequence[Kept]] = {
        Kind.IMAGE: storage.images,
        Kind.LAYER: storage.layers,
        Kind.BUILD: storage.builds,
        Kind.VOLUME: storage.volumes,
        Kind.NETWORK: storage.networks,
        Kind.SECRET: storage.secrets,
    }
    return [Item(kind, kept, users(kept), measured.get(kept_key(kept))) for kind, every in lists.items() for kept in every]


def item_fields(item: Item, now: float) -> Fields:
    """What a filter may ask of it."""
    kept = item.kept
    at = unix_time(kept.created_at)
    names = " ".join((*kept.names, *kept.digests)) if isinstance(kept, Image) else item.name
    return {
        "kind": item.kind.value,
        "name": names,
        "engine": store_text(kept),
        "id": full_id(kept),
        "size": item.size,
        "shared": _shared(item),
        "used": float(len(item.users)),
        "by": " ".join(one.name for one in item.users),
        "label": tuple(f"{name}={value}" for name, value in kept.labels.items()),
        "age": None if at is None else now - at,
        "note": note_of(item)[0],
    }


def store_text(kept: Kept) -> str:
    """Engine, whose it is when not root's, and the engine's own namespace, as of a container."""
    owner = f"@{kept.owner_uid}" if kept.owner_uid else ""
    namespace = f"/{inert(kept.engine_namespace)}" if kept.engine_namespace else ""
    return f"{kept.engine or 'cni'}{owner}{namespace}"


# Columns


class Field(NamedTuple):
    """One column of figures or words beside the name."""

    key: str
    title: str
    align: str
    width: int
    from_width: int  # of the screen
    cell: Callable[[Item, float], Cell]
    sort: Callable[[Item, float], float | str | None]  # None comes last
    help: str


def _size_cell(item: Item, now: float) -> Cell:
    if item.size is not None:
        whole = item.measured is None or item.measured.is_whole
        return Cell(format_bytes(item.size), "plain", " " if whole else "+")
    return Cell(NOT_PERMITTED if item.kind in (Kind.IMAGE, Kind.LAYER, Kind.BUILD, Kind.VOLUME) else NOT_APPLICABLE, "idle")


def _shared(item: Item) -> int | None:
    if isinstance(item.kept, BuildRecord):
        return item.size if item.kept.is_shared else 0
    return item.kept.shared_size if isinstance(item.kept, Image) else None


def _shared_cell(item: Item, now: float) -> Cell:
    shared = _shared(item)
    return Cell(NOT_APPLICABLE if shared is None else format_bytes(shared), "muted" if shared else "idle")


def _id_cell(item: Item, now: float) -> Cell:
    text = "" if item.kind in (Kind.LAYER, Kind.VOLUME) else full_id(item.kept).removeprefix("sha256:")[:_SHORT_ID]
    return Cell(inert(text), "muted")


def _age(item: Item, now: float) -> float | None:
    at = unix_time(item.kept.created_at)
    return None if at is None else now - at


def _age_cell(item: Item, now: float) -> Cell:
    age = _age(item, now)
    return Cell("" if age is None else format_duration(age), "muted")


FIELDS: tuple[Field, ...] = (
    Field(
        "engine",
        "ENGINE",
        "left",
        _ENGINE_LEAST,
        0,
        lambda item, now: Cell(store_text(item.kept), "muted"),
        lambda item, now: store_text(item.kept),
        "The engine that keeps it, @ the uid whose it is when that is not root, / the engine's own namespace.",
    ),
    Field(
        "id",
        "ID",
        "left",
        _SHORT_ID,
        140,
        _id_cell,
        lambda item, now: full_id(item.kept),
        "The first 12 digits: of an image's configuration, in containerd of its manifest.",
    ),
    Field(
        "size",
        "SIZE",
        "right",
        6,
        0,
        _size_cell,
        lambda item, now: item.size,
        "Bytes as the engine counts them: layers unpacked, in containerd as they were sent. What z counted: of a writable "
        "layer bytes of its files, as docker ps -s does, of a volume blocks on disk; + is only a part of it.",
    ),
    Field(
        "shared",
        "SHARED",
        "right",
        6,
        100,
        _shared_cell,
        lambda item, now: _shared(item),
        "Of that size, layers that images, or other images, of the store have too: removing it does not free them.",
    ),
    Field(
        "age",
        "AGE",
        "right",
        4,
        0,
        _age_cell,
        _age,
        "Since it was made; an image of containerd since it came here, a volume of Docker since its directory was made.",
    ),
)
#: Columns that take what room there is, before and after those.
_NAME_HELP = "repository:tag, or the name of a volume, network, secret or container; of a step of a build what it did."
_USERS_HELP = "Containers, those that run first: made from the image, with the volume mounted, in the network."
_NOTE_HELP = "What else there is to say: nobody uses it, nobody named it, where it is."
_SIGN_HELP = "● a container that runs uses it, ◌ only ones that do not run, ○ none, ! engine and kernel disagree."
_SIGN = Column("sign", "", "right", 2, _SIGN_HELP)
#: As those who choose among them see them.
STORAGE_COLUMNS: Mapping[str, Column] = {
    "name": Column("name", "NAME", "left", _NAME_LEAST, _NAME_HELP),
    **{field.key: Column(field.key, field.title, field.align, field.width, field.help) for field in FIELDS},
    "users": Column("users", "USED BY", "left", _USERS_LEAST, _USERS_HELP),
    "note": Column("note", "NOTE", "left", _NOTE_LEAST, _NOTE_HELP),
}


def storage_columns(items: Iterable[Item], width: int, chosen: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns for a screen of *width* cells: words as wide as they are, as far as there is room; the note gets what is left."""
    names = engines = users = 0
    for item in items:
        names, engines = max(names, cell_width(inert(item.name))), max(engines, cell_width(store_text(item.kept)))
        users = max(users, cell_width(users_text(item)))
    fields = _chosen_fields(width, chosen) if chosen else [field for field in FIELDS if width >= field.from_width]
    engine = max(_ENGINE_LEAST, min(engines, _ENGINE_MOST if width >= _WIDE else _ENGINE_LEAST))
    widths = {field.key: engine if field.key == "engine" else field.width for field in fields}
    room = width - 1 - 3 - sum(cells + 2 for cells in widths.values())
    note = 0 if width < _WIDE else max(_NOTE_LEAST, room // 4)
    name = max(_NAME_LEAST, min(names, _NAME_MOST, (room - note) * 3 // 5))
    by = max(0, min(max(users, _USERS_LEAST), room - note - name - 2) if note else room - name - 1)
    shown = (
        _SIGN,
        Column("name", "NAME", "left", name, _NAME_HELP),
        *(Column(field.key, field.title, field.align, widths[field.key], field.help, 2) for field in fields),
        Column("users", "USED BY", "left", by, _USERS_HELP),
    )
    return (*shown, Column("note", "NOTE", "left", max(0, room - name - by - 2), _NOTE_HELP)) if note else shown


def _chosen_fields(width: int, chosen: Sequence[str]) -> list[Field]:
    """Those that somebody wants, in their order, as far as there is room beside a name and who uses it."""
    known, shown = {field.key: field for field in FIELDS}, list[Field]()
    room = width - 4 - _NAME_LEAST - _USERS_LEAST
    for field in (known[key] for key in chosen if key in known):
        if field.width + 2 <= room:
            room -= field.width + 2
            shown.append(field)
    return shown


# Lines


def shown_items(items: Sequence[Item], conditions: Sequence[Condition], order: Order, *, now: float) -> list[Item]:
    """What is left of everything after filtering, kind by kind, each in the order of a column; what has no value last."""
    wanted = [item for item in items if matches(conditions, item_fields(item, now))] if conditions else list(items)
    wanted.sort(key=lambda item: (item.name.casefold(), store_text(item.kept)))
    value = _ORDERS[order.column]
    found = ordered(wanted, lambda item: value(item, now), descending=order.descending)
    return [item for kind in Kind for item in found if item.kind is kind]


_ORDERS: Mapping[str, Callable[[Item, float], float | str | None]] = {
    "name": lambda item, now: None if item.name == UNNAMED else item.name.casefold(),
    **{field.key: field.sort for field in FIELDS},
    "users": lambda item, now: float(len(item.users)),
    "note": lambda item, now: note_of(item)[0],
    "sign": lambda item, now: sign_of(item)[0],
}


def storage_rows(
    items: Sequence[Item], storage: Storage, columns: Sequence[Column], folded: Iterable[Kind], now: float
) -> Iterator[TableRow]:
    """A heading for each kind that there is, and a line for each thing."""
    for kind in Kind:
        members = [item for item in items if item.kind is kind]
        if not members:
            continue
        is_folded = kind in folded
        yield TableRow(heading_key(kind), partial(_heading, kind, members, storage, columns, is_folded), heading=True)
        if not is_folded:
            for item in members:
                yield TableRow(item.key, partial(_line, item, columns, now))


def heading_key(kind: Kind) -> str:
    """Key of a heading."""
    return f"{GROUP}{kind}"


def kind_of(key: str) -> Kind | None:
    """The kind of a heading; None for a line."""
    return Kind(key.removeprefix(GROUP)) if key.startswith(GROUP) else None


def _heading(
    kind: Kind, members: Sequence[Item], storage: Storage, columns: Sequence[Column], is_folded: bool
) -> tuple[Cell, ...]:
    title = f"{TITLES[kind]}  {len(members)}"
    parts = ((title, "strong"), (f"   {total_text(kind, members, storage)}", "muted"))
    words = {"sign": Cell("▸" if is_folded else "▾", "strong"), "name": Cell("".join(text for text, _ in parts), parts=parts)}
    return tuple(words.get(column.key, Cell("")) for column in columns)


def total_text(kind: Kind, members: Sequence[Item], storage: Storage) -> str:
    """What all of a kind comes to, and what nobody needs of it; of what a filter left, less is known."""
    if kind is Kind.LAYER:
        return _layers_text(members)
    if kind is Kind.BUILD:
        return _builds_text(members)
    parts = [f"{sum(bool(item.users) for item in members)} used"] if kind is not Kind.SECRET else []
    usage = storage.usage.get(kind)
    if kind is Kind.IMAGE and usage is not None and usage.total == len(members):
        if usage.size is None:
            parts.append("sizes are not all known")
        else:
            parts.append(f"{format_bytes(usage.size)} on disk, layers that are shared once")
            parts.append(f"{format_bytes(usage.unused_size or 0)} in unused ones only")
    if kind is Kind.VOLUME:
        sizes = [item.size for item in members if item.size is not None]
        parts.append(f"{format_bytes(sum(sizes))} counted" if sizes else "")
        parts.append(f"z counts {len(members) - len(sizes)}" if len(sizes) < len(members) else "")
    return " · ".join(part for part in parts if part)


def _layers_text(members: Sequence[Item]) -> str:
    """What containers wrote, and what of it those that do not run."""
    idle = [item for item in members if not any(one.is_running for one in item.users)]
    counted = [item for item in members if item.size is not None]
    parts = [f"{len(members) - len(idle)} run"]
    if counted:
        parts.append(f"{format_bytes(sum(item.size or 0 for item in counted))} counted")
        parts.append(f"{format_bytes(sum(item.size or 0 for item in idle))} in those that do not run")
    parts.append(f"z counts {len(members) - len(counted)}" if len(counted) < len(members) else "")
    return " · ".join(part for part in parts if part)


def _builds_text(members: Sequence[Item]) -> str:
    """What removing all of it would free; what images have too is theirs."""
    own = [item.size for item in members if isinstance(item.kept, BuildRecord) and not item.kept.is_shared]
    known = [size for size in own if size is not None]
    parts = [f"{format_bytes(sum(known))} that no image has"]
    parts.append(f"{len(own) - len(known)} of unknown size" if len(known) < len(own) else "")
    return " · ".join(part for part in parts if part)


def sign_of(item: Item) -> tuple[str, str]:
    """Sign and tone: who uses it, or that two sources disagree."""
    if _missing(item):
        return "!", "watch"
    if any(one.is_running for one in item.users):
        return "●", "accent"
    return ("◌", "muted") if item.users or item.kind is Kind.SECRET else ("○", "idle")


def _missing(item: Item) -> list[Container]:
    """Containers that run and are to have the volume, and have it not, by the kernel."""
    kept = item.kept
    if not isinstance(kept, Volume) or kept.mount_point is None:
        return []
    return [one for one in item.users if one.is_running and one.key not in kept.containers]


def users_text(item: Item) -> str:
    """Names of the containers that use it, those that do not run with their sign."""
    named = [f"{'' if one.is_running else status_sign(one)}{inert(one.name)}" for one in item.users[:4]]
    more = f" +{len(item.users) - 4}" if len(item.users) > 4 else ""
    return ", ".join(named) + more


def note_of(item: Item) -> tuple[str, str]:
    """The most important thing about it in words, inert, and its tone."""
    kept, missing = item.kept, _missing(item)
    if missing:
        return f"not mounted in {inert(missing[0].name)}, though its engine says so", "watch"
    if isinstance(kept, Image):
        return _image_note(kept, item), "muted"
    if isinstance(kept, BuildRecord):
        return _build_note(kept), "muted"
    if isinstance(kept, WritableLayer):
        image = next((one.image for one in item.users if one.image), None)
        return f"over {inert(image)}" if image else "", "muted"
    if isinstance(kept, Volume):
        return _volume_note(kept, item), "muted"
    if isinstance(kept, KeptNetwork):
        bridge = f"on {inert(kept.bridge)}" if kept.bridge else ""
        parts = (inert(kept.driver or ""), *map(inert, kept.subnets), bridge, "no way out" if kept.is_internal else "")
        return " ".join(part for part in parts if part), "muted"
    assert isinstance(kept, Secret)
    return f"driver {inert(kept.driver)}" if kept.driver else "", "muted"


def _image_note(image: Image, item: Item) -> str:
    parts = []
    if not image.names:
        parts.append("dangling: nothing names it" if not item.users else "no name, but in use")
    elif not item.users:
        parts.append("unused")
    if len(image.names) > 1:
        parts.append(f"also {', '.join(map(inert, image.names[1:4]))}")
    return "; ".join(parts)


def _build_note(record: BuildRecord) -> str:
    times = f"used by {record.used} build{'s' if record.used != 1 else ''}" if record.used is not None else ""
    last = f"last {(record.last_used_at or '')[:16].replace('T', ' ')}" if record.last_used_at else ""
    return ", ".join(part for part in (times, last, "in an image, too" if record.is_shared else "") if part)


def _volume_note(volume: Volume, item: Item) -> str:
    parts = ["anonymous"] if volume.is_anonymous else []
    if not item.users:
        parts.append("unused")
    if volume.driver not in (None, "local"):
        parts.append(f"driver {inert(volume.driver or '')}")
    if volume.options:
        parts.append(" ".join(f"{inert(name)}={inert(value)}" for name, value in volume.options.items()))
    return "; ".join(parts)


def _line(item: Item, columns: Sequence[Column], now: float) -> tuple[Cell, ...]:
    by_key = {field.key: field for field in FIELDS}
    sign, tone = sign_of(item)
    note, note_tone = note_of(item)
    cells = {
        "sign": Cell(sign, tone),
        "name": Cell(f"  {inert(item.name)}", "plain" if item.users or item.kind in (Kind.SECRET, Kind.BUILD) else "idle"),
        "users": Cell(users_text(item), "muted"),
        "note": Cell(note, note_tone),
    }
    return tuple(cells.get(column.key) or by_key[column.key].cell(item, now) for column in columns)
