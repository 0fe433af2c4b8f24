"""Processes, identified the way that survives PID reuse."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from ctrscope.model.namespace import NamespaceType
from ctrscope.model.value import Value


class Role(StrEnum):
    """What a process is to its container."""

    INIT = "init"  # PID 1 of the container
    MONITOR = "monitor"  # conmon, containerd-shim, lxc monitor, systemd-nspawn: outside, keeps it
    DESCENDANT = "descendant"  # started by init
    JOINED = "joined"  # came in from outside: exec, nsenter, attach


class Process(Value, frozen=True, kw_only=True):
    """One process of a container, or the supervisor of one."""

    pid: int
    ppid: int
    nspid: tuple[int, ...]  # PIDs in each nested PID namespace, ours first; proc_pid_status(5) NSpid
    comm: str
    cmdline: tuple[str, ...] | None  # None: not permitted; empty: kernel thread or zombie
    state: str  # one letter of proc_pid_stat(5): R S D Z T …
    uid: int | None  # effective uid, in our user namespace
    started_at: str | None  # RFC 3339
    role: Role
    starttime_ticks: int
    cpu_ticks: int = 0  # utime + stime
    container: str | None = None  # key of the container it belongs to
    outside: tuple[NamespaceType, ...] | None = ()  # init's namespaces that it is not in, nor left for its own; None: unknown
    is_outside_cgroup: bool | None = None  # then no limit of the container holds it; None: unknown, or there is no own cgroup

    @property
    def is_visitor(self) -> bool:
        """Whether it is in the container's cgroup, or was started in it, and yet outside of namespaces of it."""
        return bool(self.outside) and not self.is_outside_cgroup

    @property
    def has_escaped_limits(self) -> bool:
        """Whether it is in namespaces of the container and not in its cgroup."""
        return self.is_outside_cgroup is True


class ProcessForest(msgspec.Struct, frozen=True, kw_only=True):
    """The processes of every running container at one moment."""

    processes: Mapping[str, tuple[Process, ...]]  # by container key: the supervisor, init, the rest by start
    cpu_percent: Mapping[int, float] = {}  # by PID, of one CPU, since the reading before; those that were there at both
    users: Mapping[int, str] = {}  # uid → name, as the host has it
