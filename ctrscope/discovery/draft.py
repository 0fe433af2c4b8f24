"""A container in the making: the claim, the verdict on it, and the processes found to be in it."""

import msgspec

from ctrscope.discovery.confirm import Verdict, container_of, find_monitor, own_membership
from ctrscope.discovery.guests import guest_gap, sandbox_of
from ctrscope.discovery.kernel import Kernel
from ctrscope.discovery.notes import note_of
from ctrscope.model.cgroup import CgroupMembership
from ctrscope.model.container import Container, ContainerStatus, Evidence, Monitor, Record, container_key
from ctrscope.model.gap import Gap, gap_of
from ctrscope.model.namespace import NamespaceSet

#: Cgroups below a container's own that its engine made: crun, systemd-nspawn, systemd.
_MADE_BY_ENGINES = frozenset({"container", "payload", "supervisor", "init.scope"})
#: An engine that is PID 1 of a container, by comm.
_ENGINE_COMMS = frozenset({"dockerd", "docker-init", "containerd", "crio", "podman", "incusd", "lxd", "kubelet", "k3s-server"})


class Draft:
    """Grows while discovery goes on; ``finish`` makes the Container of it."""

    def __init__(self, record: Record, verdict: Verdict) -> None:
        self.declared = record
        self.verdict = verdict
        self.membership: CgroupMembership | None = None
        self.has_own_cgroup = False
        self.monitor: Monitor | None = None
        self.pids: list[int] = []  # init first
        self.cgroups_below: list[str] = []  # directories below that of its own cgroup
        self.gaps: list[Gap] = []

    @property
    def pid(self) -> int | None:
        """Confirmed PID of init."""
        return self.verdict.pid

    @property
    def state_dirs(self) -> tuple[str, ...]:
        """OCI runtime state directories that describe it."""
        return self.declared.state_dirs

    def revive(self, pid: int, pids: list[int], cgroup_path: str, kernel: Kernel) -> None:
        """The state names no living process, but the container's cgroup holds some: it runs."""
        stat = kernel.processes.stat(pid)
        named = f"process {self.declared.pid}" if self.declared.pid else "no process"
        self.verdict = Verdict(
            status=kernel.live_status(pid),
            pid=pid,
            starttime_ticks=stat.starttime_ticks if stat else None,
            evidence=(*self.verdict.evidence, Evidence(source=f"/proc/{pid}/cgroup", value=f"runs in {cgroup_path}")),
            note=f"state says {self.declared.status} and names {named}, but its cgroup holds {pid}",
        )
        self.locate(kernel)
        self.pids = [pid, *(other for other in pids if other != pid)]

    def locate(self, kernel: Kernel) -> None:
        """Find cgroup and supervisor of a running container."""
        if self.pid is not None:
            self.membership, self.has_own_cgroup = own_membership(self.declared, self.pid, kernel)
            self.monitor = find_monitor(self.declared, self.pid, kernel)

    def may_hold_others(self, kernel: Kernel) -> bool:
        """Whether there is a sign of an engine inside that costs nothing to see: cgroups made there, or an engine as init."""
        if any(path.rpartition("/")[2] not in _MADE_BY_ENGINES for path in self.cgroups_below):
            return True
        stat = kernel.processes.stat(self.pid) if self.pid is not None else None
        return stat is not None and stat.comm in _ENGINE_COMMS

    def finish(self, kernel: Kernel, *, namespaces: bool, addresses: bool) -> Container:
        """The container, with what the kernel adds for a running one."""
        container = container_of(self.declared, self.verdict)
        if (sandbox := sandbox_of(container.runtime)) is not None:
            container = msgspec.structs.replace(container, sandbox=sandbox)
            if self.pid is not None:
                self.gaps.append(guest_gap(sandbox, f"container {self.key}", self.pid))
        if self.pid is not None:
            started_at = container.started_at
            if (
                started_at is None
                and self.verdict.starttime_ticks is not None
                and container.status is not ContainerStatus.CREATED
            ):
                started_at = kernel.started_at(self.verdict.starttime_ticks)
            container = msgspec.structs.replace(
                container,
                started_at=started_at,
                monitor=self.monitor,
                cgroup=self.membership,
                has_own_cgroup=self.has_own_cgroup,
                pids=tuple(self.pids),
                namespaces=self._namespaces(self.pid, kernel) if namespaces else NamespaceSet(),
                addresses=(kernel.addresses(self.pid) or container.addresses) if addresses else container.addresses,
            )
        note = note_of(container)
        return container if note == container.note else msgspec.structs.replace(container, note=note)

    def _namespaces(self, pid: int, kernel: Kernel) -> NamespaceSet:
        found = kernel.processes.namespaces(pid)
        if isinstance(found, NamespaceSet):
            return found
        self.gaps.append(gap_of(found, f"container {self.key}", ("namespaces", "shares"), f"/proc/{pid}/ns", "CAP_SYS_PTRACE"))
        return NamespaceSet()

    @property
    def key(self) -> str:
        """Key of the container it becomes."""
        return container_key(self.declared)


def draft_of(record: Record, verdict: Verdict, kernel: Kernel) -> Draft:
    """Begin a draft; a running container's cgroup and supervisor are found at once."""
    draft = Draft(record, verdict)
    draft.locate(kernel)
    return draft
