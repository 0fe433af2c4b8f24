"""Whose logs are read as one: the containers of a group, each by a short name. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from ctrscope.model.container import Container
from ctrscope.views.grouping import Grouping, title_of


def members_of(containers: Iterable[Container], grouping: Grouping, title: str) -> list[Container]:
    """The containers of that group. A pod's sandbox holds the namespaces, and has nothing to say."""
    return [one for one in containers if not one.is_sandbox and title_of(one, grouping) == title]


def short_names(containers: Sequence[Container]) -> Mapping[str, Container]:
    """Containers by a name without what is the project's; of the same name, with the beginning of their id."""
    counts: dict[str, int] = {}
    for one in containers:
        counts[_short(one)] = counts.get(_short(one), 0) + 1
    names: dict[str, Container] = {}
    for one in containers:
        name = _short(one)
        if counts[name] > 1:
            name = f"{name} {one.id[:6]}"
        names[one.key if name in names else name] = one
    return names


def _short(container: Container) -> str:
    if container.pod is not None or not container.group:
        return container.name
    for sign in "-_":
        rest = container.name.removeprefix(f"{container.group}{sign}")
        if rest and rest != container.name:
            return rest
    return container.name
