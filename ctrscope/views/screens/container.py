"""Container: one container, opened; a line that says what it is, and tabs for everything known about it."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.style import Style
from textual.widget import Widget
from textual.widgets import Static

from ctrscope.model.container import Container
from ctrscope.model.finding import Finding
from ctrscope.model.sample import Focus, Sample
from ctrscope.render.fields import engine_text, group_text, short_id, since, status_sign
from ctrscope.render.safe import cell_width, inert, shorten
from ctrscope.render.units import format_duration
from ctrscope.views.actions import CHANGES, CONTAINER, LOGS, LONG_TEXT, MOVES, PAGE, SELECTED, Action, bindings
from ctrscope.views.attempts import attempt_words
from ctrscope.views.change_rows import FIELDS
from ctrscope.views.columns import SCROLLBAR
from ctrscope.views.facts import fact_lines
from ctrscope.views.grouping import Grouping, title_of
from ctrscope.views.panes import PANES, Pane, draw_pane
from ctrscope.views.panes.changes import ChangesPane
from ctrscope.views.panes.config import ConfigPane
from ctrscope.views.panes.logs import LogsPane
from ctrscope.views.panes.opened import Opened
from ctrscope.views.rows import status_tone
from ctrscope.views.screens.group_log import GroupLogScreen
from ctrscope.views.screens.long_text import LongTextScreen
from ctrscope.views.tones import Part, line
from ctrscope.views.widgets.text_pane import TextPane


class TabStrip(Static):
    """The names of the tabs on one line; a click shows one."""

    auto_links = False

    def show(self, panes: Iterable[Pane], chosen: int, width: int) -> None:
        """Draw the names, the short ones where the long ones do not fit."""
        titles = [pane.title for pane in panes]
        if sum(map(cell_width, titles)) + 2 * len(titles) > width:
            titles = [pane.short for pane in panes]
        drawn = Content("")
        for index, title in enumerate(titles):
            piece = Content.assemble((f" {title} ", "bold $background on $accent" if index == chosen else "$muted"))
            drawn += piece.stylize(Style.from_meta({"@click": f"screen.show_tab({index})"}))
        self.update(drawn)


class PaneView(VerticalScroll):
    """Scrolls one tab with the keys that move everywhere."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(MOVES)]

    class Resized(Message):
        """There is another width to draw for."""

    def compose(self) -> ComposeResult:
        """Hold the text of the tab."""
        yield Static(id="pane")

    def on_resize(self) -> None:
        """Say so."""
        self.post_message(self.Resized())

    def action_move(self, lines: int) -> None:
        """Scroll by lines."""
        self.scroll_relative(y=lines, animate=False)

    def action_page(self, direction: int) -> None:
        """Scroll by screens."""
        self.scroll_relative(y=direction * max(1, self.size.height - 1), animate=False)

    def action_end(self, direction: int) -> None:
        """Scroll to an end."""
        self.scroll_to(y=0 if direction < 0 else self.max_scroll_y, animate=False)


