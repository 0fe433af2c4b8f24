r"""/proc/PID/mountinfo: the mounts of a process's mount namespace, as seen from its root directory.

*Source:* proc_pid_mountinfo(5), for instance ``36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw``.
The kernel writes space, tab, line break, backslash (and ``#`` since Linux 5.18) as ``\`` and three octal digits.
*Shape:* overlay's layers are super options; kernel document filesystems/overlayfs.
"""

from collections.abc import Iterable

from ctrscope.model.gap import ParseError
from ctrscope.model.mount import Mount, Overlay
from ctrscope.probes.hostfs import HostFs

_LXCFS = "fuse.lxcfs"


def read_mountinfo(host: HostFs, pid: int) -> tuple[Mount, ...]:
    """Read and parse. Errors: ENOENT or ESRCH when the process is gone, EINVAL for a zombie, EACCES; ParseError."""
    return parse_mountinfo(host.read(f"/proc/{pid}/mountinfo"))


def parse_mountinfo(text: bytes) -> tuple[Mount, ...]:
    """Mounts in the kernel's order: a later one at the same mount point hides the earlier."""
    mounts = []
    for number, line in enumerate(text.split(b"\n"), 1):
        if not line:
            continue
        # Only single spaces separate: the source of a tmpfs may be an empty word.
        words = line.split(b" ")
        try:
            separator = words.index(b"-", 6)
            mounts.append(
                Mount(
                    mount_id=int(words[0]),
                    parent_id=int(words[1]),
                    device=words[2].decode("ascii"),
                    root=_plain(words[3]),
                    mount_point=_plain(words[4]),
                    options=_options(words[5]),
                    propagation=tuple(_plain(word) for word in words[6:separator]),
                    fs_type=_plain(words[separator + 1]),
                    source=_plain(words[separator + 2]),
                    super_options=_options(words[separator + 3]),
                )
            )
        except (ValueError, IndexError) as error:
            raise ParseError(f"not a mount: {error}", number) from error
    return tuple(mounts)


def find_unanswering(host: HostFs, mounts: Iterable[Mount], path: str) -> str | None:
    """Mount point of a FUSE file system that may have to be asked for what is at or below *path*; None without one.

    Whoever serves it may be in the container, and never answer. Where nothing is mounted at *path* a symlink may lead into any.
    An lxcfs is trusted where the host has the same one mounted: anybody may call his own so.
    """
    mounts = tuple(mounts)
    served = [one for one in mounts if one.fs_type.startswith("fuse") and one.fs_type != "fusectl"]
    if any(one.fs_type == _LXCFS for one in served):
        known = _find_lxcfs(host)
        served = [one for one in served if one.fs_type != _LXCFS or one.device not in known]
    points = (one.mount_point for one in served)
    if any(one.mount_point == path for one in mounts):
        return next((point for point in points if _is_at_or_below(path, point) or _is_at_or_below(point, path)), None)
    return next(points, None)


def _find_lxcfs(host: HostFs) -> frozenset[str]:
    """Devices of those that are mounted in the host's own mount namespace; without its table, in ours."""
    for pid in ("1", "self"):
        try:
            lines = host.read(f"/proc/{pid}/mountinfo").splitlines()
        except OSError:
            continue
        return frozenset(line.split(b" ")[2].decode("ascii") for line in lines if f" - {_LXCFS} ".encode() in line)
    return frozenset()


def _is_at_or_below(path: str, above: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{above.rstrip('/')}/")


def seen_mounts(mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """Those that a path leads to: not what another covers, nor what was mounted before another came over a directory above it.

    Where mounts are shared, what is mounted below such a directory is mounted in the covered one as well (systemd-nspawn's
    ``/run/host``): the later line need not be the one that is seen.
    """
    mounts = tuple(mounts)
    by_id = {mount.mount_id: mount for mount in mounts}
    points: dict[int, set[str]] = {}
    for mount in mounts:
        if mount.parent_id != mount.mount_id:
            points.setdefault(mount.parent_id, set()).add(mount.mount_point)

    def is_reached(mount: Mount | None) -> bool:
        for _ in mounts:  # the way up is no longer than that
            if mount is None:
                break
            others, above = points.get(mount.parent_id, set()), mount.mount_point
            while above != "/":
                above = above.rpartition("/")[0] or "/"
                if above in others:
                    return False
            mount = None if mount.parent_id == mount.mount_id else by_id.get(mount.parent_id)
        return True

    reached = (mount for mount in mounts if mount.mount_point not in points.get(mount.mount_id, ()) and is_reached(mount))
    return tuple({mount.mount_point: mount for mount in reached}.values())


def find_cgroup_root(mounts: tuple[Mount, ...]) -> str | None:
    """Which cgroup a process sees as ``/``: the root of its mount of cgroupfs, the v2 one first; None without such a mount.

    *Kernel:* the path is told as from the reader's own cgroup namespace; cgroup_namespaces(7).
    """
    roots = {mount.fs_type: mount.root for mount in reversed(mounts) if mount.fs_type in ("cgroup", "cgroup2")}
    return roots.get("cgroup2", roots.get("cgroup"))


def parse_overlay(mount: Mount) -> Overlay | None:
    """Layers of an overlay mount, topmost first; None when it is not one (fuse-overlayfs tells no layers).

    ``lowerdir`` is one option with colons, or since Linux 6.8 an option ``lowerdir+`` for each layer.
    """
    if mount.fs_type != "overlay":
        return None
    lower: list[str] = []
    upper = work = None
    for option in mount.super_options:
        name, _, value = option.partition("=")
        if name == "lowerdir":
            lower += _split_layers(value)
        elif name in ("lowerdir+", "datadir+"):
            lower.append(value)
        elif name == "upperdir":
            upper = _split_layers(value)[0]
        elif name == "workdir":
            work = _split_layers(value)[0]
    return Overlay(lower=tuple(lower), upper=upper, work=work)


def _split_layers(value: str) -> list[str]:
    """Split at colons; a backslash, as whoever mounted it wrote it, makes the next character part of the path."""
    layers, path, characters = [], "", iter(value)
    for character in characters:
        if character == "\\":
            path += next(characters, "")
        elif character == ":":
            layers.append(path)
            path = ""
        else:
            path += character
    # Two colons lead to data-only layers.
    return [layer for layer in (*layers, path) if layer] or [""]


def _options(word: bytes) -> tuple[str, ...]:
    # First split: a comma that belongs to a value is escaped.
    return tuple(_plain(option) for option in word.split(b",") if option)


def _plain(word: bytes) -> str:
    if b"\\" in word:
        head, *escaped = word.split(b"\\")
        for part in escaped:
            octal = part[:3]
            is_escape = len(octal) == 3 and all(digit in b"01234567" for digit in octal) and octal[0] in b"0123"
            head += bytes((int(octal, 8),)) + part[3:] if is_escape else b"\\" + part
        word = head
    return word.decode("utf-8", "surrogateescape")
