"""What the dashboard may do to a container, as it is handed in: views change nothing themselves.

Planning and doing may take as long as the kernel likes (a lower memory limit reclaims first), so both run ``aside``.
"""

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from textual.message import Message
from textual.message_pump import MessagePump

from ctrscope.model.container import Container
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.preferences import Preferences

#: Starts a shell in these namespaces of a container (none: all), and returns its exit status.
Attach = Callable[[Container, Sequence[NamespaceType]], int]


#: Writes a text to the file of that name, if there is none or it may be replaced; → its whole path. Errors: Exists, Refused.
Write = Callable[[str, str, bool], str]


class Refused(Exception):  # noqa: N818 -- it reads as what happened
    """It is not done, and why: what to do instead. The text is not inert."""


class Exists(Refused):
    """There is something of that name already."""


class SettingsFile(NamedTuple):
    """Where and how settings are kept."""

    path: str
    format: Callable[[Preferences], str]
    write: Write


class Limits(NamedTuple):
    """New limits as somebody typed them; "" leaves one as it is."""

    memory: str
    cpus: str
    pids: str


class Proposal(NamedTuple):
    """What is going to happen, before it does."""

    lines: Sequence[str]  # inert: before → after; nothing when all of it is so already
    warning: str  # inert
    apply: Callable[[], Sequence[str]]  # does it; inert lines of what is so now. Errors: Refused


class Acts(NamedTuple):
    """Everything that can be done to a container of this host, live."""

    attach: Attach
    limit: Callable[[Container, Limits], Proposal]  # Errors: Refused
    freeze: Callable[[Container, bool], Proposal]  # True: pause, False: unpause. Errors: Refused
    signal: Callable[[Container, str], Proposal]  # its name, without SIG. Errors: Refused


class Done(Message):
    """Something that ran aside is done: what it brought, or what it raised."""

    def __init__(self, ticket: object, value: object, error: Exception | None) -> None:
        super().__init__()
        self.ticket, self.value, self.error = ticket, value, error


def run_aside(whom: MessagePump, ticket: object, work: Callable[[], object]) -> None:
    """Do *work* on a thread of its own and post Done to *whom*.

    The thread is a daemon, and not a worker of Textual's: those are waited for at exit.
    """

    def run() -> None:
        try:
            message = Done(ticket, work(), None)
        except Exception as error:  # whatever it was, it is said and the dashboard lives on
            message = Done(ticket, None, error)
        try:
            whom.post_message(message)
        except RuntimeError:  # the event loop closed meanwhile
            return

    threading.Thread(target=run, name="aside", daemon=True).start()


def reason_text(error: Exception) -> str:
    """What to say of an error: a refusal as it stands, anything else with its kind."""
    return str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
