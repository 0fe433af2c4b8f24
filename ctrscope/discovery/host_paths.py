"""What the host calls the files that a container has mounted.

*Source:* proc_pid_mountinfo(5): the same device and path inside the file system, mounted twice.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ctrscope.discovery.whose import is_within
from ctrscope.model.audited import AuditedMount
from ctrscope.model.gap import ParseError
from ctrscope.model.mount import Mount
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import parse_mountinfo

#: File systems of which every container has its own, or what its namespaces show of the host's.
_KERNEL = frozenset({"proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue"})


class Place(NamedTuple):
    """Where a path is, whatever it is mounted as."""

    path: str
    device: str | None = None  # "major:minor"; None: on no mount of the host
    inner: str = ""  # path inside the file system
    mount: Mount | None = None


def locate(path: str, mounts: Iterable[Mount]) -> Place:
    """The mount that a path is on: the deepest one, of several at one point the last."""
    covering = [mount for mount in mounts if is_within(path, mount.mount_point)]
    mount = max(reversed(covering), key=lambda one: len(one.mount_point), default=None)
    if mount is None:
        return Place(path)
    return Place(path, mount.device, moved(path, mount.mount_point, mount.root), mount)


def moved(path: str, old: str, new: str) -> str:
    """A path at or below *old*, as it is below *new*."""
    rest = path[len(old.rstrip("/")) :].strip("/")
    return f"{new.rstrip('/')}/{rest}" if rest else new


def read_host_mounts(hostfs: HostFs) -> tuple[Mount, ...]:
    """Mounts of the host's init, or of our own; none where neither can be read."""
    for pid in ("1", "self"):
        try:
            if mounts := parse_mountinfo(hostfs.read(f"/proc/{pid}/mountinfo")):
                return mounts
        except (OSError, ParseError):
            continue
    return ()


class HostPaths:
    """The host's mounts, by device."""

    def __init__(self, mounts: Iterable[Mount]) -> None:
        self.points: dict[int, str] = {}  # mount ID → mount point
        self._by_device: dict[str, list[tuple[str, str]]] = {}
        self._peer_groups: set[str] = set()
        for mount in mounts:
            self.points[mount.mount_id] = mount.mount_point
            self._by_device.setdefault(mount.device, []).append((mount.root, mount.mount_point))
            self._peer_groups.update(one for one in mount.propagation if one.startswith("shared:"))

    def audited(self, mounts: Iterable[Mount]) -> tuple[AuditedMount, ...]:
        """Mounts of a container, as rules look at them."""
        return tuple(map(self._audited, mounts))

    def _audited(self, mount: Mount) -> AuditedMount:
        return AuditedMount(
            mount_point=mount.mount_point,
            host_path=None if _is_usual(mount) else self.find(mount),
            fs_type=mount.fs_type,
            root=mount.root,
            is_writable="rw" in mount.options and "ro" not in mount.super_options,
            is_shared=any(one in self._peer_groups for one in mount.propagation),
            nosuid="nosuid" in mount.options,
        )

    def find_bound(self, mount: Mount) -> str | None:
        """Path of the host's that a bind mount shows; None for a file system of its own, and for what every container has."""
        if mount.fs_type == "overlay" and mount.mount_point == "/":
            return None  # its layers are files of the host, and it is not
        return None if _is_usual(mount) or mount.fs_type in _KERNEL else self.find(mount)

    def find(self, mount: Mount) -> str | None:
        """Path of the host's that leads to the same files; of several the one that is mounted closest."""
        best: tuple[str, str] | None = None
        for root, point in self._by_device.get(mount.device, ()):
            below = root.rstrip("/") + "/"
            if (mount.root == root or mount.root.startswith(below)) and (best is None or len(root) > len(best[0])):
                best = (root, point)
        return None if best is None else moved(mount.root, *best)


def _is_usual(mount: Mount) -> bool:
    """Whether it is what every container has at that place, which on shared namespaces is of the host's device too."""
    point = mount.mount_point
    if mount.fs_type in _KERNEL:
        return point.startswith(("/proc", "/sys", "/dev/pts", "/dev/mqueue"))
    return point.startswith(("/proc/", "/sys/"))  # a mask