class ContainerScreen(LongTextScreen):
    """Everything known about one container."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (*CONTAINER, *LONG_TEXT, *LOGS, *CHANGES, *PAGE)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS), *bindings(SELECTED)]
    TITLE_TEXT = "Container"
    BACK = "container.back"

    def __init__(self, key: str, tab: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.key = key
        self.tab = tab
        self.secrets = False  # what looks secret is shown; on this page only, and until it is left
        self._opened: Opened | None = None
        self._gone = False

    def compose_body(self) -> Iterable[Widget]:
        """Build the headline, the note, the tabs and the text of one."""
        yield Static(id="headline")
        yield Static(id="facts")
        yield TabStrip(id="tabs")
        yield PaneView()
        yield LogsPane()
        yield ConfigPane(self.ctrscope.asked)
        yield ChangesPane(self.ctrscope.asked)

    def on_mount(self) -> None:
        """Give the keys to the tab."""
        self._bring_forward()

    def focus_of(self) -> Focus:
        """Ask for the details of the container, and for what its tab needs besides."""
        return Focus(
            container=self.key,
            secrets=self.secrets,
            way=PANES[self.tab].title == "Network",
            findings=PANES[self.tab].title == "Security",
        )

    @property
    def text(self) -> TextPane | None:
        """The tab in front, if it is one of long text."""
        kinds: dict[str, type[TextPane]] = {"Logs": LogsPane, "Config": ConfigPane}
        kind = kinds.get(PANES[self.tab].title)
        return self.query_one(kind) if kind is not None else None

    @property
    def changes(self) -> ChangesPane | None:
        """The tab in front, if it is that of the changes."""
        return self.query_one(ChangesPane) if PANES[self.tab].title == "Changes" else None

    def selected(self) -> Container | None:
        """Get the opened container."""
        return self._opened.container if self._opened else None

    def offers(self, action: Action) -> bool:
        """Secrets are on two tabs; of a group there is a log where there is a group; the changes have keys of their own."""
        if self.changes is not None and self.changes.is_typing:
            return action.id == self.BACK
        if action in CHANGES:
            return self.changes is not None
        if not (self.text is not None and self.text.is_typing):
            if action.id == "container.secrets":
                return PANES[self.tab].title in ("Environment", "Config")
            if action.id == "container.earlier":
                return self.logs is not None
            if action.id == "container.merged":
                return self.logs is not None and bool(self._group)
        return super().offers(action)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of the changes are nobody's on another tab."""
        if any(one.run == action for one in CHANGES):
            return self.changes is not None
        return super().check_action(action, parameters)

    def explained(self) -> Sequence[tuple[str, str]]:
        """Explain the columns of the changes."""
        return tuple((field.title, field.help) for field in FIELDS.values()) if self.changes is not None else ()

    def shown_value(self) -> object:
        """Everything that is known about the container; what looks secret only while it is shown."""
        opened = self._opened
        if opened is None:
            return None
        return {
            "screen": "container",
            "taken_at": opened.snapshot.taken_at,
            "container": opened.container,
            "detail": opened.detail,
            "stats": opened.stats,
            "rates": opened.rates,
            "effective": opened.effective,
            "findings": [*opened.findings, *(opened.security or ())],
            **({"changes": self.changes.changes} if self.changes is not None else {}),
        }

    def shown_lines(self) -> Iterable[str]:
        """What is above the tabs, and the tab in front."""
        shown: Sequence[str]
        if self.changes is not None:
            shown = self.changes.lines()
        else:
            shown = self.text.view.plain_lines() if self.text is not None else plain_lines(self.query_one("#pane", Static))
        above = (text for part in ("#headline", "#facts") for text in plain_lines(self.query_one(part, Static)))
        return [*above, "", PANES[self.tab].title, "", *shown]

    # Drawing

    def show_sample(self, sample: Sample) -> None:
        """Draw a sample; when the container is gone, keep the last one and say so."""
        container = sample.snapshot.container(self.key)
        self._gone = container is None
        if container is not None:
            before = self._opened.detail if self._opened else None
            self._opened = Opened(
                container=container,
                snapshot=sample.snapshot,
                now=self.ctrscope.clock(),
                width=0,
                detail=sample.details.get(self.key, before),
                stats=sample.snapshot.stats.get(self.key),
                rates=sample.rates.get(self.key),
                effective=sample.snapshot.effective.get(self.key),
                history=self.ctrscope.history,
                findings=[one for one in sample.findings or () if one.subject.id == self.key],
                security=self._audited(sample),
                way=sample.way or (self._opened.way if self._opened else None),
                here=self.ctrscope.here,
                secrets=self.secrets,
            )
        self._draw()

    def _audited(self, sample: Sample) -> list[Finding] | None:
        """What audit says about it now, or said last."""
        if sample.security is None:
            return list(self._opened.security) if self._opened and self._opened.security is not None else None
        return [one for one in sample.security if one.subject.id == self.key]

    def on_pane_view_resized(self) -> None:
        """Draw for the new width."""
        self._draw()

    def _draw(self) -> None:
        width = self.size.width - SCROLLBAR
        if self._opened is None or width <= 0:
            return
        container = self._opened.container
        self.query_one("#headline", Static).update(headline(container, self._opened.now, self.size.width))
        facts = fact_lines(self._opened._replace(width=self.size.width))
        if self._gone:
            words = "▲ this container is gone; what follows is the last that was known"
            facts = [line(" ", (shorten(words, self.size.width - 2), "act"))]
        self.query_one("#facts", Static).update(Content("\n").join(facts))
        self.query_one(TabStrip).show(PANES, self.tab, self.size.width)
        text = self.text
        if isinstance(text, LogsPane):
            asked = self.ctrscope.asked
            text.show(container.key, partial(asked.log, container) if asked else None, self.ctrscope.paused)
        elif isinstance(text, ConfigPane):
            text.show(container, self.secrets)
        elif self.changes is not None:
            self.changes.show(container, self.ctrscope.paused)
        else:
            lines = draw_pane(PANES[self.tab], self._opened._replace(width=width, height=self.size.height))
            self.query_one("#pane", Static).update(Content("\n").join(lines))
        self.show_actions()

    # Keys

    def action_tab(self, step: int) -> None:
        """Show the tab *step* further."""
        self.action_show_tab((self.tab + step) % len(PANES))

    def action_show_tab(self, index: int) -> None:
        """Show a tab, from its top."""
        self.tab = index
        self.query_one(PaneView).scroll_to(y=0, animate=False)
        self._bring_forward()
        self._draw()
        self.ctrscope.request_sample()  # the tab may need what was not read for the one before

    def _bring_forward(self) -> None:
        text, changes = self.text, self.changes
        self.query_one(PaneView).display = text is None and changes is None
        for pane in (*self.query(TextPane), *self.query(ChangesPane)):
            pane.display = pane in (text, changes)
        front: Widget = self.query_one(PaneView)
        if text is not None:
            front = text.view
        elif changes is not None:
            front = changes.table
        self.set_focus(front)

    def action_back(self) -> None:
        """Close what is open on the tab, else go back to where the page was opened."""
        if self.changes is None:
            super().action_back()
        elif not self.changes.step_back():
            self.app.pop_screen()
        else:
            self.show_actions()

    @on(LogsPane.Opened)
    def _say_which_start(self) -> None:
        """Say of a log from before the start which one it is."""
        logs, opened = self.query_one(LogsPane), self._opened
        words = ""
        if logs.earlier is not None and opened is not None:
            words = attempt_words(logs.earlier, opened.container, opened.snapshot.containers, self.ctrscope.clock())
        logs.say_above(words)

    @property
    def _group(self) -> str:
        """Heading of the pod or project that it belongs to; "" for none."""
        return title_of(self._opened.container, Grouping.POD) if self._opened else ""

    def action_merged(self) -> None:
        """Read the logs of its whole pod or project."""
        if self.logs is not None and self._group:
            self.app.push_screen(GroupLogScreen(Grouping.POD, self._group))

    def action_secrets(self) -> None:
        """Show what looks secret, or hide it again."""
        self.secrets = not self.secrets
        self._draw()
        self.ctrscope.request_sample()

    def action_filter_changes(self) -> None:
        """Open the filter of the changes."""
        if self.changes is not None:
            self.changes.ask()

    def action_sort_changes(self) -> None:
        """Sort them by the next column."""
        if self.changes is not None:
            self.changes.sort()

    def action_reverse_changes(self) -> None:
        """Turn their order around."""
        if self.changes is not None:
            self.changes.reverse()


