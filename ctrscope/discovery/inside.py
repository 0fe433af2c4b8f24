"""What an engine inside a container is shown: the files of that container, and the processes by the PIDs they have there.

Every fact about a process is the host's; of the container's files no more is read than any engine needs.
"""

import errno
import os
from collections.abc import Mapping

import msgspec

from ctrscope.model.namespace import NamespaceSet, NamespaceType
from ctrscope.probes.hostfs import READ_LIMIT, HostFs
from ctrscope.probes.proc_pid_stat import Stat
from ctrscope.probes.process_table import ProcessTable

#: What is read inside of one container: a busy node has a hundred containers, and takes some 2,000 calls. Each of its
#: processes may be a container with an engine of its own, by what it says: they share what there is.
_MOST_CALLS, _MOST_BYTES = 20_000, 64 << 20


class InnerTable(ProcessTable):
    """The processes inside a container by the PIDs that they have there; what is known of them is the host's word."""

    def __init__(self, table: ProcessTable, to_host: Mapping[int, int], shift: int) -> None:
        super().__init__(table.host)
        self._table, self._to_host, self._shift = table, to_host, shift
        self._to_inner = {host: inner for inner, host in to_host.items()}

    def pids(self) -> list[int]:
        """PIDs inside."""
        return list(self._to_host)

    def stat(self, pid: int) -> Stat | None:
        """With the parent's PID inside, 0 for one outside, and the start time by the clock inside."""
        stat = self._table.stat(self._to_host[pid]) if pid in self._to_host else None
        if stat is None:
            return None
        inner = self._to_inner.get(stat.ppid, 0)
        return msgspec.structs.replace(stat, pid=pid, ppid=inner, starttime_ticks=stat.starttime_ticks + self._shift)

    def cgroup(self, pid: int) -> Mapping[str, str] | None:
        """As the host sees it."""
        return self._table.cgroup(self._to_host[pid]) if pid in self._to_host else None

    def namespaces(self, pid: int) -> NamespaceSet | OSError:
        """As the host sees them."""
        if pid not in self._to_host:
            return OSError(errno.ESRCH, os.strerror(errno.ESRCH))
        return self._table.namespaces(self._to_host[pid])

    def namespace(self, pid: int, type_: NamespaceType) -> int | None:
        """One of them."""
        return self._table.namespace(self._to_host[pid], type_) if pid in self._to_host else None

    def cmdline(self, pid: int) -> tuple[str, ...] | None:
        """Arguments."""
        return self._table.cmdline(self._to_host[pid]) if pid in self._to_host else None

    def uid(self, pid: int) -> int | None:
        """Effective uid, in the host's user namespace."""
        return self._table.uid(self._to_host[pid]) if pid in self._to_host else None


class Budget:
    """What may still be read of a container of the host's, with all that is inside."""

    def __init__(self) -> None:
        self.calls, self.bytes = _MOST_CALLS, _MOST_BYTES

    @property
    def is_spent(self) -> bool:
        """Whether nothing more is read."""
        return self.calls < 0 or self.bytes < 0


class BoundedFs(HostFs):
    """Files of a container, which may have made as many and as large ones as it likes: EFBIG when enough was read."""

    def __init__(self, root: str, budget: Budget) -> None:
        super().__init__(root)
        self._budget = budget

    def _spend(self, path: str) -> None:
        self._budget.calls -= 1
        if self._budget.is_spent:
            raise OSError(errno.EFBIG, "more than is read of one container", path)

    def read(self, path: str, *, limit: int = READ_LIMIT, owner: int | None = None) -> bytes:
        """As of any root, as long as there is something left to spend."""
        self._spend(path)
        text = super().read(path, limit=min(limit, max(1, self._budget.bytes)), owner=owner)
        self._budget.bytes -= len(text)
        return text

    def readlink(self, path: str) -> str:
        """As of any root."""
        self._spend(path)
        return super().readlink(path)

    def names(self, path: str) -> list[str]:
        """As of any root."""
        self._spend(path)
        return super().names(path)

    def lstat(self, path: str) -> os.stat_result:
        """As of any root."""
        self._spend(path)
        return super().lstat(path)

    def stat(self, path: str) -> os.stat_result:
        """As of any root."""
        self._spend(path)
        return super().stat(path)
