"""What the process that becomes a container says to the one that makes it: one byte and a text, and an answer to most.

A report of failure is one sentence with an exit status. Silence at either end means that the other one is gone.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NoReturn

from ctrscope.attach.channel import Channel
from ctrscope.attach.request import CannotAttach
from ctrscope.oci.errors import LauncherError

#: Map my ids; this PID is init; put me into the cgroups; run the hooks of the runtime; set my limits: each is answered.
IDS, PID, CGROUPS, HOOKS, LIMITS = b"I", b"P", b"C", b"H", b"L"
#: Here is the terminal; I wait for the start; I failed: not answered.
TERMINAL, READY, FAILED = b"T", b"R", b"F"
_LIMIT = 8192


def ask(channel: Channel, kind: bytes) -> None:
    """Have something done outside, and wait until it is."""
    with suppress(OSError):
        channel.send(kind)
    await_answer(channel)


def await_answer(channel: Channel) -> None:
    """Wait until what was asked for is done. Whoever is alone with its question ends."""
    with suppress(OSError):
        if channel.receive(1)[0]:
            return
    os._exit(1)


def fail(channel: Channel, error: BaseException) -> NoReturn:
    """Report why it went no further, and end."""
    status = error.status if isinstance(error, (LauncherError, CannotAttach)) else 125
    text = str(error) if isinstance(error, (LauncherError, CannotAttach)) else f"{type(error).__name__}: {error}"
    if isinstance(error, OSError):
        text = f"{os.fsdecode(error.filename)}: {error.strerror}" if error.filename else error.strerror or str(error)
    try:
        channel.send(FAILED + bytes((status,)) + text.encode("utf-8", "surrogateescape")[: _LIMIT - 2])
    except OSError:  # EPIPE: it was created by a program that has ended since
        with suppress(OSError):
            os.write(2, f"ctrscope: {text}\n".encode("utf-8", "surrogateescape"))
    os._exit(status)


def listen(channel: Channel, answers: Mapping[bytes, Callable[[str], None]]) -> tuple[bytes, int | None]:
    """Do what is asked for until it waits for the start, or executes its program; returns the last kind and the terminal.

    Errors: LauncherError as it was reported, or as an answer raised it.
    """
    terminal: int | None = None
    while True:
        message, handle = channel.receive(_LIMIT)
        kind, text = message[:1], message[1:]
        if kind == TERMINAL:
            terminal = handle
        elif kind == FAILED:
            raise LauncherError(text[1:].decode("utf-8", "replace"), text[0])
        elif kind in answers:
            answers[kind](text.decode())
            channel.send(b".")
        else:
            return kind, terminal
