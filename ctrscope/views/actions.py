"""Every action once: what it is called, which keys it has, what it does in a sentence.

The bindings, the key bar, the help screen and the command palette are all made from these rows.
"""

from collections.abc import Iterable
from typing import NamedTuple

from textual.binding import Binding


class Action(NamedTuple):
    """One thing a user can do."""

    id: str  # also the id of its binding, by which a key map can move it to other keys
    keys: str  # Textual's names, comma separated; the first is the one that is shown
    run: str  # Textual action string
    title: str  # one or two words
    tooltip: str  # one sentence
    group: str
    rank: int = 0  # place on the key bar, from 1; what does not fit there is dropped from the end; 0: not on the bar


ANYWHERE = (
    Action("app.help", "question_mark", "app.help", "help", "Explain this screen: its keys, signs and columns.", "Anywhere", 8),
    Action("app.palette", "colon,ctrl+p", "app.command_palette", "commands", "Find any command by name.", "Anywhere", 10),
    Action(
        "app.pause",
        "space",
        "app.pause",
        "pause",
        "Hold tables and text still. The header and the history go on.",
        "Anywhere",
        7,
    ),
    Action("app.quit", "q,ctrl+q", "app.quit", "quit", "Leave the dashboard.", "Anywhere", 9),
)

SELECTED = (
    Action(
        "container.attach",
        "a",
        "attach",
        "attach",
        "Start a shell in all namespaces of the container and come back. Asks first.",
        "Container",
        2,
    ),
    Action("container.copy", "y", "copy_id", "copy id", "Copy the full id of the container to the clipboard.", "Container", 11),
)

CONTAINERS = (
    Action("containers.open", "enter", "open", "open", "Open the container; on a group: fold or unfold it.", "Table", 1),
    Action(
        "containers.sort", "s", "sort", "sort", "Sort by the next column; a click on a title sorts by that one.", "Table", 4
    ),
    Action("containers.reverse", "S", "reverse", "reverse", "Turn the order around.", "Table"),
    Action("containers.group", "t", "group", "group", "Group by engine, by pod or project, or not at all.", "Table", 5),
    Action(
        "containers.filter",
        "slash",
        "filter",
        "filter",
        "Show only what matches every word. A word may name its column: engine:podman status:paused.",
        "Table",
        3,
    ),
    Action("containers.fold", "left,h", "fold(True)", "fold", "Fold the group.", "Table"),
    Action("containers.unfold", "right,l", "fold(False)", "unfold", "Unfold the group.", "Table"),
    Action("containers.clear", "escape", "clear_filter", "show all", "Show everything again.", "Table", 6),
)

CONTAINER = (
    Action("container.back", "escape,backspace", "app.pop_screen", "back", "Go back to the table.", "Page", 1),
    Action("container.next", "right,tab,l", "tab(1)", "next tab", "Show the next tab.", "Page", 3),
    Action("container.previous", "left,shift+tab,h", "tab(-1)", "previous tab", "Show the previous tab.", "Page", 4),
)

MOVES = (
    Action("move.down", "down,j", "move(1)", "down", "One line down.", "Move"),
    Action("move.up", "up,k", "move(-1)", "up", "One line up.", "Move"),
    Action("move.page_down", "pagedown,ctrl+d", "page(1)", "page down", "One screen down.", "Move"),
    Action("move.page_up", "pageup,ctrl+u", "page(-1)", "page up", "One screen up.", "Move"),
    Action("move.first", "home", "end(-1)", "first", "To the first line.", "Move"),
    Action("move.last", "end", "end(1)", "last", "To the last line.", "Move"),
)

#: Keys as they are written for people, where Textual's name differs.
_KEY_NAMES = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "escape": "esc",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "pagedown": "pgdn",
    "pageup": "pgup",
}


def bindings(actions: Iterable[Action]) -> list[Binding]:
    """Textual bindings of *actions*, each with its id."""
    return [
        Binding(action.keys, action.run, action.title, tooltip=action.tooltip, id=action.id, show=False) for action in actions
    ]


def key_names(action: Action) -> tuple[str, ...]:
    """Every key of an action, as a person writes it."""
    return tuple(key_name(key) for key in action.keys.split(","))


def key_name(key: str) -> str:
    """``?`` of ``question_mark``, ``^p`` of ``ctrl+p``."""
    if key.startswith("ctrl+"):
        return "^" + key.removeprefix("ctrl+")
    return _KEY_NAMES.get(key, key)
