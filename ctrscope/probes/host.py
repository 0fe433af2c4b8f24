"""The host itself: release, boot, size, its own namespaces, and what we are allowed to see.

*Source:* proc_sys_kernel(5), proc_uptime(5), proc_stat(5) ``btime``, proc_meminfo(5) ``MemTotal``, proc_pid_status(5)
``CapEff``.

The host's own namespaces are those of PID 1; where PID 1 holds a capability that we lack (EACCES), those of kthreadd
(PID 2), whose links anyone may read; and for the rest the fixed inode numbers that include/linux/proc_ns.h gives the
initial namespaces (``net`` and ``mnt`` have one only since Linux 6.18). Our own ``net`` is the host's when it has the
sysctls that the kernel shows in the initial one alone.
"""

import errno
import os
import time
from contextlib import suppress

from msgspec.structs import replace

from ctrscope.model.gap import Gap, ParseError, Reading, gap_of
from ctrscope.model.host import Host, Privileges
from ctrscope.model.namespace import NamespaceSet
from ctrscope.model.timestamp import rfc3339
from ctrscope.model.value import Value
from ctrscope.probes.capability_names import capability_names
from ctrscope.probes.cgroupfs import CgroupLayout
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_ns import parse_namespace, read_namespaces

_INITIAL = NamespaceSet(cgroup=0xEFFFFFFB, ipc=0xEFFFFFFF, pid=0xEFFFFFFC, time=0xEFFFFFFA, user=0xEFFFFFFD, uts=0xEFFFFFFE)


class HostSize(Value, frozen=True):
    """CPUs that are online, bytes of memory and of swap space (proc_meminfo(5)), tasks (proc_sys_kernel(5))."""

    cpus: int | None
    memory: int | None
    swap: int | None
    tasks: int | None


def read_host(host: HostFs, layout: CgroupLayout | None) -> Reading[Host]:
    """Facts about the host. Gaps name what could not be read."""
    gaps: list[Gap] = []
    namespaces, error = _read_host_namespaces(host)
    if error is not None:
        gaps.append(gap_of(error, "host", ("namespaces",), "/proc/1/ns", "CAP_SYS_PTRACE, and the host's own PID namespace"))
    kernel = _line(host, "/proc/sys/kernel/osrelease", gaps, "kernel")
    value = Host(
        hostname=_line(host, "/proc/sys/kernel/hostname", gaps, "hostname"),
        kernel=kernel,
        machine=os.uname().machine if host.root == "/" else None,
        boot_id=_line(host, "/proc/sys/kernel/random/boot_id", gaps, "boot_id"),
        booted_at=rfc3339(moment) if (moment := read_boot_time(host)) is not None else None,
        cgroup_version=layout.version if layout else None,
        cpus=_count_cpus(host),
        memory_total=_memory_total(host),
        clock_ticks=os.sysconf("SC_CLK_TCK"),
        namespaces=namespaces,
        root=host.root,
        privileges=_read_privileges(None if error is not None else namespaces.pid),
    )
    return Reading(value, tuple(gaps))


def read_boot_time(host: HostFs) -> float | None:
    """Unix time of boot, in seconds.

    Source: our clock minus proc_uptime(5), good to 10 ms. Of another root, whose clock is not ours, ``btime`` of
    proc_stat(5), which is cut to a second.
    """
    try:
        if host.root == "/":
            return time.time() - float(host.read("/proc/uptime").split()[0])
        text = host.read("/proc/stat")
        start = text.find(b"\nbtime ")
        return float(text[start + 7 : text.index(b"\n", start + 1)]) if start >= 0 else None
    except (OSError, ValueError, IndexError):
        return None


def read_host_namespaces(host: HostFs) -> NamespaceSet:
    """The host's own namespaces; the kernel's fixed numbers where nothing could be read."""
    return _read_host_namespaces(host)[0]


def _read_host_namespaces(host: HostFs) -> tuple[NamespaceSet, OSError | ParseError | None]:
    """The host's namespaces, and why they are only the fixed numbers when nothing could be read."""
    refused: OSError | ParseError | None = None
    for pid in (1, 2):
        try:
            found = read_namespaces(host, pid)
        except (OSError, ParseError) as error:
            refused = refused or error.with_traceback(None)  # which would hold all that called
            continue
        # A container's PID 2 is an ordinary process; kthreadd is in the initial PID namespace.
        if found.mnt is not None and (pid == 1 or found.pid == _INITIAL.pid):
            return found, None
    return replace(_INITIAL, net=_initial_net(host)), refused or FileNotFoundError(
        errno.ENOENT, "no namespaces below it", "/proc/1/ns"
    )


def _initial_net(host: HostFs) -> int | None:
    """Inode of the initial network namespace, when that is our own: net_core_table is registered for init_net only."""
    try:
        host.stat("/proc/sys/net/core/netdev_budget")
        return parse_namespace(host.readlink("/proc/self/ns/net"))
    except (OSError, ParseError):
        return None


def read_host_size(host: HostFs) -> HostSize:
    """What the host itself has, which bounds every cgroup."""
    memory = swap = None
    with suppress(OSError, IndexError, ValueError):
        for line in host.read("/proc/meminfo").splitlines():
            if line.startswith(b"MemTotal:"):
                memory = int(line.split()[1]) * 1024
            elif line.startswith(b"SwapTotal:"):
                swap = int(line.split()[1]) * 1024
    tasks = []
    for name in ("pid_max", "threads-max"):
        with suppress(OSError, ValueError):
            tasks.append(int(host.read(f"/proc/sys/kernel/{name}")))
    return HostSize(_count_cpus(host), memory, swap, min(tasks, default=None))


def _read_privileges(pid_namespace: int | None) -> Privileges:
    own = HostFs()
    effective: tuple[str, ...] = ()
    try:
        for line in own.read("/proc/self/status").splitlines():
            if line.startswith(b"CapEff:"):
                effective = capability_names(int(line[7:], 16))
    except (OSError, ValueError):
        pass
    return Privileges(
        euid=os.geteuid(),
        capabilities=effective,
        host_pid_namespace=None if pid_namespace is None else pid_namespace == _INITIAL.pid,
    )


def _line(host: HostFs, path: str, gaps: list[Gap], field: str) -> str | None:
    try:
        return host.read(path).decode("utf-8", "replace").strip()
    except OSError as error:
        gaps.append(gap_of(error, "host", (field,), path))
        return None


def _count_cpus(host: HostFs) -> int | None:
    if host.root == "/":
        return os.cpu_count()
    try:
        text = host.read("/proc/stat")
    except OSError:
        return None
    return sum(1 for line in text.splitlines() if line.startswith(b"cpu") and line[3:4].isdigit())


def _memory_total(host: HostFs) -> int | None:
    try:
        first = host.read("/proc/meminfo").split(b"\n", 1)[0].split()
        return int(first[1]) * 1024 if first[0] == b"MemTotal:" else None
    except (OSError, IndexError, ValueError):
        return None


def now() -> str:
    """This moment, RFC 3339 with milliseconds."""
    return rfc3339(time.time())
