"""The mounts of a container, in their order: what is bound, what is new, what is covered or read-only.

*Source:* OCI runtime specification, config.md "Mounts"; mount(2), mount(8); cgroups(7). ``tmpcopyup`` is crun's and runc's.
*Versions:* options that hold for all below (``rro``) take Linux 5.12.
"""

import errno
import os
import stat
from collections.abc import Mapping, Sequence

from ctrscope.attach import syscalls
from ctrscope.attach.syscalls import MS_BIND, MS_RDONLY, MS_REC, MS_REMOUNT
from ctrscope.launcher.rootfs import PROPAGATIONS, find_inside, is_directory, make_inside, path_of
from ctrscope.model.value import Value
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.spec import Mount
from ctrscope.probes.cgroupfs import read_layout
from ctrscope.probes.hostfs import HostFs

#: Option → what it sets, or with a minus what it takes away.
_FLAGS = {
    "ro": MS_RDONLY, "rw": -MS_RDONLY, "nosuid": 2, "suid": -2, "nodev": 4, "dev": -4, "noexec": 8, "exec": -8, "sync": 16,
    "async": -16, "remount": MS_REMOUNT, "mand": 64, "nomand": -64, "dirsync": 128, "nosymfollow": 256, "symfollow": -256,
    "noatime": 1 << 10, "atime": -(1 << 10), "nodiratime": 1 << 11, "diratime": -(1 << 11), "bind": MS_BIND,
    "rbind": MS_BIND | MS_REC, "silent": 1 << 15, "loud": -(1 << 15), "relatime": 1 << 21, "norelatime": -(1 << 21),
    "iversion": 1 << 23, "noiversion": -(1 << 23), "strictatime": 1 << 24, "nostrictatime": -(1 << 24), "lazytime": 1 << 25,
    "nolazytime": -(1 << 25), "defaults": 0,
}  # fmt: skip
#: MOUNT_ATTR_… for the mount and all below it: given and taken.
_RECURSIVE = {
    "rro": (1, 0), "rrw": (0, 1), "rnosuid": (2, 0), "rsuid": (0, 2), "rnodev": (4, 0), "rdev": (0, 4), "rnoexec": (8, 0),
    "rexec": (0, 8), "rnosymfollow": (1 << 21, 0), "rsymfollow": (0, 1 << 21),
}  # fmt: skip
#: Flags that are attributes of one mount by the same numbers: ro nosuid nodev noexec.
_ATTRIBUTES = 15
#: Of what a mount has, what an ordinary user must not lose when it is changed: mount_namespaces(7) "locked".
_LOCKED = (MS_RDONLY, 2, 4, 8, 1 << 10, 1 << 11)


class Options(Value, frozen=True, kw_only=True):
    """What the options of a mount come to."""

    flags: int = 0
    propagations: tuple[int, ...] = ()
    given: int = 0
    taken: int = 0
    copy_up: bool = False
    data: str = ""

    @property
    def is_bind(self) -> bool:
        """Whether something of the host is shown rather than a file system made."""
        return bool(self.flags & MS_BIND)


def parse_options(options: Sequence[str]) -> Options:
    """Sort the options; what is not known here is the file system's."""
    flags, given, taken, propagations, data, copy_up = 0, 0, 0, [], [], False
    for option in options:
        if option in _FLAGS:
            flag = _FLAGS[option]
            flags = flags & ~-flag if flag < 0 else flags | flag
        elif option in PROPAGATIONS:
            propagations.append(PROPAGATIONS[option])
        elif option in _RECURSIVE:
            more, less = _RECURSIVE[option]
            given, taken = given & ~less | more, taken & ~more | less
        elif option == "tmpcopyup":
            copy_up = True
        else:
            data.append(option)
    return Options(
        flags=flags, propagations=tuple(propagations), given=given, taken=taken, copy_up=copy_up, data=",".join(data)
    )


def known_options() -> list[str]:
    """Those that are not left to the file system."""
    return [*_FLAGS, *_RECURSIVE, *PROPAGATIONS, "tmpcopyup"]


def mount_inside(root: int, mount: Mount, bundle: str, source: int | None = None) -> None:
    """Make one mount. *source* is a detached copy of what is to be bound, where its name leads there no more."""
    options = parse_options(mount.options)
    where = os.path.join(bundle, mount.source)
    is_file = options.is_bind and source is None and not os.path.isdir(where)
    if source is not None:
        is_file = not is_directory(source)
    if mount.type in ("proc", "sysfs"):
        _refuse_link(root, mount.destination)
    mode = _mode_of(root, mount.destination) if mount.type == "tmpfs" and "mode=" not in options.data else None
    target = make_inside(root, mount.destination, directory=not is_file)
    try:
        if source is not None:
            syscalls.move_mount(source, target)
        elif options.is_bind:
            if not os.path.exists(where):
                raise LauncherError(f"mount {mount.destination}: its source {where} does not exist")
            syscalls.mount(where, path_of(target), None, options.flags & (MS_BIND | MS_REC))
        else:
            data = options.data if mode is None else f"{options.data},mode={mode:o}".lstrip(",")
            syscalls.mount(mount.source or mount.type, path_of(target), mount.type, options.flags, data)
        _finish(root, mount.destination, options, target)
    except OSError as error:
        what = f"{mount.type or 'bind'} of {mount.source or 'nothing'}, {','.join(mount.options)}"
        raise LauncherError(f"mount {mount.destination} ({what}): {error.strerror}") from error
    finally:
        os.close(target)


