"""The processes of the host, each fact read at most once and only when asked for.

*Source:* proc(5). A process that ended between two reads is None everywhere and counted in ``vanished``.
"""

from collections.abc import Iterable, Mapping

from ctrscope.model.gap import ParseError
from ctrscope.model.namespace import NamespaceSet, NamespaceType
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_cgroup import parse_cgroup, read_cgroup
from ctrscope.probes.proc_pid_ns import parse_namespace, read_namespaces, read_namespaces_below
from ctrscope.probes.proc_pid_stat import Stat, parse_stat, read_stat


class ProcessTable:
    """One pass over /proc. Not for use across passes: nothing is read again."""

    def __init__(self, host: HostFs) -> None:
        self.host = host
        self.vanished = 0
        self._stats: dict[int, Stat | None] = {}
        self._cgroups: dict[int, Mapping[str, str] | None] = {}
        self._namespaces: dict[int, NamespaceSet | OSError] = {}
        self._single: dict[tuple[int, NamespaceType], int | None] = {}
        self._cmdlines: dict[int, tuple[str, ...] | None] = {}
        self._pids: list[int] | None = None

    def pids(self) -> list[int]:
        """PIDs that existed when this was first asked. Empty when /proc is that of no running host."""
        if self._pids is None:
            try:
                names = self.host.names("/proc")
            except OSError:
                names = []
            self._pids = [int(name) for name in names if name.isdecimal()]
        return self._pids

    def stat(self, pid: int) -> Stat | None:
        """proc_pid_stat(5) of a process, or None when it is gone."""
        if pid not in self._stats:
            try:
                self._stats[pid] = read_stat(self.host, pid)
            except (OSError, ParseError):
                self._stats[pid] = None
                self.vanished += 1
        return self._stats[pid]

    def is_alive(self, pid: int, starttime_ticks: int | None = None) -> bool:
        """Whether that very process runs: same start time (when known) and not a zombie."""
        stat = self.stat(pid) if pid > 0 else None
        return stat is not None and not stat.has_ended and starttime_ticks in (None, stat.starttime_ticks)

    def cgroup(self, pid: int) -> Mapping[str, str] | None:
        """Controller → path, or None when the process is gone."""
        if pid not in self._cgroups:
            try:
                # Of a main thread that has ended, v1 says that it is in the root.
                thread = self._living_thread(pid)
                found = parse_cgroup(self.host.read(f"{thread}/cgroup")) if thread else read_cgroup(self.host, pid)
                self._cgroups[pid] = found
            except (OSError, ParseError):
                self._cgroups[pid] = None
        return self._cgroups[pid]

    def namespaces(self, pid: int) -> NamespaceSet | OSError:
        """Namespaces of a process, or the error that says why not (EACCES: CAP_SYS_PTRACE; ENOENT: gone)."""
        if pid not in self._namespaces:
            try:
                found = read_namespaces(self.host, pid)
                if found.mnt is None and (thread := self._living_thread(pid)) is not None:
                    found = read_namespaces_below(self.host, thread)
                self._namespaces[pid] = found
            except OSError as error:
                self._namespaces[pid] = error.with_traceback(None)  # which would hold all that called, and that holds us
            except ParseError as error:
                self._namespaces[pid] = OSError(str(error))
        return self._namespaces[pid]

    def namespace(self, pid: int, type_: NamespaceType) -> int | None:
        """Inode number of one namespace of a process, or None when it cannot be read."""
        key = pid, type_
        if key not in self._single:
            whole = self._namespaces.get(pid)
            if isinstance(whole, NamespaceSet):
                return whole.ino(type_)
            try:
                self._single[key] = parse_namespace(self.host.readlink(f"/proc/{pid}/ns/{type_}"))
            except (OSError, ParseError):
                found = self.namespaces(pid) if self._living_thread(pid) is not None else None
                self._single[key] = found.ino(type_) if isinstance(found, NamespaceSet) else None
        return self._single[key]

    def _living_thread(self, pid: int) -> str | None:
        """Directory of a thread of a process whose main thread has ended; None of any other, by what is known of it."""
        stat = self.stat(pid)
        if stat is None or stat.state not in "ZX" or stat.has_ended:
            return None
        try:
            names = self.host.names(f"/proc/{pid}/task")
        except OSError:
            return None
        for name in names:
            thread = f"/proc/{pid}/task/{name}"
            try:
                if parse_stat(self.host.read(f"{thread}/stat")).state not in "ZX":
                    return thread
            except (OSError, ParseError):
                continue
        return None

    def cmdline(self, pid: int) -> tuple[str, ...] | None:
        """Arguments of a process (proc_pid_cmdline(5)); empty for kernel threads and zombies, None when gone."""
        if pid not in self._cmdlines:
            try:
                self._cmdlines[pid] = parse_cmdline(self.host.read(f"/proc/{pid}/cmdline"))
            except OSError:
                self._cmdlines[pid] = None
        return self._cmdlines[pid]

    def uid(self, pid: int) -> int | None:
        """Effective uid of a process; None when it is gone."""
        from ctrscope.probes.proc_pid_status import read_status  # of the few that engines ask about

        try:
            return read_status(self.host, pid).uid
        except (OSError, ParseError):
            return None

    def named(self, pids: Iterable[int], *comms: str) -> tuple[Stat, ...]:
        """Those of *pids* whose comm is one of *comms* (15 bytes, as the kernel cuts it)."""
        return tuple(stat for pid in pids if (stat := self.stat(pid)) is not None and stat.comm in comms)


def parse_cmdline(text: bytes) -> tuple[str, ...]:
    """Arguments, NUL separated. A process that overwrote its arguments may have left one string and no NUL."""
    if not text:
        return ()
    return tuple(part.decode("utf-8", "surrogateescape") for part in text.rstrip(b"\0").split(b"\0"))
