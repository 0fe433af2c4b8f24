"""A process becomes what it was planned to be: ids, groups, the five sets of capabilities, no_new_privs, its seccomp filter.

*Source:* capabilities(7) "Programmatically adjusting capability sets", credentials(7), seccomp(2).

A seccomp filter is loaded as late as it can be, for it has to permit what comes after it: under no_new_privs at the very
end, which is the caller's; otherwise while there still is the capability that it takes. As with the runtimes, capset(2) and
prctl(2) come after it then.
"""

import _signal as signal
import os
from collections.abc import Iterator
from contextlib import suppress

from ctrscope.attach import syscalls
from ctrscope.attach.confinement import Filter
from ctrscope.attach.credentials import Credentials


def become(credentials: Credentials, filter_: Filter | None) -> None:
    """Take ids and capabilities, and the filter unless no_new_privs lets that wait. Errors: OSError.

    A capability that we lack cannot be given, and is not: our own sets are the bound.
    """
    capabilities = credentials.capabilities
    if capabilities is not None:
        _drop_bounding(capabilities.bounding)
    syscalls.prctl(syscalls.PR_SET_KEEPCAPS, 1)
    with suppress(PermissionError):  # /proc/PID/setgroups says "deny", user_namespaces(7): nobody in there can
        os.setgroups(credentials.groups)
    os.setresgid(credentials.gid, credentials.gid, credentials.gid)
    os.setresuid(credentials.uid, credentials.uid, credentials.uid)
    own = syscalls.capget()
    if filter_ is not None and not credentials.no_new_privs:
        # Another uid than root's has the capability still, but not in effect.
        syscalls.capset(syscalls.CapabilityMasks(own.permitted, own.permitted, own.inheritable))
        load_filter(filter_)
    if capabilities is not None:
        permitted = capabilities.permitted & own.permitted
        inheritable = capabilities.inheritable & permitted
        syscalls.capset(syscalls.CapabilityMasks(capabilities.effective & permitted, permitted, inheritable))
        for number in _bits(capabilities.ambient & inheritable):
            syscalls.prctl(syscalls.PR_CAP_AMBIENT, syscalls.PR_CAP_AMBIENT_RAISE, number)
    if credentials.no_new_privs:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)


def load_filter(filter_: Filter) -> None:
    """Load a seccomp filter for this thread. Errors: EACCES without no_new_privs and CAP_SYS_ADMIN."""
    syscalls.seccomp_filter(filter_.program, filter_.flags)


def write_own(file: str, text: str) -> None:
    """Write a file of /proc/self. Errors: OSError."""
    handle = os.open(f"/proc/self/{file}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, text.encode("utf-8", "surrogateescape"))
    finally:
        os.close(handle)


def reset_signals() -> None:
    """As a new process has them: nothing ignored (Python ignores SIGPIPE), nothing blocked."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except OSError:
            continue  # EINVAL: a real-time signal that the C library keeps
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def hide() -> None:
    """No tracing, and /proc/PID is root's. Every change of ids or of the user namespace undoes it."""
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)


def keep_from_exec(kept: int = 0) -> None:
    """Close whatever our caller left open (``3<secret``) at exec, too, but the first *kept* of them; our own do so anyway."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), int(name) <= 2 + kept)
            except OSError:
                continue  # EBADF: the one that listed them


def _drop_bounding(kept: int) -> None:
    for number in range(64):
        try:
            present = syscalls.prctl(syscalls.PR_CAPBSET_READ, number)
        except OSError:
            return  # EINVAL: this kernel has no more of them
        if present and not kept >> number & 1:
            syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)


def _bits(mask: int) -> Iterator[int]:
    return (number for number in range(mask.bit_length()) if mask >> number & 1)
