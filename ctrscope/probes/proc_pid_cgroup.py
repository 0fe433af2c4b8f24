"""/proc/PID/cgroup: where a process stands in every cgroup hierarchy.

*Source:* cgroups(7), section "/proc files". A line is ``hierarchy-ID:controller-list:path``; for example
``0::/system.slice/docker.service`` (v2) or ``4:memory:/docker/3fca…`` (v1).
*Kernel:* `` (deleted)`` is appended to the path of a removed v2 cgroup that a zombie is still in.
"""

import functools
from collections.abc import Mapping

from ctrscope.model.gap import ParseError
from ctrscope.probes.hostfs import HostFs


def read_cgroup(host: HostFs, pid: int) -> Mapping[str, str]:
    """Read and parse. Errors: ENOENT or ESRCH when the process is gone; ParseError."""
    return parse_cgroup(host.read(f"/proc/{pid}/cgroup"))


@functools.lru_cache(maxsize=64)  # most processes outside containers have one text: a dozen lines before v2
def parse_cgroup(text: bytes) -> Mapping[str, str]:
    """Shape: controller → path; ``""`` is the v2 hierarchy, ``name=systemd`` a named v1 one."""
    paths: dict[str, str] = {}
    for number, line in enumerate(text.decode("utf-8", "surrogateescape").rstrip("\n").split("\n"), 1):
        _, first, rest = line.partition(":")
        controllers, second, path = rest.partition(":")
        if not (first and second):
            raise ParseError("fewer than three fields", number)
        if path.endswith(" (deleted)"):
            path = path.removesuffix(" (deleted)")
        for controller in controllers.split(","):
            paths[controller] = path
    return paths
