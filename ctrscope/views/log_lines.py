"""How lines of a log are drawn: when they were written, to which stream, by whom, and their text as it is or laid out."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from ctrscope.model.log import LogLine
from ctrscope.model.timestamp import unix_time
from ctrscope.render.json_line import lay_out
from ctrscope.render.safe import cell_width, inert, pad, shorten
from ctrscope.views.moments import stamp
from ctrscope.views.widgets.lines_view import TextLine
from ctrscope.views.widgets.row_table import SHARED

_SIGN = 2  # cells of what is left of a line without its time
_WITH_DATE = 100  # cells from which on the date stands beside the time
_NAME = 20  # cells of the longest name before a line, where there is room for the date; else half of it
#: Select Graphic Rendition: colours, which many programs write. Everything else that is not text is shown as an escape.
_COLOURS = re.compile(r"\x1b\[[0-9;:]{0,64}m")


class LogLook:
    """What somebody wants to see of the lines of a log; they are drawn by it whenever they come into sight."""

    def __init__(self) -> None:
        self.with_times = True
        self.laid_out = False  # lines that are JSON
        self._has_times = False
        self._names: dict[str, tuple[str, str]] = {}  # inert names, each with its tone
        self._longest = 0
        self._is_wide = False

    def show(self, *, has_times: bool, members: Sequence[str]) -> None:
        """Draw lines of another log from now on. *members*: of several logs, the names in ``LogLine.whose``."""
        self._has_times = has_times
        self._names = {name: (inert(name), SHARED[number % len(SHARED)]) for number, name in enumerate(members)}
        self._longest = max((cell_width(name) for name, _ in self._names.values()), default=0)

    def fit(self, width: int) -> None:
        """Draw for a width from now on."""
        self._is_wide = width >= _WITH_DATE

    @property
    def margin(self) -> int:
        """Cells of what stands left of the lines."""
        return self._time_width + (self._name_width + 1 if self._names else 0)

    @property
    def _time_width(self) -> int:
        if not self._has_times:
            return 0
        return _SIGN if not self.with_times else 17 if self._is_wide else 11

    @property
    def _name_width(self) -> int:
        return min(self._longest, _NAME if self._is_wide else _NAME // 2)

    @property
    def text_of(self) -> Callable[[LogLine], str]:
        """What is shown of a line, and searched. Not inert."""
        return _text_laid_out if self.laid_out else _text

    def drawn(self, lines: Iterable[LogLine]) -> list[TextLine]:
        """Lines to show."""
        text_of = self.text_of
        return [
            TextLine(inert(text_of(one)), "plain", one.place, partial(self._before, one) if one.at or one.whose else None)
            for one in lines
        ]

    def _before(self, found: LogLine) -> Sequence[tuple[str, str]]:
        sign = "E" if found.stream == "stderr" else ""  # it stays without the times
        text, tone = sign, "watch" if sign else "muted"
        if self.with_times:
            moment = unix_time(found.at)
            when = stamp(moment, with_date=self._is_wide) if moment is not None else "?" if found.at else ""
            text = f"{when} {sign}" if sign else when
        if found.whose not in self._names:
            return ((text, tone),)
        name, colour = self._names[found.whose]
        return (pad(text, self._time_width), tone), (pad(shorten(name, self._name_width), self._name_width), colour)


def clean(text: str) -> str:
    """Without colours, which are not the text; and with tabs as spaces."""
    return _COLOURS.sub("", text).expandtabs() if "\x1b" in text or "\t" in text else text


def _text(found: LogLine) -> str:
    return clean(found.text)


def _text_laid_out(found: LogLine) -> str:
    return clean(lay_out(found.text))
