"""What can be done with a container: create, start, kill, delete, pause, resume, update, and run one program more in it.

*Source:* OCI runtime specification, runtime.md "Operations". *Errors:* LauncherError, SpecError. Whatever is made is written
to the state before, so that ``delete`` with force removes it, whoever was killed at whatever moment.
"""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import msgspec

from ctrscope.attach import syscalls
from ctrscope.attach.channel import Channel, open_channel
from ctrscope.attach.enter import exit_status
from ctrscope.launcher import cgroup, init, join, state as states, talk
from ctrscope.launcher.confine import Confined, limit, plan_confinement
from ctrscope.launcher.errors import LauncherError
from ctrscope.launcher.mounts import parse_options
from ctrscope.launcher.namespaces import open_joined, write_maps
from ctrscope.launcher.spec import Mount, Process, Resources, Spec
from ctrscope.launcher.state import FIFO, State
from ctrscope.model.container import Port
from ctrscope.model.timestamp import now
from ctrscope.model.value import Value

_PR_SET_CHILD_SUBREAPER = 36
_LISTEN_FDS = "LISTEN_FDS"


class Wish(Value, frozen=True, kw_only=True):
    """What is asked for besides the specification."""

    id: str
    root: str  # where state is kept
    bundle: str
    pid_file: str | None = None
    console_socket: str | None = None
    preserved: int = 0  # descriptors from 3 on
    systemd_cgroup: bool = False
    new_keyring: bool = True
    ports: tuple[Port, ...] | None = None  # to publish on the launcher's own bridge; None: no such network
    name: str | None = None
    image: str | None = None
    remove_at_exit: bool = False


class Made(Value, frozen=True, kw_only=True):
    """A process that waits for its start, our child."""

    pid: int
    channel: Channel
    terminal: int | None  # our end, where nobody waits for it at a socket
    warnings: tuple[str, ...]
