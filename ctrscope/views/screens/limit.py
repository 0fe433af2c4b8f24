"""Limit: new limits of one container are typed, shown as before → after, and set only when the answer is yes."""

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from ctrscope.model.cgroup import CgroupStats, EffectiveLimit, EffectiveLimits
from ctrscope.model.container import Container
from ctrscope.render.safe import inert
from ctrscope.render.units import NOT_PERMITTED, format_bytes, format_limit, format_percent
from ctrscope.render.wording import count_text, cpus_text
from ctrscope.views.acting import Acts, Done, Limits, Proposal, reason_text, run_aside
from ctrscope.views.rows import row_words
from ctrscope.views.tones import Part, line

_FIELDS = ("memory", "cpus", "pids")
_HOW = {"memory": "128M, 1.5G or max", "cpus": "0.5, 2 or max", "pids": "100 or max"}


class LimitScreen(ModalScreen[None]):
    """Three values to type, then the question."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", show=False),
        Binding("y", "apply", "yes", show=False),
        Binding("n", "back", "no", show=False),
        Binding("down", "app.focus_next", "next", show=False),
        Binding("up", "app.focus_previous", "previous", show=False),
    ]

    def __init__(
        self, acts: Acts, container: Container, stats: CgroupStats | None, effective: EffectiveLimits | None, cpu: float | None
    ) -> None:
        super().__init__()
        self._acts, self._container = acts, container
        self._now = now_lines(container, stats, effective, cpu)
        self._proposal: Proposal | None = None
        self._is_applying = False

    def compose(self) -> ComposeResult:
        """Put what is so now, a line to type into for each value, and the words below into a box."""
        with Vertical(id="limit") as box:
            box.border_title = Content(f"limits of {row_words(self._container)}")
            for name in _FIELDS:
                yield Static(line((f"{name:<8}", "strong"), *self._now[name]))
                with Horizontal(classes="field"):
                    yield Static(line(("  new ", "muted")), classes="label")
                    yield Input(placeholder=f"as it is; {_HOW[name]}", id=name, compact=True)
            yield Static(id="answer")

    def on_mount(self) -> None:
        """Begin with the memory."""
        self.query_one("#memory", Input).focus()
        self._say(("enter shows what would change, esc leaves everything as it is", "muted"))

    def _say(self, *parts: Part) -> None:
        self.query_one("#answer", Static).update(line(*parts))

    @on(Input.Submitted)
    def _submitted(self) -> None:
        limits = Limits(*(self.query_one(f"#{name}", Input).value.strip() for name in _FIELDS))
        if any(limits):
            self._say(("reading what is so now …", "muted"))
            run_aside(self, limits, lambda: self._acts.limit(self._container, limits))

    def action_apply(self) -> None:
        """Do it."""
        proposal = self._proposal
        if proposal is not None and not self._is_applying:
            self._is_applying = True
            self._say(("writing …", "muted"))
            run_aside(self, None, proposal.apply)

    def action_back(self) -> None:
        """From the question back to the values, from there back to the screen below."""
        if self._proposal is None or self._is_applying:
            self.dismiss(None)
        else:
            self._propose(None)
            self.query_one("#memory", Input).focus()
            self._say(("nothing was changed", "muted"))

    @on(Done)
    def _done(self, event: Done) -> None:
        if event.error is not None:
            self._is_applying = False
            self._propose(None)
            self._say((inert(reason_text(event.error)), "act"))
            self.query_one("#memory", Input).focus()
        elif isinstance(event.value, Proposal):
            self._ask(event.value)
        else:
            assert isinstance(event.value, tuple)
            self.app.notify("\n".join(event.value), title=f"limits of {inert(self._container.name)}", markup=False)
            self.dismiss(None)

    def _ask(self, proposal: Proposal) -> None:
        if not proposal.lines:
            self._say(("it is limited like that already", "muted"))
            return
        self._propose(proposal)
        self.set_focus(None)
        text = [line((one, "strong")) for one in proposal.lines]
        text += [Content(""), line((proposal.warning, "muted")), Content("")]
        text.append(line((" y ", "badge"), " change it     ", (" n ", "badge"), " back to the values"))
        self.query_one("#answer", Static).update(Content("\n").join(text))

    def _propose(self, proposal: Proposal | None) -> None:
        self._proposal = proposal
        for field in self.query(Input):
            field.disabled = proposal is not None


def now_lines(
    container: Container, stats: CgroupStats | None, effective: EffectiveLimits | None, cpu: float | None
) -> dict[str, tuple[Part, ...]]:
    """What is used now, what the limit is, and who imposes a tighter one; by the name of the value."""
    figures = stats or CgroupStats()
    memory, cpus, pids = figures.memory, figures.cpu, figures.pids
    bounds = effective or EffectiveLimits()
    path = container.cgroup.path if container.cgroup is not None else ""
    used = NOT_PERMITTED if memory is None or memory.current is None else format_bytes(memory.current)
    return {
        "memory": (
            f"{used} used, limit {format_limit(memory.limit if memory else None)}",
            *_above(bounds.memory, path, format_bytes),
        ),
        "cpus": (
            f"{NOT_PERMITTED if cpu is None else format_percent(cpu)} % of one used, "
            f"limit {cpus_text(cpus.limit_cpus if cpus else None)}",
            *_above(bounds.cpus, path, lambda value: f"{value:g} CPU"),
        ),
        "pids": (
            f"{count_text(pids.current if pids else None)} tasks, limit {count_text(pids.limit if pids else None)}",
            *_above(bounds.pids, path, lambda value: f"{value:.0f}"),
        ),
    }


def _above(limit: EffectiveLimit | None, path: str, write: Callable[[float], str]) -> tuple[Part, ...]:
    if limit is None or not isinstance(limit.value, int | float) or limit.limited_by in (None, "host", path):
        return ()
    return ((f"   ↑ {write(limit.value)} by {inert(str(limit.limited_by).rpartition('/')[2]) or '/'}", "watch"),)
