"""/proc/PID/environ: the environment a process was started with.

*Source:* proc_pid_environ(5): ``NAME=value`` strings, NUL separated. What the process changed later may not show, and a
process may overwrite it.
"""

from collections.abc import Iterable, Mapping

from ctrscope.probes.hostfs import HostFs

#: execve(2) takes at most a quarter of the stack limit: 2 MiB with the usual 8 MiB.
_LIMIT = 4 * 1024 * 1024


def read_environ(host: HostFs, pid: int) -> Mapping[str, str]:
    """Read and parse. Errors: ENOENT or ESRCH when the process is gone, EACCES without the right to trace it, EFBIG."""
    return parse_environ(host.read(f"/proc/{pid}/environ", limit=_LIMIT))


def parse_environ(text: bytes) -> Mapping[str, str]:
    """Name → value; of two with the same name the first counts, as for getenv(3). Strings without ``=`` are ignored."""
    return environment_of(text.decode("utf-8", "surrogateescape").split("\0"))


def environment_of(strings: Iterable[str]) -> Mapping[str, str]:
    """The same of strings ``NAME=value`` that are already apart, as in an OCI config.json."""
    environment: dict[str, str] = {}
    for string in strings:
        name, equals, value = string.partition("=")
        if equals and name:
            environment.setdefault(name, value)
    return environment
