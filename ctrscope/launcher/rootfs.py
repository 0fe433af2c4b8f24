"""The root file system: copied into a mount of its own, its paths walked without ever leaving it, made the root.

*Source:* mount_namespaces(7), pivot_root(2), path_resolution(7). Whoever made the files below the root also made the links
there: a destination is walked with the root for "/" and held open (CVE-2019-19921, CVE-2021-30465), never named again.
"""

import os
import stat
from contextlib import suppress

from ctrscope.attach import syscalls
from ctrscope.launcher.errors import LauncherError
from ctrscope.probes.hostfs import resolve_in_root

PROPAGATIONS = {
    "private": syscalls.MS_PRIVATE,
    "shared": syscalls.MS_SHARED,
    "slave": syscalls.MS_SLAVE,
    "unbindable": syscalls.MS_UNBINDABLE,
}
PROPAGATIONS |= {f"r{name}": flag | syscalls.MS_REC for name, flag in PROPAGATIONS.items()}
_MOST_LINKS = 40
_ATTR_RDONLY = 1
_OTHERS = ("nsfs", "overlay", "tmpfs")


def open_root(rootfs: str, propagation: str, *, readonly: bool, is_apart: bool) -> int:
    """Mount the root file system over itself; returns its descriptor. *is_apart*: this mount namespace is all ours."""
    try:
        if is_apart:
            # What is unbindable could not be copied: that comes once it is the root.
            first = "rslave" if not propagation or "unbindable" in propagation else propagation
            syscalls.mount(None, "/", None, PROPAGATIONS[first])
        if is_apart and "shared" in propagation:
            syscalls.mount(None, _mount_of(rootfs), None, syscalls.MS_PRIVATE)  # pivot_root(2) takes no shared parent
        handle = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        root = syscalls.open_tree(handle)
        os.close(handle)
        if readonly and rootfs == "/":
            # The host's own: what is mounted below it is not to be written either. Every mount point is there already.
            syscalls.set_mount_attributes(root, given=_ATTR_RDONLY, taken=0, recursive=True)
        syscalls.move_mount(root, rootfs)
        if rootfs == "/":
            _let_go(root)
    except OSError as error:
        raise LauncherError(f"$.root.path: mounting {rootfs} over itself: {error.strerror}") from error
    return root


def _let_go(root: int) -> None:
    """Take out of a copy of the host's root what it would keep: namespaces, file systems of containers and in memory.

    Where mounts of the host are private nobody else would. In a user namespace they are locked together, and stay.
    """
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.partition(" - ") for line in file]
    held = {left.split()[4] for left, _, right in lines if right.split()[0] in _OTHERS} - {"/"}
    for point in sorted(held, reverse=True):
        with suppress(OSError):
            syscalls.unmount(f"{path_of(root)}{point}", syscalls.MNT_DETACH)


def find_inside(root: int, path: str, *, follow: bool = True) -> int:
    """Open a path of the container as O_PATH. Errors: OSError as resolve_in_root."""
    return resolve_in_root(path_of(root), path, follow=follow)


def make_inside(root: int, path: str, *, directory: bool, links: int = 0) -> int:
    """Open a path of the container, and make what is missing of it: directories, and a file at its end unless *directory*."""
    path = os.path.normpath(f"/{path}")
    for end in [number for number, sign in enumerate(path) if sign == "/" and number] + [len(path)]:
        head, _, name = path[:end].rpartition("/")
        try:
            os.close(find_inside(root, path[:end]))
            continue
        except FileNotFoundError:
            parent = find_inside(root, head or "/")
        try:
            if end < len(path) or directory:
                os.mkdir(name, 0o755, dir_fd=parent)
            else:
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=parent))
        except FileExistsError:  # a link to what is not there
            if links == _MOST_LINKS:
                raise
            target = os.path.join(head or "/", os.readlink(name, dir_fd=parent))
            os.close(make_inside(root, target, directory=directory or end < len(path), links=links + 1))
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
    os.fchdir(root)
    try:
        syscalls.pivot_root(".", ".")
    except OSError as error:
        raise LauncherError(
            f"pivot_root: {error.strerror}; it takes a root of the host that can be moved, not a ramdisk"
        ) from error
    # The old root lies over the new one. Whatever is unmounted below it must not reach the host.
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
