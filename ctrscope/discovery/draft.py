"""A container in the making: the claim, the verdict on it, and the processes found to be in it."""

from typing import Any

import msgspec

from ctrscope.discovery.confirm import Verdict, declared_of, find_monitor, find_named_members, own_membership
from ctrscope.discovery.guests import guest_gap, sandbox_of
from ctrscope.discovery.kernel import Kernel
from ctrscope.discovery.notes import note_of
from ctrscope.discovery.plan import Plan
from ctrscope.model.cgroup_membership import CgroupMembership
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
        self.pid = verdict.pid  # of init, confirmed
        self.membership: CgroupMembership | None = None
        self.has_own_cgroup = False
        self.members: list[int] | None = None  # of its own cgroup, where that was asked before the membership
        self.monitor: Monitor | None = None
        self.pids: list[int] = []  # init first
        self.cgroups_below: list[str] = []  # directories below that of its own cgroup
        self.gaps: list[Gap] = []

    @property
    def state_dirs(self) -> tuple[str, ...]:
        """OCI runtime state directories that describe it."""
        return self.declared.state_dirs

    @property
    def cgroup_path(self) -> str | None:
        """Of its own cgroup, or of the one it shares; None when it is in none, or does not run."""
        if self.members is not None:
            return self.declared.cgroup_path
        return self.membership.path if self.membership is not None else None

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
        self.pid = pid
        self.locate(kernel)
        self.pids = [pid, *(other for other in pids if other != pid)]

    def locate(self, kernel: Kernel) -> None:
        """Find cgroup and supervisor of a running container."""
        if self.pid is None:
            return
        self.members = find_named_members(self.declared, self.pid, kernel, self.cgroups_below)
        if self.members is None:
            self.membership, self.has_own_cgroup = own_membership(self.declared, self.pid, kernel)
        else:
            self.has_own_cgroup = True
        self.monitor = find_monitor(self.declared, self.pid, kernel)

    def may_hold_others(self, kernel: Kernel) -> bool:
        """Whether there is a sign of an engine inside that costs nothing to see: cgroups made there, or an engine as init."""
        if any(path.rpartition("/")[2] not in _MADE_BY_ENGINES for path in self.cgroups_below):
            return True
        stat = kernel.processes.stat(self.pid) if self.pid is not None else None
        return stat is not None and stat.comm in _ENGINE_COMMS

    def finish(self, kernel: Kernel, plan: Plan) -> Container:
        """The container, with what the kernel adds for a running one."""
        facts = declared_of(self.declared)
        facts["evidence"] += self.verdict.evidence
        facts["status"] = self.verdict.status
        facts["note"] = self.verdict.note
        if (sandbox := sandbox_of(self.declared.runtime)) is not None:
            facts["sandbox"] = sandbox
            if self.pid is not None:
                self.gaps.append(guest_gap(sandbox, f"container {self.key}", self.pid))
        if self.pid is not None:
            facts |= self._facts_of_running(self.pid, kernel, plan)
        container = Container(**facts)
        note = note_of(container)
        return container if note == container.note else msgspec.structs.replace(container, note=note)

    def _facts_of_running(self, pid: int, kernel: Kernel, plan: Plan) -> dict[str, Any]:
        ticks, started_at = self.verdict.starttime_ticks, self.declared.started_at
        if started_at is None and ticks is not None and self.verdict.status is not ContainerStatus.CREATED:
            started_at = kernel.started_at(ticks)
        facts: dict[str, Any] = {
            "pid": pid,
            "starttime_ticks": ticks,
            "started_at": started_at,
            "exit_code": None,  # of an earlier run, or of one that the state believes over
            "monitor": self.monitor,
            "has_own_cgroup": self.has_own_cgroup,
            "pids": tuple(self.pids),
        }
        if plan.cgroups:
            known = self.members is None
            facts["cgroup"] = self.membership if known else own_membership(self.declared, pid, kernel)[0]
        if plan.namespaces:
            facts["namespaces"] = self._namespaces(pid, kernel)
        if plan.addresses:
            facts["addresses"] = kernel.addresses(pid) or self.declared.addresses
        return facts

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
