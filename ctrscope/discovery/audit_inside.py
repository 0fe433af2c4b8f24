"""What of a container's own files and processes an audit looks at: device nodes, setuid programs, directories of the host.

*Source:* proc_pid_root(5), proc_pid_fd(5), inode(7). Credentials: ``audit_secrets``.
"""

import stat
from collections.abc import Mapping

from ctrscope.discovery.confinement import find_device_nodes
from ctrscope.model.audited import AuditedDevice, HeldDirectory
from ctrscope.probes.hostfs import HostFs, ProcDir

#: Where programs are found; what a path leads to twice (/bin is a link to /usr/bin) is looked at once.
_PROGRAMS = (
    "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/games", "/usr/games",
    "/snap/bin",
)  # fmt: skip
_MOST_PROGRAMS = 8192
#: What is left open by whoever started a process comes first.
_MOST_DESCRIPTORS = 256


def find_audited_devices(inside: HostFs) -> tuple[AuditedDevice, ...] | None:
    """Device nodes below /dev; None: more entries than any container needs. Errors: OSError."""
    nodes, is_complete = find_device_nodes(inside)
    found = tuple(AuditedDevice(path=path, is_block=block) for path, block in sorted(nodes.items()))
    return found if is_complete else None


def find_setuid_programs(inside: HostFs, root: int) -> tuple[str, ...]:
    """Programs that make *root*, the container's uid 0, of whoever starts them."""
    seen = set()
    found = []
    for directory in _PROGRAMS:
        try:
            itself = inside.stat(directory)
            if (itself.st_dev, itself.st_ino) in seen:
                continue
            seen.add((itself.st_dev, itself.st_ino))
            for name, one in inside.files(directory, most=_MOST_PROGRAMS):
                if one.st_mode & stat.S_ISUID and one.st_mode & 0o111 and one.st_uid == root:
                    found.append(f"{directory}/{name}")
        except OSError:
            continue  # there is none, or it is closed to us
    return tuple(sorted(found))


def find_host_directories(process: ProcDir, pid: int, comm: str, points: Mapping[int, str]) -> tuple[HeldDirectory, ...]:
    """Directories that a process holds and that are on a mount of the host: *points*, mount IDs with their mount points.

    Errors: ENOTSUP before Linux 5.8.
    """
    return tuple(
        HeldDirectory(pid=pid, comm=comm, link=link, path=process.readlink(link), mount_point=points[mount])
        for link, mount in process.directories(_MOST_DESCRIPTORS)
        if mount in points
    )
