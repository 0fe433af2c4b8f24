"""Everything that the rules of ``diagnose`` look at: one host, observed for a moment."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from ctrscope.model.cgroup import CgroupStats, EffectiveLimits, Limit, LimitEvents
from ctrscope.model.container import EngineName
from ctrscope.model.namespace import Namespace, NamespaceType
from ctrscope.model.network import NetworkTopology
from ctrscope.model.rates import Rates
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.value import Value


class ObservedProcess(Value, frozen=True, kw_only=True):
    """One process of a container, looked at twice."""

    pid: int
    ppid: int
    comm: str
    state: str  # one letter of proc_pid_stat(5)
    has_lasted: bool = False  # it was in that state at the first look too, and did not run in between
    executable: str | None = None  # as /proc/PID/exe names it; None: a zombie, or not permitted
    open_files: int | None = None  # descriptors
    open_files_limit: Limit | None = None  # soft RLIMIT_NOFILE
    outside: tuple[NamespaceType, ...] | None = ()  # as in Process: init's namespaces that it is not in
    is_outside_cgroup: bool | None = None  # as in Process


class OomKill(Value, frozen=True, kw_only=True):
    """One process killed for lack of memory, as the kernel log tells it."""

    at: str | None  # RFC 3339
    pid: int
    comm: str
    memcg: str | None  # cgroup of the process
    oom_memcg: str | None  # cgroup whose limit was hit; None: the host ran out of memory
    lines: tuple[str, ...]  # of the log, as they stand there


class Remnant(Value, frozen=True, kw_only=True):
    """Something of a container that is gone."""

    kind: Literal["cgroup", "mount", "namespace", "link"]
    what: str  # path, "net:[4026532911]", name of the link
    id: str | None  # of the container, where its name says so
    engine: EngineName | None
    source: str  # the file or directory that shows it
    remedy: str


class Observed(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A snapshot and what it takes to judge it. What was not read is None or not among the keys."""

    snapshot: Snapshot
    seconds: float | None = None  # between the two readings that the rates come from
    rates: Mapping[str, Rates] = {}  # by container key
    effective: Mapping[str, EffectiveLimits] = {}  # by container key
    limit_events: Mapping[str, tuple[LimitEvents, ...]] = {}  # by container key: its own cgroup and those above, nearest first
    levels: Mapping[str, CgroupStats] = {}  # figures of cgroups above a container that limit it, by path
    level_rates: Mapping[str, Rates] = {}  # the same, by path
    processes: Mapping[str, tuple[ObservedProcess, ...]] = {}  # by container key
    oom_kills: tuple[OomKill, ...] | None = None  # None: the kernel log could not be read
    remnants: tuple[Remnant, ...] = ()
    namespaces: tuple[Namespace, ...] | None = None
    topology: NetworkTopology | None = None  # with publications and sockets
    nameservers: Mapping[str, tuple[str, ...]] = {}  # by container key: what its resolv.conf names
