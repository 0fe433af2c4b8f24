"""Every action once: what it is called, which keys it has, what it does in a sentence.

The bindings, the key bar, the help screen and the command palette are all made from these rows.
"""

from collections.abc import Iterable, Mapping
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
    rank: int = 0  # place on the key bar, the lowest first; what does not fit there is dropped from the end; 0: not on the bar


ANYWHERE = (
    Action(
        "app.find",
        "f",
        "app.find",
        "find",
        "Say whose a PID, namespace, link, address, port, cgroup, path or image is.",
        "Anywhere",
        12,
    ),
    Action(
        "app.jump",
        "g",
        "app.jump",
        "go to",
        "Go to what is related: p process, c cgroup, n namespaces, i interface, l logs, o page and more. esc comes back.",
        "Anywhere",
        30,
    ),
    Action("app.back", "escape", "app.back", "back", "Go back to where one came from.", "Anywhere", -1),
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
    Action(
        "app.export",
        "E",
        "app.export",
        "export",
        "Write what is shown to a file, as text or JSON. Asks for its name.",
        "Anywhere",
        25,
    ),
    Action(
        "app.keep",
        "ctrl+s",
        "app.keep",
        "keep settings",
        "Write columns, order and filters as they are now to config.toml. Asks first.",
        "Anywhere",
    ),
    Action("app.faster", "plus", "app.interval(-1)", "faster", "Take samples more often, down to every second.", "Anywhere"),
    Action("app.slower", "minus", "app.interval(1)", "slower", "Take samples less often, up to every ten seconds.", "Anywhere"),
    Action("app.quit", "q,ctrl+q", "app.quit", "quit", "Leave the dashboard.", "Anywhere", 9),
)

SCREENS = (
    Action("screen.containers", "1", "app.show('containers')", "Containers", "Every container of the host.", "Screens"),
    Action(
        "screen.processes", "2", "app.show('processes')", "Processes", "The processes of every container, as trees.", "Screens"
    ),
    Action(
        "screen.namespaces", "3", "app.show('namespaces')", "Namespaces", "Who shares which namespace with whom.", "Screens"
    ),
    Action(
        "screen.cgroups", "4", "app.show('cgroups')", "Cgroups", "The cgroup tree: usage, limits, who imposes them.", "Screens"
    ),
    Action("screen.network", "5", "app.show('network')", "Network", "The map from the wire to the containers.", "Screens"),
    Action(
        "screen.findings",
        "6",
        "app.show('findings')",
        "Findings",
        "What is wrong or risky, how we know, what to do.",
        "Screens",
    ),
    Action("screen.events", "7", "app.show('events')", "Events", "What happened since the dashboard was opened.", "Screens"),
    Action("screen.host", "8", "app.show('host')", "Host", "The host, what we may see of it, what we cost.", "Screens"),
    Action(
        "screen.storage",
        "9",
        "app.show('storage')",
        "Storage",
        "Images, writable layers, volumes, networks, secrets.",
        "Screens",
    ),
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
    Action(
        "container.limit",
        "L",
        "limit",
        "limits",
        "Change the container's memory, CPU and task limits. Shows before and after, and asks.",
        "Container",
        13,
    ),
    Action(
        "container.pause",
        "p",
        "freeze",
        "pause it",
        "Pause the container, or let it run again: its cgroup is frozen or thawed. Asks first.",
        "Container",
        15,
    ),
    Action(
        "container.kill", "K", "kill", "kill", "Send a signal to the container's init. Asks which, and first.", "Container", 21
    ),
    Action("container.copy", "y", "copy_id", "copy id", "Copy the full id to the clipboard.", "Container", 11),
)

#: Of every screen of one table.
TABLE = (
    Action(
        "table.filter",
        "slash",
        "filter",
        "filter",
        "Show only what matches every word, as in engine:podman cpu>50 mem>90% age<10m.",
        "Table",
        3,
    ),
    Action("table.clear", "escape", "clear_filter", "show all", "Show everything again; put back what is picked.", "Table", 6),
    Action("table.sort", "s", "sort", "sort", "Sort by the next column; a click on a title sorts by that one.", "Table", 4),
    Action("table.reverse", "S", "reverse", "reverse", "Turn the order around.", "Table"),
    Action("table.choose_sort", "O", "choose_sort", "sort by", "Choose the column to sort by.", "Table"),
    Action("table.copy", "Y", "copy", "copy", "Copy what is in the line: as JSON, or one value of it.", "Table", 22),
)
#: Of every table of which the columns can be chosen.
COLUMNS = (Action("table.columns", "o", "columns", "columns", "Choose which columns there are, and their order.", "Table", 23),)

HOST = (Action("host.who", "enter", "who", "who uses it", "List who uses most of what the host has, and open one.", "Page", 1),)

