"""Whose a process, a namespace or a cgroup is, by a snapshot that was taken before."""

from collections.abc import Iterable

from ctrscope.model.container import Container
from ctrscope.model.gap import Gap, Reason
from ctrscope.model.namespace import NamespaceSet, NamespaceType
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroupfs import CgroupLayout, read_layout
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable


class Whose:
    """What every part of ``find`` asks; nothing is read before somebody does, and nothing twice."""

    def __init__(self, hostfs: HostFs, snapshot: Snapshot) -> None:
        self.hostfs = hostfs
        self.snapshot = snapshot
        self.processes = ProcessTable(hostfs)
        self.layout: CgroupLayout | None = read_layout(hostfs)
        self.gaps: list[Gap] = []
        self.running = tuple(container for container in snapshot.containers if container.is_running)
        #: What "no container" leaves open where something was not permitted.
        self.caveat = " that could be read" if any(gap.reason is Reason.DENIED for gap in snapshot.gaps) else ""
        self._members: dict[tuple[NamespaceType, int], tuple[Container, ...]] = {}
        self._by_pid: dict[int, Container] = {}
        # In a container inside a container a process is both's: the inner one, which has fewer, comes last and stays.
        for container in sorted(self.running, key=lambda one: -len(one.pids)):
            self._by_pid.update(dict.fromkeys((*container.pids, container.pid or 0), container))

    def process(self, pid: int) -> Container | None:
        """The container of a process; of one that started after the snapshot, by its cgroup."""
        if pid in self._by_pid:
            return self._by_pid[pid]
        paths = self.processes.cgroup(pid)
        if self.layout is None or not paths:
            return None
        return self.cgroup(self.layout.membership(paths).path)

    def cgroup(self, path: str) -> Container | None:
        """The container in whose own cgroup, or below it, that path (below the hierarchy) lies; of several the innermost."""
        found = [
            container
            for container in self.running
            if container.has_own_cgroup and container.cgroup is not None and is_within(path, container.cgroup.path)
        ]
        return max(found, key=lambda one: len(one.cgroup.path) if one.cgroup else 0, default=None)

    def supervised(self, pid: int) -> tuple[Container, ...]:
        """The containers whose supervisor that process is."""
        return tuple(one for one in self.running if one.monitor is not None and one.monitor.pid == pid)

    def members(self, type_: NamespaceType, ino: int) -> tuple[Container, ...]:
        """The containers whose init is in that namespace."""
        if not self._members:
            for one in self.running:
                for other in NamespaceType:
                    key = other, one.namespaces.ino(other) or 0
                    self._members[key] = (*self._members.get(key, ()), one)
        return self._members.get((type_, ino), ())

    def is_hosts(self, type_: NamespaceType, ino: int) -> bool:
        """Whether it is the host's own."""
        return self.snapshot.host.namespaces.ino(type_) == ino

    def unknown_host(self, type_: NamespaceType) -> str | None:
        """Why a namespace of no container may still be the host's own; None when the host's is known."""
        if self.snapshot.host.namespaces.ino(type_) is not None:
            return None
        return f"no container's{self.caveat}; which {type_} namespace is the host's own was not permitted to read"

    def namespaces(self, pid: int) -> NamespaceSet:
        """Namespaces of a process, all None when they cannot be read."""
        found = self.processes.namespaces(pid)
        return found if isinstance(found, NamespaceSet) else NamespaceSet()


def is_within(path: str, directory: str) -> bool:
    """Whether a path is that directory or below it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def names_of(containers: Iterable[Container]) -> str:
    """``cs-web (docker), cs-p-web (podman)``."""
    return ", ".join(f"{one.name} ({one.engine})" for one in containers)
