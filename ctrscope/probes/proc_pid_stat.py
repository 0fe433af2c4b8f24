"""/proc/PID/stat: name, state, parent, CPU time and start time of one process.

*Source:* proc_pid_stat(5), for instance ``4711 (a b) c) S 1 4711 4711 0 -1 …``.
The name may hold spaces and parentheses: it ends at the *last* ``)``.

*Kernel:* a main thread that ended before the others (pthread_exit(3)) is a zombie, too; the process lives on in those.
"""

from ctrscope.model.gap import ParseError
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs

_KTHREAD = 0x00200000  # PF_KTHREAD of include/linux/sched.h


class Stat(Value, frozen=True):
    """Fields of proc_pid_stat(5) that we use."""

    pid: int
    comm: str  # at most 15 bytes; bytes that are not UTF-8 are surrogates
    state: str
    ppid: int
    is_kernel_thread: bool
    utime_ticks: int
    stime_ticks: int
    starttime_ticks: int  # after boot
    has_ended: bool  # no thread of it is left; *state* is only that of the main thread


def read_stat(host: HostFs, pid: int) -> Stat:
    """Read and parse. Errors: ENOENT or ESRCH when the process is gone; ParseError."""
    return parse_stat(host.read(f"/proc/{pid}/stat"))


def parse_stat(text: bytes) -> Stat:
    """Parse the one line of /proc/PID/stat."""
    opening, closing = text.find(b"("), text.rfind(b")")
    fields = text[closing + 2 :].split(None, 20)
    try:
        if opening < 0 or closing < opening:
            raise ValueError("no name in parentheses")
        state = fields[0].decode("ascii")
        return Stat(
            pid=int(text[:opening]),
            comm=text[opening + 1 : closing].decode("utf-8", "surrogateescape"),
            state=state,
            ppid=int(fields[1]),
            is_kernel_thread=bool(int(fields[6]) & _KTHREAD),
            utime_ticks=int(fields[11]),
            stime_ticks=int(fields[12]),
            starttime_ticks=int(fields[19]),
            has_ended=state in "ZX" and int(fields[17]) < 2,
        )
    except (ValueError, IndexError) as error:
        raise ParseError(f"not a stat line: {error}") from error
