"""Containers: what engines left on disk about them, and what the kernel says is true."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Literal

import msgspec

from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.gap import Gap
from ctrscope.model.namespace import NamespaceSet
from ctrscope.model.value import Value


class EngineName(StrEnum):
    """Every value of the ``engine`` key."""

    DOCKER = "docker"
    PODMAN = "podman"
    CONTAINERD = "containerd"
    CRI_O = "cri-o"
    LXC = "lxc"
    INCUS = "incus"
    LXD = "lxd"
    NSPAWN = "nspawn"
    RUNC = "runc"
    CRUN = "crun"
    CTRSCOPE = "ctrscope"
    UNCLAIMED = "unclaimed"


class ContainerStatus(StrEnum):
    """OCI runtime spec states, plus paused (as runc has it) and stale (state on disk says running, the kernel disagrees)."""

    CREATING = "creating"
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    STALE = "stale"


class Evidence(Value, frozen=True, kw_only=True):
    """One reason to believe something: a file or link, and what it said."""

    source: str  # "/run/runc/web/state.json", "/proc/4711/cgroup"
    value: str  # "init_process_pid 4711, init_process_start 81723"


class Pod(Value, frozen=True, kw_only=True):
    """The pod a container belongs to. ``sandbox_id`` is the id of its sandbox or infra container."""

    name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    sandbox_id: str | None = None


class Monitor(Value, frozen=True, kw_only=True):
    """The supervisor that waits for init and records its exit: conmon, containerd-shim, lxc monitor, systemd-nspawn."""

    pid: int | None
    comm: str | None
    alive: bool


class Port(Value, frozen=True, kw_only=True):
    """A published port. Host IP "" or "0.0.0.0" is every address; None is what the state does not say."""

    proto: str
    host_ip: str | None
    host_port: int | None
    container_ip: str | None
    container_port: int | None


class Declared(Value, frozen=True, kw_only=True):
    """What an engine's state on disk says about a container that a reading of the kernel cannot contradict."""

    id: str
    name: str
    engine: EngineName
    engine_namespace: str | None = None  # containerd namespace
    outer: str | None = None  # key of the container it runs in; its name begins with that one's, its paths with /proc/PID/root
    owner_uid: int | None = 0  # whose store or state directory it is
    runtime: str | None = None  # "runc", "crun", "io.containerd.runc.v2"
    created_at: str | None = None  # RFC 3339
    started_at: str | None = None
    finished_at: str | None = None
    exit_code: int | None = None
    oom_killed: bool | None = None  # what the engine recorded; the kernel's own word is memory.events
    image: str | None = None
    image_id: str | None = None
    command: tuple[str, ...] | None = None
    bundle: str | None = None  # directory that holds config.json
    rootfs: str | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    pod: Pod | None = None
    is_sandbox: bool = False  # a pod's sandbox or infra container
    ports: tuple[Port, ...] = ()
    addresses: tuple[str, ...] = ()  # CIDR
    networks: tuple[str, ...] = ()  # names, where the state says so
    log_path: str | None = None
    restart_count: int | None = None
    health: str | None = None  # "starting", "healthy", "unhealthy": what the engine's own check found last
    group: str | None = None  # compose project, or None
    evidence: tuple[Evidence, ...] = ()


class Record(Declared, frozen=True, kw_only=True):
    """A container as an engine's state describes it, with the claims that the kernel has to confirm."""

    status: ContainerStatus  # what the state says
    pid: int | None = None  # of init
    starttime_ticks: int | None = None  # of init, when the state recorded it
    monitor_pid: int | None = None
    monitor_expected: str | None = None  # comm of the supervisor this engine always has: "conmon", "containerd-shim"
    cgroup_path: str | None = None  # path below the hierarchy, when the state says so
    state_dirs: tuple[str, ...] = ()  # OCI runtime state directories that describe the same container


class Container(Declared, frozen=True, kw_only=True, dict=True):
    """A container as it really is: the engine's description, joined with what the kernel confirms.

    Encodes to the ``container`` object of the JSON contract.
    """

    status: ContainerStatus
    pid: int | None = None  # of init, confirmed alive; None when nothing runs
    starttime_ticks: int | None = None
    monitor: Monitor | None = None
    cgroup: CgroupMembership | None = None
    sandbox: Literal["kata", "gvisor"] | None = None  # it runs on a kernel of its own: ``pid`` is the hypervisor, or the sentry
    has_own_cgroup: bool = False  # False: it shares the cgroup with whoever started it, whose usage is not its usage
    namespaces: NamespaceSet = NamespaceSet()
    shares: Mapping[str, Literal["host"] | tuple[str, ...]] = {}
    pids: tuple[int, ...] = ()  # every process inside, init first
    note: str | None = None  # the one fact that matters now: "paused (freezer)", "conmon 4410 is gone: …"

    @cached_property  # asked some thirty times a second
    def key(self) -> str:
        """Unique on this host: ``docker/3fca…``, ``containerd/k8s.io/3fca…``, ``podman@1000/3fca…``, ``docker/3…/runc/web``."""
        return container_key(self)

    @property
    def is_running(self) -> bool:
        """Whether processes of it exist now."""
        return self.pid is not None


def container_key(declared: Declared) -> str:
    """Identity of a container on this host."""
    owner = f"@{declared.owner_uid}" if declared.owner_uid else ""
    namespace = f"{declared.engine_namespace}/" if declared.engine_namespace else ""
    outer = f"{declared.outer}/" if declared.outer else ""
    return f"{outer}{declared.engine}{owner}/{namespace}{declared.id}"


class EngineStatus(Value, frozen=True, kw_only=True):
    """What of an engine is on this host. Nothing found is an answer too."""

    engine: EngineName
    found: bool
    state_roots: tuple[str, ...] = ()  # directories that exist and belong to it
    containers: int = 0


class EngineReading(msgspec.Struct, frozen=True, kw_only=True):
    """What one engine's state on disk told."""

    status: EngineStatus
    records: tuple[Record, ...] = ()
    gaps: tuple[Gap, ...] = ()
