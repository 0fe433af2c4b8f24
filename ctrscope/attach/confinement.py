"""What holds a process of the container back besides its user: security label, seccomp filter, resource limits.

*Source:* /proc/PID/{attr,limits,oom_score_adj,status}, proc_pid_limits(5), and for the filter the bundle (``seccomp``).
"""

import resource

from ctrscope.model.gap import ParseError
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import ProcDir

_UNLIMITED = resource.RLIM_INFINITY
#: Names of proc_pid_limits(5) → RLIMIT_… of getrlimit(2).
_RESOURCES = {
    "Max cpu time": resource.RLIMIT_CPU,
    "Max file size": resource.RLIMIT_FSIZE,
    "Max data size": resource.RLIMIT_DATA,
    "Max stack size": resource.RLIMIT_STACK,
    "Max core file size": resource.RLIMIT_CORE,
    "Max resident set": resource.RLIMIT_RSS,
    "Max processes": resource.RLIMIT_NPROC,
    "Max open files": resource.RLIMIT_NOFILE,
    "Max locked memory": resource.RLIMIT_MEMLOCK,
    "Max address space": resource.RLIMIT_AS,
    "Max pending signals": resource.RLIMIT_SIGPENDING,
    "Max msgqueue size": resource.RLIMIT_MSGQUEUE,
    "Max nice priority": resource.RLIMIT_NICE,
    "Max realtime priority": resource.RLIMIT_RTPRIO,
    "Max realtime timeout": resource.RLIMIT_RTTIME,
}
_NAME_WIDTH = 26  # of the first column of /proc/PID/limits, whose names have spaces


class Filter(Value, frozen=True):
    """A compiled filter, as seccomp(2) takes it; ``seccomp`` compiles it."""

    program: bytes  # struct sock_filter[]
    flags: int


class ResourceLimit(Value, frozen=True):
    """One limit of getrlimit(2); -1 is no limit."""

    resource: int
    soft: int
    hard: int


class Confinement(Value, frozen=True, kw_only=True):
    """What to take over from init. Empty: nothing."""

    label: tuple[str, str] | None = None  # file below /proc/self and what to write: the AppArmor or SELinux label
    filter: Filter | None = None
    limits: tuple[ResourceLimit, ...] = ()
    oom_score_adj: int | None = None


def read_label(process: ProcDir) -> tuple[str, str] | None:
    """The AppArmor or SELinux label of init and where to write it; None when none is active or it is unconfined.

    Errors of reading mean that there is no such module: EINVAL from attr/current, ENOENT below attr/apparmor (since 5.8).
    """
    for directory in ("attr/apparmor", "attr"):
        try:
            text = process.read(f"{directory}/current")
        except OSError:
            continue
        return choose_label(text, directory)
    return None


def read_limits(process: ProcDir) -> tuple[ResourceLimit, ...]:
    """Resource limits of init. Errors: OSError, ParseError."""
    return parse_limits(process.read("limits"))


def read_oom_score_adj(process: ProcDir) -> int:
    """How soon the kernel would choose init when memory runs out. Errors: OSError, ParseError."""
    text = process.read("oom_score_adj")
    try:
        return int(text)
    except ValueError:
        raise ParseError("oom_score_adj is not a number") from None


def parse_limits(text: bytes) -> tuple[ResourceLimit, ...]:
    """Parse proc_pid_limits(5). Lines of limits that we do not know are ignored. Errors: ParseError."""
    found = []
    for number, line in enumerate(text.decode("ascii", "replace").splitlines()[1:], 2):
        kind = _RESOURCES.get(line[:_NAME_WIDTH].rstrip())
        words = line[_NAME_WIDTH:].split()
        if kind is None:
            continue
        if len(words) < 2:
            raise ParseError("no soft and hard limit", number)
        soft, hard = (_limit(word, number) for word in words[:2])
        found.append(ResourceLimit(kind, soft, hard))
    return tuple(found)


def _limit(word: str, line: int) -> int:
    if word == "unlimited":
        return _UNLIMITED
    if not word.isdecimal():
        raise ParseError(f"{word} is not a limit", line)
    return int(word)


def choose_label(text: bytes, directory: str) -> tuple[str, str] | None:
    """What to write where so that the next exec gets the label in *text*, the content of ``current`` in *directory*.

    AppArmor says ``docker-default (enforce)``, SELinux ``system_u:system_r:container_t:s0:c1,c2`` and NUL.
    """
    label = text.decode("utf-8", "surrogateescape").rstrip("\0\n")
    profile, bracket, _ = label.rpartition(" (")
    if bracket:
        return f"{directory}/exec", f"exec {profile}"
    if directory == "attr" and label.count(":") >= 3:
        return f"{directory}/exec", label
    return None
