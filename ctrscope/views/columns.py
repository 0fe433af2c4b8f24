"""Which columns fit: the declared fields of a container, chosen and sized for the width of the screen."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ctrscope.model.gap import Reason
from ctrscope.render.fields import CONTAINER_FIELDS, Field, Row
from ctrscope.render.safe import cell_width, inert
from ctrscope.render.units import NOT_APPLICABLE, NOT_PERMITTED, format_bytes, format_percent
from ctrscope.views.widgets.row_table import Column

#: The last minute of CPU, drawn from the history that only the dashboard keeps; sorts as CPU does.
LAST_MINUTE = Field(
    "last_minute",
    "LAST MIN",
    "left",
    8,
    lambda row, now: "",
    lambda row, now: 0,
    "CPU over the last minute, newest at the right. A full bar is the container's CPU limit, or one CPU when it has none.",
)


def _traffic(row: Row, now: float) -> str:
    rates = row.rates
    if rates is None or rates.rx_bytes is None or rates.tx_bytes is None:
        return NOT_APPLICABLE if not row.container.is_running or row.container.shares.get("net") == "host" else ""
    return f"{format_bytes(rates.rx_bytes)}/{format_bytes(rates.tx_bytes)}"


#: Traffic is drawn where rates are; on paper there are none.
NET = Field(
    "net",
    "NET ↓/↑",
    "right",
    11,
    _traffic,
    lambda row, now: -1.0 if row.rates is None else (row.rates.rx_bytes or 0) + (row.rates.tx_bytes or 0),
    "Bytes a second into and out of its network namespace; containers that share one share the figures. – is the host's.",
)


def _disk(row: Row, now: float) -> str:
    rates = row.rates
    if rates is None or rates.read_bytes is None or rates.write_bytes is None:
        return "" if row.container.is_running else NOT_APPLICABLE
    return f"{format_bytes(rates.read_bytes)}/{format_bytes(rates.write_bytes)}"


DISK = Field(
    "disk",
    "DISK R/W",
    "right",
    11,
    _disk,
    lambda row, now: -1.0 if row.rates is None else (row.rates.read_bytes or 0) + (row.rates.write_bytes or 0),
    "Bytes a second that its cgroup reads from and writes to block devices.",
)


def _cpu_share(row: Row) -> float | None:
    """CPU in percent of the tightest limit, its own or from above."""
    bound = row.effective.cpus if row.effective is not None else None
    limit = row.stats.cpu.limit_cpus if row.stats is not None and row.stats.cpu is not None else None
    if bound is not None:
        limit = None if bound.limited_by == "host" else bound.value
    used = row.rates.cpu_percent if row.rates is not None else None
    return used / limit if used is not None and isinstance(limit, int | float) and limit > 0 else None


CPU_SHARE = Field(
    "cpu_share",
    "CPU/LIM",
    "right",
    7,
    lambda row, now: NOT_APPLICABLE if (share := _cpu_share(row)) is None else format_percent(share),
    lambda row, now: -1.0 if (share := _cpu_share(row)) is None else share,
    "CPU in percent of the tightest limit, its own or that of a cgroup above; – where there is none.",
)
ADDRESSES = Field(
    "addresses",
    "ADDRESSES",
    "left",
    18,
    lambda row, now: inert(", ".join(row.container.addresses)),
    lambda row, now: row.container.addresses,
    "Addresses that its engine gave it; the Network tab has those that the kernel knows.",
)
RESTARTS = Field(
    "restarts",
    "RESTARTS",
    "right",
    8,
    lambda row, now: "" if row.container.restart_count is None else str(row.container.restart_count),
    lambda row, now: -1 if row.container.restart_count is None else row.container.restart_count,
    "How often its engine has started it again.",
)
HEALTH = Field(
    "health",
    "HEALTH",
    "left",
    9,
    lambda row, now: row.container.health or "",
    lambda row, now: row.container.health or "",
    "What the engine's own check found last: starting, healthy or unhealthy; nothing where it has no check.",
)


def _written(row: Row, now: float) -> str:
    if row.layer is None:
        return ""
    if row.layer.value is None:
        has_none = not row.layer.gaps or row.layer.gaps[0].reason is Reason.UNSUPPORTED
        return NOT_APPLICABLE if has_none else NOT_PERMITTED
    return format_bytes(row.layer.value.size)


#: Counted only while somebody wants to see it.
SIZE = Field(
    "size",
    "SIZE",
    "right",
    6,
    _written,
    lambda row, now: -1 if row.layer is None or row.layer.value is None else row.layer.value.size,
    "What it wrote: bytes of files in its writable layer, as docker ps -s counts. Counted only while the column is there, "
    "or a filter asks for size; – has no such layer.",
)


class _Place(NamedTuple):
    key: str
    from_width: int  # of the screen, in cells
    least: int = 0  # narrowest a text is cut to; 0: a figure, as wide as its field says
    most: int = 0  # widest the column gets, where its content decides


#: In the order in which they stand on the screen.
_PLACES = (
    _Place("sign", 0),
    _Place("name", 0, 16, 30),
    _Place("engine", 60, 12, 24),
    _Place("group", 120, 10, 24),
    _Place("image", 160, 14, 34),
    _Place("cpu", 0),
    _Place("last_minute", 100),
    _Place("throttled", 120),
    _Place("memory", 100),
    _Place("memory_limit", 120),
    _Place("memory_percent", 0),
    _Place("pids", 110),
    _Place("pid", 180),
    _Place("net", 130),
    _Place("age", 100),
    _Place("note", 50),
)
#: Least and most of the texts that are shown to those who choose them.
_WIDTHS = {"status": (8, 10), "id": (12, 20), "command": (12, 40), "ports": (10, 30), "addresses": (10, 30), "health": (9, 9)}
_NOTE_LEAST, _NOTE_MOST = 12, 44  # what texts are cut for, when notes are that long
_AIRY = 160  # from this width on, columns stand two cells apart
_APART = frozenset({"cpu", "throttled", "memory_percent", "age"})  # these always do, for their marks
MARGIN = 1  # left of the sign
SCROLLBAR = 1  # cells that are kept free for it

FIELDS: Mapping[str, Field] = {
    field.key: field for field in (*CONTAINER_FIELDS, LAST_MINUTE, NET, DISK, CPU_SHARE, SIZE, ADDRESSES, RESTARTS, HEALTH)
}
#: As those who choose among them see them.
EVERY_COLUMN = {key: Column(key, field.title, field.align, field.width, field.help) for key, field in FIELDS.items()}


def fit_columns(
    width: int,
    rows: Sequence[Row],
    now: float,
    *,
    indent: int = 0,
    without: Collection[str] = (),
    chosen: Sequence[str] = (),
) -> tuple[Column, ...]:
    """Columns for a screen of *width* cells, texts as wide as what is in them; the note gets what is left.

    Columns of text in which no row has anything are left out, and those of *without*. Figures keep their width, so that
    they never jump. Names get *indent* cells more. *chosen*: the columns that somebody wants, as far as they fit, also
    while there is nothing in them.
    """
    room = width - SCROLLBAR
    widths: dict[str, int] = {}
    for place in _chosen_places(chosen) if chosen else _PLACES:
        field = FIELDS[place.key]
        if (width < place.from_width and not chosen) or place.key in without:
            continue
        if not place.least:
            margin = MARGIN if place.key == "sign" else 0
            widths[place.key] = margin + max(field.width, cell_width(field.title))
            continue
        content = max((cell_width(field.get(row, now)) for row in rows), default=0)
        if content or chosen or not rows or place.key == "name":
            spare = indent if place.key == "name" else 0
            widths[place.key] = min(place.most, max(content + spare, cell_width(field.title) + 1))
    notes = max((cell_width(FIELDS["note"].get(row, now)) for row in rows), default=0)
    gaps = {key: 2 if key in _APART or (width >= _AIRY and key != "sign") else 1 for key in widths}
    _share_out(widths, room - sum(gaps.values()), min(_NOTE_MOST, max(_NOTE_LEAST, notes)))
    return tuple(
        Column(key, FIELDS[key].title, "right" if key == "sign" else FIELDS[key].align, cells, FIELDS[key].help, gaps[key])
        for key, cells in widths.items()
    )


def _chosen_places(chosen: Sequence[str]) -> list[_Place]:
    """The sign and the name first: without them a row says of nobody what it says."""
    known = {place.key: place for place in _PLACES}
    keys = dict.fromkeys(("sign", "name", *(key for key in chosen if key in FIELDS)))
    return [known.get(key) or _Place(key, 0, *_WIDTHS.get(key, (0, 0))) for key in keys]


def _share_out(widths: dict[str, int], room: int, wanted: int) -> None:
    """Cut the texts that have most to spare until the note has the cells it *wanted*, then give it all that is left."""
    least = {key: limits[0] for key, limits in _WIDTHS.items()} | {place.key: place.least for place in _PLACES}
    spare = {key: cells - least[key] for key, cells in widths.items() if least.get(key)}
    wanted = wanted if "note" in widths else 0
    rest = room - sum(cells for key, cells in widths.items() if key != "note")
    while rest < wanted and any(cells > 0 for cells in spare.values()):
        longest = max(spare, key=lambda key: spare[key])
        spare[longest] -= 1
        widths[longest] -= 1
        rest += 1
    if "note" in widths:
        widths["note"] = max(0, rest)
