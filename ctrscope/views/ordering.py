"""In which order the rows of a table stand: by a column, one way or the other. Pure."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Order(NamedTuple):
    """A column and a direction."""

    column: str = ""  # its key; "": as the rows come
    descending: bool = False

    @property
    def arrow(self) -> str:
        """What stands beside the title of the column."""
        return "▼" if self.descending else "▲"

    @property
    def turned(self) -> "Order":
        """The other way around."""
        return self._replace(descending=not self.descending)


def ordered(rows: Iterable[T], value: Callable[[T], str | float | None], *, descending: bool) -> list[T]:
    """Rows by what they have in a column: equal ones as they come, those that have nothing there last, either way.

    The values are all texts, of which the case does not count, or all figures.
    """
    known: list[tuple[str | float, T]] = []
    unknown: list[T] = []
    for row in rows:
        found = value(row)
        if found is None:
            unknown.append(row)
        else:
            known.append((found.casefold() if isinstance(found, str) else found, row))
    known.sort(key=lambda one: one[0], reverse=descending)
    return [*(row for _, row in known), *unknown]
