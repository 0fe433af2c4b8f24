"""Everything known about one container beyond its row: what ``inspect`` adds and the container page shows."""

from collections.abc import Mapping
from typing import Literal

from ctrscope.model.cgroup import CgroupStats, EffectiveLimits, Limit, LimitEvents
from ctrscope.model.gap import Gap
from ctrscope.model.mount import Mount, Overlay
from ctrscope.model.namespace import IdMapLine
from ctrscope.model.network import Network
from ctrscope.model.process import Process
from ctrscope.model.value import Value


class CapabilitySets(Value, frozen=True, kw_only=True):
    """The five sets of a process by name; capabilities(7)."""

    effective: tuple[str, ...]
    permitted: tuple[str, ...]
    inheritable: tuple[str, ...]
    bounding: tuple[str, ...]
    ambient: tuple[str, ...]


class Security(Value, frozen=True, kw_only=True):
    """What confines init now, from the kernel; masked and read-only paths from its mounts."""

    capabilities: CapabilitySets | None = None
    seccomp: Literal["disabled", "strict", "filter"] | None = None
    seccomp_filters: int | None = None
    no_new_privs: bool | None = None
    apparmor: str | None = None
    selinux: str | None = None
    uid_map: tuple[IdMapLine, ...] | None = None
    gid_map: tuple[IdMapLine, ...] | None = None
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    devices: tuple[str, ...] | None = None  # names below /dev inside


class Limits(Value, frozen=True, kw_only=True):
    """Limits as set on the container's own cgroup."""

    cpus: float | Literal["max"] | None = None
    memory: Limit | None = None
    swap: Limit | None = None
    pids: Limit | None = None


class Detail(Value, frozen=True, kw_only=True):
    """One container, opened."""

    processes: tuple[Process, ...] = ()
    limits: Limits | None = None
    effective: EffectiveLimits | None = None  # limits as they bite: those of the cgroups above, and of the host, too
    limit_events: tuple[LimitEvents, ...] = ()  # whose limits were hit, the container's own cgroup first
    usage: CgroupStats | None = None
    mounts: tuple[Mount, ...] | None = None
    overlay: Overlay | None = None
    security: Security | None = None
    network: Network | None = None
    environment: Mapping[str, str] | None = None  # secret-looking values are "***" unless asked for
    gaps: tuple[Gap, ...] = ()


class ConfigFile(Value, frozen=True, kw_only=True):
    """One file that says what a container was asked to be; JSON is laid out anew, one key a line."""

    path: str
    lines: tuple[str, ...] = ()  # secret-looking values are "***" unless asked for
    trouble: str = ""  # why there are none, or not all
