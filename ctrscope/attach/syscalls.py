"""System calls that Python lacks: setns, unshare, prctl, capget and capset, seccomp, pivot_root, mount and its younger sisters.

*Source:* setns(2), unshare(2), prctl(2), capset(2), seccomp(2), mount(2), open_tree(2), move_mount(2).
*Versions:* ``os.setns`` came with Python 3.12; the ``nsenter`` package knows neither cgroup nor time namespaces nor pidfds,
so setns(2) is called here for all eight.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Mapping

from ctrscope.model.namespace import NamespaceType
from ctrscope.model.value import Value

#: CLONE_NEW… of include/uapi/linux/sched.h.
CLONE_FLAGS = {
    NamespaceType.CGROUP: 0x02000000,
    NamespaceType.IPC: 0x08000000,
    NamespaceType.MNT: 0x00020000,
    NamespaceType.NET: 0x40000000,
    NamespaceType.PID: 0x20000000,
    NamespaceType.TIME: 0x00000080,
    NamespaceType.USER: 0x10000000,
    NamespaceType.UTS: 0x04000000,
}

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 1 << 5, 1 << 12
MS_REC, MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 14, 1 << 17, 1 << 18, 1 << 19, 1 << 20
MNT_DETACH = 2

#: Numbers of system calls. Those from 424 on are the same on every architecture.
_OPEN_TREE, _MOVE_MOUNT, _OPENAT2, _MOUNT_SETATTR = 428, 429, 437, 442
_RESOLVE_IN_ROOT = 0x10
_MACHINE = os.uname().machine  # now: a personality may change the answer
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_KEYCTL_JOIN_SESSION_KEYRING = 1
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_BPF = {"x86_64": 321, "aarch64": 280}
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_IOPRIO_WHO_PROCESS, _IOPRIO_CLASS_SHIFT = 1, 13
_SECCOMP_SET_MODE_FILTER = 1
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH, _MOVE_MOUNT_T_EMPTY_PATH = 4, 0x40
_AT_FDCWD = -100
_CAPABILITY_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Half(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


class CapabilityMasks(Value, frozen=True):
    """The three sets of capget(2); bit N is capability number N."""

    effective: int
    permitted: int
    inheritable: int


def setns(handle: int, type_: NamespaceType) -> None:
    """Join the namespace that *handle* refers to. Errors: EPERM, EINVAL (not of that type, or already there)."""
    _check(_libc.setns(handle, CLONE_FLAGS[type_]))


def setns_process(pidfd: int, types: Iterable[NamespaceType]) -> None:
    """Join several namespaces of a process at once: all or none. Errors: EPERM, EINVAL (before Linux 5.8)."""
    flags = 0
    for type_ in types:
        flags |= CLONE_FLAGS[type_]
    _check(_libc.setns(pidfd, flags))


def unshare(*types: NamespaceType) -> None:
    """Get new namespaces of those types. Errors: EPERM, ENOSPC (more than user.max_…_namespaces)."""
    flags = 0
    for type_ in types:
        flags |= CLONE_FLAGS[type_]
    _check(_libc.unshare(flags))


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount, or change how mounts below *target* propagate. Errors: EPERM, EINVAL."""
    names = (None if name is None else os.fsencode(name) for name in (source, target, kind))
    _check(_libc.mount(*names, ctypes.c_ulong(flags), os.fsencode(data) or None))


def unmount(target: str, flags: int) -> None:
    """Errors: EPERM, EINVAL, EBUSY."""
    _check(_libc.umount2(os.fsencode(target), flags))


def pivot_root(new: str, old: str) -> None:
    """Make the mount *new* the root, and put the one that was at *old*. Errors: EINVAL, EBUSY."""
    _check(_libc.syscall(_number(_PIVOT_ROOT, "pivot_root"), os.fsencode(new), os.fsencode(old)))


def open_in_root(root: int, path: str, flags: int) -> int:
    """Open a path as a process with that root directory would. Errors: ENOSYS before Linux 5.6, ELOOP for /proc/PID/fd/N."""
    how = struct.pack("=QQQ", flags, 0, _RESOLVE_IN_ROOT)
    return _check(_libc.syscall(_OPENAT2, root, os.fsencode(path), how, len(how)))


