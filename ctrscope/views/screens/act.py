"""Act: what is about to be done to a container is planned and shown, and done only when the answer is yes."""

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.style import Style
from textual.widgets import Static

from ctrscope.render.safe import inert
from ctrscope.views.acting import Done, Proposal, reason_text, run_aside
from ctrscope.views.tones import line


class ActScreen(ModalScreen[bool]):
    """Shows a proposal; only `y` is yes. Planning and doing run aside: both may wait for the kernel."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "apply", "yes", show=False),
        Binding("n,escape,q", "leave", "no", show=False),
    ]

    def __init__(self, question: str, plan: Callable[[], Proposal]) -> None:
        super().__init__()
        self._question, self._plan = question, plan
        self._proposal: Proposal | None = None

    def compose(self) -> ComposeResult:
        """Put the question, what yes does, and the two answers into a box."""
        with Vertical(id="ask"):
            yield Static(line((self._question, "strong")))
            yield Static(line(("looking at what is so now …", "muted")), id="explanation")
            answers = Static("", id="answers")
            answers.auto_links = False  # clickable without the looks of a hyperlink
            yield answers

    def on_mount(self) -> None:
        """Begin to plan."""
        run_aside(self, None, self._plan)

    def action_apply(self) -> None:
        """Do it, once."""
        proposal, self._proposal = self._proposal, None
        if proposal is not None:
            self._say(line(("it is being done …", "muted")), can=False)
            run_aside(self, proposal, proposal.apply)

    def action_leave(self) -> None:
        """Close; what is being done already goes on."""
        self.dismiss(False)

    @on(Done)
    def _done(self, event: Done) -> None:
        if event.error is not None:
            self._say(line((inert(reason_text(event.error)), "act")), can=False)
        elif isinstance(event.value, Proposal):
            self._show(event.value)
        elif isinstance(event.value, tuple):
            self.app.notify("\n".join(event.value), markup=False)
            self.dismiss(True)

    def _show(self, proposal: Proposal) -> None:
        warning = [line((proposal.warning, "watch"))] if proposal.warning else []
        if proposal.lines:
            self._proposal = proposal
            self._say(Content("\n").join([line((one, "muted")) for one in proposal.lines] + warning), can=True)
        else:
            self._say(Content("\n").join([line(("there is nothing to do: it is so already", "muted")), *warning]), can=False)

    def _say(self, text: Content, *, can: bool) -> None:
        yes = line((" y ", "badge"), " yes").stylize(Style.from_meta({"@click": "screen.apply"}))
        no = line((" n ", "badge"), " no" if can else " close").stylize(Style.from_meta({"@click": "screen.leave"}))
        self.query_one("#explanation", Static).update(text)
        self.query_one("#answers", Static).update(yes + "     " + no if can else no)
