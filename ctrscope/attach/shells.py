"""Which shell there is to run.

*Source:* the executable files inside the container's root, or for its doctor those of the host.
"""

import stat
from collections.abc import Iterable, Mapping

from ctrscope.attach.request import CannotAttach
from ctrscope.model.quoting import quote
from ctrscope.probes.hostfs import HostFs

#: Shells in the order in which they are tried inside; the arguments after the first are for busybox.
SHELLS = (
    ("/bin/bash",),
    ("/usr/bin/bash",),
    ("/bin/sh",),
    ("/usr/bin/sh",),
    ("/bin/ash",),
    ("/bin/busybox", "sh"),
    ("/run/current-system/sw/bin/bash",),
)
_NAMES = ("bash", "sh", "ash", "busybox")


def find_shell(inside: HostFs, name: str) -> tuple[str, ...]:
    """The first of ``SHELLS`` that is an executable file inside. Errors: CannotAttach."""
    found = _first(inside, SHELLS)
    if found is None:
        raise CannotAttach(
            f"there is no shell inside {name}; bring the host's own (ctrscope attach {quote(name)} --tools), "
            f"or name a program that is there (ctrscope attach {quote(name)} -- CMD)",
            127,
        )
    return found


def find_tools_shell(host: HostFs, toolbox: str, ours: Mapping[str, str]) -> tuple[str, ...]:
    """A shell of the toolbox, else ours, else any of the host's. Errors: CannotAttach."""
    boxed = [
        (f"{directory}/{name}", *(("sh",) if name == "busybox" else ()))
        for directory in ((toolbox, f"{toolbox}/bin", f"{toolbox}/sbin") if toolbox else ())
        for name in _NAMES
    ]
    own = [(ours["SHELL"],)] if ours.get("SHELL", "").startswith("/") else []
    found = _first(host, (*boxed, *own, *SHELLS))
    if found is None:
        raise CannotAttach("there is no shell on this host; name a program (-- CMD)", 127)
    return found


def _first(host: HostFs, shells: Iterable[tuple[str, ...]]) -> tuple[str, ...] | None:
    for shell in shells:
        try:
            found = host.stat(shell[0])
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode) and found.st_mode & 0o111:
            return shell
    return None
