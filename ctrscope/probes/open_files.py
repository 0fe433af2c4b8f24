"""How many files we may have open: raised where interface files stay open between two looks, put back for whom we start.

*Source:* getrlimit(2) RLIMIT_NOFILE. The soft limit is low for programs that call select(2), which is not for us to change.
"""

import resource
from contextlib import suppress

_MOST = 65536
_FOR_THE_REST = 256
_usual: list[tuple[int, int]] = []  # soft and hard limit before they were raised


def raise_open_files() -> int:
    """Raise the soft limit as far as it goes; gives how many files may stay open, without some for everything else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if 0 <= soft < wanted:
        with suppress(OSError, ValueError):  # locked for reading
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            _usual.append((soft, hard))
            soft = wanted
    return max(0, (soft if soft >= 0 else _MOST) - _FOR_THE_REST)


def put_back_open_files() -> None:
    """Give this process, which is about to become another program, the limits that we were started with."""
    if _usual:
        resource.setrlimit(resource.RLIMIT_NOFILE, _usual[0])
