"""What rows are put together by, and what a group comes to: the figures of its own cgroup where it has one, else a sum. Pure.

A sum counts nothing twice: containers inside a container are in that one's figures, and those of one network namespace share
its traffic. What neither tells is not known: a part is not the whole.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from ctrscope.model.cgroup import CgroupStats, MemoryStats
from ctrscope.model.container import Container
from ctrscope.model.rates import Rates
from ctrscope.render.fields import Row, engine_text, group_text
from ctrscope.render.safe import inert

GROUP = "group "  # what the keys of headings begin with; no key of a container has a space before its first slash


class Grouping(Enum):
    """What rows are put together by."""

    NONE = "not grouped"
    ENGINE = "by engine"
    POD = "by pod or project"
    UNIT = "by systemd unit"
    SLICE = "by slice"
    OWNER = "by owner"
    IMAGE = "by image"
    NETWORK = "by network namespace"

    @property
    def column(self) -> str:
        """Key of the column that the headings of this grouping say already; "" for none."""
        return {Grouping.ENGINE: "engine", Grouping.POD: "group", Grouping.IMAGE: "image"}.get(self, "")

    def next(self) -> "Grouping":
        """The grouping after this one, round and round."""
        order = list(Grouping)
        return order[(order.index(self) + 1) % len(order)]


class Group(NamedTuple):
    """Rows that belong together; without a title: one row that belongs to no group."""

    key: str
    title: str
    rows: tuple[Row, ...]
    cgroup: str | None = None  # path of the cgroup that is this group's and holds no container of another; None: there is none


def group_rows(rows: Iterable[Row], grouping: Grouping, everything: Iterable[Row] = ()) -> tuple[Group, ...]:
    """Groups in the order of their first row, which keeps the order of the rows inside.

    *everything*: also the rows that a filter left out, which are in the group's cgroup all the same.
    """
    groups: dict[str, list[Row]] = {}
    titles: dict[str, str] = {}
    for row in rows:
        title = title_of(row.container, grouping)
        # A container of no group stands alone, among the groups.
        key = f"{GROUP}{title}" if title else f"alone {row.container.key}"
        groups.setdefault(key, []).append(row)
        titles[key] = title
    paths: dict[str, set[str]] = {}
    for row in everything:
        key = f"{GROUP}{title_of(row.container, grouping)}"
        if key in groups:
            paths.setdefault(key, set()).add(_cgroup(row.container, grouping))
    return tuple(
        Group(key, titles[key], tuple(found), _only(paths.get(key, set())) if titles[key] else None)
        for key, found in groups.items()
    )


def _only(paths: set[str]) -> str | None:
    return next(iter(paths)) or None if len(paths) == 1 else None


def title_of(container: Container, grouping: Grouping) -> str:
    """Heading of the group that a container is in; "" for none."""
    if grouping is Grouping.ENGINE:
        return engine_text(container)
    if grouping is Grouping.POD:
        text = group_text(container)
        return f"{'pod' if container.pod else 'project'} {text}" if text else ""
    if grouping is Grouping.OWNER:
        return f"uid {container.owner_uid}" if container.owner_uid else "root"
    if grouping is Grouping.IMAGE:
        return inert(container.image or "")
    if grouping is Grouping.NETWORK:
        net, shared = container.namespaces.net, container.shares.get("net")
        if shared == "host":
            return "the host's network"
        return "" if net is None or not shared else f"net:[{net}]"  # with nobody: no group
    path = _cgroup(container, grouping)
    return inert(path.rpartition("/")[2]) if grouping is Grouping.UNIT else inert(path)


def _cgroup(container: Container, grouping: Grouping) -> str:
    """Path of the cgroup that a grouping by cgroups means; "" for none."""
    if container.cgroup is None or not container.is_running:
        return ""
    parts = container.cgroup.path.strip("/").split("/")
    if grouping is Grouping.UNIT:
        ends = [at for at, part in enumerate(parts) if part.endswith(".service")]
        # A scope of the container's own is no group.
        ends = ends or [at for at, part in enumerate(parts) if part.endswith(".scope") and container.id[:12] not in part]
    elif grouping is Grouping.SLICE:
        # Where no systemd made slices, engines put theirs below one cgroup each.
        ends = [at for at, part in enumerate(parts) if part.endswith(".slice")] or [len(parts) - 2]
    elif grouping is Grouping.POD and container.pod is not None:
        names = [name.replace("-", "_") for name in (container.pod.uid, container.pod.sandbox_id) if name]
        ends = [at for at, part in enumerate(parts[:-1]) if any(name in part.replace("-", "_") for name in names)]
    else:
        return ""
    return "/" + "/".join(parts[: ends[-1] + 1]) if ends and ends[-1] >= 0 else ""


def roll_up(group: Group, levels: Mapping[str, CgroupStats], rates: Mapping[str, Rates]) -> Row:
    """The figures of a group: those of its cgroup where it has one that was read, else the sum over its members."""
    if group.cgroup is not None and group.cgroup in levels:
        return Row(group.rows[0].container, levels[group.cgroup], rates.get(group.cgroup))
    running = [row for row in group.rows if row.container.is_running]
    # The figures of a container are also those of the containers inside it.
    keys = {row.container.key for row in running}
    rows = [row for row in running if row.container.outer not in keys]
    first = (rows or group.rows)[0].container

    def total(get: Callable[[Row], Any]) -> Any:
        values = [get(row) for row in rows]
        return sum(values) if values and all(value is not None for value in values) else None

    # One without a cgroup of its own has no figure, and then the group has none: nobody was refused anything.
    applies = all(row.stats is not None or row.container.has_own_cgroup for row in rows)
    memory = total(lambda row: row.stats.memory.current if row.stats and row.stats.memory else None)
    return Row(
        first,
        CgroupStats(memory=MemoryStats(current=memory) if applies else None),
        Rates(cpu_percent=total(lambda row: row.rates.cpu_percent if row.rates else None)),
    )


def traffic(group: Group) -> tuple[float, float] | None:
    """Bytes a second into and out of its network namespaces, each once; None where nobody counted any."""
    seen = {
        row.container.namespaces.net: (row.rates.rx_bytes, row.rates.tx_bytes)
        for row in group.rows
        if row.rates is not None and row.rates.rx_bytes is not None and row.rates.tx_bytes is not None
    }
    if not seen:
        return None
    return sum(received or 0.0 for received, _ in seen.values()), sum(sent or 0.0 for _, sent in seen.values())
