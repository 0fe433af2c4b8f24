"""The root file system: copied into a mount of its own, its paths walked without ever leaving it, made the root.

*Source:* mount_namespaces(7), pivot_root(2), path_resolution(7). Whoever made the files below the root also made the links
there: a destination is walked with the root for "/" and held open (CVE-2019-19921, CVE-2021-30465), never named again.
"""

import os
import stat
from collections.abc import Callable, Collection
from contextlib import suppress

from ctrscope.attach import syscalls
from ctrscope.oci.errors import step
from ctrscope.probes.in_root import resolve_in_root
from ctrscope.probes.proc_pid_mountinfo import parse_mountinfo

PROPAGATIONS = {
    "private": syscalls.MS_PRIVATE,
    "shared": syscalls.MS_SHARED,
    "slave": syscalls.MS_SLAVE,
    "unbindable": syscalls.MS_UNBINDABLE,
}
PROPAGATIONS |= {f"r{name}": flag | syscalls.MS_REC for name, flag in PROPAGATIONS.items()}
_MOST_LINKS = 40
#: File systems of the host's own whose source is no device below /dev.
_VOLUMES = frozenset(("9p", "virtiofs", "zfs"))
#: Those that somebody else has to answer for, who may not.
_FAR = frozenset(("afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "nfs", "nfs4", "orangefs", "smb3"))
#: FUSE that is no file system of a person's.
_ENGINES = frozenset(("fuse.fuse-overlayfs", "fuse.lxcfs"))
_GRAPH = "/zfs/graph/"  # where docker and podman have those of containers
_ATTR_RDONLY = 1


def open_root(rootfs: str, propagation: str, *, readonly: bool, is_apart: bool) -> int:
    """Mount the root file system over itself; returns its descriptor. *is_apart*: this mount namespace is all ours."""
    with step(f"$.root.path: mounting {rootfs} over itself"):
        if is_apart:
            # What is unbindable could not be copied: that comes once it is the root.
            first = "rslave" if not propagation or "unbindable" in propagation else propagation
            syscalls.mount(None, "/", None, PROPAGATIONS[first])
        if is_apart and "shared" in propagation:
            syscalls.mount(None, _mount_of(rootfs), None, syscalls.MS_PRIVATE)  # pivot_root(2) takes no shared parent
        if rootfs == "/":
            return _open_own_root(readonly=readonly)
        root = _copy_of(rootfs, recursive=True, readonly=False)
        syscalls.move_mount(root, rootfs)
    return root


def _open_own_root(*, readonly: bool) -> int:
    """The host's own root, with its file systems on disks: what is mounted below it is not to be written either.

    A copy of the rest would keep namespaces, containers' file systems and what is in memory, where mounts of the host are
    private and nobody else would. In a user namespace all mounts are locked together, and are copied together.
    """
    try:
        root = _copy_of("/", recursive=False, readonly=readonly)
    except OSError:
        root = _copy_of("/", recursive=True, readonly=readonly)
        syscalls.move_mount(root, "/")
        return root
    trees = []
    for point, _ in _host_mounts(_is_on_disk):
        with suppress(OSError):  # ENOENT: something else is mounted over it
            trees.append((point, _copy_of(point, recursive=False, readonly=readonly)))
    syscalls.move_mount(root, "/")
    for point, tree in trees:
        with suppress(OSError):  # ENOENT: it is below one that is not copied
            target = find_inside(root, point)
            syscalls.move_mount(tree, target)
            os.close(target)
        os.close(tree)
    return root


def find_left_out(shown: Collection[str]) -> tuple[str, ...]:
    """What to say about the host's file systems that its own root comes without, unless those places are *shown*."""
    found = [(point, type_) for point, type_ in _host_mounts(_is_far) if point not in shown]
    if not found:
        return ()
    names = ", ".join(f"{point} ({type_})" for point, type_ in found)
    first = found[0][0]
    return (f"left out, since whoever serves them may not answer: {names}; -v {first}:{first} shows that one",)


def _is_on_disk(type_: str, source: str) -> bool:
    return type_ in _VOLUMES or (source.startswith("/dev/") and not _is_far(type_, source))


def _is_far(type_: str, _: str) -> bool:
    return type_ in _FAR or (type_.partition(".")[0] == "fuse" and type_ not in _ENGINES)


def _host_mounts(wanted: Callable[[str, str], bool]) -> list[tuple[str, str]]:
    """Mount point and type of what is mounted on this host below its root, but for what runs: /run, and containers' own."""
    with open("/proc/self/mountinfo", "rb") as file:
        lines = file.readlines()
    last = {line.split(b" ", 5)[4]: line for line in lines}  # a later one at the same place hides the earlier
    chosen = []
    for line in last.values():
        type_, source, _ = line.partition(b" - ")[2].decode("utf-8", "surrogateescape").split(" ", 2)
        if wanted(type_, source):
            chosen.append(line)
    found = ((mount.mount_point, mount.fs_type) for mount in parse_mountinfo(b"".join(chosen)))
    return [(point, type_) for point, type_ in found if point != "/" and not point.startswith("/run/") and _GRAPH not in point]


def _copy_of(path: str, *, recursive: bool, readonly: bool) -> int:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        tree = syscalls.open_tree(handle, recursive=recursive)
    finally:
        os.close(handle)
    if readonly:
        syscalls.set_mount_attributes(tree, given=_ATTR_RDONLY, taken=0, recursive=recursive)
    return tree


def find_inside(root: int, path: str, *, follow: bool = True) -> int:
    """Open a path of the container as O_PATH. Errors: OSError as resolve_in_root."""
    with suppress(OSError):  # ENOSYS before Linux 5.6, EXDEV at links of /proc: the walk has the last word
        return syscalls.open_in_root(root, path, os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    return resolve_in_root(path_of(root), path, follow=follow)


def make_inside(root: int, path: str, *, directory: bool, links: int = 0) -> int:
    """Open a path of the container, and make what is missing of it: directories, and a file at its end unless *directory*."""
    path = os.path.normpath(f"/{path}")
    with suppress(FileNotFoundError):
        return find_inside(root, path)
    head, _, name = path.rpartition("/")
    parent = make_inside(root, head, directory=True, links=links)
    try:
        if directory:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=parent))
    except FileExistsError:  # a link to what is not there
        if links == _MOST_LINKS:
            raise
        target = os.path.join(head or "/", os.readlink(name, dir_fd=parent))
        return make_inside(root, target, directory=directory, links=links + 1)
    finally:
        os.close(parent)
    return find_inside(root, path)


def path_of(handle: int) -> str:
    """A path to what is held open, for system calls that want one."""
    return f"/proc/self/fd/{handle}"


def is_directory(handle: int) -> bool:
    """Whether an open file is a directory."""
    return stat.S_ISDIR(os.fstat(handle).st_mode)


def pivot(root: int) -> None:
    """Make it the root of this mount namespace, and let go of the old one. Nothing leads back: no chroot(2) is involved."""
    old = os.open("/", os.O_PATH | os.O_CLOEXEC)
    os.fchdir(root)
    with step("pivot_root", "; it takes a root of the host that can be moved, not a ramdisk"):
        syscalls.pivot_root(".", ".")
    # The old root lies over the new one: by name it is the new one's mounts that would change, those to be shared too.
    os.fchdir(old)
    os.close(old)
    # Whatever is unmounted below the old one must not reach the host.
    syscalls.mount(None, ".", None, syscalls.MS_SLAVE | syscalls.MS_REC)
    syscalls.unmount(".", syscalls.MNT_DETACH)
    os.chdir("/")


def enter_in_place(root: int) -> None:
    """Without a mount namespace that is all ours nothing can be pivoted without the host: all that is left is chroot(2)."""
    os.fchdir(root)
    os.chroot(".")


def unmount_in_place(rootfs: str) -> None:
    """Take away what ``open_root`` mounted in the host's mount namespace, with all that is mounted below."""
    with suppress(OSError):  # EINVAL: it was not mounted yet
        syscalls.unmount(rootfs, syscalls.MNT_DETACH)


def _mount_of(path: str) -> str:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        points = [line.split()[4] for line in file]
    path = os.path.realpath(path)
    return max((point for point in points if f"{path}/".startswith(f"{point.rstrip('/')}/")), key=len, default="/")
