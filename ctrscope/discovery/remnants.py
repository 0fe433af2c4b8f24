"""What containers that are gone left behind: empty cgroups, mounts, network namespaces that only a mount keeps.

*Source:* the cgroup hierarchies by the names that engines give (``claims.py``), proc_pid_mountinfo(5) of PID 1, where engines
mount: ``…/io.containerd.runtime.v2.task/NAMESPACE/ID/rootfs``, ``…/containers/ID/mounts/shm``, ``/run/docker/netns/…``.

Of an engine whose state could not be read nothing is said: what it knows may look abandoned to us.
"""

import re
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ctrscope.engines.claims import Claim, parse_claim
from ctrscope.model.container import EngineName
from ctrscope.model.gap import Gap, ParseError, gap_of
from ctrscope.model.mount import Mount
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.observed import Remnant
from ctrscope.model.quoting import quote
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroupfs import CgroupLayout, read_members
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import read_mountinfo
from ctrscope.probes.process_table import ProcessTable

_MOUNTINFO = "/proc/1/mountinfo"
#: No host has more cgroups, nor nests them deeper before a container's begins.
_MOST_CGROUPS, _DEEPEST = 20_000, 12
#: What interface files begin with; ``tasks`` and the like are v1's.
_FILES = frozenset({
    "cgroup", "cpu", "cpuacct", "cpuset", "memory", "pids", "io", "blkio", "hugetlb", "rdma", "misc", "dmem", "freezer",
    "devices", "net_cls", "net_prio", "perf_event", "irq", "tasks", "notify_on_release", "release_agent",
})  # fmt: skip
_ID = "([0-9a-f]{64})"
#: Mount points that carry the id of their container.
_MOUNTS: tuple[tuple[re.Pattern[str], EngineName], ...] = (
    (re.compile(r".*/io\.containerd\.runtime\.v2\.task/moby/([^/]+)/rootfs"), EngineName.DOCKER),
    (re.compile(r".*/io\.containerd\.runtime\.v2\.task/[^/]+/([^/]+)/rootfs"), EngineName.CONTAINERD),
    (re.compile(rf".*/io\.containerd\.grpc\.v1\.cri/sandboxes/{_ID}/shm"), EngineName.CONTAINERD),
    (re.compile(rf".*/overlay-containers/{_ID}/userdata/shm"), EngineName.PODMAN),
    (re.compile(rf".*/containers/{_ID}/mounts/shm"), EngineName.DOCKER),
)
#: Root directories whose path is that of a layer: they are some container's when its state says so.
_ROOT = re.compile(rf".*/docker/overlay2/{_ID}/merged")
#: Network namespaces that an engine keeps with a mount. ``ip netns add`` mounts there too, under names that people choose.
_NAMESPACES: tuple[tuple[re.Pattern[str], EngineName | None], ...] = (
    (re.compile(r"(?:/var)?/run/docker/netns/[0-9a-f]{12}"), EngineName.DOCKER),
    (re.compile(r"(?:/var)?/run/netns/(?:cni|netns)-[0-9a-f-]{36}"), None),
)


class Remnants(NamedTuple):
    """What was found, and what could not be read."""

    value: tuple[Remnant, ...]
    gaps: tuple[Gap, ...] = ()


def find_remnants(host: HostFs, layout: CgroupLayout | None, snapshot: Snapshot) -> Remnants:
    """Look for all of it. *snapshot* has to hold the containers that do not run, too."""
    unread = frozenset(gap.subject.removeprefix("engine ") for gap in snapshot.gaps if gap.subject.startswith("engine "))
    known = {name for one in snapshot.containers for name in (one.id, one.name)}
    found = list(_cgroups(host, layout, known)) if layout is not None else []
    try:
        mounts = read_mountinfo(host, 1)
    except (OSError, ParseError) as error:
        gap = gap_of(error, "host", ("remnants",), _MOUNTINFO, "CAP_SYS_PTRACE")
        return Remnants(tuple(one for one in found if one.engine not in unread), (gap,))
    found += _mounts(mounts, known, {one.rootfs for one in snapshot.containers})
    found += _namespaces(host, mounts, snapshot)
    return Remnants(tuple(one for one in found if one.engine not in unread and not (one.engine is None and unread)))


