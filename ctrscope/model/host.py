"""The host itself, and what we are allowed to see of it."""

from ctrscope.model.cgroup_membership import CgroupVersion
from ctrscope.model.namespace import NamespaceSet
from ctrscope.model.value import Value


class Privileges(Value, frozen=True, kw_only=True):
    """What we run with; credentials(7), capabilities(7)."""

    euid: int
    capabilities: tuple[str, ...]  # effective, by name
    host_pid_namespace: bool | None  # whether the /proc we read shows the host's own processes


class Host(Value, frozen=True, kw_only=True):
    """Facts about the host. Keys of the ``host`` object of the JSON contract."""

    hostname: str | None
    kernel: str | None  # release, as uname -r
    machine: str | None
    boot_id: str | None
    booted_at: str | None  # RFC 3339, from proc_uptime(5) or btime of proc_stat(5)
    cgroup_version: CgroupVersion | None
    cpus: int | None
    memory_total: int | None  # bytes
    clock_ticks: int  # ticks a second of every *_ticks figure
    namespaces: NamespaceSet  # the initial ones
    root: str  # the --root that was read
    privileges: Privileges
