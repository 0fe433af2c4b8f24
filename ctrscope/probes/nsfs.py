"""What the file of a namespace tells: its type and number, who owns it, and its parent.

*Source:* ioctl_nsfs(2), include/uapi/linux/nsfs.h. *Units:* descriptors of nsfs, as ``HostFs.namespace`` hands them out.
*Versions:* NS_GET_USERNS and NS_GET_PARENT since Linux 4.9, NS_GET_NSTYPE and NS_GET_OWNER_UID since 4.11, NS_GET_ID since
6.18.
"""

import errno
import fcntl
import os
import struct

from ctrscope.model.namespace import NamespaceId, NamespaceType

_NS_GET_USERNS, _NS_GET_PARENT, _NS_GET_NSTYPE, _NS_GET_OWNER_UID = 0xB701, 0xB702, 0xB703, 0xB704
_NS_GET_ID = 0x8008B70D  # _IOR(NSIO, 13, __u64)
#: CLONE_NEW… of include/uapi/linux/sched.h.
_TYPES = {
    0x02000000: NamespaceType.CGROUP,
    0x08000000: NamespaceType.IPC,
    0x00020000: NamespaceType.MNT,
    0x40000000: NamespaceType.NET,
    0x20000000: NamespaceType.PID,
    0x00000080: NamespaceType.TIME,
    0x10000000: NamespaceType.USER,
    0x04000000: NamespaceType.UTS,
}


def identify(handle: int) -> NamespaceId:
    """Type and inode number. Errors: ENOTTY when it is no namespace; EINVAL when it is of a type that is not known here."""
    number = fcntl.ioctl(handle, _NS_GET_NSTYPE)
    if (type_ := _TYPES.get(number)) is None:
        raise OSError(errno.EINVAL, f"a namespace of a type that is not known: {number:#x}")
    return NamespaceId(type_, os.fstat(handle).st_ino)


def read_owner_uid(handle: int) -> int:
    """Who made a user namespace: an effective user id, in our own user namespace. Errors: EINVAL for any other type."""
    uid: int = struct.unpack("I", fcntl.ioctl(handle, _NS_GET_OWNER_UID, bytes(4)))[0]
    return uid


def read_unique_id(handle: int) -> int:
    """The number that is never given twice since boot, which listns(2) uses. Errors: ENOTTY before Linux 6.18."""
    number: int = struct.unpack("Q", fcntl.ioctl(handle, _NS_GET_ID, bytes(8)))[0]
    return number


def open_owner(handle: int) -> int | None:
    """A descriptor, to be closed, of the user namespace that owns it.

    None: it is the initial one, or the owner is not below our own user namespace; EPERM does not say which.
    """
    return _open_relative(handle, _NS_GET_USERNS)


def open_parent(handle: int) -> int | None:
    """A descriptor, to be closed, of the parent of a PID or user namespace; None as of ``open_owner``.

    Errors: EINVAL for a type that knows no parents.
    """
    return _open_relative(handle, _NS_GET_PARENT)


def _open_relative(handle: int, request: int) -> int | None:
    try:
        return fcntl.ioctl(handle, request)  # O_CLOEXEC
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        return None
