"""Help for the screen in front: its keys, its signs, its columns; all from where they are declared."""

import textwrap
from collections.abc import Iterable, Sequence

from textual.content import Content

from ctrscope.render.safe import cell_width
from ctrscope.views.actions import MOVES, Action, key_names
from ctrscope.views.screens.text import TextScreen
from ctrscope.views.tones import line

_KEYS = 14  # cells of the column of keys

_SIGNS = (
    ("–", "does not apply: a container that does not run uses no CPU"),
    ("·", "could not be read; the line below the table says why and what it takes"),
    ("▲", "beside a figure: near its limit, or throttled"),
    ("↑", "beside a limit: set by a cgroup above"),
)


class HelpScreen(TextScreen):
    """A page of keys and meanings."""

    def __init__(self, title: str, actions: Sequence[Action], columns: Sequence[tuple[str, str]]) -> None:
        super().__init__(f"{title}: help", lambda width: help_text(actions, columns, width))


def help_text(actions: Sequence[Action], columns: Sequence[tuple[str, str]], width: int) -> Content:
    """Keys by group, then what the columns and signs mean, in lines of *width* cells."""
    lines: list[Content] = []

    def entries(title: str, pairs: Iterable[tuple[str, str]]) -> None:
        lines.extend([Content(""), line((title, "title"))] if lines else [line((title, "title"))])
        for left, right in pairs:
            lines.extend(_entry(left, right, width))

    groups: dict[str, list[Action]] = {}
    for action in (*actions, *MOVES):
        groups.setdefault(action.group, []).append(action)
    for group, members in groups.items():
        entries(group, ((" ".join(key_names(action)), action.tooltip) for action in members))
    if columns:
        entries("Columns", columns)
        entries("Signs", _SIGNS)
    return Content("\n").join(lines)


def _entry(left: str, right: str, width: int) -> list[Content]:
    wrapped = textwrap.wrap(right, max(20, width - _KEYS), break_on_hyphens=False)
    first = line((left, "strong"), " " * max(2, _KEYS - cell_width(left)), (wrapped[0], "muted"))
    return [first, *(line(" " * _KEYS, (rest, "muted")) for rest in wrapped[1:])]
