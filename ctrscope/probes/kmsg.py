"""/dev/kmsg: what the kernel log says about processes killed for lack of memory.

*Source:* kernel documents ABI/testing/dev-kmsg and mm/oom. A record is ``6,4086,11603368798,-;oom-kill:constraint=…``:
facility and level, sequence number, microseconds since boot; lines after the first begin with a space.
*Versions:* ``oom-kill:constraint=`` since Linux 5.0; before that ``Task in PATH killed as a result of limit of PATH``. What
died stands in ``Killed process PID (comm)`` in all of them.
"""

import re
from collections.abc import Iterable

import msgspec

from ctrscope.model.gap import Gap, Reading, Reason, gap_of
from ctrscope.model.observed import OomKill
from ctrscope.model.timestamp import rfc3339
from ctrscope.probes.hostfs import HostFs

SOURCE = "/dev/kmsg"
#: Kills that are kept, the latest.
_MOST = 1000

_OOM_KILL = re.compile(r"oom-kill:constraint=.*?(?:,oom_memcg=|,global_oom,task_memcg=)(.*),pid=(\d+),uid=\d+$")
_TASK_IN = re.compile(r"Task in (.*) killed as a result of limit of (.*)$")
_GROUP = re.compile(r"Tasks in (.*) are going to be killed due to memory\.oom\.group set$")
_KILLED = re.compile(
    r"(?:Memory cgroup out of memory|Out of memory.*?)?(?:: )?Killed process (\d+) \((.*)\),? (?:UID|total-vm)"
)
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


def read_oom_kills(host: HostFs, booted_at: float | None) -> Reading[tuple[OomKill, ...]]:
    """Every OOM kill that the log still has, the oldest first. *booted_at*: Unix time of boot.

    Shape: the value is None, with a Gap, when the log cannot be read.
    """
    try:
        records = host.kernel_log()
    except OSError as error:
        needs = "CAP_SYSLOG, or kernel.dmesg_restrict=0" if isinstance(error, PermissionError) else None
        return Reading(None, (gap_of(error, "host", ("oom_kills",), SOURCE, needs),))
    if not records:
        # A container of gVisor, a kernel without CONFIG_PRINTK.
        gap = Gap(subject="host", fields=("oom_kills",), source=SOURCE, reason=Reason.UNAVAILABLE, detail="the log is empty")
        return Reading(None, (gap,))
    return Reading(parse_oom_kills(records, booted_at))


def parse_oom_kills(records: Iterable[bytes], booted_at: float | None) -> tuple[OomKill, ...]:
    """Kills in records of /dev/kmsg. What is not a record of the kernel itself is passed over: root may write into the log."""
    kills: list[OomKill] = []
    #: Whose limit was hit, for a group that dies together; before Linux 4.19 also who is going to be said to have died.
    memcgs: tuple[str | None, str | None] = (None, None)
    is_awaited = False
    group: tuple[str | None, str | None] | None = None
    for record in records:
        usec, text = _parse_record(record)
        if text is None:
            continue
        at = None if booted_at is None or usec is None else rfc3339(booted_at + usec / 1e6)
        if found := _OOM_KILL.match(text):
            group = None
            memcg, oom_memcg, comm = _split_memcgs(found[1], is_global=",global_oom," in text)
            kills.append(OomKill(at=at, pid=int(found[2]), comm=comm, memcg=memcg, oom_memcg=oom_memcg, lines=(text,)))
            memcgs, is_awaited = (memcg, oom_memcg), False
        elif found := _TASK_IN.match(text):
            group, memcgs, is_awaited = None, (found[1], found[2]), True
        elif found := _GROUP.match(text):
            group = (found[1], memcgs[1])
        elif found := _KILLED.match(text):
            pid = int(found[1])
            if kills and kills[-1].pid == pid and len(kills[-1].lines) == 1:
                kills[-1] = msgspec.structs.replace(kills[-1], lines=(*kills[-1].lines, text))
                continue
            if group is None and not is_awaited and text.startswith("Memory cgroup"):
                continue  # where many die, the kernel leaves out the line that says in which cgroup (printk_ratelimit)
            memcg, oom_memcg = group or (memcgs if is_awaited else (None, None))
            kills.append(OomKill(at=at, pid=pid, comm=found[2], memcg=memcg, oom_memcg=oom_memcg, lines=(text,)))
            is_awaited = False
    return tuple(kills[-_MOST:])


def _parse_record(record: bytes) -> tuple[int | None, str | None]:
    """Microseconds since boot, and the first line; None for what the kernel did not write itself (facility 0)."""
    header, semicolon, text = record.partition(b";")
    fields = header.split(b",")
    if not semicolon or len(fields) < 3 or not fields[0].isdigit() or int(fields[0]) > 7:
        return None, None
    line = text.partition(b"\n")[0].decode("utf-8", "surrogateescape")
    octets = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]).decode("latin-1"), line)
    if octets != line:  # what is not printable ASCII, and the backslash, stands there as an escape
        line = octets.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
    return int(fields[2]) if fields[2].isdigit() else None, line


def _split_memcgs(text: str, *, is_global: bool) -> tuple[str | None, str | None, str]:
    """Cgroup of the process, cgroup whose limit it was (None: the host's memory), and comm.

    *text* is ``LIMIT,task_memcg=PATH,task=COMM``, or ``PATH,task=COMM`` when the host ran out. The kernel writes names of
    cgroups as they are, commas and all: the process's path has to be below the limit's.
    """
    if is_global:
        path, _, comm = text.partition(",task=")
        return path, None, comm
    pieces = text.split(",task_memcg=")
    for cut in range(1, len(pieces)):
        limit = ",task_memcg=".join(pieces[:cut])
        path, _, comm = ",task_memcg=".join(pieces[cut:]).partition(",task=")
        if limit == "/" or path == limit or path.startswith(f"{limit}/"):
            return path, limit, comm
    return None, pieces[0], pieces[-1].rpartition(",task=")[2]
