"""The cgroup hierarchies of the host: which exist, where they are mounted, which processes a cgroup holds.

*Source:* cgroups(7), kernel documents cgroup-v2 and cgroup-v1.
*Versions:* "v2" is one unified hierarchy at /sys/fs/cgroup; "v1" has a mount per controller; "hybrid" has both, the
v2 hierarchy then usually at /sys/fs/cgroup/unified and without controllers.
"""

import functools
import os
import stat
from collections.abc import Iterable, Mapping, Set

import msgspec

from ctrscope.model.cgroup_membership import CgroupMembership, CgroupVersion
from ctrscope.model.gap import VANISHED, ParseError
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_cgroup import parse_cgroup

#: Which controller's path stands for the container when they disagree: one that engines always use comes first.
PREFERRED = ("memory", "pids", "cpu", "cpu,cpuacct", "cpuacct", "devices", "freezer", "blkio", "cpuset", "name=systemd", "")

#: /proc/self/ns/cgroup in the initial namespace: PROC_CGROUP_INIT_INO of include/linux/proc_ns.h.
_INITIAL = "cgroup:[4026531835]"


class CgroupLayout(Value, frozen=True, kw_only=True):
    """Where the hierarchies are mounted."""

    version: CgroupVersion
    mounts: Mapping[str, str]  # controller → mount point; "" is the v2 hierarchy
    roots: Mapping[str, str] = {}  # controller → where on the host the root is of the cgroup namespace that we are in; not "/"

    def membership(self, paths: Mapping[str, str]) -> CgroupMembership:
        """Membership from the lines of /proc/PID/cgroup."""
        if self.roots:
            paths = {name: _of_the_host(path, self.roots.get(name, "")) for name, path in paths.items()}
        if self.version == "v2":
            # systemd-nspawn leaves a stray "1:name=systemd:/" on v2 hosts; only the v2 line means something there.
            return CgroupMembership(version="v2", path=paths.get("", "/"), paths={})
        known = paths if paths.keys() <= self.mounts.keys() else {name: paths[name] for name in paths if name in self.mounts}
        for name in PREFERRED:
            path = known.get(name, "/")
            if path != "/":
                break
        return CgroupMembership(version=self.version, path=path, paths=known)

    def directory(self, membership: CgroupMembership, controller: str) -> str | None:
        """Directory of that controller's interface files, or None when no such hierarchy is mounted."""
        if self.version == "v2":
            return _below(self.mounts[""], membership.path)
        mount = self.mounts.get(controller)
        return None if mount is None else _below(mount, membership.paths.get(controller, "/"))

    def own_directory(self, membership: CgroupMembership) -> str | None:
        """A directory whose cgroup.procs lists the container's processes; None when it has no cgroup of its own."""
        if membership.path == "/":
            return None
        if self.version == "v2":
            return _below(self.mounts[""], membership.path)
        for controller in PREFERRED:
            if membership.paths.get(controller) == membership.path:
                return _below(self.mounts[controller], membership.path)
        return None

    def named_directory(self, path: str) -> str | None:
        """Directory of the cgroup *path* of v1 in the hierarchy that engines use first; None when none of theirs is mounted."""
        return next((_below(self.mounts[name], path) for name in PREFERRED if name in self.mounts), None)


def read_layout(host: HostFs) -> CgroupLayout | None:
    """Find the mounts of cgroupfs in our own mount namespace; None when there are none (an image, no /proc).

    *Kernel:* paths of cgroups are told as from the reader's own cgroup namespace, ``/../web`` for what is outside of it, and so
    is the root of the mount; cgroup_namespaces(7).
    """
    try:
        hierarchies = parse_cgroup(host.read("/proc/self/cgroup")).keys()
    except (OSError, ParseError):
        hierarchies = None
    try:
        layout = parse_layout(host.lines("/proc/mounts"), hierarchies)
    except OSError:
        return None
    if layout is None or _own_namespace_is_the_hosts():
        return layout
    roots = _read_roots(host, layout.mounts)
    return msgspec.structs.replace(layout, roots=roots) if roots else layout


def parse_layout(lines: Iterable[bytes], hierarchies: Set[str] | None = None) -> CgroupLayout | None:
    """Parse /proc/mounts (proc_pid_mounts(5)) for lines of type cgroup and cgroup2, until each of *hierarchies* has one.

    They come first, and after them the overlays of containers: of hundreds, writing those takes the kernel milliseconds.
    """
    mounts: dict[str, str] = {}
    for line in lines:
        if b" cgroup" not in line:
            continue
        fields = line.decode("utf-8", "surrogateescape").split(" ")
        if len(fields) < 4:
            continue
        if fields[2] == "cgroup2":
            mounts.setdefault("", fields[1])
        elif fields[2] == "cgroup":
            for option in fields[3].split(","):
                if option not in ("rw", "ro", "nosuid", "nodev", "noexec", "relatime", "noatime", "xattr", "clone_children"):
                    mounts.setdefault(option, fields[1])
        if hierarchies is not None and mounts.keys() >= hierarchies:
            break
    if not mounts:
        return None
    version: CgroupVersion = "v2" if set(mounts) == {""} else "hybrid" if "" in mounts else "v1"
    return CgroupLayout(version=version, mounts=mounts)