def _mode_of(root: int, path: str) -> int | None:
    """A tmpfs over a directory has its mode, as runc has it, and without one that of /tmp."""
    try:
        handle = find_inside(root, path)
    except OSError:
        return None
    try:
        return os.fstat(handle).st_mode & 0o7777
    finally:
        os.close(handle)


def _finish(root: int, destination: str, options: Options, below: int) -> None:
    """What holds for the mount once it is there."""
    has_flags = options.is_bind and options.flags & ~(MS_BIND | MS_REC)
    if not (has_flags or options.copy_up or options.propagations or options.given or options.taken):
        return
    top = find_inside(root, destination)
    try:
        if options.copy_up:
            _copy(below, top)
        if has_flags:
            remount(top, options.flags)
        for propagation in options.propagations:
            syscalls.mount(None, path_of(top), None, propagation)
        if options.given or options.taken:
            syscalls.set_mount_attributes(top, given=options.given, taken=options.taken, recursive=True)
    finally:
        os.close(top)


def remount(top: int, flags: int) -> None:
    """Give a bind mount flags; in a user namespace it keeps those that it is not ours to take."""
    flags = flags & ~MS_REC | MS_BIND | MS_REMOUNT
    try:
        syscalls.mount(None, path_of(top), None, flags)
    except PermissionError:
        kept = os.fstatvfs(top).f_flag
        syscalls.mount(None, path_of(top), None, flags | sum(flag for flag in _LOCKED if kept & flag))


def make_readonly(root: int, path: str) -> None:
    """What is there stays as it is; what is not there needs nothing."""
    try:
        target = find_inside(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        syscalls.mount(path_of(target), path_of(target), None, MS_BIND | MS_REC)
        _set_readonly(root, path)
    finally:
        os.close(target)


def _set_readonly(root: int, path: str) -> None:
    top = find_inside(root, path)
    try:
        remount(top, MS_RDONLY | os.fstatvfs(top).f_flag & sum(_LOCKED))
    finally:
        os.close(top)


def mask(root: int, path: str) -> None:
    """Cover a file by nothing and a directory by an empty one; what is not there needs nothing."""
    try:
        target = find_inside(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if is_directory(target):
            syscalls.mount("tmpfs", path_of(target), "tmpfs", MS_RDONLY, "size=0,mode=755")
        else:
            syscalls.mount("/dev/null", path_of(target), None, MS_BIND)
    finally:
        os.close(target)


def hierarchy_names(directories: Mapping[str, str]) -> dict[str, str]:
    """Controller → the name of its hierarchy's mount on the host; in another cgroup namespace they are hard to find."""
    layout = read_layout(HostFs())
    return {name: os.path.basename(layout.mounts[name]) for name in directories} if layout is not None else {}


def mount_cgroups(
    root: int, mount: Mount, directories: Mapping[str, str], names: Mapping[str, str], *, own_namespace: bool
) -> None:
    """Show the container its cgroup: v2 as one file system, on v1 one directory a hierarchy below a tmpfs.

    *Kernel:* a hierarchy of v1 that is mounted anew waits for cgroups that are going away, 30 ms each on a busy host. A copy
    of the host's mount shows the same, and as its root too, from inside a cgroup namespace.
    """
    flags = parse_options(mount.options).flags & ~(MS_BIND | MS_REC)
    if set(directories) == {""}:
        target = make_inside(root, mount.destination, directory=True)
        if own_namespace:
            syscalls.mount("cgroup", path_of(target), "cgroup2", flags)
        else:
            _show(directories[""], target, flags)
        os.close(target)
        return
    tmpfs = Mount(
        destination=mount.destination, type="tmpfs", source="tmpfs", options=("nosuid", "nodev", "noexec", "mode=755")
    )
    mount_inside(root, tmpfs, "/")
    together: dict[str, list[str]] = {}
    for controller in directories:
        together.setdefault(names[controller], []).append(controller)
    top = find_inside(root, mount.destination)
    for name, controllers in together.items():
        os.mkdir(name, 0o755, dir_fd=top)
        target = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
        _show(directories[controllers[0]], target, flags)
        os.close(target)
        for controller in controllers if len(controllers) > 1 else ():
            os.symlink(name, controller, dir_fd=top)
    os.close(top)
    if flags & MS_RDONLY:
        _set_readonly(root, mount.destination)


def _show(directory: str, target: int, flags: int) -> None:
    """Mount a copy of the host's cgroup directory."""
    handle = os.open(directory, os.O_PATH | os.O_CLOEXEC)
    tree = syscalls.open_tree(handle, recursive=False)
    syscalls.set_mount_attributes(tree, given=flags & _ATTRIBUTES, taken=0, recursive=False)
    syscalls.move_mount(tree, target)
    os.close(tree)
    os.close(handle)


def _refuse_link(root: int, destination: str) -> None:
    try:
        handle = find_inside(root, destination, follow=False)
    except OSError:
        return
    is_link = stat.S_ISLNK(os.fstat(handle).st_mode)
    os.close(handle)
    if is_link:
        raise LauncherError(f"mount {destination}: refused: it is a link in the root file system, and has to be a directory")


def _copy(below: int, top: int) -> None:
    """Fill a new tmpfs with what it covers."""
    import subprocess

    pid = os.readlink("/proc/self")  # by the number that this /proc has for us
    mode = os.fstat(top).st_mode
    names = (f"/proc/{pid}/fd/{below}/.", f"/proc/{pid}/fd/{top}")
    done = subprocess.run(["cp", "-a", *names], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode:
        raise OSError(errno.EIO, done.stderr.strip())
    os.chmod(path_of(top), mode & 0o7777)
