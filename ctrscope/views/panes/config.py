"""Config: the bundle's config.json and the engine's own files, one below the other, with search."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from textual import on

from ctrscope.model.container import Container
from ctrscope.model.detail import ConfigFile
from ctrscope.render.safe import inert
from ctrscope.views.acting import Done, reason_text, run_aside
from ctrscope.views.asking import Asked
from ctrscope.views.tones import Part
from ctrscope.views.widgets.lines_view import TextLine
from ctrscope.views.widgets.text_pane import TextPane


class ConfigPane(TextPane):
    """The files of one container, read when the tab is opened."""

    def __init__(self, asked: Asked | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._asked = asked
        self._files: Sequence[ConfigFile] | None = None  # None: not read yet
        self._read: object = None  # of what, with or without secrets
        self._lines: Sequence[TextLine] = ()

    def show(self, container: Container, secrets: bool) -> None:
        """Read the files, unless that was done."""
        if self._read == (container.key, secrets):
            return
        self._read = (container.key, secrets)
        if self._asked is None:
            self.say("there are no files to what is shown: it is not this host, live")
            return
        self.say("reading …")
        run_aside(self, self._read, partial(self._asked.files, container, secrets))

    @on(Done)
    def _done(self, event: Done) -> None:
        event.stop()
        if event.ticket != self._read:
            return
        if event.error is not None:
            self.say(reason_text(event.error), "act")
            return
        assert isinstance(event.value, tuple)
        self._files = event.value
        self._lines = config_lines(self._files)
        self.say("")
        self.filtered()

    def filtered(self) -> None:
        """Show the lines that match."""
        self.view.show_lines(self.matching(self._lines))
        self.draw_words()

    def search(self, step: int) -> None:
        """Search among all there is, round and round."""
        if not self.search_shown(step):
            self.view.current = None
            if not self.search_shown(0):
                self.say("nothing matches")

    def words(self) -> tuple[Iterable[Part], Part]:
        """How much there is."""
        if self._files is None:
            return (), ""
        if not self._files:
            return (("no file says what it was asked to be", "muted"),), ""
        shown = f"filter “{inert(self.filter.pattern)}”: {len(self.view.lines)} of " if self.filter else ""
        count = len(self._files)
        return ((f"{shown}{len(self._lines)} lines", "muted"),), f"{count} file{'s' if count != 1 else ''}"


def config_lines(files: Iterable[ConfigFile]) -> list[TextLine]:
    """The files below each other, each under its path."""
    lines: list[TextLine] = []
    for file in files:
        if lines:
            lines.append(TextLine("", key=len(lines)))
        lines.append(TextLine(inert(file.path), "title", len(lines)))
        if file.trouble:
            lines.append(TextLine(f"· {inert(file.trouble)}", "watch", len(lines)))
        for text in file.lines:
            lines.append(TextLine(inert(text.expandtabs()), "idle" if '"***"' in text else "plain", len(lines)))
    return lines
