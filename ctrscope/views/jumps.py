"""Where one can go from what the cursor is on: the related processes, cgroup, namespaces, network, and pages about it. Pure."""

from collections.abc import Collection
from typing import NamedTuple

from ctrscope.model.container import Container
from ctrscope.model.namespace import NamespaceId, NamespaceType
from ctrscope.render.safe import inert


class Item(NamedTuple):
    """What the cursor is on, as far as something else is related to it."""

    container: Container | None = None
    pid: int | None = None
    cgroup: str | None = None
    namespace: NamespaceId | None = None
    link: str | None = None  # of the host's network namespace


class Jump(NamedTuple):
    """One way on."""

    key: str  # after `g`
    screen: str  # mode of the dashboard; "container" is its page
    place: str  # there: what the cursor is put on, or the tab
    title: str
    what: str  # inert


#: Letter → tab of the container page.
_TABS = {
    "o": "Overview",
    "m": "Mounts",
    "h": "Changes",
    "s": "Security",
    "e": "Environment",
    "l": "Logs",
    "k": "Config",
    "w": "Evidence",
}


def jumps_from(item: Item, found_about: Collection[str] = ()) -> list[Jump]:
    """Every way on from an item, in the order of the menu. *found_about*: what there are findings about."""
    container = item.container
    name = inert(container.name) if container is not None else ""
    found = []
    if container is not None and container.is_running:
        pid = item.pid if item.pid is not None else container.pid
        found.append(Jump("p", "processes", f"{pid} {container.key}", "processes", f"of {name}, at {pid}"))
    path = item.cgroup or (container.cgroup.path if container is not None and container.cgroup is not None else None)
    if path is not None:
        found.append(Jump("c", "cgroups", path, "cgroup", inert(path)))
    net = container.namespaces.net if container is not None and container.is_running else None
    if item.namespace is not None:
        found.append(Jump("n", "namespaces", str(item.namespace), "namespaces", str(item.namespace)))
    elif container is not None and container.is_running:
        found.append(Jump("n", "namespaces", container.key, "namespaces", f"of {name}"))
    if item.namespace is not None and item.namespace.type is NamespaceType.NET:
        net = item.namespace.ino
    if net is not None:
        link = str(NamespaceId(NamespaceType.NET, net))
        found.append(Jump("i", "network", link, "interface", f"of {name}, {link}" if name else link))
    elif item.link is not None:
        found.append(Jump("i", "network", item.link, "interface", inert(item.link)))
    if container is not None:
        found += [Jump(key, "container", tab, tab.lower(), f"of {name}") for key, tab in _TABS.items()]
        if container.image is not None or container.image_id is not None:
            found.append(Jump("d", "storage", container.key, "storage", f"image and volumes of {name}"))
        if container.key in found_about:
            found.append(Jump("f", "findings", container.key, "findings", f"about {name}"))
        found.append(Jump("v", "events", container.name, "events", f"of {name}"))
    return found
