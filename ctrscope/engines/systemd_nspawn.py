"""systemd-nspawn containers: what systemd-machined keeps about them, and the supervisors that are not registered.

*Source:* systemd machine.c for ``/run/systemd/machines/NAME`` (``NAME= SCOPE= SERVICE= ROOT= LEADER= CLASS= REALTIME=``,
values escaped as by cescape()); systemd-nspawn(1) for the command line.
*Versions:* the file calls itself private data, so a key that is missing or new is nothing wrong, but for NAME and LEADER.

No start time of the leader is recorded. ``MONOTONIC`` is not compared with it either: it stands still while the host
sleeps and start times do not. That LEADER is still the machine's is for the kernel to confirm, by cgroup or parent.
Machines of other makers that machined calls containers are listed too, with their SERVICE as ``runtime``; virtual machines
are not. Images below /var/lib/machines are no containers: ``machinectl list`` does not list them.
"""

from typing import ClassVar

import msgspec

from ctrscope.engines.engine import Survey
from ctrscope.engines.lxc import find_inits
from ctrscope.model.container import ContainerStatus, EngineName, EngineReading, EngineStatus, Evidence, Record
from ctrscope.model.gap import VANISHED, Gap, ParseError, gap_of
from ctrscope.model.timestamp import rfc3339

_MACHINES = "/run/systemd/machines"
_COMM = "systemd-nspawn"
_LAST_REALTIME = 4_102_444_800_000_000  # the year 2100, in microseconds


class Nspawn:
    """systemd-nspawn."""

    name: ClassVar[EngineName] = EngineName.NSPAWN

    def read_state(self, survey: Survey) -> EngineReading:
        """Machines that are registered with systemd-machined."""
        records: list[Record] = []
        gaps: list[Gap] = []
        try:
            names = survey.host.names(_MACHINES)
        except OSError as error:
            if error.errno in VANISHED:
                return EngineReading(status=EngineStatus(engine=self.name, found=False))
            names = []
            gaps.append(gap_of(error, "engine nspawn", ("containers",), _MACHINES))
        for name in names:
            # "unit:UNIT" is a link to the machine of that unit; machined writes to ".#NAME…" first.
            if name.startswith(("unit:", ".")):
                continue
            source = f"{_MACHINES}/{name}"
            try:
                record = parse_machine(survey.host.read(source), source)
            except (OSError, ParseError) as error:
                if not isinstance(error, OSError) or error.errno not in VANISHED:
                    gaps.append(gap_of(error, "engine nspawn", ("containers",), source))
                continue
            if record is not None:
                records.append(_with_command(survey, record))
        status = EngineStatus(engine=self.name, found=True, state_roots=(_MACHINES,), containers=len(records))
        return EngineReading(status=status, records=tuple(records), gaps=tuple(gaps))

    def read_supervisors(self, survey: Survey) -> EngineReading | None:
        """Containers whose supervisor runs and that machined does not know (``--register=no``, no machined)."""
        supervisors = survey.processes.named(survey.supervisors, _COMM)
        inits = find_inits(survey, [stat.pid for stat in supervisors])
        records: list[Record] = []
        for stat in supervisors:
            init, uid = inits.get(stat.pid), survey.uid(stat.pid)
            if init is None or uid is None:
                # Nothing inside yet, or it is that of a registered machine, which has been found.
                continue
            name, rootfs, is_one_of_many = parse_arguments(survey.processes.cmdline(stat.pid) or ())
            name = name or str(stat.pid)
            record = Record(
                id=f"{name}-{stat.pid}" if is_one_of_many else name,
                name=name,
                engine=self.name,
                owner_uid=uid,
                runtime=_COMM,
                status=ContainerStatus.RUNNING,
                pid=init,
                monitor_pid=stat.pid,
                monitor_expected=_COMM,
                rootfs=rootfs,
                evidence=(Evidence(source=f"/proc/{stat.pid}/cmdline", value=f"{_COMM}, machine {name}"),),
            )
            records.append(_with_command(survey, record))
        if not records:
            return None
        status = EngineStatus(engine=self.name, found=True, containers=len(records))
        return EngineReading(status=status, records=tuple(records))


