"""/proc/PID/limits: resource limits of one process.

*Source:* proc_pid_limits(5), getrlimit(2). One limit a line, soft and hard: ``Max open files   1024   4096   files``.
"""

from ctrscope.model.cgroup import Limit
from ctrscope.model.gap import ParseError

_NOFILE = b"Max open files"


def parse_nofile(text: bytes) -> Limit:
    """Soft RLIMIT_NOFILE: the number one higher than any descriptor that the process may get. Errors: ParseError."""
    for line in text.splitlines():
        if line.startswith(_NOFILE):
            words = line[len(_NOFILE) :].split()
            if words and words[0] == b"unlimited":
                return "max"
            if words and words[0].isdigit():
                return int(words[0])
            raise ParseError(f"not a limit: {line[:60]!r}")
    raise ParseError("no line 'Max open files'")
