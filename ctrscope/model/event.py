"""Events: what happened to containers, when, and why."""

from enum import StrEnum

from ctrscope.model.value import Value


class EventKind(StrEnum):
    """What happened, in a word that can be filtered for."""

    CREATED = "created"
    STARTED = "started"
    STOPPED = "stopped"  # it ended with status 0, or nobody knows with which
    DIED = "died"  # it ended with another status, or by a signal
    OOM_KILLED = "oom-killed"
    PAUSED = "paused"
    UNPAUSED = "unpaused"
    LIMIT_CHANGED = "limit"
    MONITOR_LOST = "monitor-lost"
    NAMESPACE = "namespace"  # isolated by hand, or a network namespace that was given a name
    JOINED = "exec"  # a process came in from outside
    REMOVED = "removed"


class Event(Value, frozen=True, kw_only=True):
    """One thing that happened."""

    time: str  # RFC 3339
    kind: EventKind
    container: str | None  # key; None: it is about none
    name: str  # of the container, or of what it is about
    what: str  # "died, exit 137 (SIGKILL)"
    cause: str = ""  # "OOM-killed by its own limit 512M, victim node 25112"; "" when nobody knows
    pid: int | None = None  # of the process it is about


class Exit(Value, frozen=True, kw_only=True):
    """How a process ended; wait(2)."""

    at: float  # Unix time
    code: int  # 0 when a signal ended it
    signal: int = 0  # that ended it; 0: none did
