"""A question before something acts on a container."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.style import Style
from textual.widgets import Static

from ctrscope.views.tones import line


class AskScreen(ModalScreen[bool]):
    """Asks, and is dismissed with the answer. Only `y` is yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes", show=False),
        Binding("n,escape,q", "answer(False)", "no", show=False),
    ]

    def __init__(self, question: str, explanation: str) -> None:
        super().__init__()
        self._question, self._explanation = question, explanation

    def compose(self) -> ComposeResult:
        """Put the question, what yes does, and the two answers into a box."""
        yes = line((" y ", "badge"), " yes").stylize(Style.from_meta({"@click": "screen.answer(True)"}))
        no = line((" n ", "badge"), " no").stylize(Style.from_meta({"@click": "screen.answer(False)"}))
        with Vertical(id="ask"):
            yield Static(line((self._question, "strong")))
            yield Static(line((self._explanation, "muted")), id="explanation")
            answers = Static(yes + "     " + no)
            answers.auto_links = False  # clickable without the looks of a hyperlink
            yield answers

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)
