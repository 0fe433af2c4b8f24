"""What is wrong with what somebody has set: names of themes, screens, actions, keys and columns that there are not. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain

from textual.keys import Keys
from textual.theme import BUILTIN_THEMES

from ctrscope.model.preferences import Preferences
from ctrscope.views.actions import ANYWHERE, MOVES, SCREENS, SELECTED, Action, key_name, keys_of, rebound
from ctrscope.views.themes import NAMES

_THEMES = ("auto", *NAMES, *BUILTIN_THEMES)
_KEYS = frozenset(key.value for key in Keys)
#: Escape goes back where a screen has nothing of its own to close: it is several actions' on purpose.
_SHARED = "app.back"


def find_mistakes(
    preferences: Preferences,
    screens: Mapping[str, Sequence[Action]],
    columns: Mapping[str, Collection[str]],
    filtered: Collection[str],
) -> Iterator[tuple[str, str]]:
    """(key of config.toml, what is wrong with it).

    *screens*: own actions by name; *columns*: keys by name of the screen; *filtered*: names of screens that can be.
    """
    if preferences.theme not in _THEMES:
        yield "theme", f"there is no theme {preferences.theme}; there are {', '.join(_THEMES)}"
    modes = [action.id.partition(".")[2] for action in SCREENS]
    if preferences.screen not in modes:
        yield "screen", f"there is no screen {preferences.screen}; there are {', '.join(modes)}"
    yield from _wrong_keys(preferences.bound, screens)
    for screen, wanted in preferences.columns.items():
        if screen not in columns:
            yield f"columns.{screen}", f"there is no such screen; there are {', '.join(columns)}"
            continue
        for key in wanted:
            if key not in columns[screen]:
                yield f"columns.{screen}", f"there is no column {key}; there are {', '.join(columns[screen])}"
        if not wanted:
            yield f"columns.{screen}", "there is no column in it"
    for screen, key in preferences.sort.items():
        if screen not in columns:
            yield f"sort.{screen}", f"there is no such screen; there are {', '.join(columns)}"
        elif key.removeprefix("-") not in columns[screen]:
            yield f"sort.{screen}", f"there is no column {key.removeprefix('-')}; there are {', '.join(columns[screen])}"
    for screen in preferences.filter:
        if screen not in filtered:
            yield f"filter.{screen}", f"there is no such screen; there are {', '.join(filtered)}"


def _wrong_keys(bound: Mapping[str, str], screens: Mapping[str, Sequence[Action]]) -> Iterator[tuple[str, str]]:
    always = (*SELECTED, *SCREENS, *ANYWHERE, *MOVES)
    known = {action.id for action in chain(always, *screens.values())}
    for name, text in bound.items():
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            yield f"keys.{name}", "there is no such action" + (f"; did you mean {nearest[0]}?" if nearest else "")
        keys = keys_of(text)
        if not keys:
            yield f"keys.{name}", "there is no key in it"
        for key in filter(None, keys.split(",")):
            if not _is_key(key):
                yield f"keys.{name}", f"there is no key {key}; write it like s, ^s, f5, esc or ctrl+shift+s"
    said: set[tuple[str, str]] = set()
    for own in screens.values():
        holders: dict[str, Action] = {}
        for action in rebound((*own, *always), bound):
            if action.id == _SHARED:
                continue
            for key in action.keys.split(","):
                other = holders.setdefault(key, action)
                if other is not action and (other.id, action.id) not in said:
                    said.add((other.id, action.id))
                    set_one = next((one for one in (action.id, other.id) if one in bound), action.id)
                    yield f"keys.{set_one}", f"{key_name(key)} is the key of both {other.id} and {action.id}"


def _is_key(key: str) -> bool:
    """Whether a terminal may send such a key, as Textual names it."""
    name = key
    for modifier in ("ctrl+", "alt+", "shift+"):
        name = name.removeprefix(modifier)
    return len(name) == 1 or key in _KEYS or name in _KEYS or (name.replace("_", "").isalpha() and "_" in name)