#: Of every page.
PAGE = (Action("page.copy", "Y", "copy", "copy", "Copy everything that the page is made of, as JSON.", "Page", 22),)

CONTAINERS = (
    Action("containers.open", "enter", "open", "open", "Open the container; on a group: fold or unfold it.", "Table", 1),
    Action(
        "containers.group", "t", "group", "group", "Group by the next thing: engine, pod or project, unit, slice.", "Table", 5
    ),
    Action("containers.running", "r", "running", "only running", "Show only containers that run, or all again.", "Table", 17),
    Action("containers.choose_group", "T", "choose_group", "group by", "Choose what to group by.", "Table"),
    Action("containers.fold", "left,h", "fold(True)", "fold", "Fold the group.", "Table"),
    Action("containers.unfold", "right,l", "fold(False)", "unfold", "Unfold the group.", "Table"),
    Action(
        "containers.logs",
        "m",
        "merged",
        "logs",
        "Read the logs of the whole group as one, by time; on a container: of its pod or project.",
        "Table",
        19,
    ),
)

CONTAINER = (
    Action("container.back", "escape,backspace", "back", "back", "Go back to where the page was opened.", "Page", 1),
    Action("container.next", "right,tab,l", "tab(1)", "next tab", "Show the next tab.", "Page", 3),
    Action("container.previous", "left,shift+tab,h", "tab(-1)", "previous tab", "Show the previous tab.", "Page"),
    Action(
        "container.earlier",
        "P",
        "earlier",
        "earlier",
        "Read the log of the attempt before, from before its last start; after the oldest comes the present one.",
        "Page",
        36,
    ),
    Action(
        "container.merged",
        "m",
        "merged",
        "whole group",
        "Read the logs of its whole pod or project as one, by time.",
        "Page",
        35,
    ),
    Action("container.secrets", "v", "secrets", "secrets", "Show the values that look secret, or hide them again.", "Page", 4),
)

LONG_TEXT = (
    Action(
        "text.search", "slash", "search", "search", "Search for text. Lower case finds upper case, too.", "Logs and files", 5
    ),
    Action("text.next", "n", "match(1)", "next", "Go to the next match, towards the end.", "Logs and files", 31),
    Action("text.previous", "N", "match(-1)", "previous", "Go to the match before, towards the beginning.", "Logs and files"),
    Action(
        "text.filter",
        "ampersand",
        "filter_lines",
        "filter",
        "Show only the lines that match a regular expression.",
        "Logs and files",
        6,
    ),
    Action("text.wrap", "w", "wrap", "wrap", "Wrap long lines, or cut them.", "Logs and files", 33),
)

LOGS = (
    Action("text.time", "t", "time", "time", "Go to a moment: 12:04, 2026-09-21 12:04, 10m ago.", "Logs and files", 34),
    Action(
        "text.ago",
        "b",
        "go_back",
        "1 min ago",
        "Go back to 1 minute ago; again: 5, 15, 60 minutes, a day.",
        "Logs and files",
        37,
    ),
    Action(
        "text.layout",
        "J",
        "layout",
        "JSON",
        "Lay out lines that are JSON: when, how grave, what, then the rest; or as they are.",
        "Logs and files",
        38,
    ),
    Action("text.mark", "M", "mark", "mark", "Draw a line below the last one in sight, or take it away.", "Logs and files", 39),
    Action("text.times", "T", "times", "times", "Show when each line was written, or leave it out.", "Logs and files"),
    Action(
        "text.follow", "G", "follow", "follow", "Go to the end of the log, and follow what is written.", "Logs and files", 32
    ),
)

CHANGES = (
    Action(
        "changes.filter",
        "slash",
        "filter_changes",
        "filter",
        "Show only what matches every word, as in change:added size>1m age<10m path:/etc.",
        "Changes",
        5,
    ),
    Action(
        "changes.sort",
        "s",
        "sort_changes",
        "sort",
        "Sort the changes by the next column, or by a title that is clicked.",
        "Changes",
        6,
    ),
    Action("changes.reverse", "S", "reverse_changes", "reverse", "Turn their order around.", "Changes"),
)

#: Of the logs of several containers as one.
MERGED = (Action("merged.back", "escape,backspace", "back", "back", "Go back to where one came from.", "Page", 1),)

NAMESPACES = (
    Action(
        "namespaces.who",
        "enter,e",
        "who",
        "who is in it",
        "List the containers in the namespace and what holds it.",
        "Matrix",
        1,
    ),
    Action(
        "namespaces.pick",
        "x",
        "pick",
        "pick",
        "Pick the namespace, or put it back; attach then enters the picked ones.",
        "Matrix",
        5,
    ),
    Action("namespaces.owners", "o", "owners", "owners", "Draw the tree of owners that the namespace stands in.", "Matrix", 16),
    Action("namespaces.left", "left,h", "cell(-1)", "left", "One type to the left.", "Matrix"),
    Action("namespaces.right", "right,l", "cell(1)", "right", "One type to the right.", "Matrix"),
)