def parse_machine(text: bytes, source: str) -> Record | None:
    """Parse machined's file about one machine; None for a virtual machine. Errors: ParseError."""
    values: dict[str, str] = {}
    for line in text.decode("utf-8", "surrogateescape").split("\n"):
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            values[key] = _unescape(value)
    if values.get("CLASS", "container") != "container":
        return None
    name, leader = values.get("NAME"), values.get("LEADER", "")
    if not name or not leader.isascii() or not leader.isdecimal() or len(leader) > 10:
        raise ParseError(f"{source}: NAME or LEADER missing")
    realtime = values.get("REALTIME", "")
    is_moment = realtime.isascii() and realtime.isdecimal() and len(realtime) < 20 and 0 < int(realtime) < _LAST_REALTIME
    registered = rfc3339(int(realtime) / 1e6) if is_moment else None
    service = values.get("SERVICE") or None
    return Record(
        id=name,
        name=name,
        engine=EngineName.NSPAWN,
        runtime=service,
        created_at=registered,
        started_at=registered,
        rootfs=values.get("ROOT") or None,
        status=ContainerStatus.RUNNING,
        pid=int(leader) or None,
        monitor_expected=_COMM if service in (None, _COMM) else None,
        evidence=(Evidence(source=source, value=f"LEADER {leader}, SCOPE {values.get('SCOPE', '')}"),),
    )


def parse_arguments(arguments: tuple[str, ...]) -> tuple[str | None, str | None, bool]:
    """Name and root directory (or image) that a systemd-nspawn command line gives; None for what it does not.

    The third: whether others of that name may run from the same directory. nspawn itself ends the name of an ephemeral one
    with random digits, which it writes down nowhere.
    Shape: options end at the first argument that is none, which begins the command. Without ``--machine`` the name is the
    last component of the directory or image.
    """
    values: dict[str, str] = {}
    rest = iter(arguments[1:])
    for argument in rest:
        option, equals, value = argument.partition("=")
        if not argument.startswith("-") or argument == "--":
            break
        if argument.startswith("--"):
            values[option[2:]] = value if equals or option[2:] in _FLAGS else next(rest, "")
            continue
        # "-qM web": flags may stand before the one that takes a value.
        for index, letter in enumerate(argument[1:], 2):
            if letter == "x":
                values["ephemeral"] = ""
            elif letter in _WITH_VALUE:
                values[_WITH_VALUE[letter]] = argument[index:] or next(rest, "")
                break
    rootfs = values.get("directory") or values.get("image") or ""
    name = values.get("machine") or rootfs.rstrip("/").rpartition("/")[2].removesuffix(".raw")
    # It locks what it runs from against others, unless nothing of that is written to.
    is_one_of_many = bool(name) and not values.get("machine") and not values.keys().isdisjoint(("ephemeral", "read-only"))
    return name or None, rootfs if rootfs.startswith("/") else None, is_one_of_many


#: Short options of systemd-nspawn(1) that need a value, and the long ones they stand for.
_WITH_VALUE = {"D": "directory", "M": "machine", "i": "image", "u": "user", "S": "slice", "L": "selinux-apifs-context"}
_WITH_VALUE |= {"Z": "selinux-context", "p": "port", "E": "setenv"}
#: Long options that need none, so that the next argument is not theirs.
_FLAGS = frozenset(
    [
        *("as-pid2", "boot", "cleanup", "ephemeral", "help", "keep-unit", "network-veth", "no-ask-password", "no-pager"),
        *("pipe", "private-network", "private-users", "private-users-chown", "quiet", "read-only", "share-system"),
        *("version", "volatile"),
    ]
)


def _with_command(survey: Survey, record: Record) -> Record:
    """The record with the arguments of init, if that process is a supervisor's child: a recorded PID may be reused."""
    stat = survey.processes.stat(record.pid) if record.pid else None
    parent = survey.processes.stat(stat.ppid) if stat is not None else None
    if stat is None or parent is None or parent.comm != _COMM:
        return record
    return msgspec.structs.replace(record, command=survey.processes.cmdline(stat.pid) or None)


def _unescape(value: str) -> str:
    r"""Undo cescape(): ``\x20``, ``\n``, ``\\``; and the quotes that newer versions put around a value."""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    if "\\" not in value:
        return value
    first, *rest = value.replace("\\\\", "\\\0").split("\\")
    octets = bytearray(first.encode("utf-8", "surrogateescape"))
    for piece in rest:
        code = piece[1:3]
        if piece[:1] == "\0":
            octets += b"\\" + piece[1:].encode("utf-8", "surrogateescape")
        elif piece[:1] == "x" and len(code) == 2 and not code.lower().strip("0123456789abcdef"):
            octets += bytes([int(code, 16)]) + piece[3:].encode("utf-8", "surrogateescape")
        else:
            octets += (_PLAIN.get(piece[:1], piece[:1]) + piece[1:]).encode("utf-8", "surrogateescape")
    return octets.decode("utf-8", "surrogateescape")


_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "s": " "}
