"""Bind mounts of namespaces in a mount namespace that no process is in, so that there is no mountinfo to read.

*Source:* listmount(2), statmount(2), include/uapi/linux/mount.h ``struct mnt_id_req``, ``struct statmount``; ioctl_nsfs(2)
``NS_GET_MNTNS_ID``. *Needs:* CAP_SYS_ADMIN in the user namespace that owns the mount namespace.
*Versions:* of another mount namespace than our own since Linux 6.11; ENOSYS before 6.8, ENOTTY or EINVAL in between.
"""

import ctypes
import errno
import fcntl
import os
import struct
from typing import NamedTuple

_NS_GET_MNTNS_ID = 0x8008B705  # _IOR(NSIO, 5, __u64)
_SYS_STATMOUNT, _SYS_LISTMOUNT = 457, 458  # on every architecture but alpha and mips
_LSMT_ROOT = 0xFFFFFFFFFFFFFFFF
_SB_BASIC, _MNT_ROOT, _MNT_POINT = 0x1, 0x8, 0x10  # STATMOUNT_…
_NSFS_MAGIC = 0x6E736673  # include/uapi/linux/magic.h
_STRINGS = 512  # where the strings of struct statmount begin
_PAGE = 512  # ids for one call
_BUFFER = _STRINGS + 2 * 4096  # two paths


class NsfsMount(NamedTuple):
    """One bind mount of a namespace."""

    root: str  # "net:[4026532281]"
    mount_point: str  # from the root of its mount namespace


def list_nsfs_mounts(handle: int) -> tuple[NsfsMount, ...]:
    """Those in the mount namespace that *handle* is open for. Errors: ENOSYS, ENOTTY, EINVAL, EPERM."""
    namespace: int = struct.unpack("Q", fcntl.ioctl(handle, _NS_GET_MNTNS_ID, bytes(8)))[0]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    ids = (ctypes.c_uint64 * _PAGE)()
    buffer = ctypes.create_string_buffer(_BUFFER)
    found = []
    after = 0
    while count := _call(libc, _SYS_LISTMOUNT, encode_request(_LSMT_ROOT, after, namespace), ids, _PAGE):
        for number in ids[:count]:
            try:
                request = encode_request(number, _SB_BASIC | _MNT_ROOT | _MNT_POINT, namespace)
                _call(libc, _SYS_STATMOUNT, request, buffer, _BUFFER)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EOVERFLOW):  # unmounted meanwhile; paths longer than any path
                    continue
                raise
            if (mount := parse_statmount(buffer.raw)) is not None:
                found.append(mount)
        after = ids[count - 1]
    return tuple(found)


def encode_request(mount: int, parameter: int, namespace: int) -> bytes:
    """``struct mnt_id_req``; the parameter is what is asked of statmount(2), the last id seen of listmount(2)."""
    size, spare = 32, 0
    return struct.pack("=IIQQQ", size, spare, mount, parameter, namespace)


def parse_statmount(answer: bytes) -> NsfsMount | None:
    """``struct statmount`` of a mount of nsfs; None of any other."""
    (magic,) = struct.unpack_from("=Q", answer, 24)
    if magic != _NSFS_MAGIC:
        return None
    root, point = struct.unpack_from("=II", answer, 104)
    return NsfsMount(_string(answer, root), _string(answer, point))


def _string(answer: bytes, offset: int) -> str:
    start = _STRINGS + offset
    return answer[start : answer.index(b"\0", start)].decode("utf-8", "surrogateescape")


def _call(
    libc: ctypes.CDLL,
    number: int,
    request: bytes,
    answer: ctypes.Array[ctypes.c_uint64] | ctypes.Array[ctypes.c_char],
    size: int,
) -> int:
    result: int = libc.syscall(
        ctypes.c_long(number), ctypes.create_string_buffer(request, len(request)), answer, ctypes.c_size_t(size), 0
    )
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
