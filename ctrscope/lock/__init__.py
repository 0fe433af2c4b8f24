"""LOCK: the process gives up, before it reads, whatever could change something; the kernel sees to it.

no_new_privs, capabilities down to those that reading needs, a seccomp filter that lets nothing through but reading, and for an
image Landlock. Landlock cannot be had where processes are looked at: a process in a Landlock domain may not look into any that
is not (ptrace access mode, since Linux 5.13), and namespaces, root directory and environment of others are behind that check.

*Source:* seccomp(2), capabilities(7), landlock(7), PR_SET_NO_NEW_PRIVS of prctl(2).
"""

import sys
from collections.abc import Callable

from ctrscope.attach.syscalls import PR_SET_NO_NEW_PRIVS, CapabilityMasks, capget, capset, prctl, seccomp_filter
from ctrscope.lock.landlock import forbid_changes, landlock_version
from ctrscope.lock.reading_filter import read_only_filter
from ctrscope.model.gap import Gap, gap_of

__all__ = ["NEEDS", "landlock_version", "lock", "seccomp_is_there"]

_DAC_READ_SEARCH, _NET_ADMIN, _SYS_PTRACE, _SYS_ADMIN, _SYSLOG = 2, 12, 19, 21, 34
#: Files and processes of others, network namespaces, what nf_tables and netlink tell only to CAP_NET_ADMIN, the kernel log.
_KEPT = (_DAC_READ_SEARCH, _SYS_PTRACE, _SYS_ADMIN, _NET_ADMIN, _SYSLOG)
_TSYNC = 1  # SECCOMP_FILTER_FLAG_TSYNC: every thread


def lock(*, image: bool) -> tuple[Gap, ...]:
    """Lock this process for good. Gaps: what this kernel would not do.

    *image*: no process will be looked at, so that Landlock is possible too.
    """
    sys.dont_write_bytecode = True
    steps: list[tuple[str, Callable[[], object]]] = [
        ("no_new_privs", lambda: prctl(PR_SET_NO_NEW_PRIVS, 1)),
        ("capabilities", _drop),
        *([("landlock", forbid_changes)] if image else []),
        ("seccomp", lambda: seccomp_filter(read_only_filter(), _TSYNC)),
    ]
    gaps = []
    for name, step in steps:
        try:
            step()
        except OSError as error:
            gaps.append(gap_of(error, "host", (f"lock.{name}",), f"{name} of this process", NEEDS[name]))
    return tuple(gaps)


def seccomp_is_there() -> bool:
    """Whether this kernel has filters, and we one for this machine."""
    try:
        read_only_filter()
        return prctl(_PR_GET_SECCOMP) >= 0
    except OSError:
        return False


_PR_GET_SECCOMP = 21
#: What each step takes.
NEEDS = {
    "no_new_privs": "Linux 3.5",
    "capabilities": None,
    "landlock": "Linux 5.13 with CONFIG_SECURITY_LANDLOCK, and landlock in lsm=",
    "seccomp": "CONFIG_SECCOMP_FILTER, on x86-64 or arm64",
}


def _drop() -> None:
    """Keep those that reading needs, as far as we have them, and none to hand on."""
    mask = sum(1 << number for number in _KEPT)
    now = capget()
    capset(CapabilityMasks(effective=now.effective & mask, permitted=now.permitted & mask, inheritable=0))
