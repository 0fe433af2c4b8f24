"""Containers down, types of namespaces across: who shares which namespace, with the host or with each other.

Cells are data, so that paper and screen draw the same. A cell says ``host``, or the last digits of the inode, as many as
tell the namespaces of that column apart. A letter marks a namespace that several containers are in: in one column the
same letter is the same namespace, and across columns the same letter is the same group of containers.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ctrscope.model.container import Container
from ctrscope.model.namespace import Namespace, NamespaceSet, NamespaceType
from ctrscope.render.fields import group_text
from ctrscope.render.namespaces import held_text
from ctrscope.render.safe import inert
from ctrscope.render.tables import Column, format_table
from ctrscope.render.units import NOT_PERMITTED

HOST_KEY = "host"
_FEWEST_DIGITS = 3


class MatrixCell(NamedTuple):
    """One namespace of one container."""

    type: NamespaceType
    text: str  # "…911 A", "host", "?" when it could not be read, "" when the row has none of that type
    ino: int | None
    letter: str | None  # of a namespace that several containers are in
    is_host: bool


class MatrixRow(NamedTuple):
    """The host, one container, or one namespace that no process is in."""

    key: str  # HOST_KEY, the container's key, or "net:[4026532281]"
    label: str  # inert
    cells: tuple[MatrixCell, ...]  # one for each type, in the order of NamespaceType


def namespace_matrix(
    containers: Sequence[Container], host: NamespaceSet, namespaces: Sequence[Namespace]
) -> tuple[MatrixRow, ...]:
    """The host first, then the running containers in their order, then the namespaces that no process is in."""
    running = [container for container in containers if container.is_running]
    empty = [namespace for namespace in namespaces if not namespace.nprocs and not namespace.is_initial]
    letters = _letters(running, host)
    digits = {type_: _digits(type_, host, running, empty) for type_ in NamespaceType}

    def cells(of: NamespaceSet, *, is_host: bool = False) -> tuple[MatrixCell, ...]:
        return tuple(cell(type_, of.ino(type_), is_host=is_host) for type_ in NamespaceType)

    def cell(type_: NamespaceType, ino: int | None, *, is_host: bool) -> MatrixCell:
        if ino is None:
            return MatrixCell(type_, NOT_PERMITTED, None, None, is_host)
        if ino == host.ino(type_):
            text = f"…{str(ino)[-digits[type_] :]}" if is_host else "host"
            return MatrixCell(type_, text, ino, None, is_host=True)
        letter = letters.get((type_, ino))
        return MatrixCell(
            type_, f"…{str(ino)[-digits[type_] :]}" + (f" {letter}" if letter else ""), ino, letter, is_host=False
        )

    def alone(namespace: Namespace) -> tuple[MatrixCell, ...]:
        return tuple(
            cell(type_, namespace.ino, is_host=False)
            if type_ is namespace.type
            else MatrixCell(type_, "", None, None, is_host=False)
            for type_ in NamespaceType
        )

    return (
        MatrixRow(HOST_KEY, "host", cells(host, is_host=True)),
        *(MatrixRow(one.key, _label(one), cells(one.namespaces)) for one in running),
        *(MatrixRow(str(one.id), held_text(one), alone(one)) for one in empty),
    )


def format_matrix(rows: Sequence[MatrixRow], width: int | None) -> list[str]:
    """Lines of a table. A narrow one does without the types in which all are the host's."""
    apart = {cell.type for row in rows for cell in row.cells if cell.ino is not None and not cell.is_host}
    columns = [Column("", least=16), *(Column(str(type_), rank=0 if type_ in apart else 1) for type_ in NamespaceType)]
    return format_table(columns, [(row.label, *(cell.text for cell in row.cells)) for row in rows], width)


def _label(container: Container) -> str:
    group = group_text(container)
    return f"{group} {inert(container.name)}" if group else inert(container.name)


def _letters(containers: Iterable[Container], host: NamespaceSet) -> dict[tuple[NamespaceType, int], str]:
    members: dict[tuple[NamespaceType, int], list[str]] = {}
    for container in containers:
        for type_ in NamespaceType:
            ino = container.namespaces.ino(type_)
            if ino is not None and ino != host.ino(type_):
                members.setdefault((type_, ino), []).append(container.key)
    groups: dict[tuple[str, ...], str] = {}
    letters = {}
    for namespace, keys in members.items():
        if len(keys) > 1:
            letters[namespace] = groups.setdefault(tuple(keys), _letter(len(groups)))
    return letters


def _letter(number: int) -> str:
    """A … Z, AA, AB …, as spreadsheets count."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _digits(type_: NamespaceType, host: NamespaceSet, containers: Iterable[Container], empty: Iterable[Namespace]) -> int:
    """How many of the last digits tell the namespaces of one column apart."""
    inos = {str(ino) for one in containers if (ino := one.namespaces.ino(type_)) is not None}
    inos |= {str(one.ino) for one in empty if one.type is type_}
    if (own := host.ino(type_)) is not None:
        inos.add(str(own))
    longest = max(map(len, inos), default=_FEWEST_DIGITS)
    for count in range(_FEWEST_DIGITS, longest):
        if len({ino[-count:] for ino in inos}) == len(inos):
            return count
    return longest