def plain_lines(widget: Static) -> list[str]:
    """What a widget says, without its colours."""
    content = widget.content
    return (content.plain if isinstance(content, Content) else str(content)).splitlines()


def _group_word(container: Container) -> str:
    """A pod's sandbox is told from what runs in it: it holds the namespaces, and does nothing."""
    if container.pod is None:
        return "project"
    return "sandbox of pod" if container.pod.sandbox_id == container.id else "pod"


def headline(container: Container, now: float, width: int) -> Content:
    """What it is, on one line; the least telling part is dropped first."""
    start = since(container)
    if start is None:
        age = str(container.status)
    elif container.is_running:
        age = f"{container.status} for {format_duration(now - start)}"
    else:
        age = f"{container.status} {format_duration(now - start)} ago"
    group = group_text(container)
    pieces: list[Part] = [
        (engine_text(container), "muted"),
        (age, "plain"),
        (f"{_group_word(container)} {group}" if group else "", "muted"),
        ("" if container.id == container.name else short_id(container), "muted"),
        (f"init {container.pid}" if container.pid is not None else "", "muted"),
        (f"image {inert(container.image)}" if container.image else "", "muted"),
    ]
    parts: list[Part] = [" ", (status_sign(container), status_tone(container)), " "]
    name = shorten(inert(container.name), max(8, width - 30))
    parts.append((name, "strong"))
    room = width - 4 - cell_width(name)
    for piece in pieces:
        needed = cell_width(piece[0]) + 3
        if piece[0] and needed <= room:
            parts += ["   ", piece]
            room -= needed
    return line(*parts)
