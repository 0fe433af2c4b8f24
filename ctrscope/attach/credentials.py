"""Who the command runs as: ids, groups and capabilities of a container's init.

*Source:* /proc/PID/status (proc_pid_status(5)), /proc/PID/uid_map and gid_map (user_namespaces(7)), the container's passwd(5).
*Shape:* status shows ids as the reader's user namespace has them; what setresuid(2) wants after joining is the id inside.
"""

from typing import NamedTuple

from ctrscope.model.gap import ParseError
from ctrscope.model.value import Value


class Capabilities(Value, frozen=True, kw_only=True):
    """The five sets as masks; bit N is capability number N of capabilities(7)."""

    effective: int
    permitted: int
    inheritable: int
    bounding: int
    ambient: int


class Credentials(Value, frozen=True, kw_only=True):
    """What a process may be and do; ids are those inside the user namespace that it joins."""

    uid: int
    gid: int
    groups: tuple[int, ...]  # supplementary
    capabilities: Capabilities | None  # None: keep our own
    no_new_privs: bool


class IdRange(NamedTuple):
    """One line of uid_map or gid_map."""

    inside: int
    outside: int
    size: int


class PasswdEntry(NamedTuple):
    """The fields of passwd(5) that we use."""

    gid: int
    home: str


def parse_credentials(status: bytes) -> Credentials:
    """Parse /proc/PID/status: effective ids, supplementary groups, capability masks, NoNewPrivs (since Linux 4.10)."""
    fields: dict[bytes, list[bytes]] = {}
    for line in status.splitlines():
        name, _, rest = line.partition(b":")
        fields[name] = rest.split()
    try:
        return Credentials(
            uid=int(fields[b"Uid"][1]),
            gid=int(fields[b"Gid"][1]),
            groups=tuple(int(group) for group in fields[b"Groups"]),
            capabilities=Capabilities(
                effective=int(fields[b"CapEff"][0], 16),
                permitted=int(fields[b"CapPrm"][0], 16),
                inheritable=int(fields[b"CapInh"][0], 16),
                bounding=int(fields[b"CapBnd"][0], 16),
                ambient=int(fields[b"CapAmb"][0], 16),
            ),
            no_new_privs=fields.get(b"NoNewPrivs") == [b"1"],
        )
    except (KeyError, IndexError, ValueError) as error:
        raise ParseError(f"not a status file: {error}") from error


def parse_id_map(text: bytes) -> tuple[IdRange, ...]:
    """Parse uid_map or gid_map."""
    try:
        return tuple(IdRange(*(int(field) for field in line.split())) for line in text.splitlines())
    except (TypeError, ValueError) as error:
        raise ParseError(f"not an id map: {error}") from error


def id_inside(ranges: tuple[IdRange, ...], outside: int) -> int | None:
    """The id that *outside* has inside, or None when it is not mapped."""
    for first, start, size in ranges:
        if start <= outside < start + size:
            return first + outside - start
    return None


def id_exists_inside(ranges: tuple[IdRange, ...], inside: int) -> bool:
    """Whether a process in that user namespace can have that id."""
    return any(first <= inside < first + size for first, _, size in ranges)


def parse_passwd(text: bytes, uid: int) -> PasswdEntry | None:
    """The first entry of that uid; lines that are not passwd(5) are passed over."""
    for line in text.splitlines():
        fields = line.decode("utf-8", "surrogateescape").split(":")
        if len(fields) >= 6 and fields[2] == str(uid) and fields[3].isdecimal():
            return PasswdEntry(int(fields[3]), fields[5] or "/")
    return None
