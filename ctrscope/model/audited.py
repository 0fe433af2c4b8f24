"""Everything that the rules of ``audit`` look at: one container, and the host it runs on.

A fact that could not be read is None, and ``sources`` says where it was looked for. Of a container that does not run, facts
are those that it was asked to have.
"""

from collections.abc import Mapping
from typing import Literal

from ctrscope.model.cgroup import EffectiveLimits
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap
from ctrscope.model.namespace import NamespaceSet, NamespaceType
from ctrscope.model.value import Value

Seccomp = Literal["disabled", "strict", "filter"]


class AuditedMount(Value, frozen=True, kw_only=True):
    """One mount of a container."""

    mount_point: str
    host_path: str | None  # what the host calls it; None: it is not of the host's files
    fs_type: str
    root: str = "/"  # path inside the file system
    is_writable: bool = True
    is_shared: bool = False  # its peer group is one of the host's: what is mounted in it appears on the host
    nosuid: bool = False


class AuditedProcess(Value, frozen=True, kw_only=True):
    """One process of a container."""

    pid: int
    ppid: int
    comm: str
    uid: int  # effective, in our user namespace
    effective: tuple[str, ...]  # capabilities
    seccomp: Seccomp | None = None
    no_new_privs: bool | None = None
    user: int | None = None  # inode of its user namespace
    has_joined: bool = False  # its chain of parents leads out of the container
    outside: tuple[NamespaceType, ...] = ()  # namespaces of the host that it is in and init is not
    executable: str | None = None  # as /proc/PID/exe names it
    secrets: tuple[str, ...] = ()  # arguments that look secret, their values hidden
    environment: tuple[str, ...] = ()  # names of variables whose values look secret; of init they are ``secrets`` of the whole
    oom_score_adj: int | None = None


class AuditedDevice(Value, frozen=True, kw_only=True):
    """A device node below /dev inside."""

    path: str
    is_block: bool = False


class HeldDirectory(Value, frozen=True, kw_only=True):
    """A directory of the host that a process of a container holds, past its mount namespace."""

    pid: int
    comm: str
    link: str  # below /proc/PID: "cwd", "root", "fd/7"
    path: str  # as the link tells it
    mount_point: str  # where the host has the mount that it is on


class Specified(Value, frozen=True, kw_only=True):
    """What a container was asked to be: the bundle of an OCI runtime, or the engine's own file. None: it does not say."""

    source: str
    privileged: bool | None = None
    uid: int | None = None  # inside
    capabilities: tuple[str, ...] | None = None  # effective
    bounding: tuple[str, ...] | None = None
    no_new_privs: bool | None = None
    seccomp: bool | None = None  # whether there is a filter
    apparmor: str | None = None
    own_namespaces: tuple[NamespaceType, ...] | None = None  # new ones, or named ones that are not the host's
    joined_namespaces: tuple[NamespaceType, ...] = ()  # by path
    root_readonly: bool | None = None
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    mounts: tuple[AuditedMount, ...] | None = None
    devices: tuple[str, ...] | None = None  # nodes made beyond the default ones
    all_devices: bool | None = None  # whether its device rules allow every device
    limits_source: str | None = None  # where the limits stand; None: where the rest does
    memory: int | None = None  # bytes; None: no limit asked for
    pids: int | None = None
    cpus: float | None = None
    sysctls: Mapping[str, str] = {}


class EngineOptions(Value, frozen=True, kw_only=True):
    """What an engine's own files say that no kernel knows."""

    source: str
    privileged: bool = False
    restart_policy: str = ""
    restart_maximum: int = 0
    has_health_check: bool = False
    userns_mode: str = ""
    ulimits: tuple[str, ...] | None = ()  # names of those that were set for it; None: its engine sets some of its own
    cgroup_parent: str = ""  # where its cgroup was asked to be


class AuditedHost(Value, frozen=True, kw_only=True):
    """What the rules need to know of the host."""

    root: str = "/"
    is_live: bool = True  # there is a /proc of a running host
    kernel: str | None = None  # release, as uname -r
    kernel_stable: str | None = None  # stable release that it is built from; None: its vendor's number does not say
    kernel_source: str = ""  # the file that says it
    kernel_mended: tuple[str, ...] | None = None  # CVE numbers that its changelog names; None: there is none
    namespaces: NamespaceSet = NamespaceSet()
    capabilities: tuple[str, ...] | None = None  # every one that this kernel has
    lsm: tuple[str, ...] | None = None  # active security modules
    maskable: tuple[str, ...] = ()  # of the paths that runtimes mask, those that this kernel has
    sockets: tuple[str, ...] | None = None  # of engines: the usual ones that exist, and where those that run listen
    open_sockets: tuple[str, ...] | None = None  # those of them that everybody may write to, with mode
    shim_sockets: int | None = None  # abstract sockets of old containerd shims
    docker_hosts: tuple[str, ...] | None = None  # where dockerd listens, from its arguments and daemon.json
    docker_verifies: bool | None = None  # --tlsverify
    docker_remaps: bool | None = None  # userns-remap; None: there is no Docker
    docker_swarm: bool | None = None  # it is part of a swarm, as its data root says
    lax_directories: tuple[str, ...] | None = None  # state directories that others may write to: "PATH mode 0777"
    sysctls: Mapping[str, str] = {}  # "kernel.kptr_restrict" → "0"; what this kernel lacks is not there
    packages: Mapping[str, str] | None = None  # engines and runtimes: package → version; None: no package database known
    packages_source: str = ""
    mended: Mapping[str, tuple[str, ...]] = {}  # package → CVE numbers that its changelog names; without one it is not there


class Audited(Value, frozen=True, kw_only=True):
    """One container with everything that its rules need."""

    container: Container
    host: AuditedHost
    sources: Mapping[str, str] = {}  # field → the file it was read from
    gaps: tuple[Gap, ...] = ()  # their ``fields`` are fields of this record
    inapplicable: tuple[str, ...] = ()  # fields that are None because there is no such thing
    uid: int | None = None  # of init, in our user namespace
    has_user_namespace: bool | None = None  # one of its own: root inside is not root of the host
    capabilities: tuple[str, ...] | None = None  # effective, of init
    ambient: tuple[str, ...] | None = None
    seccomp: Seccomp | None = None
    no_new_privs: bool | None = None
    label: str | None = None  # of AppArmor or SELinux; "" when no module keeps one
    host_namespaces: tuple[NamespaceType, ...] | None = None  # those that it shares with the host
    mounts: tuple[AuditedMount, ...] | None = None
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    has_whole_proc: bool | None = None  # whether /proc is a procfs that is mounted for writing
    devices: tuple[AuditedDevice, ...] | None = None
    all_devices: bool | None = None  # whether its cgroup allows every device
    limits: EffectiveLimits | None = None
    processes: tuple[AuditedProcess, ...] | None = None
    secrets: tuple[str, ...] | None = None  # names of environment variables whose values look secret
    setuid_programs: tuple[str, ...] | None = None
    credentials: tuple[str, ...] | None = None  # files of its own root that hold keys, tokens or passwords
    passwords: Mapping[str, bool] | None = None  # users inside who log in with a password → whether it is an empty one
    host_directories: tuple[HeldDirectory, ...] | None = None
    route_localnet: tuple[str, ...] | None = None  # its interfaces with the setting on, or "all"
    specified: Specified | None = None
    options: EngineOptions | None = None
