"""Who the command runs as: ids, groups and capabilities of a container's init.

*Source:* /proc/PID/status (proc_pid_status(5)), /proc/PID/uid_map and gid_map (user_namespaces(7)), the container's passwd(5).
*Shape:* status shows ids as the reader's user namespace has them; what setresuid(2) wants after joining is the id inside.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ctrscope.model.namespace import IdMapLine
from ctrscope.model.value import Value
from ctrscope.probes.proc_pid_status import CapabilityMasks, Status


class Credentials(Value, frozen=True, kw_only=True):
    """What a process may be and do; ids are those inside the user namespace that it joins."""

    uid: int
    gid: int
    groups: tuple[int, ...]  # supplementary
    capabilities: CapabilityMasks | None  # None: keep our own
    no_new_privs: bool


class PasswdEntry(NamedTuple):
    """The fields of passwd(5) that we use."""

    gid: int
    home: str


def credentials_of(status: Status) -> Credentials:
    """Who a process is, with the ids that the reader's user namespace has."""
    return Credentials(
        uid=status.uid,
        gid=status.gid,
        groups=status.groups,
        capabilities=status.capabilities,
        no_new_privs=bool(status.no_new_privs),
    )


def id_inside(lines: Sequence[IdMapLine], outside: int) -> int | None:
    """The id that *outside* has inside, or None when it is not mapped."""
    for line in lines:
        if line.outside <= outside < line.outside + line.count:
            return line.inside + outside - line.outside
    return None


def id_exists_inside(lines: Sequence[IdMapLine], inside: int) -> bool:
    """Whether a process in that user namespace can have that id."""
    return any(line.inside <= inside < line.inside + line.count for line in lines)


def parse_passwd(text: bytes, uid: int) -> PasswdEntry | None:
    """The first entry of that uid; lines that are not passwd(5) are passed over."""
    for line in text.splitlines():
        fields = line.decode("utf-8", "surrogateescape").split(":")
        if len(fields) >= 6 and fields[2] == str(uid) and fields[3].isdecimal():
            return PasswdEntry(int(fields[3]), fields[5] or "/")
    return None
