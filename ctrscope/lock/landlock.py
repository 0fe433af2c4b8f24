"""Landlock: nothing below any directory may be made, written, removed or executed, no port bound or connected to.

Reading is not handled, hence allowed everywhere.

*Source:* landlock(7), include/uapi/linux/landlock.h. *Versions:* ABI 1 with Linux 5.13; TRUNCATE with ABI 3, networks with 4,
devices with 5, abstract sockets and signals with 6.
"""

import ctypes
import os
import struct

_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # the same on every architecture
_ASK_VERSION = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
#: ABI → how many rights on files it knows.
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_BIND_AND_CONNECT = 0b11
_ABSTRACT_AND_SIGNALS = 0b11
_libc = ctypes.CDLL(None, use_errno=True)


def landlock_version() -> int | None:
    """ABI of this kernel; None: it has none, or it is switched off."""
    version = int(_libc.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION))
    return version if version > 0 else None


def forbid_changes() -> None:
    """Enter a domain in which files can only be read. Errors: ENOSYS, EOPNOTSUPP where there is no Landlock."""
    version = _check(_libc.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION))
    files = (1 << _RIGHTS.get(version, 16)) - 1 & ~(_READ_FILE | _READ_DIR)
    fields = [files]
    if version >= 4:
        fields.append(_BIND_AND_CONNECT)
    if version >= 6:
        fields.append(_ABSTRACT_AND_SIGNALS)
    attributes = struct.pack(f"{len(fields)}Q", *fields)
    handle = _check(_libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    try:
        _check(_libc.syscall(_RESTRICT_SELF, handle, 0))
    finally:
        os.close(handle)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
