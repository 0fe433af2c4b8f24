"""What changed between two lists of rows, by key. Pure, so that a table repaints and moves its cursor for a reason."""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple


class RowDiff(NamedTuple):
    """Keys that came, went, or carry another value; ``moved`` when the order of what is common to both is not the same."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    moved: bool

    @property
    def keeps_places(self) -> bool:
        """Whether every row stays on its line, so that only ``changed`` needs a new coat of paint."""
        return not (self.added or self.removed or self.moved)


def diff_rows(old: Mapping[str, Hashable], new: Mapping[str, Hashable]) -> RowDiff:
    """Compare two ordered mappings of row key to row value."""
    common_old = [key for key in old if key in new]
    common_new = [key for key in new if key in old]
    return RowDiff(
        added=tuple(key for key in new if key not in old),
        changed=tuple(key for key in common_new if old[key] != new[key]),
        removed=tuple(key for key in old if key not in new),
        moved=common_old != common_new,
    )


def follow_cursor(old: Sequence[str], new: Sequence[str], key: str | None) -> str | None:
    """Where a cursor that stood on *key* stands now.

    The same key if it is still there; else the nearest row below it that survived, else the nearest above, else the
    first row of what there is. None when there is nothing to stand on.
    """
    if not new:
        return None
    there = set(new)
    if key in there:
        return key
    if key in old:
        place = old.index(key)
        for candidate in (*old[place + 1 :], *reversed(old[:place])):
            if candidate in there:
                return candidate
    return new[0]
