"""Help for the screen in front: its keys, its signs, its columns; all from where they are declared."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ctrscope.render.safe import cell_width
from ctrscope.views.actions import MOVES, Action, key_names
from ctrscope.views.tones import line

_KEYS = 14  # cells of the column of keys

_SIGNS = (
    ("–", "does not apply: a container that does not run uses no CPU"),
    ("·", "could not be read; the line below the table says why and what it takes"),
    ("▲", "beside a figure: near its limit, or throttled"),
)


class HelpScreen(ModalScreen[None]):
    """A page of keys and meanings."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", "close", show=False)]

    def __init__(self, title: str, actions: Sequence[Action], columns: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._title, self._actions, self._columns = title, actions, columns

    def compose(self) -> ComposeResult:
        """Put the text into a box that scrolls."""
        with VerticalScroll(id="help") as box:
            box.border_title = f"{self._title}: help"
            box.border_subtitle = "esc closes"
            yield Static(help_text(self._actions, self._columns))


def help_text(actions: Sequence[Action], columns: Sequence[tuple[str, str]]) -> Content:
    """Keys by group, then what the columns and signs mean."""
    lines: list[Content] = []
    groups: dict[str, list[Action]] = {}
    for action in (*actions, *MOVES):
        groups.setdefault(action.group, []).append(action)
    for group, members in groups.items():
        lines += [Content("") if lines else Content(), line((group, "title"))]
        lines += [_entry(" ".join(key_names(action)), action.tooltip, "strong") for action in members]
    if columns:
        lines += [Content(""), line(("Columns", "title"))]
        lines += [_entry(title, meaning, "strong") for title, meaning in columns]
        lines += [Content(""), line(("Signs", "title"))]
        lines += [_entry(sign, meaning, "strong") for sign, meaning in _SIGNS]
    return Content("\n").join(lines[1:])


def _entry(left: str, right: str, tone: str) -> Content:
    return line((left, tone), " " * max(2, _KEYS - cell_width(left)), (right, "muted"))
