"""Every namespace that the kernel has, from the kernel itself: no process needs to be in it, and none is asked.

*Source:* listns(2), include/uapi/linux/nsfs.h ``struct ns_id_req``, ``struct nsfs_file_handle``; open_by_handle_at(2).
*Shape:* ids are unique since boot (``NS_GET_ID``) and not inode numbers; a file handle made from one opens the namespace.
*Versions:* listns(2) since Linux 6.19, ENOSYS before; handles since 6.18. Namespaces that only the kernel itself still
refers to (by a socket, say) are not listed.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

_SYS_LISTNS = 470  # on every architecture but alpha and mips
_PAGE = 512  # ids for one call
_FD_NSFS_ROOT = -10003  # include/uapi/linux/fcntl.h
_FILEID_NSFS = 0xF1  # include/linux/exportfs.h
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def list_namespaces() -> tuple[int, ...]:
    """Unique ids of all namespaces that we may see. Errors: ENOSYS before Linux 6.19."""
    found: list[int] = []
    while page := _listns(encode_request(found[-1] if found else 0)):
        found += page
    return tuple(found)


@contextmanager
def opened(number: int) -> Iterator[int]:
    """Hold the namespace of that unique id open.

    Errors: ESTALE when it is gone or not for us to see; EBADF before Linux 6.18; EPERM.
    """
    buffer = ctypes.create_string_buffer(encode_handle(number))
    handle = _libc.open_by_handle_at(_FD_NSFS_ROOT, buffer, os.O_RDONLY | os.O_CLOEXEC)
    if handle < 0:
        raise _error()
    try:
        yield handle
    finally:
        os.close(handle)


def encode_request(after: int) -> bytes:
    """``struct ns_id_req``: all types, of every owner, with ids above *after*."""
    size, spare, types, owner = 32, 0, 0, 0
    return struct.pack("=IIQIIQ", size, spare, after, types, spare, owner)


def encode_handle(number: int) -> bytes:
    """``struct file_handle`` around ``struct nsfs_file_handle``, with type and inode number left to the kernel."""
    handle = struct.pack("=QII", number, 0, 0)
    return struct.pack("=Ii", len(handle), _FILEID_NSFS) + handle


def _listns(request: bytes) -> list[int]:
    """One page of ids, ascending; empty at the end."""
    ids = (ctypes.c_uint64 * _PAGE)()
    count = _libc.syscall(
        ctypes.c_long(_SYS_LISTNS), ctypes.create_string_buffer(request, len(request)), ids, ctypes.c_size_t(_PAGE), 0
    )
    if count < 0:
        error = _error()
        if error.errno == errno.ENOENT:  # the namespace of the last id is gone, and it was the last
            return []
        raise error
    return list(ids[:count])


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
