"""System calls that Python lacks: setns, prctl, capget and capset.

*Source:* setns(2), prctl(2), capset(2). *Versions:* ``os.setns`` came with Python 3.12; the ``nsenter`` package knows
neither cgroup nor time namespaces, so setns(2) is called here for all eight.
"""

import ctypes
import os
from typing import NamedTuple

from ctrscope.model.namespace import NamespaceType

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

_CAPABILITY_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Half(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


class CapabilityMasks(NamedTuple):
    """The three sets of capget(2); bit N is capability number N."""

    effective: int
    permitted: int
    inheritable: int


def setns(handle: int, type_: NamespaceType) -> None:
    """Join the namespace that *handle* refers to. Errors: EPERM, EINVAL (not of that type, or already there)."""
    _check(_libc.setns(handle, CLONE_FLAGS[type_]))


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
    halves = (_Half * 2)(*((_Half(*(mask >> shift & 0xFFFFFFFF for mask in masks))) for shift in (0, 32)))
    _check(_libc.capset(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), halves))


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