def set_mount_attributes(handle: int, *, given: int, taken: int, recursive: bool) -> None:
    """Change MOUNT_ATTR_… of the mount that *handle* refers to. Errors: EINVAL, EPERM, ENOSYS (before Linux 5.12)."""
    attributes = struct.pack("=QQQQ", given, taken, 0, 0)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    _check(_libc.syscall(_MOUNT_SETATTR, handle, b"", flags, attributes, len(attributes)))


def set_names(hostname: str, domainname: str) -> None:
    """Name this UTS namespace; what is empty stays. Errors: EPERM, EINVAL (longer than 64 bytes)."""
    for call, name in ((_libc.sethostname, os.fsencode(hostname)), (_libc.setdomainname, os.fsencode(domainname))):
        if name:
            _check(call(name, len(name)))


def join_new_keyring(name: str) -> None:
    """Get a session keyring of our own. Errors: ENOSYS, EDQUOT."""
    _check(_libc.syscall(_number(_KEYCTL, "keyctl"), _KEYCTL_JOIN_SESSION_KEYRING, os.fsencode(name)))


def set_personality(domain: int) -> None:
    """Choose an execution domain of personality(2)."""
    _check(_libc.personality(ctypes.c_ulong(domain)))


def open_tree(handle: int, *, recursive: bool = True) -> int:
    """A detached copy of the mount that *handle* refers to and of those below it. Errors: EINVAL, EPERM, ENOSYS."""
    flags = _OPEN_TREE_CLONE | _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0) | os.O_CLOEXEC
    return _check(_libc.syscall(_OPEN_TREE, handle, b"", flags))


def move_mount(handle: int, target: str | int) -> None:
    """Attach a detached mount to a path, or to what is held open. Errors: ENOENT, EINVAL, EPERM."""
    where = (_AT_FDCWD, os.fsencode(target), 0) if isinstance(target, str) else (target, b"", _MOVE_MOUNT_T_EMPTY_PATH)
    _check(_libc.syscall(_MOVE_MOUNT, handle, b"", *where[:2], _MOVE_MOUNT_F_EMPTY_PATH | where[2]))


def seccomp_filter(program: bytes, flags: int) -> None:
    """Load a filter for this thread. Errors: EACCES without no_new_privs and CAP_SYS_ADMIN, EINVAL."""
    arguments = _Program(len(program) // 8, program)
    _check(_libc.syscall(_number(_SECCOMP, "seccomp"), _SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(arguments)))


def bpf(command: int, attributes: bytes) -> int:
    """Give the kernel one command about BPF, with its part of union bpf_attr. Errors: EPERM, EINVAL, EACCES of the verifier."""
    number = _BPF.get(_MACHINE)
    if number is None:
        raise OSError(errno.ENOSYS, "bpf(2) has a number on x86-64 and arm64 only")
    return _check(_libc.syscall(number, command, attributes, len(attributes)))


def ioprio_set(pid: int, class_: int, priority: int) -> None:
    """Set the class (1 real time, 2 best effort, 3 idle) and priority of a thread's input and output. Errors: EPERM, EINVAL."""
    number = _IOPRIO_SET.get(_MACHINE)
    if number is None:
        raise OSError(errno.ENOSYS, "ioprio_set(2) has a number on x86-64 and arm64 only")
    _check(_libc.syscall(number, _IOPRIO_WHO_PROCESS, pid, class_ << _IOPRIO_CLASS_SHIFT | priority))


def prctl(option: int, *arguments: int) -> int:
    """Operate on this process or thread; up to four numbers after the option."""
    filled = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return _check(_libc.prctl(ctypes.c_int(option), *filled))


def capget() -> CapabilityMasks:
    """Capabilities of this thread."""
    halves = (_Half * 2)()
    _check(_libc.capget(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), halves))
    low, high = halves
    return CapabilityMasks(
        low.effective | high.effective << 32, low.permitted | high.permitted << 32, low.inheritable | high.inheritable << 32
    )


def capset(masks: CapabilityMasks) -> None:
    """Give this thread other capabilities. Errors: EPERM when a set would grow beyond what capabilities(7) allows."""
    sets = (masks.effective, masks.permitted, masks.inheritable)
    halves = (_Half * 2)(*((_Half(*(mask >> shift & 0xFFFFFFFF for mask in sets))) for shift in (0, 32)))
    _check(_libc.capset(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), halves))


def _number(numbers: Mapping[str, int], name: str) -> int:
    number = numbers.get(_MACHINE)
    if number is None:
        raise OSError(errno.ENOSYS, f"{name}(2) has a number on x86-64 and arm64 only")
    return number


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
