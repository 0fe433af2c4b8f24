"""Who the program is: a user of the container's own files, and the ids that its user namespace has.

*Source:* passwd(5), group(5), subuid(5), newuidmap(1), user_namespaces(7).
"""

import os

from ctrscope.attach.credentials import LAST_ID, parse_passwd
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.spec import IdMapping, User
from ctrscope.probes.hostfs import HostFs

_LIMIT = 4 << 20  # bytes of a passwd or group file: the container's, whose owner may put anything there
#: What root's containers are mapped to where /etc/subuid reserves nothing for root: beyond ordinary users.
_FIRST, _COUNT = 100_000, 65_536
_Mappings = tuple[tuple[IdMapping, ...], tuple[IdMapping, ...]]


def find_user(root: str, text: str) -> User:
    """The user that ``UID[:GID]`` or ``NAME[:GROUP]`` means in the files below *root*. Errors: LauncherError."""
    host = HostFs(root)
    user, _, group = text.partition(":")
    if any(one.isdecimal() and (len(one) > 10 or int(one) > LAST_ID) for one in (user, group)):
        raise LauncherError(f"--user {text[:40]!r}: expected ids up to {LAST_ID}", 2)
    entry = parse_passwd(_read(host, "/etc/passwd"), int(user) if user.isdecimal() else user)
    if entry is None and not user.isdecimal():
        raise LauncherError(f"--user {text!r}: no {user!r} in its /etc/passwd: expected a name from there, or a number", 2)
    uid = entry.uid if entry else int(user)
    groups = _parse_groups(_read(host, "/etc/group"))
    if group and not group.isdecimal() and group not in groups:
        raise LauncherError(
            f"--user {text!r}: no group {group!r} in its /etc/group: expected a name from there, or a number", 2
        )
    gid = int(group) if group.isdecimal() else groups[group][0] if group else entry.gid if entry else 0
    if uid > LAST_ID or gid > LAST_ID:
        raise LauncherError(f"--user {text!r}: expected ids up to {LAST_ID}", 2)
    more = () if group else sorted(number for number, members in groups.values() if user in members and number != gid)
    return User(uid=uid, gid=gid, additional_gids=tuple(more))


def own_mappings(userns: str | None) -> _Mappings | None:
    """The ids of a new user namespace; None: none is made. An ordinary user always needs one. Errors: LauncherError."""
    euid = os.geteuid()
    if userns == "host" or (userns is None and euid == 0):
        if euid != 0:
            raise LauncherError("--userns host takes root: without a user namespace an ordinary user may make no other", 2)
        return None
    if userns in (None, "auto"):
        return _root_mappings() if euid == 0 else _user_mappings(euid)
    first, _, count = (userns or "").partition(":")
    numbers = [int(one) for one in (first, count) if one.isascii() and one.isdecimal() and len(one) < 11]
    if len(numbers) < 2 or numbers[1] == 0 or sum(numbers) > LAST_ID + 1 or euid != 0:
        allowed = "auto" if euid else "auto, host, or FIRST:COUNT (ids of the host, 100000:65536 for instance)"
        raise LauncherError(f"--userns {userns!r}: expected {allowed}", 2)
    mapping = (IdMapping(container_id=0, host_id=numbers[0], size=numbers[1]),)
    return mapping, mapping


def _root_mappings() -> _Mappings:
    uids, gids = (_subordinate(path, "root", 0) or (_FIRST, _COUNT) for path in ("/etc/subuid", "/etc/subgid"))
    return (_line(0, *uids),), (_line(0, *gids),)


def _user_mappings(euid: int) -> _Mappings:
    """Ourselves as root; the others are those that were reserved for us, where the programs that may map them are there."""
    import pwd
    import shutil

    ours = (_line(0, euid, 1),), (_line(0, os.getegid(), 1),)
    if shutil.which("newuidmap") is None or shutil.which("newgidmap") is None:
        return ours
    try:
        name = pwd.getpwuid(euid).pw_name
    except KeyError:
        name = ""
    uids, gids = (_subordinate(path, name, euid) for path in ("/etc/subuid", "/etc/subgid"))
    return (((*ours[0], _line(1, *uids)), (*ours[1], _line(1, *gids)))) if uids and gids else ours


def _line(inside: int, outside: int, count: int) -> IdMapping:
    return IdMapping(container_id=inside, host_id=outside, size=count)


def _subordinate(path: str, name: str, uid: int) -> tuple[int, int] | None:
    """First id and how many; the first line for that user counts."""
    for line in _read(HostFs(), path).decode("utf-8", "surrogateescape").splitlines():
        owner, *numbers = line.split(":")
        if owner in (name, str(uid)) and len(numbers) == 2 and all(one.isdecimal() and len(one) < 11 for one in numbers):
            first, count = map(int, numbers)
            if count:
                return first, count
    return None


def _parse_groups(text: bytes) -> dict[str, tuple[int, list[str]]]:
    groups: dict[str, tuple[int, list[str]]] = {}
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        fields = line.split(":")
        if len(fields) == 4 and fields[2].isascii() and fields[2].isdecimal() and len(fields[2]) < 11:
            groups.setdefault(fields[0], (int(fields[2]), fields[3].split(",")))
    return groups


def _read(host: HostFs, path: str) -> bytes:
    try:
        return host.read(path, limit=_LIMIT)
    except OSError:
        return b""
