"""The cgroup tree of the host: every cgroup that holds something or limits something, with figures and effective limits."""

from collections.abc import Mapping

import msgspec

from ctrscope.discovery.effective import Ancestry, lineage
from ctrscope.model.cgroup import CgroupNode, CgroupStats
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap, ParseError, Reading, Reason
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroup_stats import read_cgroup_stats
from ctrscope.probes.cgroupfs import PREFERRED, CgroupLayout, find_children, parse_procs, read_layout, seen_from
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.keyed import parse_text
from ctrscope.probes.proc_pid_mountinfo import find_cgroup_root, read_mountinfo
from ctrscope.probes.proc_pressure import read_pressure

#: More cgroups than any host has use for; deeper than any engine nests them. A container may make as many as it likes.
_MOST, _DEEPEST = 20_000, 64


def read_cgroup_tree(hostfs: HostFs, snapshot: Snapshot, *, below: str | None = None) -> Reading[CgroupNode]:
    """The root of the tree. With *below*, a path, only that cgroup with everything in it, and those above it.

    Without it, cgroups that hold no process, no container and no limit are left out and counted. On v1 and hybrid the
    hierarchies are laid over each other: one node is the same path in each. The value is None on a host without cgroups.
    """
    layout = read_layout(hostfs)
    if layout is None:
        return Reading(None)
    return _Tree(hostfs, layout, snapshot, below).read()


class _Tree:
    def __init__(self, hostfs: HostFs, layout: CgroupLayout, snapshot: Snapshot, below: str | None) -> None:
        self._hostfs, self._layout, self._snapshot, self._below = hostfs, layout, snapshot, below
        self._ancestry = Ancestry(hostfs, layout)
        self._gaps: list[Gap] = []
        self._count = 0
        self._owners: dict[str, Container] = {
            one.cgroup.path: one
            for one in snapshot.containers
            if one.is_running and one.has_own_cgroup and one.cgroup is not None
        }
        self._above = frozenset(lineage(below)) if below is not None else frozenset()

    def read(self) -> Reading[CgroupNode]:
        root = self._node("/", self._layout.mounts, 0, None)
        pressure, gaps = read_pressure(self._hostfs, "host")
        self._gaps += gaps
        root = msgspec.structs.replace(root, stats=CgroupStats(pressure=pressure), effective=None)
        return Reading(root, tuple(self._gaps))

    def _node(self, path: str, directories: Mapping[str, str], depth: int, root_inside: str | None) -> CgroupNode:
        """One cgroup. *directories*: controller → where it is; *root_inside*: root of the cgroup namespace that we are in."""
        self._count += 1
        container = self._owners.get(path)
        if container is not None:
            root_inside = self._namespace_root(container)
        stats, effective = None, None
        if path != "/":
            v2 = self._layout.version == "v2"
            membership = CgroupMembership(
                version=self._layout.version, path=path, paths={} if v2 else dict.fromkeys(directories, path)
            )
            subject, full = f"cgroup {path}", self._is_wanted(path)
            stats, gaps = read_cgroup_stats(self._hostfs, self._layout, membership, subject, full=full)
            # Of files that the kernel or a controller does not have there would be a dozen for every cgroup.
            self._gaps += (gap for gap in gaps if gap.reason is not Reason.UNSUPPORTED)
            effective = None if stats is None else self._ancestry.limits(membership, stats)
        children, nr_empty = self._children(path, directories, depth, root_inside)
        return CgroupNode(
            path=path,
            kind=self._text(directories.get(""), "cgroup.type"),
            controllers=self._controllers(directories),
            nprocs=self._count_processes(directories),
            container=container.id if container is not None else None,
            inside=None if root_inside is None else seen_from(path, root_inside),
            owner_uid=self._owner(directories),
            stats=stats,
            effective=effective,
            nr_empty=nr_empty,
            children=children,
        )

    def _children(
        self, path: str, directories: Mapping[str, str], depth: int, root_inside: str | None
    ) -> tuple[tuple[CgroupNode, ...], int]:
        below: dict[str, dict[str, str]] = {}
        for controller, directory in directories.items():
            for one in find_children(self._hostfs, directory):
                below.setdefault(one.rpartition("/")[2], {})[controller] = one
        kept, empty = [], 0
        for name in sorted(below):
            child = f"/{name}" if path == "/" else f"{path}/{name}"
            if self._below is not None and child not in self._above and not self._is_wanted(child):
                continue
            if depth >= _DEEPEST or self._count >= _MOST:
                what = "levels" if depth >= _DEEPEST else "cgroups"
                self._gap(path, f"more {what} than any container needs: the rest is left out")
                break
            node = self._node(child, below[name], depth + 1, root_inside)
            if self._below is not None or _says_something(node):
                kept.append(node)
            else:
                empty += 1
        return tuple(kept), empty

    def _is_wanted(self, path: str) -> bool:
        return self._below is not None and (path == self._below or path.startswith(f"{self._below}/"))

    def _count_processes(self, directories: Mapping[str, str]) -> int | None:
        """Processes in the cgroup itself, without those below; None where none can be: a threaded cgroup, an invalid one."""
        for controller in PREFERRED:
            if controller in directories:
                try:
                    return len(parse_procs(self._hostfs.read(f"{directories[controller]}/cgroup.procs")))
                except OSError:
                    return None
        return None

    def _controllers(self, directories: Mapping[str, str]) -> tuple[str, ...]:
        if self._layout.version != "v2":
            return tuple(sorted(name for name in directories if name))
        return tuple((self._text(directories.get(""), "cgroup.controllers") or "").split())

    def _text(self, directory: str | None, name: str) -> str | None:
        if directory is None:
            return None
        try:
            return parse_text(self._hostfs.read(f"{directory}/{name}"))
        except OSError:
            return None

    def _owner(self, directories: Mapping[str, str]) -> int | None:
        try:
            return self._hostfs.stat(next(iter(directories.values()))).st_uid
        except OSError:
            return None

    def _namespace_root(self, container: Container) -> str | None:
        """Where the root of the container's cgroup namespace is; None in the host's own, and where it does not say."""
        own, hosts = container.namespaces.cgroup, self._snapshot.host.namespaces.cgroup
        if container.pid is None or own is None or own == hosts:
            return None
        try:
            return find_cgroup_root(read_mountinfo(self._hostfs, container.pid))
        except (OSError, ParseError):
            return None

    def _gap(self, path: str, detail: str) -> None:
        gap = Gap(subject=f"cgroup {path}", fields=("cgroups",), source=path, reason=Reason.TRUNCATED, detail=detail)
        self._gaps.append(gap)


def _says_something(node: CgroupNode) -> bool:
    if node.nprocs or node.container is not None or node.children:
        return True
    stats = node.stats or CgroupStats()
    # Not of tasks: systemd sets that limit on every unit.
    cpu, memory = stats.cpu, stats.memory
    return any(limit not in (None, "max") for limit in (cpu and cpu.quota_usec, memory and memory.limit))
