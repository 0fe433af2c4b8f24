"""/proc/PID/attr/current: the label that a security module gave a process.

*Source:* proc_pid_attr(5); the list of modules is /sys/kernel/security/lsm (kernel document admin-guide/LSM).
*Shape:* AppArmor ``docker-default (enforce)`` or ``unconfined``; SELinux ``system_u:system_r:container_t:s0:c1,c2``.
*Kernel:* EINVAL when no module keeps a label.
"""

import errno
from typing import NamedTuple

from ctrscope.probes.hostfs import HostFs


class Label(NamedTuple):
    """The label, under the name of the module it belongs to."""

    apparmor: str | None = None
    selinux: str | None = None


def read_label(host: HostFs, pid: int) -> Label:
    """Read and tell the modules apart. Errors: ENOENT or ESRCH when the process is gone; EACCES."""
    try:
        text = host.read(f"/proc/{pid}/attr/current")
    except OSError as error:
        if error.errno == errno.EINVAL:
            return Label()
        raise
    try:
        modules = host.read("/sys/kernel/security/lsm")
    except OSError:
        modules = b""  # securityfs is not mounted: the form of the label has to do
    return parse_label(text, modules)


def parse_label(text: bytes, modules: bytes) -> Label:
    """Parse a label; *modules* is the comma-separated list of active ones, empty when it is not known."""
    label = text.rstrip(b"\0\n").decode("utf-8", "surrogateescape")
    active = modules.strip().split(b",")
    if not label:
        return Label()
    if b"selinux" in active or (b"apparmor" not in active and label.count(":") >= 3):
        return Label(selinux=label)
    if b"apparmor" in active or label == "unconfined" or label.endswith(")"):
        return Label(apparmor=label)
    return Label()
