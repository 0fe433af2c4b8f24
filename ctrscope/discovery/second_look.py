"""The processes of containers, looked at twice: what lasted in between is what is stuck or forgotten.

*Source:* proc_pid_stat(5), proc_pid_status(5) ``voluntary_ctxt_switches``, proc_pid_exe(5), proc_pid_fd(5), proc_pid_limits(5).
*Cost:* one stat line of each process at the first look; at the second also its executable, limits and number of descriptors.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ctrscope.discovery.processes import read_processes
from ctrscope.model.cgroup import Limit
from ctrscope.model.container import Container
from ctrscope.model.gap import VANISHED, Gap, ParseError, gap_of
from ctrscope.model.observed import ObservedProcess
from ctrscope.model.process import Process
from ctrscope.probes.hostfs import HostFs, ProcDir
from ctrscope.probes.proc_pid_limits import parse_nofile
from ctrscope.probes.proc_pid_stat import Stat, parse_stat


class Lasting(NamedTuple):
    """A process in a state that it should leave soon: a zombie, or in uninterruptible sleep."""

    state: str
    starttime_ticks: int
    switches: tuple[bytes, ...]  # how often it stopped running


def look(host: HostFs, containers: tuple[Container, ...]) -> Mapping[int, Lasting]:
    """The first look: PID → those in state D or Z."""
    found: dict[int, Lasting] = {}
    for pid in {pid for container in containers for pid in container.pids}:
        try:
            with host.process(pid) as process:
                stat = parse_stat(process.read("stat"))
                if stat.state == "D" or stat.has_ended:
                    found[pid] = _lasting(process, stat)
        except (OSError, ParseError):
            continue
    return found


def look_again(host: HostFs, container: Container, before: Mapping[int, Lasting]) -> tuple[ObservedProcess, ...]:
    """The second look. Processes that are gone are left out; what may not be read is None."""
    found = []
    stances = {process.pid: process for process in read_processes(host, container)}
    for pid in container.pids:
        try:
            with host.process(pid) as process:
                found.append(_observe(host, process, before.get(pid), stances.get(pid)))
        except (OSError, ParseError):
            continue
    return tuple(found)


def unread(host: HostFs, container: Container, processes: Iterable[ObservedProcess]) -> tuple[Gap, ...]:
    """Why executables and descriptors of a container are unknown: one gap, for the first process that they are unknown of."""
    for process in processes:
        if process.executable is None and process.state not in "ZX":
            source = f"/proc/{process.pid}/exe"
            try:
                host.readlink(source)
            except OSError as error:
                if error.errno not in VANISHED:
                    return (
                        gap_of(error, f"container {container.key}", ("executable", "open_files"), source, "CAP_SYS_PTRACE"),
                    )
    return ()


def _observe(host: HostFs, process: ProcDir, before: Lasting | None, stance: Process | None) -> ObservedProcess:
    stat = parse_stat(process.read("stat"))
    return ObservedProcess(
        pid=stat.pid,
        ppid=stat.ppid,
        comm=stat.comm,
        state=stat.state,
        has_lasted=before is not None and before == _lasting(process, stat),
        executable=_executable(process),
        open_files=_count_descriptors(host, stat.pid, process),
        open_files_limit=_nofile(process),
        outside=None if stance is None else stance.outside,
        is_outside_cgroup=None if stance is None else stance.is_outside_cgroup,
    )


def _lasting(process: ProcDir, stat: Stat) -> Lasting:
    switches = tuple(line for line in process.read("status").splitlines() if b"voluntary_ctxt_switches:" in line)
    return Lasting(stat.state, stat.starttime_ticks, switches)


def _executable(process: ProcDir) -> str | None:
    try:
        return process.readlink("exe")
    except OSError:
        return None


def _nofile(process: ProcDir) -> Limit | None:
    try:
        return parse_nofile(process.read("limits"))
    except (OSError, ParseError):
        return None


def _count_descriptors(host: HostFs, pid: int, process: ProcDir) -> int | None:
    """Open descriptors: the size of /proc/PID/fd since Linux 6.2, else its entries. In another root it may be a copy's size."""
    try:
        size = host.stat(f"/proc/{pid}/fd").st_size if host.root == "/" else 0
        return size or len(process.names("fd"))
    except OSError:
        return None
