"""Logs: what containers wrote, from the end; followed, searched, filtered, gone through by time.

A window of lines lies over the log, however long that is; it is moved as somebody scrolls. Every look into the files runs
aside, one at a time, and looks through so much only: a search of gigabytes is many looks, and says how far it is.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Static

from ctrscope.model.log import LogLine, LogPage, LogSource, Place
from ctrscope.model.timestamp import unix_time
from ctrscope.render.json_line import lay_out
from ctrscope.render.safe import cell_width, inert, pad, shorten
from ctrscope.render.units import format_bytes, format_duration
from ctrscope.views.acting import Done, reason_text, run_aside
from ctrscope.views.asking import Keep, Log
from ctrscope.views.expression import Expression
from ctrscope.views.moments import MOMENT_HINT, parse_moment, stamp
from ctrscope.views.tones import Part, line
from ctrscope.views.widgets.lines_view import LinesView, TextLine
from ctrscope.views.widgets.row_table import SHARED
from ctrscope.views.widgets.text_pane import TextPane

_WINDOW = 5000  # lines that are kept
_PAGE = 500  # lines of one look
_NEAR = 100  # lines to the edge of the window at which it is moved
_ENOUGH = 200  # lines that a filter looks for by itself
_STEPS = (60, 300, 900, 3600, 86400)  # seconds ago
_SIGN = 2  # cells of what is left of a line without its time
_WITH_DATE = 100  # cells from which on the date stands beside the time
_NAME = 20  # cells of the longest name before a line, where there is room for the date; else half of it
#: Select Graphic Rendition: colours, which many programs write. Everything else that is not text is shown as an escape.
_COLOURS = re.compile(r"\x1b\[[0-9;:]{0,64}m")


class _Found(NamedTuple):
    """What one look of a search brought."""

    place: Place | None
    goes_on: Place | None  # where the next look begins; None: that was all
    looked_through: int


class _Around(NamedTuple):
    """A new window, and the line in it that it was made for."""

    page: LogPage
    place: Place | None


class LogsPane(TextPane):
    """One log: of a container, or of several read as one."""

    class Opened(Message):
        """There is a log now."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._key: object = None  # of what is shown
        self._open: Callable[[int], Log] | None = None
        self._back = 0  # so many starts before the present one
        self._log: Log | None = None
        self._page: LogPage | None = None  # the window: its places, and the lines of it
        self._shown: list[TextLine] = []
        self._following = True
        self._with_times = True
        self._laid_out = False  # lines that are JSON
        self._ago = -1  # which of _STEPS was gone back to last
        self._held = False  # the screen is held still: what was written since is not shown
        self._busy = ""  # what runs aside now
        self._next: tuple[str, Callable[[], object]] | None = None
        self._turn = 0  # what was asked for before the latest turn is not wanted any more
        self._progress = 0  # bytes that a search or a filter looked through

    def show(self, key: object, open_log: Callable[[int], Log] | None, held: bool) -> None:
        """Open the log of that key, or look for what was written since, unless the screen is held still.

        Another key is another log; it waits until nobody reads in the one before. *open_log* takes how many starts before
        the present one it is to be from.
        """
        self._held, self._open = held, open_log
        if self._key is None or (key != self._key and self._following and not held):
            self._key = key
            if open_log is None:
                self.say("there is no log to what is shown: it is not this host, live")
                return
            self.say("opening …")
            self._turn_to("open", partial(open_log, 0))
        elif self._log is not None and self._page is not None and self._following and not held and not self._busy:
            self._do("follow", partial(self._log.after, self._page.end, _WINDOW, self._keep()))

    def compose(self) -> ComposeResult:
        """Stack what there is to say above the rest, and the rest."""
        head = Static(classes="head")
        head.display = False
        yield head
        yield from super().compose()

    @property
    def left_out(self) -> Sequence[str]:
        """Of several logs: which are not among the lines, and why. Not inert."""
        return self._log.left_out if self._log is not None else ()

    @property
    def earlier(self) -> LogSource | None:
        """What is shown, if it is from before the present start."""
        return self._log.source if self._back and self._log is not None else None

    @property
    def lines(self) -> Sequence[LogLine]:
        """What is shown."""
        return self._page.lines if self._page is not None else ()

    # What is read, and when

    def _do(self, kind: str, work: Callable[[], object]) -> None:
        """Do it aside, after what runs now."""
        if self._busy:
            self._next = (kind, work)
            return
        self._busy = kind
        run_aside(self, (kind, self._turn), work)

    def _turn_to(self, kind: str, work: Callable[[], object]) -> None:
        """Do this, and drop whatever was asked for before."""
        self._turn += 1
        self._progress = 0
        self._next = None
        self._do(kind, work)

    @on(Done)
    def _done(self, event: Done) -> None:
        event.stop()
        assert isinstance(event.ticket, tuple)
        kind, turn = event.ticket
        self._busy = ""
        if turn == self._turn:
            if event.error is not None and kind == "earlier":
                self._nothing_earlier(event.error)
            elif event.error is not None:
                self.say(reason_text(event.error), "watch" if kind == "open" else "act")
            else:
                self._take(kind, event.value)
        following, self._next = self._next, None
        if following is not None and not self._busy:
            self._do(*following)

    def _take(self, kind: str, value: Any) -> None:
        if kind in ("open", "earlier"):
            self._back = self._back + 1 if kind == "earlier" else 0
            self._log = value
            self.say("")
            self.post_message(self.Opened())
            self._to_end()
        elif kind == "window":
            self._show_window(value)
        elif kind == "older":
            self._add_older(value)
        elif kind == "newer" or (kind == "follow" and not self._held):
            self._add_newer(value)
        elif kind == "time":
            if value is None:
                self.say("the lines of this log have no times", "watch")
            else:
                self._go_to(value)
        elif kind in ("search -1", "search 1"):
            self._searched(value, int(kind.split()[1]))

    def _keep(self, pattern: re.Pattern[str] | None = None) -> Keep | None:
        wanted: list[Expression | re.Pattern[str]] = [one for one in (self.filter, pattern) if one is not None]
        text_of = self._text_of
        return (lambda found: all(one.search(text_of(found)) for one in wanted)) if wanted else None

    @property
    def _text_of(self) -> Callable[[LogLine], str]:
        """What is shown of a line, and searched. Not inert."""
        return _laid_out if self._laid_out else _as_it_is

    # The window

    def _to_end(self) -> None:
        if self._log is not None:
            self._following = True
            self._turn_to("window", partial(_last, self._log, self._keep()))

    def _go_to(self, place: Place) -> None:
        if self._log is not None:
            self._following = False
            self._turn_to("window", partial(_around, self._log, place, self._keep()))

    def _show_window(self, around: _Around) -> None:
        self._page = around.page
        self._shown = self._drawn(around.page.lines)
        view = self.view
        view.current = around.place if view.pattern is not None else None
        self._draw()
        if around.place is None:
            view.to_end()
        else:
            view.to_line(around.place)
        self.say("")
        self._fill()

    def _add_older(self, page: LogPage) -> None:
        assert self._page is not None
        self._progress += page.looked_through
        lines = (*page.lines, *self._page.lines)
        self._shown = [*self._drawn(page.lines), *self._shown]
        cut = lines[_WINDOW:]
        end = cut[0].place if cut else self._page.end
        self._page = self._page._replace(
            lines=lines[:_WINDOW],
            start=page.start,
            end=end,
            is_first=page.is_first,
            is_last=self._page.is_last and not cut,
            unfinished=None if cut else self._page.unfinished,
        )
        del self._shown[_WINDOW:]
        if self._following:
            self._draw()
            self.view.to_end()
        else:
            self._draw()
        self._fill()

    def _add_newer(self, page: LogPage) -> None:
        assert self._page is not None
        is_same = page.end == self._page.end and page.unfinished == self._page.unfinished and page.is_last
        lines = (*self._page.lines, *page.lines)
        cut = max(0, len(lines) - _WINDOW)
        self._shown = [*self._shown, *self._drawn(page.lines)][cut:]
        self._page = self._page._replace(
            lines=lines[cut:],
            start=lines[cut].place if cut else self._page.start,
            end=page.end,
            is_first=self._page.is_first and not cut,
            is_last=page.is_last,
            unfinished=page.unfinished,
            remarks=page.remarks,
        )
        if not is_same:
            self._draw()
            if self._following:
                self.view.to_end()
        if not page.is_last and self._following and self._log is not None:
            self._do("follow", partial(self._log.after, page.end, _WINDOW, self._keep()))
        self.draw_words()

    def _fill(self) -> None:
        """Look further back while a filter has found too little, or somebody stands at the edge."""
        page = self._page
        if page is None or self._log is None or page.is_first or self._busy:
            return
        if len(page.lines) < _ENOUGH or (not self._following and self.view.in_sight()[0] < _NEAR):
            self._do("older", partial(self._log.before, page.start, _PAGE, self._keep()))

    def _drawn(self, lines: Iterable[LogLine]) -> list[TextLine]:
        text_of = self._text_of
        return [
            TextLine(inert(text_of(one)), "plain", one.place, partial(self._before, one) if one.at or one.whose else None)
            for one in lines
        ]

    def _before(self, found: LogLine) -> Sequence[tuple[str, str]]:
        """When a line was written, to which stream, and by whom."""
        sign = "E" if found.stream == "stderr" else ""  # it stays without the times
        text, tone = sign, "watch" if sign else "muted"
        if self._with_times:
            moment = unix_time(found.at)
            when = stamp(moment, with_date=self._has_room) if moment is not None else "?" if found.at else ""
            text = f"{when} {sign}" if sign else when
        if self._log is None or not found.whose:
            return ((text, tone),)
        name = shorten(inert(found.whose), self._name_width)
        number = self._log.members.index(found.whose) if found.whose in self._log.members else 0
        return (pad(text, self._time_width), tone), (pad(name, self._name_width), SHARED[number % len(SHARED)])

    @property
    def _has_room(self) -> bool:
        return self.size.width >= _WITH_DATE

    @property
    def _time_width(self) -> int:
        """Cells of the time and the sign, with a space behind."""
        if self._log is None or not self._log.has_times:
            return 0
        return _SIGN if not self._with_times else 17 if self._has_room else 11

    @property
    def _name_width(self) -> int:
        members = self._log.members if self._log is not None else ()
        return min(max((cell_width(inert(name)) for name in members), default=0), _NAME if self._has_room else _NAME // 2)

    def _draw(self) -> None:
        page, view = self._page, self.view
        if page is None:
            return
        name = self._name_width
        view.margin = self._time_width + (name + 1 if name else 0)
        lines: Sequence[TextLine] = self._shown
        if page.unfinished is not None and self.filter is None:
            lines = [*lines, TextLine(inert(clean(page.unfinished.text)), "plain", "unfinished")]
        view.show_lines(lines)
        self.draw_words()

    @on(LinesView.Moved)
    def _moved(self, event: LinesView.Moved) -> None:
        event.stop()
        page, log = self._page, self._log
        if page is None or log is None:
            return
        if event.whole:
            self.to_beginning() if event.direction < 0 else self._to_end()
            return
        self._following = event.direction > 0 and self.view.is_at_end and page.is_last
        first, last = self.view.in_sight()
        if event.direction < 0 and first < _NEAR:
            self._fill()
        elif event.direction > 0 and not page.is_last and last > len(self._shown) - _NEAR and not self._busy:
            self._do("newer", partial(log.after, page.end, _PAGE, self._keep()))
        self.draw_words()

    def on_resize(self) -> None:
        """There may be room for dates now; less room leaves the last line in sight."""
        self._draw()
        if self._following:
            self.call_after_refresh(self.view.to_end)

    # Keys

    def show_earlier(self) -> None:
        """Show the log from before the start of what is shown; from before the first that is kept, the present one again."""
        if self._open is not None and not self._busy.startswith(("open", "earlier")):
            self._turn_to("earlier", partial(self._open, self._back + 1))

    def _nothing_earlier(self, error: Exception) -> None:
        if not self._back or self._open is None:
            self.say(f"nothing earlier: {reason_text(error)}")
            return
        self.app.notify("nothing earlier is kept: this is the present start again", markup=False)
        self._turn_to("open", partial(self._open, 0))

    def toggle_times(self) -> None:
        """Leave out when lines were written, or show it again."""
        self._with_times = not self._with_times
        self._draw()

    def toggle_layout(self) -> None:
        """Lay lines out that are JSON, or show them as they were written."""
        self._laid_out = not self._laid_out
        if self.filter is not None:
            self.filtered()  # it is about what is shown
        elif self._page is not None:
            self._shown = self._drawn(self._page.lines)
            self._draw()
            if self._following:
                self.view.to_end()

    def go_back(self) -> None:
        """Go to a minute ago; once more to five, and so on."""
        if self._log is None:
            return
        self._ago = (self._ago + 1) % len(_STEPS)
        seconds = _STEPS[self._ago]
        self.say(f"looking for {format_duration(seconds)} ago …")
        self._turn_to("time", partial(self._log.find_time, self._now() - seconds))

    def follow(self) -> None:
        """Go to the end, and stay there."""
        self._ago = -1
        self._to_end()

    def to_beginning(self) -> None:
        """Go to the oldest line."""
        if self._log is not None:
            self._go_to(self._log.beginning)

    def ask_time(self) -> None:
        """Open the field for a moment."""
        self.ask("time", MOMENT_HINT)

    def answered(self, what: str, text: str) -> None:
        """Go to the moment that was typed."""
        try:
            moment = parse_moment(text, self._now())
        except (ValueError, OverflowError):
            self.say(f"not a time: {text}; write {MOMENT_HINT}", "act")
            return
        if self._log is not None:
            self.say("looking …")
            self._turn_to("time", partial(self._log.find_time, moment))

    def _now(self) -> float:
        clock: Callable[[], float] = self.app.clock  # type: ignore[attr-defined]
        return clock()

    def filtered(self) -> None:
        """Read the window anew, with what matches only: around the line in sight, or at the end."""
        if self._page is None or self._log is None:
            return
        if self._following or not self._shown:
            self._to_end()
            return
        key = self.view.lines[self.view.in_sight()[0]].key if self.view.lines else None
        self._go_to(key if isinstance(key, tuple) else self._page.start)

    def search(self, step: int) -> None:
        """Search the window, then the files in that direction."""
        if self._page is None or self._log is None or self.search_shown(step):
            self._following = self._following and self.view.is_at_end
            return
        is_back = step <= 0
        if self._page.is_first if is_back else self._page.is_last:
            self.say(f"nothing {'older' if is_back else 'newer'} matches")
            return
        self._turn += 1
        self._progress = 0
        self._look_on(self._page.start if is_back else self._page.end, -1 if is_back else 1)

    def _look_on(self, place: Place, direction: int) -> None:
        assert self._log is not None
        keep = self._keep(self.view.pattern)
        self._do(f"search {direction}", partial(_search, self._log, place, direction, keep))

    def _searched(self, found: _Found, direction: int) -> None:
        self._progress += found.looked_through
        if found.place is not None:
            self._go_to(found.place)
        elif found.goes_on is None:
            self.say(f"nothing {'older' if direction < 0 else 'newer'} matches")
        else:
            self.say(f"searching: {format_bytes(self._progress)} looked through; esc ends it")
            self._look_on(found.goes_on, direction)

    def step_back(self) -> bool:
        """End what runs first; last, come back to the present start."""
        if self._busy.startswith("search"):
            self._turn += 1
            self._next = None
            self.say("the search was ended")
            return True
        if super().step_back():
            return True
        if self._back and self._open is not None:
            self._turn_to("open", partial(self._open, 0))
            return True
        return False

    def say_above(self, text: str) -> None:
        """Say above the lines what they are; nothing where that is clear. The text is made inert."""
        head = self.query_one(".head", Static)
        head.display = bool(text)
        head.update(line(" ", (inert(text), "strong")))

    def words(self) -> tuple[Iterable[Part], Part]:
        """What is shown, and of what."""
        page, log = self._page, self._log
        if page is None or log is None:
            return (), ""
        left: list[Part] = []
        if self.filter is not None:
            left.append((f"filter “{inert(self.filter.pattern)}”: {len(page.lines)} lines  ", "strong"))
            if not page.is_first and self._busy:
                left.append((f"{format_bytes(self._progress)} looked through …  ", "muted"))
        if self._following and self._back:
            left.append(("the end; nothing is added any more", "muted"))
        else:
            left.append(("following" if self._following else "the end: G", "accent" if self._following else "muted"))
        if not page.lines and page.is_first and page.is_last and page.unfinished is None:
            left = [("no line matches" if self.filter is not None else "nothing was written yet", "muted")]
        if self._laid_out:
            left.append(("  JSON laid out", "muted"))
        left += [(f"  · {inert(remark)}", "watch") for remark in page.remarks[:1]]
        size = log.size()
        return left, f"{inert(log.where)}, {format_bytes(size) if size else 'empty'}"


def clean(text: str) -> str:
    """Without colours, which are not the text; and with tabs as spaces."""
    return _COLOURS.sub("", text).expandtabs() if "\x1b" in text or "\t" in text else text


def _as_it_is(found: LogLine) -> str:
    return clean(found.text)


def _laid_out(found: LogLine) -> str:
    return clean(lay_out(found.text))


def _last(log: Log, keep: Keep | None) -> _Around:
    return _Around(log.before(None, _PAGE, keep), None)


def _around(log: Log, place: Place, keep: Keep | None) -> _Around:
    """The lines from a place on, and some before it."""
    before, after = log.before(place, _NEAR * 2, keep), log.after(place, _PAGE, keep)
    page = after._replace(lines=(*before.lines, *after.lines), start=before.start, is_first=before.is_first)
    return _Around(page, after.lines[0].place if after.lines else None)


def _search(log: Log, place: Place, direction: int, keep: Keep | None) -> _Found:
    """One look."""
    if direction > 0:
        page = log.after(place, 1, keep)
        goes_on, is_over = page.end, page.is_last
    else:
        page = log.before(place, 1, keep)
        goes_on, is_over = page.start, page.is_first
    found = page.lines[0].place if page.lines else None
    return _Found(found, None if is_over else goes_on, page.looked_through)
