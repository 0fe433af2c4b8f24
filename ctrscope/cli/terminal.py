"""The terminal that we are on: whether it opens links, and by which address it reaches this host."""

import os
from collections.abc import Mapping

from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_environ import read_environ
from ctrscope.probes.proc_pid_stat import read_stat

#: Those that show nothing but text, and would show the address of a link as well.
_PLAIN = frozenset({"", "dumb", "linux", "vt100", "vt220"})
_FURTHEST = 16  # processes above us, at most


def reached_by(host: HostFs, environ: Mapping[str, str]) -> str | None:
    """The address at which ssh came in, else the loopback; None where the terminal opens no links.

    Shape: ``SSH_CONNECTION`` of ssh(1) is the client's address and port, then the server's. sudo(8) takes it out of the
    environment, but the shell above still has it.
    """
    if environ.get("TERM", "") in _PLAIN:
        return None
    connection = environ.get("SSH_CONNECTION") or _inherited(host)
    words = connection.split()
    return words[2] if len(words) == 4 else "127.0.0.1"


def _inherited(host: HostFs) -> str:
    pid = os.getppid()
    for _ in range(_FURTHEST):
        try:
            found = read_environ(host, pid).get("SSH_CONNECTION")
            above = read_stat(host, pid).ppid
        except (OSError, ParseError):
            return ""
        if found or above <= 1:
            return found or ""
        pid = above
    return ""