def read_members(host: HostFs, directory: str, below: list[str] | None = None) -> list[int]:
    """PIDs in a cgroup and in every cgroup below it, whose directories *below* gets. A cgroup that went away has none."""
    pids: list[int] = []
    waiting = [directory]
    while waiting:
        here = waiting.pop()
        try:
            pids += parse_procs(host.read(f"{here}/cgroup.procs"))
            children = find_children(host, here)
            waiting += children
            if below is not None:
                below += children
        except OSError as error:
            # EOPNOTSUPP: a threaded cgroup lists its processes in the domain above it.
            if error.errno not in VANISHED:
                waiting += find_children(host, here)
    return pids


def parse_procs(text: bytes) -> list[int]:
    """PIDs of cgroup.procs; a 0 is a process of another PID namespace and is left out."""
    return [pid for line in text.split() if line.isdigit() and len(line) < 10 and (pid := int(line))]


def read_frozen(host: HostFs, layout: CgroupLayout, membership: CgroupMembership) -> bool | None:
    """Whether the container's cgroup is frozen (paused); None when that cannot be said.

    v2: ``frozen`` of cgroup.events, which is about this cgroup and its ancestors. v1: freezer.state.
    """
    if layout.version == "v2" or layout.mounts.get("freezer") is None:
        name, wanted, directory = "cgroup.events", b"frozen 1", layout.directory(membership, "")
    else:
        name, wanted, directory = "freezer.state", b"FROZEN", layout.directory(membership, "freezer")
    if directory is None:
        return None
    # crun with the systemd driver freezes the cgroup below the scope, where all processes are. Where some are in the scope
    # itself, the container made that cgroup.
    inner = f"{directory}/container"
    for here in (directory, inner) if directory.endswith(".scope") else (directory,):
        try:
            if wanted in host.reread(f"{here}/{name}").splitlines():
                return here == directory or not host.read(f"{directory}/cgroup.procs").strip()
        except OSError:
            return None if here == directory else False
    return False


def find_children(host: HostFs, directory: str) -> list[str]:
    """Directories of the cgroups right below one."""
    try:
        # A directory of cgroupfs has two links and one more for every child; file systems that do not count say 1.
        names = [] if host.stat(directory).st_nlink == 2 else host.names(directory)
    except OSError:
        return []
    return [path for name in names if _is_directory(host, path := f"{directory}/{name}")]


def seen_from(path: str, root: str) -> str:
    """A path of the host as a process sees it whose cgroup namespace has its root at *root*; cgroup_namespaces(7).

    What is not below that root is seen through ``..``: ``/../web`` is a cgroup beside it.
    """
    here, there = [*filter(None, root.split("/"))], [*filter(None, path.split("/"))]
    shared = 0
    while shared < min(len(here), len(there)) and here[shared] == there[shared]:
        shared += 1
    return "/" + "/".join([".."] * (len(here) - shared) + there[shared:])


def _own_namespace_is_the_hosts() -> bool:
    try:
        return HostFs().readlink("/proc/self/ns/cgroup") == _INITIAL
    except OSError:
        return True  # before Linux 4.6 there is no other


def _read_roots(host: HostFs, mounts: Mapping[str, str]) -> dict[str, str]:
    """Controller → where on the host the root of our own cgroup namespace is: as deep as the mount says, ``/../..``."""
    from ctrscope.probes.proc_pid_mountinfo import parse_mountinfo  # few run in a cgroup namespace

    try:
        found = parse_mountinfo(host.read("/proc/self/mountinfo"))
    except (OSError, ParseError):
        return {}
    # Mount points are told from our own root directory, to which the host's may be /host.
    prefix = host.root.rstrip("/")
    depths = {
        mount.mount_point.removeprefix(prefix): mount.root.count("/")
        for mount in found
        if mount.fs_type in ("cgroup", "cgroup2") and set(mount.root.split("/")) == {"", ".."}
    }
    return {name: _find_own_root(host.root, mount, depth) for name, mount in mounts.items() if (depth := depths.get(mount))}


@functools.cache  # a process stays in its namespace, whichever cgroup it is moved to
def _find_own_root(root: str, mount: str, depth: int) -> str:
    """The cgroup so many levels below the mount that we are in or below; no file says its name, but it lists us."""
    host, level = HostFs(root), [mount]
    for _ in range(depth):
        level = [child for directory in level for child in find_children(host, directory)]
    own = next((directory for directory in level if os.getpid() in read_members(host, directory)), None)
    # Moved out of its namespace's root, a process is below no such cgroup; "?" is nobody's name.
    return own.removeprefix(mount) if own is not None else "/?" * depth


def _of_the_host(path: str, root: str) -> str:
    """The inverse of ``seen_from``."""
    return os.path.normpath(f"{root}/{path.lstrip('/')}")


def _is_directory(host: HostFs, path: str) -> bool:
    try:
        return stat.S_ISDIR(host.lstat(path).st_mode)
    except OSError:
        return False


def _below(mount: str, path: str) -> str:
    return mount if path == "/" else mount + path
