"""One program more in a container that runs: its namespaces and cgroups joined, then what init became.

*Source:* setns(2), pid_namespaces(7). A go-between joins, since a PID namespace counts for children only; its child goes on.
"""

import os
from typing import NoReturn

from ctrscope.attach import syscalls
from ctrscope.attach.become import keep_from_exec
from ctrscope.attach.channel import Channel
from ctrscope.attach.program import execute
from ctrscope.launcher.confine import take_label
from ctrscope.launcher.init import Program, become_program, import_late
from ctrscope.launcher.namespaces import become_root
from ctrscope.launcher.talk import CGROUPS, ask, go_on
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.value import Value
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.state import Cgroups, State, is_alive


class Joining(Value, frozen=True, kw_only=True):
    """Where to, and what to become there."""

    program: Program
    cgroups: Cgroups
    pidfd: int
    types: tuple[NamespaceType, ...]


def plan(state: State, program: Program) -> Joining:
    """Hold its init and see which of its namespaces are not ours. Errors: LauncherError."""
    assert state.pid is not None
    assert state.cgroups is not None
    try:
        pidfd = os.pidfd_open(state.pid)
        types = tuple(type_ for type_ in NamespaceType if _ino(state.pid, type_) != _ino(os.getpid(), type_))
    except OSError as error:
        raise LauncherError(f"container not running: {state.id}: {error.strerror}") from None
    if not is_alive(state):  # after the descriptor was opened: it is of that very process
        os.close(pidfd)
        raise LauncherError(f"container not running: {state.id}")
    return Joining(program=program, cgroups=state.cgroups, pidfd=pidfd, types=types)


def begin(joining: Joining, channel: Channel) -> NoReturn:
    """Be the go-between."""
    import_late(joining.program)
    keep_from_exec(joining.program.preserved)
    take_label(joining.program.confined)
    ask(channel, CGROUPS)
    syscalls.setns_process(joining.pidfd, joining.types)
    if NamespaceType.USER in joining.types:
        become_root()
    go_on(channel, lambda: _become_program(joining.program, channel))


def _become_program(program: Program, channel: Channel) -> NoReturn:
    os.setsid()
    environment = become_program(program, channel)
    execute(program.process.args, environment, inside=True, last=program.confined.last)


def _ino(pid: int, type_: NamespaceType) -> int:
    return os.stat(f"/proc/{pid}/ns/{type_}").st_ino
