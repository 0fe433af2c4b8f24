"""Which containers share which namespaces, with the host or with each other."""

from typing import Literal

import msgspec

from ctrscope.model.container import Container
from ctrscope.model.namespace import NamespaceSet, NamespaceType


def find_shares(containers: tuple[Container, ...], host: NamespaceSet) -> tuple[Container, ...]:
    """The same containers with ``shares`` filled in: "host", or the ids of the others in that namespace."""
    members: dict[tuple[NamespaceType, int], list[Container]] = {}
    for container in containers:
        for type_ in NamespaceType:
            if (ino := container.namespaces.ino(type_)) is not None:
                members.setdefault((type_, ino), []).append(container)
    return tuple(
        msgspec.structs.replace(container, shares=shares) if (shares := _shares(container, members, host)) else container
        for container in containers
    )


def _shares(
    container: Container, members: dict[tuple[NamespaceType, int], list[Container]], host: NamespaceSet
) -> dict[str, Literal["host"] | tuple[str, ...]]:
    shares: dict[str, Literal["host"] | tuple[str, ...]] = {}
    for type_ in NamespaceType:
        ino = container.namespaces.ino(type_)
        if ino is None:
            continue
        if ino == host.ino(type_):
            shares[str(type_)] = "host"
        elif others := tuple(other.id for other in members[type_, ino] if other is not container):
            shares[str(type_)] = others
    return shares
