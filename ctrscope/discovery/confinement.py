"""What the mounts and devices of a container say about its confinement."""

import stat
from collections.abc import Iterator

from ctrscope.model.mount import Mount, Overlay
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import parse_overlay

#: More entries below /dev than this are somebody's joke.
_MAX_ENTRIES = 4096
#: Pseudo terminals and files in memory, one for each user of them: no devices that were given to the container.
_NOT_DEVICES = ("pts", "shm", "mqueue", "fd")


def find_masked_paths(mounts: tuple[Mount, ...]) -> tuple[str, ...]:
    """Paths of /proc and /sys that something empty is mounted over: a new tmpfs, /dev/null, systemd's inaccessible nodes.

    A file put over another one (LXC's boot_id) is a replacement and not a mask; so is the tmpfs that holds the cgroup v1
    hierarchies.
    """
    parents = {mount.parent_id for mount in mounts}
    return tuple(
        sorted(
            {
                mount.mount_point
                for mount in mounts
                if mount.mount_point.startswith(("/proc/", "/sys/"))
                and mount.mount_id not in parents
                and mount.fs_type in ("tmpfs", "devtmpfs")
                and (
                    (mount.root == "/" and mount.fs_type == "tmpfs")
                    or mount.root.rpartition("/")[2] == "null"
                    or "/systemd/inaccessible/" in mount.root
                )
            }
        )
    )


def find_readonly_paths(mounts: tuple[Mount, ...]) -> tuple[str, ...]:
    """Paths of /proc and /sys that are mounted over themselves read-only."""
    return tuple(
        sorted(
            {
                mount.mount_point
                for mount in mounts
                if mount.mount_point.startswith(("/proc/", "/sys/"))
                and mount.fs_type in ("proc", "sysfs")
                and mount.root != "/"
                and "ro" in mount.options
            }
        )
    )


def find_overlay(host: HostFs, mounts: tuple[Mount, ...]) -> Overlay | None:
    """Layers of the root; None when it is not an overlay mount.

    Engines mount through short links (``overlay2/l/ABC…``), relative ones when there are many; the layers come back as
    the directories that they lead to.
    """
    root = next((mount for mount in reversed(mounts) if mount.mount_point == "/"), None)
    overlay = None if root is None else parse_overlay(root)
    if overlay is None:
        return None
    # STORE/ID/diff: relative layers are relative to STORE.
    store = (overlay.upper or "").rsplit("/", 2)[0]
    return Overlay(
        lower=tuple(_directory_of(host, layer if layer.startswith("/") else f"{store}/{layer}") for layer in overlay.lower),
        upper=overlay.upper,
        work=overlay.work,
    )


def find_devices(inside: HostFs) -> tuple[tuple[str, ...], bool]:
    """Names of character and block devices below /dev of a container, and whether all of it was looked at."""
    nodes, is_complete = find_device_nodes(inside)
    return tuple(sorted(nodes)), is_complete


def find_device_nodes(inside: HostFs) -> tuple[dict[str, bool], bool]:
    """The same, each with whether it is a block device."""
    nodes: dict[str, bool] = {}
    entries = _entries(inside, "/dev", depth=2)
    for looked_at, (path, mode) in enumerate(entries):
        if looked_at >= _MAX_ENTRIES:
            return nodes, False
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            nodes[path.removeprefix("/dev/")] = stat.S_ISBLK(mode)
    return nodes, True


def _entries(inside: HostFs, directory: str, depth: int) -> Iterator[tuple[str, int]]:
    for name in inside.names(directory):
        path = f"{directory}/{name}"
        try:
            mode = inside.lstat(path).st_mode
            yield path, mode
            if stat.S_ISDIR(mode) and depth > 1 and name not in _NOT_DEVICES:
                yield from _entries(inside, path, depth - 1)
        except OSError:
            continue  # it went away, or a directory that is closed


def _directory_of(host: HostFs, layer: str) -> str:
    store, _, name = layer.rpartition("/l/")
    if not store or "/" in name:
        return layer
    try:
        target = host.readlink(layer)
    except OSError:
        return layer
    return f"{store}/{target.removeprefix('../')}" if target.startswith("../") else layer