def _cgroups(host: HostFs, layout: CgroupLayout, known: set[str]) -> Iterator[Remnant]:
    """Cgroups named for a container that nobody knows, with no process in them or below."""
    for mount in dict.fromkeys(layout.mounts.values()):
        for directory, claim in _claimed(host, mount):
            if claim.id in known or read_members(host, directory):
                continue
            yield Remnant(
                kind="cgroup",
                what=claim.path,
                id=claim.id,
                engine=claim.engine,
                source=f"{directory}/cgroup.procs",
                remedy=f"remove the cgroup: find {quote(directory)} -depth -type d -exec rmdir {{}} +",
            )


def _claimed(host: HostFs, mount: str) -> Iterator[tuple[str, Claim]]:
    waiting, seen = [("", 0)], 0
    while waiting and seen < _MOST_CGROUPS:
        path, depth = waiting.pop()
        seen += 1
        claim = parse_claim(path)
        if claim is not None:
            yield mount + path, claim
            continue
        if depth < _DEEPEST:
            waiting += [(f"{path}/{name}", depth + 1) for name in _directories(host, mount + path)]


def _directories(host: HostFs, directory: str) -> Iterator[str]:
    try:
        names = host.names(directory)
    except OSError:
        return
    for name in names:
        if name.partition(".")[0] in _FILES:
            continue
        try:
            if stat.S_ISDIR(host.lstat(f"{directory}/{name}").st_mode):
                yield name
        except OSError:
            continue


def _mounts(mounts: Iterable[Mount], known: set[str], roots: set[str | None]) -> Iterator[Remnant]:
    for mount in mounts:
        engine, container_id = _owner(mount.mount_point)
        is_root = _ROOT.fullmatch(mount.mount_point) is not None and mount.mount_point not in roots
        if is_root:
            engine, container_id = EngineName.DOCKER, None
        elif container_id is None or container_id in known:
            continue
        yield Remnant(
            kind="mount",
            what=mount.mount_point,
            id=container_id,
            engine=engine,
            source=_MOUNTINFO,
            remedy=f"unmount it: umount {quote(mount.mount_point)}",
        )


def _owner(mount_point: str) -> tuple[EngineName | None, str | None]:
    for pattern, engine in _MOUNTS:
        if found := pattern.fullmatch(mount_point):
            return engine, found[1]
    return None, None


def _namespaces(host: HostFs, mounts: Iterable[Mount], snapshot: Snapshot) -> Iterator[Remnant]:
    """Network namespaces that an engine's mount keeps, with no process and no container in them."""
    held = {one.namespaces.net for one in snapshot.containers} | {snapshot.host.namespaces.net}
    is_pod_stopped = any(one.is_sandbox and not one.is_running for one in snapshot.containers)
    candidates: dict[int, tuple[Mount, EngineName | None]] = {}
    for mount in mounts:
        number = mount.root.removeprefix("net:[").removesuffix("]")
        if mount.fs_type != "nsfs" or not number.isdecimal() or (ino := int(number)) in held:
            continue
        for pattern, engine in _NAMESPACES:
            # A pod keeps its namespace after its sandbox has ended, and the mount does not say which pod's it is.
            if pattern.fullmatch(mount.mount_point) and not (engine is None and is_pod_stopped):
                candidates[ino] = mount, engine
    if not candidates:
        return
    processes = ProcessTable(host)
    inhabited = {processes.namespace(pid, NamespaceType.NET) for pid in processes.pids()}
    if None in inhabited:  # somebody's could not be read: it may be that one
        inhabited |= set() if _all_readable(processes) else candidates.keys()
    for ino in candidates.keys() - inhabited:
        mount, engine = candidates[ino]
        yield Remnant(
            kind="namespace",
            what=f"net:[{ino}]",
            id=None,
            engine=engine,
            source=f"{_MOUNTINFO} {mount.mount_point}",
            remedy=f"unmount it: umount {quote(mount.mount_point)} && rm {quote(mount.mount_point)}",
        )


def _all_readable(processes: ProcessTable) -> bool:
    """Whether those whose namespace could not be read are merely gone, zombies or kernel threads."""
    for pid in processes.pids():
        found = processes.stat(pid)
        gone = found is None or found.has_ended or found.is_kernel_thread
        if not gone and processes.namespace(pid, NamespaceType.NET) is None:
            return False
    return True
