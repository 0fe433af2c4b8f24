"""Who the command runs as: ids, groups and capabilities of a container's init.

*Source:* /proc/PID/status (proc_pid_status(5)), /proc/PID/uid_map and gid_map (user_namespaces(7)), the container's passwd(5).
*Shape:* status shows ids as the reader's user namespace has them; what setresuid(2) wants after joining is the id inside.
"""

from collections.abc import Sequence

from ctrscope.model.namespace import IdMapLine
from ctrscope.model.value import Value
from ctrscope.probes.proc_pid_status import CapabilityMasks, Status

LAST_ID = 2**32 - 2  # -1 means "leave it" to setresuid(2)
_LINE_LIMIT = 4096  # bytes: nobody's directory is longer than a path may be


class Credentials(Value, frozen=True, kw_only=True):
    """What a process may be and do; ids are those inside the user namespace that it joins."""

    uid: int
    gid: int
    groups: tuple[int, ...]  # supplementary
    capabilities: CapabilityMasks | None  # None: keep our own
    no_new_privs: bool


class PasswdEntry(Value, frozen=True):
    """The fields of passwd(5) that we use."""

    uid: int
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


def parse_passwd(text: bytes, user: int | str) -> PasswdEntry | None:
    """The first entry of that uid or name; lines that are not passwd(5), or that nobody can be, are passed over."""
    for line in text.splitlines():
        fields = line.decode("utf-8", "surrogateescape").split(":") if len(line) <= _LINE_LIMIT and b"\0" not in line else []
        if len(fields) < 6 or not fields[2].isdecimal() or not fields[3].isdecimal():
            continue
        uid, gid = int(fields[2]), int(fields[3])
        if max(uid, gid) <= LAST_ID and user == (fields[0] if isinstance(user, str) else uid):
            return PasswdEntry(uid, gid, fields[5] or "/")
    return None


def translate(init: Credentials, uid_map: Sequence[IdMapLine], gid_map: Sequence[IdMapLine]) -> Credentials:
    """Ids of init as they are inside its user namespace. An id that is not mapped is 0; such a group is left out."""
    return Credentials(
        uid=id_inside(uid_map, init.uid) or 0,
        gid=id_inside(gid_map, init.gid) or 0,
        groups=tuple(inside for group in init.groups if (inside := id_inside(gid_map, group)) is not None),
        capabilities=init.capabilities,
        no_new_privs=init.no_new_privs,
    )


def choose_credentials(
    init: Credentials, *, confined: bool, uid: int | None, gid: int | None, passwd: PasswdEntry | None
) -> Credentials:
    """Who the command runs as. *uid* and *gid* are what was asked for; *passwd* is the entry of the user that it comes to.

    Confined: as init; another user gets what the container could give to a process of that user: root the bounding set,
    others nothing. Otherwise root with all our capabilities, or another user without confinement.
    """
    asked = uid is not None or not confined
    uid = uid if uid is not None else init.uid if confined else 0
    gid = gid if gid is not None else (passwd.gid if passwd else 0) if asked else init.gid
    groups = () if asked or gid != init.gid else init.groups
    if not confined:
        return Credentials(uid=uid, gid=gid, groups=groups, capabilities=None, no_new_privs=False)
    capabilities = init.capabilities
    if capabilities is not None and uid != init.uid:
        given = capabilities.bounding if uid == 0 else 0
        capabilities = CapabilityMasks(
            effective=given, permitted=given, inheritable=0, bounding=capabilities.bounding, ambient=0
        )
    return Credentials(uid=uid, gid=gid, groups=groups, capabilities=capabilities, no_new_privs=init.no_new_privs)
