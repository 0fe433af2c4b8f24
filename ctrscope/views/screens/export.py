"""Export: what is on the screen goes into a file whose name is asked for, and never over one that is there unasked."""

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from ctrscope.render.safe import inert
from ctrscope.views.acting import Done, Exists, Write, reason_text, run_aside
from ctrscope.views.tones import Part, line

HINT = "a name that ends in .json gets JSON, any other the text as it is shown; esc leaves"


class ExportScreen(ModalScreen[None]):
    """Asks for a name, and once more before it replaces a file. Only `y` is yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", show=False),
        Binding("y", "replace", "yes", show=False),
        Binding("n", "back", "no", show=False),
    ]

    def __init__(self, title: str, path: str, make: Callable[[bool], str], write: Write, *, hint: str = HINT) -> None:
        super().__init__()
        self._title, self._proposed, self._make, self._write, self._hint = title, path, make, write, hint
        self._there: tuple[str, str] | None = None  # path and text that wait for a yes

    def compose(self) -> ComposeResult:
        """Put the name and what comes of it into a box."""
        with Vertical(id="limit") as box:
            box.border_title = Content(self._title)
            yield Static(line(("to the file", "strong")))
            yield Input(self._proposed, id="path", compact=True, select_on_focus=False)
            yield Static(id="explanation")

    def on_mount(self) -> None:
        """Begin with the name that is proposed."""
        self.set_focus(self._path)
        self._say((self._hint, "muted"))

    @property
    def _path(self) -> Input:
        return self.query_one("#path", Input)

    def _say(self, *parts: Part) -> None:
        self.query_one("#explanation", Static).update(line(*parts))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        path = event.value.strip()
        if path:
            self._begin(path, self._make(path.endswith(".json")), replace=False)

    def _begin(self, path: str, text: str, *, replace: bool) -> None:
        self._path.disabled = True
        self._say(("writing …", "muted"))
        run_aside(self, (path, text), lambda: self._write(path, text, replace))

    def action_replace(self) -> None:
        """Write over what is there."""
        if self._there is not None:
            (path, text), self._there = self._there, None
            self._begin(path, text, replace=True)

    def action_back(self) -> None:
        """From the question back to the name, from there back to the screen below."""
        if self._there is None:
            self.dismiss(None)
        else:
            self._ask_again(("nothing was written", "muted"))

    @on(Done)
    def _done(self, event: Done) -> None:
        if isinstance(event.error, Exists):
            assert isinstance(event.ticket, tuple)
            self._there = event.ticket
            self.set_focus(None)
            self._say(
                (f"{inert(reason_text(event.error))}   ", "act"), (" y ", "badge"), " replace it   ", (" n ", "badge"), " no"
            )
        elif event.error is not None:
            self._ask_again((inert(reason_text(event.error)), "act"))
        else:
            self.app.notify(f"written: {inert(str(event.value))}", markup=False)
            self.dismiss(None)

    def _ask_again(self, words: Part) -> None:
        self._there = None
        self._path.disabled = False
        self.set_focus(self._path)
        self._say(words)
