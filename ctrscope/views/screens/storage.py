"""Storage: images, writable layers, volumes, networks, secrets as engines left them on disk, and who uses them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from ctrscope.model.container import Container
from ctrscope.model.gap import Gap, Reading
from ctrscope.model.sample import Focus, Sample
from ctrscope.model.storage import Image, ImageConfig, Kept, KeptNetwork, Kind, Measured, Storage, Volume, WritableLayer
from ctrscope.model.value import Value
from ctrscope.render.fields import engine_text, status_sign
from ctrscope.render.gaps import summarise_gaps
from ctrscope.render.safe import inert, shorten
from ctrscope.views.acting import Done, reason_text, run_aside
from ctrscope.views.actions import COLUMNS, SELECTED, STORAGE, TABLE, Action, bindings
from ctrscope.views.jumps import Item as JumpItem
from ctrscope.views.ordering import Order
from ctrscope.views.rows import status_tone
from ctrscope.views.screens.filtered import FilteredScreen
from ctrscope.views.screens.list import ListScreen
from ctrscope.views.screens.text import TextScreen
from ctrscope.views.storage_page import storage_page
from ctrscope.views.storage_rows import (
    STORAGE_COLUMNS,
    Item,
    full_id,
    heading_key,
    items_of,
    kind_of,
    note_of,
    shown_items,
    storage_columns,
    storage_rows,
)
from ctrscope.views.tones import Part, line, width_of
from ctrscope.views.widgets.row_table import Cell, Column, TableRow

#: There is one for nearly every container, and for every step of a build: to begin with, what all come to will do.
_FOLDED = frozenset({Kind.LAYER, Kind.BUILD})


class StorageScreen(FilteredScreen):
    """One list for each kind, a filter, and below it what the row had no room for."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (*STORAGE, *TABLE, *COLUMNS)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS), *bindings(SELECTED)]
    TITLE_TEXT = "Storage"
    FILTER_HINT = "words that must match: kind:image used=0 size>100m age>30d engine:podman by:web label:team"
    WAITING = "reading the stores of the engines …"
    ORDER = Order("name")
    COLUMNS: ClassVar[Mapping[str, Column]] = STORAGE_COLUMNS
    STAYING = frozenset({"name", "users", "note"})  # the note where there is room for it

    def __init__(self) -> None:
        super().__init__()
        self._storage: Storage | None = None  # None: not read yet
        self._gaps: Sequence[Gap] = ()  # of reading it
        self._items: Sequence[Item] = ()
        self._shown: dict[str, Item] = {}
        self._measured: dict[str, Measured] = {}  # by key of the volume
        self._counting: list[Volume] = []  # the first of them now
        self._layers: tuple[str, ...] = ()  # keys of the containers whose writable layers are to be counted
        self._folded = _FOLDED
        self._wanted = ""  # key of a container, to put the cursor on what it uses

    def focus_of(self) -> Focus:
        """Ask for everything that engines keep, and for the sizes of the writable layers that somebody wants counted."""
        return Focus(storage=True, layers=self._layers)

    def is_waiting(self) -> bool:
        """Whether it was not read yet."""
        return self._storage is None

    def selected(self) -> Container | None:
        """No container: what is done to one is not done from the list of what it uses."""
        return None

    def _item(self) -> Item | None:
        return self._shown.get(self.table.cursor or "")

    def item(self) -> JumpItem:
        """The container that uses it, when it is one and no more; of a network the link."""
        found = self._item()
        if found is None:
            return JumpItem()
        link = found.kept.bridge if isinstance(found.kept, KeptNetwork) else None
        return JumpItem(found.users[0] if len(found.users) == 1 and link is None else None, link=link)

    def value_of(self, key: str) -> Value | None:
        """All that the store says of it."""
        found = self._shown.get(key)
        return found.kept if found is not None else None

    def offers(self, action: Action) -> bool:
        """Keys for a line take one: of a list, of something that is used, of a volume."""
        found, is_here = self._item(), self.focused is self.table
        if action.id in ("storage.fold", "storage.unfold", "storage.open", "storage.kind"):
            return not is_here or bool(self._items)
        if action.id == "storage.users":
            return found is not None and bool(found.users)
        if action.id == "storage.measure":
            return bool(self._countable())
        if action.id == "container.copy":
            return found is not None
        return super().offers(action)

    def point_at(self, place: str) -> None:
        """Put the cursor on the first thing that a container uses: its image, mostly."""
        self._wanted = place
        self._folded = _FOLDED
        self.draw()

    # Drawing

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample."""
        if sample.storage is not None:
            self._storage, self._gaps = sample.storage, sample.gaps
        super().show_sample(sample)

    def draw_rows(self, sample: Sample) -> None:
        """Draw what matches now."""
        storage = self._storage
        if storage is None:
            self.table.empty = self.WAITING
            return
        now, width = self.ctrscope.clock(), self.size.width
        sizes = {f"layer {key}": one.value for key, one in sample.layer_sizes.items() if one.value is not None}
        self._items = items_of(storage, sample.snapshot.containers, self._measured | sizes)
        found = shown_items(self._items, self.conditions, self.order, now=now)
        self._shown = {item.key: item for item in found}
        nothing = "No engine keeps anything on this host, as far as we can see."
        self.table.empty = self.nothing_matches("image, layer, volume, network or secret") if self._items else nothing
        columns = storage_columns(found, width, self.chosen)
        rows = list(storage_rows(found, storage, columns, () if self.filter else self._folded, now))
        self.table.show_rows(columns, rows, self.order)
        for item in found if self._wanted else ():
            if item.kind not in self._folded and any(one.key == self._wanted for one in item.users):
                self._wanted = ""
                self.table.stand_on(item.key)
                break

    def row_text(self, sample: Sample, room: int) -> Content:
        """Say of the line what it has no room for."""
        found = self._item()
        if found is None:
            return line(" ", (shorten(f"· {summarise_gaps(self._gaps)}", room), "watch")) if self._gaps else line()
        kept = found.kept
        missing = self._why_not_counted(kept, sample)
        if missing:
            return line(" ", (shorten(f"· {missing}", room), "watch"))
        if self._is_counting(found):
            return line(" ", (f"counting {inert(found.name)} …", "muted"))
        words = [note_of(found)[0]]
        if isinstance(kept, Volume):
            words.append("" if found.measured or not kept.mount_point else "z counts what it holds")
            words.append(inert(kept.mount_point or ""))
        elif isinstance(kept, WritableLayer):
            words.append("" if found.measured else "z counts what it holds")
            words.append(inert(kept.upper))
        elif isinstance(kept, Image):
            words.append("" if kept.size is not None else "not every layer's size is written down")
            words.append(inert(" ".join(kept.names) or full_id(kept)))
        return line(" ", (shorten("   ".join(word for word in words if word), room), note_of(found)[1]))

    def _is_counting(self, item: Item) -> bool:
        if isinstance(item.kept, WritableLayer):
            return item.measured is None and item.kept.container in self._layers
        return any(volume.key == item.key for volume in self._counting)

    def _why_not_counted(self, kept: Kept, sample: Sample) -> str:
        reading = sample.layer_sizes.get(kept.container) if isinstance(kept, WritableLayer) else None
        return summarise_gaps(reading.gaps) if reading is not None and reading.value is None and reading.gaps else ""

    def total_text(self) -> Content:
        """Count them, and say how they are sorted."""
        if self._storage is None:
            return line((" reading …", "muted"))
        parts: list[Part] = [f" {len(self._items)} kept"]
        unused = sum(not item.users for item in self._items if item.kind in (Kind.IMAGE, Kind.VOLUME))
        parts.append((f" · {unused} images and volumes unused", "muted"))
        if self.filter:
            parts.append((f"  {len(self._shown)} shown", "strong"))
        right: Part = (f"{self.sort_words()} ", "muted")
        parts.append(self.gap_words(self._gaps, width_of([*parts, right])))
        return self.spread(parts, right)

    # Keys

    def open_row(self, key: str) -> None:
        """Show everything about a line, or fold a heading."""
        kind = kind_of(key)
        if kind is not None:
            self._fold(kind, folded=kind not in self._folded)
        elif key in self._shown and self._storage is not None:
            item = self._shown[key]
            self.app.push_screen(KeptScreen(item, sharing_of(item, self._storage), self.ctrscope.clock()))

    def action_fold(self, folded: bool) -> None:
        """Fold or unfold the list that the cursor is in."""
        found = self._item()
        kind = found.kind if found is not None else kind_of(self.table.cursor or "")
        if kind is not None:
            self._fold(kind, folded=folded)

    def _fold(self, kind: Kind, *, folded: bool) -> None:
        self._folded = self._folded | {kind} if folded else self._folded - {kind}
        self.draw()
        if folded:
            self.table.stand_on(heading_key(kind))

    def falls(self, key: str) -> bool:
        """What takes most room, and what most use, comes first."""
        return key in ("size", "shared", "users")

    def action_kind(self) -> None:
        """One kind after the other, then all."""
        words = self.filter.split()
        now = next((word for word in words if word.startswith("kind:")), "")
        kinds = [kind.value for kind in Kind if any(item.kind is kind for item in self._items)]
        following = dict(zip(("", *kinds), (*kinds, ""), strict=True)).get(now.partition(":")[2], "")
        kept = [word for word in words if word != now]
        box = self.field
        box.value = " ".join([*kept, f"kind:{following}"] if following else kept)
        box.display = bool(box.value)

    def action_copy_id(self) -> None:
        """Copy the id; of a volume, its name."""
        found = self._item()
        if found is not None:
            self.app.copy_to_clipboard(inert(full_id(found.kept)))
            self.notify(f"{'name' if found.kind is Kind.VOLUME else 'id'} of {inert(found.name)} copied", markup=False)

    def action_users(self) -> None:
        """Open the container that uses it; of several, let one be chosen."""
        found = self._item()
        if found is None or not found.users:
            return
        if len(found.users) == 1:
            self.ctrscope.open_container(found.users[0].key)
            return

        def chosen(key: str | None) -> None:
            if key is not None:
                self.ctrscope.open_container(key)

        rows = [TableRow(one.key, partial(_user_cells, one)) for one in found.users]
        title = f"use {shorten(inert(found.name), 40)}"
        self.app.push_screen(ListScreen(title, _user_columns, rows, hint="enter opens, esc closes"), chosen)

    # Counting

    def _countable(self) -> list[Volume | WritableLayer]:
        """The volume or writable layer under the cursor; on a heading of such, all of them."""
        if self.ctrscope.asked is None:
            return []
        found, kind = self._item(), kind_of(self.table.cursor or "")
        items = [found] if found is not None else [item for item in self._shown.values() if item.kind is kind]
        kept = [item.kept for item in items]
        return [
            one for one in kept if isinstance(one, WritableLayer) or (isinstance(one, Volume) and one.mount_point is not None)
        ]

    def action_measure(self) -> None:
        """Count what volumes hold, one after the other, aside; writable layers from now on with the samples."""
        waiting = {volume.key for volume in self._counting}
        countable = self._countable()
        layers = [one.container for one in countable if isinstance(one, WritableLayer)]
        if layers:
            self._layers = tuple(dict.fromkeys((*self._layers, *layers)))
            self.ctrscope.request_sample()
        wanted = [one for one in countable if isinstance(one, Volume) and one.key not in waiting]
        self._counting += wanted
        if wanted and not waiting:
            self._count_next()
        self.draw_words()

    def _count_next(self) -> None:
        asked = self.ctrscope.asked
        if self._counting and asked is not None:
            run_aside(self, self._counting[0].key, partial(asked.measure, self._counting[0]))

    @on(Done)
    def _counted(self, event: Done) -> None:
        event.stop()
        key = str(event.ticket)
        self._counting = [volume for volume in self._counting if volume.key != key]
        reading = event.value
        if event.error is not None:
            self.notify(inert(reason_text(event.error)), title="Not counted", severity="warning", markup=False)
        elif isinstance(reading, Reading) and isinstance(reading.value, Measured):
            self._measured[key] = reading.value
        elif isinstance(reading, Reading) and reading.gaps:
            self.notify(summarise_gaps(reading.gaps), title="Not counted", severity="warning", markup=False)
        self._count_next()
        self.draw()


class KeptScreen(TextScreen):
    """Everything about one thing, over the list."""

    def __init__(self, item: Item, sharing: Sequence[tuple[str, int]], now: float) -> None:
        super().__init__(shorten(f"{item.kind} {inert(item.name)}", 60), self._lines)
        self._kept, self._sharing, self._now = item, sharing, now
        self._config: Reading[ImageConfig] | None = None

    def compose(self) -> ComposeResult:
        """Ask for what is not known yet."""
        yield from super().compose()
        asked = getattr(self.app, "asked", None)
        if isinstance(self._kept.kept, Image) and asked is not None:
            run_aside(self, "config", partial(asked.image, self._kept.kept))

    def _lines(self, width: int) -> Content:
        return Content("\n").join(storage_page(self._kept, self._sharing, self._config, self._now, width))

    @on(Done)
    def _read(self, event: Done) -> None:
        event.stop()
        if isinstance(event.value, Reading):
            self._config = event.value
        self.query_one("#help-text", Static).update(
            line((inert(reason_text(event.error)), "act")) if event.error is not None else self._lines(self._width())
        )

    def _width(self) -> int:
        return self.query_one("#help").scrollable_content_region.width


def sharing_of(item: Item, storage: Storage) -> list[tuple[str, int]]:
    """Other images of the same store that have layers of it, those with most first."""
    image = item.kept
    if not isinstance(image, Image):
        return []
    own = {layer.id for layer in image.layers}
    found: list[tuple[str, int]] = []
    for other in storage.images:
        if other is not image and other.store == image.store and other.key != image.key:
            common = len(own & {layer.id for layer in other.layers})
            if common:
                namespace = f" in {other.engine_namespace}" if other.engine_namespace != image.engine_namespace else ""
                found.append(((other.names[0] if other.names else other.id) + namespace, common))
    return sorted(found, key=lambda one: -one[1])


def _user_columns(width: int) -> tuple[Column, ...]:
    return (
        Column("sign", "", "right", 2),
        Column("name", "CONTAINER", "left", width // 2),
        Column("engine", "ENGINE", "left", 20),
    )


def _user_cells(container: Container) -> tuple[Cell, ...]:
    return (
        Cell(status_sign(container), status_tone(container)),
        Cell(inert(container.name), "strong"),
        Cell(engine_text(container), "muted"),
    )
