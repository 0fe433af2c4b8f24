"""``linux.seccomp`` compiled. The last filter is remembered: most containers have the same, which takes libseccomp 5 to 15 ms.

*Source:* seccomp(2); hier(7) and the XDG base directory specification for where. *Shape:* digest of the rest; digest of the
profile and of libseccomp's version; flags; program.
"""

import os
import struct
from _blake2 import blake2b  # hashlib loads OpenSSL first
from contextlib import suppress

import msgspec

from ctrscope.attach.confinement import Filter
from ctrscope.attach.seccomp import Profile, compile_filter, library_version
from ctrscope.model.gap import ParseError
from ctrscope.oci.errors import LauncherError, SpecError
from ctrscope.oci.state import write_whole

_SIZE = 32  # bytes of a digest
_LIMIT = 65536


def compile_seccomp(profile: Profile) -> Filter:
    """Compile it, unless it is the one that was compiled last. Errors: SpecError, LauncherError without libseccomp."""
    path = f"{_cache()}/seccomp.filter"
    try:
        key = _digest(repr(library_version()).encode() + msgspec.json.encode(profile))
        known = _read(path)
        if known[:_SIZE] == _digest(known[_SIZE:]) and known[_SIZE : 2 * _SIZE] == key:
            return Filter(known[2 * _SIZE + 4 :], *struct.unpack_from("=I", known, 2 * _SIZE))
        compiled = compile_filter(profile)
    except ParseError as error:
        raise SpecError(f"$.linux.{error}") from None
    except OSError as error:
        raise LauncherError(f"$.linux.seccomp: libseccomp cannot be used: {error}; install libseccomp2") from error
    body = key + struct.pack("=I", compiled.flags) + compiled.program
    with suppress(OSError):  # EROFS, EACCES: it goes without
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        write_whole(path, _digest(body) + body)
    return compiled


def _cache() -> str:
    if os.geteuid() == 0:
        return "/var/cache/ctrscope"
    return f"{os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')}/ctrscope"


def _read(path: str) -> bytes:
    """What is remembered; nothing where there is none, or it is not ours."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    with open(handle, "rb", buffering=0) as file:
        return (file.read(_LIMIT) or b"") if os.fstat(handle).st_uid == os.geteuid() else b""


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=_SIZE).digest()
