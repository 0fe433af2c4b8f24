"""What the process that becomes a container says to the one that makes it: one byte and a text, and an answer to most.

A report of failure is one sentence with an exit status. Silence at either end means that the other one is gone.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NoReturn

from ctrscope.attach.become import hide
from ctrscope.attach.channel import Channel
from ctrscope.attach.request import CannotAttach
from ctrscope.model.value import Value
from ctrscope.oci.errors import LauncherError

#: Map my ids; this PID is init; put me into the cgroups; run the hooks of the runtime; set my limits: each is answered.
IDS, PID, CGROUPS, HOOKS, LIMITS = _ASKED = b"I", b"P", b"C", b"H", b"L"
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


def go_on(channel: Channel, become: Callable[[], NoReturn]) -> NoReturn:
    """Go on as a child, whose PID we tell before we end. It waits until that is known."""
    hide()
    child = os.fork()
    if child == 0:
        try:
            await_answer(channel)
            become()
        except BaseException as error:
            fail(channel, error)
    with suppress(BrokenPipeError):  # whoever made us gave up
        channel.send(PID + str(child).encode())
    os._exit(0)


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


class Heard(Value, frozen=True, kw_only=True):
    """What came of it, once it waits for the start, executes its program, or is gone."""

    last: bytes  # the kind of the last message; empty: the other end was closed
    pid: int  # who it is by now
    terminal: int | None
    warnings: tuple[str, ...]


def listen(channel: Channel, pid: int, answers: Mapping[bytes, Callable[[int], tuple[str, ...] | None]]) -> Heard:
    """Do what is asked for, each once, for the process that asks; *pid* is the first, and each answer returns warnings.

    Errors: LauncherError as it was reported, or as an answer raised it.
    *Kernel:* moving a process to another cgroup waits for a grace period, 5 ms and more: init is moved once it is known
    rather than when it asks, and mounts meanwhile.
    """
    left, warnings, terminal = dict(answers), list[str](), None

    def answer(kind: bytes) -> None:
        if kind in left:
            warnings.extend(left.pop(kind)(pid) or ())

    while True:
        message, handle = channel.receive(_LIMIT)
        kind, text = message[:1], message[1:]
        if kind == FAILED:
            raise LauncherError(text[1:].decode("utf-8", "replace"), text[0])
        if kind == TERMINAL:
            terminal = handle
            continue
        if kind not in _ASKED:
            return Heard(last=kind, pid=pid, terminal=terminal, warnings=tuple(warnings))
        pid = int(text or pid)
        answer(kind)
        with suppress(BrokenPipeError):  # it was killed: there is nothing more to be heard, then
            channel.send(b".")
        if kind == PID:
            answer(CGROUPS)
