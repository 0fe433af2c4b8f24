"""Which containers have which volume mounted, as the kernel says.

*Source:* proc_pid_mountinfo(5): a bind mount has the device and the path inside the file system of what it shows, so that
no engine has to say what it mounted. Only lines of a device on which there is a volume are looked at closer.
"""

from collections.abc import Collection, Mapping, Sequence

from ctrscope.discovery.host_paths import locate, read_host_mounts
from ctrscope.model.gap import ParseError
from ctrscope.model.mount import Mount
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.storage import Volume
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import parse_mountinfo


def find_mounted(hostfs: HostFs, snapshot: Snapshot, volumes: Sequence[Volume]) -> Mapping[str, tuple[str, ...]]:
    """Keys of the containers that have a volume, or a directory in it, by key of the volume."""
    host_mounts = read_host_mounts(hostfs) if volumes else ()
    places: dict[tuple[str, str], str] = {}  # device and path inside the file system → volume
    for volume in volumes:
        place = locate(volume.mount_point, host_mounts) if volume.mount_point is not None else None
        if place is not None and place.device is not None:
            places.setdefault((place.device, place.inner), volume.key)
    if not places:
        return {}
    devices = {device.encode() for device, _ in places}
    inherited = {(one.device, one.root, one.mount_point) for one in host_mounts}
    found: dict[str, dict[str, None]] = {}
    for container in snapshot.containers:
        for mount in () if container.pid is None else _mounts_on(hostfs, container.pid, devices):
            # A mount namespace that began as a copy of the host's still has the host's whole tree.
            if (mount.device, mount.root, mount.mount_point) not in inherited:
                for key in _above(mount, places):
                    found.setdefault(key, {})[container.key] = None
    return {key: tuple(keys) for key, keys in found.items()}


def _above(mount: Mount, places: Mapping[tuple[str, str], str]) -> list[str]:
    """Volumes that the root of a mount is, or is in."""
    found, path = [], mount.root
    while True:
        if (key := places.get((mount.device, path))) is not None:
            found.append(key)
        if path in ("/", ""):
            return found
        path = path.rpartition("/")[0] or "/"


def _mounts_on(hostfs: HostFs, pid: int, devices: Collection[bytes]) -> tuple[Mount, ...]:
    """Mounts of some devices only: the others, most of a container's, are not parsed."""
    try:
        text = hostfs.read(f"/proc/{pid}/mountinfo")
        return parse_mountinfo(b"\n".join(line for line in text.split(b"\n") if _device(line) in devices))
    except (OSError, ParseError):  # it ended, or is somebody else's
        return ()


def _device(line: bytes) -> bytes:
    words = line.split(b" ", 3)
    return words[2] if len(words) > 2 else b""
