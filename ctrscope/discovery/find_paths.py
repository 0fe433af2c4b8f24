"""``find`` by a path of the host: layers, mount points, volumes, what engines keep, namespaces held by a bind mount.

A path is translated into device and path inside the file system by the host's mounts (proc_pid_mountinfo(5)), and the
same device and path looked for among the mounts of each container: no engine has to say what it mounted where.
"""

from collections.abc import Iterator

from ctrscope.discovery.confinement import find_overlay
from ctrscope.discovery.host_paths import Place, locate, moved, read_host_mounts
from ctrscope.discovery.whose import Whose, is_within
from ctrscope.model.container import Container
from ctrscope.model.gap import ParseError
from ctrscope.model.match import Match, MatchKind
from ctrscope.model.mount import Mount
from ctrscope.probes.proc_pid_mountinfo import read_mountinfo
from ctrscope.probes.proc_pid_ns import parse_namespace

#: File systems that are everywhere: what the host and a container both have of them says nothing.
_EVERYWHERE = frozenset(
    {"proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "devtmpfs", "securityfs", "debugfs", "tracefs"}
)


def find_path(whose: Whose, text: str) -> Iterator[Match]:
    """Every container that has something to do with a path; what says most (the longest directory) first."""
    host_mounts = read_host_mounts(whose.hostfs)
    place = locate(_plain(text), host_mounts)
    inherited = {(mount.device, mount.root, mount.mount_point) for mount in host_mounts}
    found: list[tuple[int, Match]] = []
    for container in whose.snapshot.containers:
        mounts = () if container.pid is None else _mounts_of(whose, container.pid)
        # A mount namespace that began as a copy of the host's still has the host's whole tree.
        own = [mount for mount in mounts if (mount.device, mount.root, mount.mount_point) not in inherited]
        of_it = [*_layers(whose, container, own, place.path), *_mounted(container, own, place)]
        found += of_it or _kept(container, place.path)
    for _, match in sorted(found, key=lambda one: -one[0]):
        yield match


def find_hosts_file(whose: Whose, text: str) -> Iterator[Match]:
    """A file of the host that no container has anything to do with."""
    place = locate(_plain(text), read_host_mounts(whose.hostfs))
    if whose.hostfs.exists(place.path):
        where = f" on {place.mount.mount_point} ({place.mount.fs_type})" if place.mount is not None else ""
        detail = f"the host's own{where}: no container{whose.caveat} has it in a layer, in a mount or in what its engine keeps"
        yield Match(kind=MatchKind.FILE, what=place.path, container=None, detail=detail)


def find_bind_mount(whose: Whose, text: str) -> int | None:
    """Inode number of the namespace that is mounted at a path, such as ``/run/netns/blue``."""
    path = _plain(text)
    for mount in reversed(read_host_mounts(whose.hostfs)):
        if mount.fs_type == "nsfs" and mount.mount_point == path:
            try:
                return parse_namespace(mount.root)
            except ParseError:
                return None
    return None


def _plain(text: str) -> str:
    path = "/" + text.strip("/")
    return path.removeprefix("/var") if is_within(path, "/var/run") else path


def _mounts_of(whose: Whose, pid: int) -> tuple[Mount, ...]:
    try:
        return read_mountinfo(whose.hostfs, pid)
    except (OSError, ParseError):
        return ()


def _layers(whose: Whose, container: Container, mounts: list[Mount], path: str) -> Iterator[tuple[int, Match]]:
    """Layers of its root that hold the path; one directory above a layer, as overlay2/ID is above overlay2/ID/diff, too."""
    overlay = find_overlay(whose.hostfs, tuple(mounts))
    if overlay is None:
        return
    layers = dict.fromkeys(overlay.lower, "a lower layer")
    layers |= {overlay.work or "": "the work directory", overlay.upper or "": "the upper layer, where it writes"}
    layers.pop("", None)
    fitting = [directory for directory in layers if is_within(path, directory)]
    if fitting:
        directory = max(fitting, key=len)
        detail = f"in {layers[directory]}; inside: {moved(path, directory, '/')}" if path != directory else layers[directory]
        yield len(directory), _match(MatchKind.OVERLAY, directory, container, detail)
        return
    held = [name for directory, name in layers.items() if directory.rpartition("/")[0] == path]
    if held:
        yield len(path), _match(MatchKind.OVERLAY, path, container, f"holds {', '.join(dict.fromkeys(held))}")


def _mounted(container: Container, mounts: list[Mount], place: Place) -> Iterator[tuple[int, Match]]:
    holding = [
        mount
        for mount in mounts
        if mount.fs_type not in _EVERYWHERE and mount.device == place.device and is_within(place.inner, mount.root)
    ]
    if holding:
        mount = max(holding, key=lambda one: len(one.root))
        inside = moved(place.inner, mount.root, mount.mount_point)
        as_what = "its root file system" if mount.mount_point == "/" else f"mounted there at {mount.mount_point}"
        below = place.inner[len(mount.root.rstrip("/")) :]
        # The container may have more of the file system than the host has mounted there.
        on_host = place.path.removesuffix(below) or "/"
        if place.mount is not None and not is_within(mount.root, place.mount.root):
            on_host = place.mount.mount_point
        detail = as_what + (f"; inside: {inside}" if inside != mount.mount_point else "")
        yield len(on_host), _match(MatchKind.MOUNT, on_host, container, detail)
    for mount in mounts:
        if mount.mount_point == place.path != "/" and mount.fs_type not in _EVERYWHERE and mount not in holding:
            source = f"{mount.source} {mount.root}" if mount.root != "/" else mount.source
            yield (
                len(place.path),
                _match(MatchKind.MOUNT, place.path, container, f"a mount point inside: {mount.fs_type} {source}"),
            )
            return


def _kept(container: Container, path: str) -> list[tuple[int, Match]]:
    """What its engine's state says about places on the host."""
    rootfs = container.rootfs
    if rootfs and rootfs.endswith("/merged"):
        rootfs = rootfs.removesuffix("/merged")
    places = ((rootfs, "its root file system"), (container.bundle, "its bundle"), (container.log_path, "its log"))
    for directory, what in places:
        if directory and directory != "/" and is_within(path, directory):
            return [(len(directory), _match(MatchKind.FILE, directory, container, what))]
    if len(container.id) == 64 and container.id in path.split("/"):
        return [(0, _match(MatchKind.FILE, path, container, "the path carries its id"))]
    return []


def _match(kind: MatchKind, what: str, container: Container, detail: str) -> Match:
    return Match(kind=kind, what=what, container=container.key, detail=detail)