NETWORK = (
    Action(
        "network.open", "enter", "open", "open", "Open the container at the end of the line; of several, choose one.", "Map", 1
    ),
    Action("network.trouble", "n", "trouble", "next trouble", "Go to the next line on which something is wrong.", "Map", 5),
    Action("network.list", "t", "list", "list/map", "All links as one list, or the map again.", "Map", 18),
    Action("network.left", "left,h", "shift(-1)", "left", "Show what is left of the screen's edge.", "Map"),
    Action("network.right", "right,l", "shift(1)", "right", "Show what is right of the screen's edge.", "Map"),
)

CGROUPS = (
    Action(
        "cgroups.open", "enter", "open", "open", "Open the container whose cgroup it is; else fold or unfold it.", "Tree", 1
    ),
    Action("cgroups.fold", "left,h", "fold(True)", "fold", "Fold the cgroup, or go to the one above it.", "Tree", 5),
    Action("cgroups.unfold", "right,l", "fold(False)", "unfold", "Unfold the cgroup.", "Tree"),
)

FINDINGS = (
    Action(
        "findings.open",
        "enter",
        "open",
        "go there",
        "Go to what the finding is about, to the tab it was read from.",
        "Findings",
        1,
    ),
    Action("findings.copy", "e", "copy_all", "copy all", "Copy the findings that are shown, as JSON.", "Findings", 24),
    Action("findings.kind", "t", "kind", "kind", "Show health, security, or both.", "Findings", 5),
    Action("findings.severity", "v", "severity", "severity", "Show one severity after the other, then all.", "Findings", 16),
)

PROCESSES = (
    Action("processes.open", "enter", "open", "open", "Open the container that the process belongs to.", "Trees", 1),
    Action(
        "processes.list", "t", "list", "list/trees", "All processes as one list, or the trees of the containers.", "Trees", 18
    ),
    Action("processes.fold", "left,h", "fold(True)", "fold", "Fold the container.", "Trees", 5),
    Action("processes.unfold", "right,l", "fold(False)", "unfold", "Unfold the container.", "Trees"),
    Action("processes.fold_all", "z", "fold_all", "fold all", "Fold every container, or unfold them again.", "Trees", 14),
)

STORAGE = (
    Action(
        "storage.open",
        "enter",
        "open",
        "open",
        "Show everything about it: of an image its layers and how it was made; fold or unfold a heading.",
        "Storage",
        1,
    ),
    Action("storage.users", "u", "users", "used by", "List the containers that use it, and open one.", "Storage", 16),
    Action(
        "storage.measure",
        "z",
        "measure",
        "count size",
        "Count what a volume or a writable layer holds, file by file.",
        "Storage",
        5,
    ),
    Action("storage.kind", "t", "kind", "kind", "Show images, layers, volumes, networks, secrets, or all.", "Storage", 14),
    Action("storage.fold", "left,h", "fold(True)", "fold", "Fold the list that the cursor is in.", "Storage"),
    Action("storage.unfold", "right,l", "fold(False)", "unfold", "Unfold it.", "Storage"),
)

EVENTS = (
    Action("events.open", "enter", "open", "open", "Open the container that the event is about.", "Events", 1),
    Action("events.follow", "G", "follow", "follow", "Go to the latest event, and follow what comes.", "Events", 5),
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
    "ampersand": "&",
    "plus": "+",
    "minus": "-",
    "escape": "esc",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "pagedown": "pgdn",
    "pageup": "pgup",
}


#: The same the other way round, and what else people write.
_NAMED_KEYS = {name: key for key, name in _KEY_NAMES.items()} | {"return": "enter", "del": "delete", "ins": "insert"}


def keys_of(text: str) -> str:
    """Textual's names of keys that a person wrote, with spaces between them: ``^p esc`` is ``ctrl+p,escape``."""
    return ",".join(_key_of(word) for word in text.split())


def _key_of(word: str) -> str:
    if len(word) > 1 and word.startswith("^"):
        return f"ctrl+{word[1:].lower()}"
    return _NAMED_KEYS.get(word, word if len(word) == 1 else _NAMED_KEYS.get(word.lower(), word.lower()))


def rebound(actions: Iterable[Action], keys: Mapping[str, str]) -> tuple[Action, ...]:
    """The same actions with the keys that somebody gave them, by id."""
    return tuple(one._replace(keys=keys_of(keys[one.id])) if one.id in keys else one for one in actions)


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
