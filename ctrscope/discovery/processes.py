"""The processes of one container, with its supervisor, and what each of them is to it."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from ctrscope.model.container import Container
from ctrscope.model.gap import ParseError
from ctrscope.model.namespace import NamespaceSet, NamespaceType
from ctrscope.model.process import Process, Role
from ctrscope.model.timestamp import rfc3339
from ctrscope.probes.host import read_boot_time, read_host_namespaces
from ctrscope.probes.hostfs import HostFs, ProcDir
from ctrscope.probes.proc_pid_cgroup import parse_cgroup
from ctrscope.probes.proc_pid_ns import read_namespaces_of
from ctrscope.probes.proc_pid_stat import Stat, parse_stat, read_stat
from ctrscope.probes.proc_pid_status import Status, parse_status
from ctrscope.probes.process_table import parse_cmdline


class _Facts(NamedTuple):
    stat: Stat
    status: Status
    cmdline: tuple[str, ...] | None
    namespaces: NamespaceSet | None  # None: not permitted
    cgroup: Mapping[str, str] | None


def read_processes(host: HostFs, container: Container, kept: "ProcessFacts | None" = None) -> tuple[Process, ...]:
    """The supervisor, init, and the rest in the order they started. Those that ended meanwhile are left out.

    A zombie keeps its row (state ``Z``, no arguments). *kept*: facts of an earlier call; only what moves is read again.
    """
    kept = ProcessFacts() if kept is None else kept
    monitor = container.monitor.pid if container.monitor is not None and container.monitor.alive else None
    wanted = dict.fromkeys((*container.pids, *(() if monitor is None else (monitor,))))
    facts = {pid: found for pid in wanted if (found := kept.read(host, pid)) is not None}
    init = facts.get(container.pid) if container.pid is not None else None
    if init is not None and container.starttime_ticks not in (None, init.stat.starttime_ticks):
        return ()  # the PID belongs to another process by now, and so may all the others
    roles = _roles(container.pid, facts, host)
    stances = _Stances(container, facts, host)
    booted_at = read_boot_time(host)
    ticks = os.sysconf("SC_CLK_TCK")
    processes = [
        Process(
            pid=pid,
            ppid=found.stat.ppid,
            nspid=found.status.nspid,
            comm=found.stat.comm,
            cmdline=found.cmdline,
            state=found.stat.state,
            uid=found.status.uid,
            started_at=None if booted_at is None else rfc3339(booted_at + found.stat.starttime_ticks / ticks),
            role=Role.MONITOR if pid == monitor else roles[pid],
            starttime_ticks=found.stat.starttime_ticks,
            cpu_ticks=found.stat.utime_ticks + found.stat.stime_ticks,
            container=container.key,
            outside=() if pid in (monitor, container.pid) else stances.outside(found),
            is_outside_cgroup=None if pid in (monitor, container.pid) else stances.is_outside_cgroup(found),
        )
        for pid, found in facts.items()
    ]
    order = (Role.MONITOR, Role.INIT)
    return tuple(
        sorted(processes, key=lambda p: (order.index(p.role) if p.role in order else len(order), p.starttime_ticks, p.pid))
    )


class ProcessFacts:
    """What is known of processes, kept between two readings: a process changes its arguments, ids and namespaces rarely.

    All of a process is read again when it has executed something, which changes its name, and after every so many readings.
    """

    _EVERY = 15

    def __init__(self) -> None:
        self._known: dict[int, _Facts] = {}
        self._before: dict[int, _Facts] = {}
        self._readings = 0

    def begin(self) -> None:
        """Begin another reading; what the one before did not ask for is forgotten."""
        self._readings += 1
        self._before, self._known = self._known, {}

    def read(self, host: HostFs, pid: int) -> _Facts | None:
        """Facts of one process; None when it is gone."""
        found = self._known.get(pid)
        if found is None and (found := self._reread(host, pid)) is not None:
            self._known[pid] = found
        return found

    def _reread(self, host: HostFs, pid: int) -> _Facts | None:
        before = self._before.get(pid)
        if before is None or before.stat.state in "ZX" or (self._readings + pid) % self._EVERY == 0:
            return _read_facts(host, pid)
        try:
            stat = read_stat(host, pid)
        except (OSError, ParseError):
            return None
        is_same = (stat.starttime_ticks, stat.comm) == (before.stat.starttime_ticks, before.stat.comm)
        return before._replace(stat=stat) if is_same and stat.state not in "ZX" else _read_facts(host, pid)


class _Stances:
    """Where processes of a container stand: in its namespaces and cgroup, or only in one of these."""

    def __init__(self, container: Container, facts: Mapping[int, _Facts], host: HostFs) -> None:
        self._members, self._host = frozenset(container.pids), host
        init = facts.get(container.pid) if container.pid is not None else None
        self._init = init.namespaces if init is not None else None
        self._cgroup = container.cgroup if container.has_own_cgroup else None
        self._hosts: NamespaceSet | None = None  # asked for by the first process that differs

    def outside(self, facts: _Facts) -> tuple[NamespaceType, ...] | None:
        """Namespaces of init that a process is not in; None when that cannot be said.

        What a process of the container made for itself, with unshare(2), is not outside; the host's always is.
        """
        if self._init is None or facts.namespaces is None:
            return None
        types = facts.namespaces.differs_from(self._init)
        if not types or facts.stat.ppid not in self._members:
            return types
        if self._hosts is None:
            self._hosts = read_host_namespaces(self._host)
        return tuple(type_ for type_ in types if facts.namespaces.ino(type_) == self._hosts.ino(type_))

    def is_outside_cgroup(self, facts: _Facts) -> bool | None:
        """Whether a controller's cgroup of a process is not the container's nor below it. A zombie stands where it stood."""
        own = self._cgroup
        if own is None or facts.cgroup is None or facts.stat.state in "ZX":
            return None
        paths = {"": own.path} if own.version == "v2" else {name: path for name, path in own.paths.items() if path == own.path}
        # Only controllers limit anything: neither a named hierarchy nor, on hybrid hosts, the unified one does.
        limiting = {name: path for name, path in paths.items() if own.version == "v2" or (name and "=" not in name)}
        return any(not f"{facts.cgroup.get(name, '/')}/".startswith(f"{path}/") for name, path in limiting.items())


def _roles(init: int | None, facts: Mapping[int, _Facts], host: HostFs) -> dict[int, Role]:
    """By the chain of parents: it leads to init, or out of the container.

    *Cost:* each parent is read and followed once: a container may fork a chain as long as it likes.
    """
    roles = {} if init is None else {init: Role.INIT}
    known: dict[int, _Facts | None] = {**facts}
    for pid in facts:
        chain: dict[int, _Facts] = {}
        here, found, role = pid, known[pid], Role.JOINED
        while found is not None and here not in chain:
            if here in roles:
                role = roles[here]
                break
            chain[here] = found
            here = found.stat.ppid
            if here not in known:
                known[here] = _read_facts(host, here)
            found = known[here]
            # An orphan's parent is PID 1 of its PID namespace: the pod's, where containers share one.
            if found is not None and (here == init or (len(found.status.nspid) > 1 and found.status.nspid[-1] == 1)):
                role = Role.DESCENDANT
                break
        roles.update(dict.fromkeys(chain, role))
    return roles


def _read_facts(host: HostFs, pid: int) -> _Facts | None:
    """What is needed of one process, all of the same one; None when it is gone (PID 0 never was)."""
    if pid <= 0:
        return None
    try:
        with host.process(pid) as process:
            stat, status = parse_stat(process.read("stat")), parse_status(process.read("status"))
            try:
                cmdline = parse_cmdline(process.read("cmdline"))
            except PermissionError:
                cmdline = None
            return _Facts(stat, status, cmdline, _read_namespaces(process), _read_cgroup(process))
    except (OSError, ParseError):
        return None


def _read_namespaces(process: ProcDir) -> NamespaceSet | None:
    try:
        return read_namespaces_of(process)
    except (OSError, ParseError):
        return None


def _read_cgroup(process: ProcDir) -> Mapping[str, str] | None:
    try:
        return parse_cgroup(process.read("cgroup"))
    except (OSError, ParseError):
        return None
