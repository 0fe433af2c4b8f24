"""The kernel's side of one pass: what every step of discovery asks, read at most once."""

from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import ContainerStatus
from ctrscope.model.host import Host
from ctrscope.model.namespace import NamespaceSet, NamespaceType
from ctrscope.model.timestamp import rfc3339, unix_time
from ctrscope.probes.cgroupfs import CgroupLayout, read_frozen
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable


class Kernel:
    """Host facts, cgroup hierarchies and the process table of one pass."""

    def __init__(self, hostfs: HostFs, host: Host, layout: CgroupLayout | None, processes: ProcessTable) -> None:
        self.hostfs = hostfs
        self.host = host
        self.layout = layout
        self.processes = processes
        self._booted_at = unix_time(host.booted_at)
        self._memberships: dict[int, CgroupMembership | None] = {}
        self._frozen: dict[str, bool] = {}
        self._addresses: dict[int, tuple[str, ...]] = {}

    def membership(self, pid: int) -> CgroupMembership | None:
        """Where the process stands; None when it is gone or there are no cgroups."""
        if pid not in self._memberships:
            paths = self.processes.cgroup(pid)
            self._memberships[pid] = self.layout.membership(paths) if self.layout and paths is not None else None
        return self._memberships[pid]

    def live_status(self, pid: int) -> ContainerStatus:
        """Running, or paused when the cgroup of that process is frozen."""
        return ContainerStatus.PAUSED if self._is_frozen(pid) else ContainerStatus.RUNNING

    def _is_frozen(self, pid: int) -> bool:
        stat = self.processes.stat(pid)
        if self.layout is None or ("freezer" in self.layout.mounts and stat is not None and stat.state != "D"):
            # The v1 freezer holds a task in state D: the refrigerator before Linux 6.1, TASK_FROZEN since.
            return False
        membership = self.membership(pid)
        if membership is None or membership.path == "/":
            return False  # the root never is
        if membership.path not in self._frozen:
            self._frozen[membership.path] = bool(read_frozen(self.hostfs, self.layout, membership))
        return self._frozen[membership.path]

    def namespaces(self, pid: int) -> NamespaceSet:
        """Namespaces of a process, all None when they cannot be read."""
        found = self.processes.namespaces(pid)
        return found if isinstance(found, NamespaceSet) else NamespaceSet()

    def may_be_on_host(self, pid: int) -> bool:
        """Whether a process is in the host's PID namespace, as a supervisor is; True also where that may not be known."""
        return self.processes.namespace(pid, NamespaceType.PID) in (None, self.host.namespaces.pid)

    def started_at(self, starttime_ticks: int) -> str | None:
        """Moment of a start time, RFC 3339."""
        if self._booted_at is None:
            return None
        return rfc3339(self._booted_at + starttime_ticks / self.host.clock_ticks)

    def addresses(self, pid: int) -> tuple[str, ...]:
        """Addresses in the process's network namespace (CIDR), read once per namespace; none for the host's."""
        net = self.namespaces(pid).net
        if net is None or net == self.host.namespaces.net:
            return ()
        if net not in self._addresses:
            from ctrscope.probes.proc_pid_net import read_addresses  # only where they are shown

            self._addresses[net] = read_addresses(self.hostfs, pid)
        return self._addresses[net]
