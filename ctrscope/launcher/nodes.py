"""Device nodes and the links of /dev.

*Source:* OCI runtime specification, config-linux "Default Devices" and runtime-linux "Dev symbolic links".
"""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress

from ctrscope.attach import syscalls
from ctrscope.launcher.rootfs import find_inside, make_inside, path_of
from ctrscope.oci.errors import LauncherError
from ctrscope.oci.spec import Device

_DEFAULT = tuple(
    Device(type="c", path=f"/dev/{name}", major=major, minor=minor)
    for name, major, minor in (
        ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0),
    )
)  # fmt: skip
_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
_KINDS = {"b": stat.S_IFBLK, "c": stat.S_IFCHR, "u": stat.S_IFCHR, "p": stat.S_IFIFO}


def make_nodes(root: int, devices: Iterable[Device]) -> None:
    """Make the devices that were asked for, and of the default ones those that were not. What is there already stays."""
    asked = {os.path.normpath(device.path): device for device in devices}
    for path, device in ({device.path: device for device in _DEFAULT} | asked).items():
        parent = make_inside(root, os.path.dirname(path), directory=True)
        try:
            name, mode = os.path.basename(path), 0o666 if device.file_mode is None else device.file_mode & 0o7777
            os.mknod(name, _KINDS[device.type] | mode, os.makedev(device.major, device.minor), dir_fd=parent)
            os.chown(name, device.uid, device.gid, dir_fd=parent, follow_symlinks=False)
        except FileExistsError:
            continue
        except PermissionError:
            target = make_inside(root, device.path, directory=False)  # EPERM: in a user namespace nobody makes device nodes
            syscalls.mount(device.path, path_of(target), None, syscalls.MS_BIND)
            os.close(target)
        except OSError as error:  # EROFS: it is the host's own /dev, below its root
            what = f"$.linux.devices: {path} cannot be made: {error.strerror}"
            raise LauncherError(f"{what}; have $.mounts put a tmpfs on {os.path.dirname(path)}") from error
        finally:
            os.close(parent)


def make_links(root: int) -> None:
    """What programs expect in /dev."""
    parent = make_inside(root, "/dev", directory=True)
    links = _LINKS | ({"core": "/proc/kcore"} if os.path.exists("/proc/kcore") else {})
    with suppress(OSError):  # ENOENT: it has no devpts
        os.close(find_inside(root, "/dev/pts/ptmx"))
        links["ptmx"] = "pts/ptmx"
    try:
        for name, target in links.items():
            with suppress(FileExistsError):
                os.symlink(target, name, dir_fd=parent)
    finally:
        os.close(parent)
