"""What every engine module provides, and what it is given.

*Shape:* ``Survey`` goes through the engines in order; each answers with an ``EngineReading`` of Records.
"""

from typing import ClassVar, Protocol

from ctrscope.model.container import EngineName, EngineReading, Record
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable


class User(Value, frozen=True):
    """A user who may have containers of their own."""

    uid: int
    name: str
    home: str


class Survey:
    """What is known so far, handed to each engine in turn."""

    def __init__(
        self,
        host: HostFs,
        processes: ProcessTable,
        users: tuple[User, ...],
        *,
        only: str | None = None,
        commands: bool = True,
    ) -> None:
        self.host = host
        self.processes = processes
        self.commands = commands  # whether they are wanted where they take another file
        self.users = users  # ordinary users with a home directory; root is not among them
        self.supervisors: tuple[int, ...] = ()  # PIDs outside every container found so far; filled before read_supervisors
        self._only = only
        self._records: list[Record] = []
        self._state_dirs: set[tuple[int, str]] = set()
        self._ids: set[tuple[int, str]] = set()

    @property
    def records(self) -> tuple[Record, ...]:
        """Records of the engines that were read before."""
        return tuple(self._records)

    def add(self, records: tuple[Record, ...]) -> None:
        """Take the records of one engine."""
        for record in records:
            owner = record.owner_uid or 0
            self._records.append(record)
            self._ids.add((owner, record.id))
            self._state_dirs.update((owner, path) for path in record.state_dirs)

    def has_id(self, container_id: str, owner_uid: int) -> bool:
        """Whether an engine that was read before has a container of that owner with that full id.

        Of that owner: a user's store may carry the id of anybody's container.
        """
        return (owner_uid, container_id) in self._ids

    def has_state_dir(self, path: str, owner_uid: int) -> bool:
        """Whether a record of that owner already stands for that OCI runtime state directory (``/run/runc/ID``)."""
        return (owner_uid, path) in self._state_dirs

    def known_supervisors(self) -> set[int]:
        """Parents of the inits of the system's containers: whose supervisors they are is known.

        Not the PIDs that states name: those may be others by now, and a user's state may name anybody's.
        """
        found = set()
        for record in self._records:
            if record.pid is not None and not record.owner_uid and self.processes.is_alive(record.pid, record.starttime_ticks):
                stat = self.processes.stat(record.pid)
                found.add(stat.ppid if stat is not None else 0)
        return found

    def is_sought(self, *names: str) -> bool:
        """Whether a container with that id and name is to be told of: where one is sought, the others need not be."""
        return self._only is None or any(self._only == name or self._only.endswith(f"/{name}") for name in names)

    def uid(self, pid: int) -> int | None:
        """Effective uid of a process, whose files its arguments may name; None when it is gone, or in a container.

        In another PID namespace than PID 1 the arguments are about that container's files, whatever its root writes there.
        """
        own, first = (self.processes.namespace(one, NamespaceType.PID) for one in (pid, 1))
        return self.processes.uid(pid) if first is None or own in (None, first) else None


class Engine(Protocol):
    """One container engine."""

    name: ClassVar[EngineName]

    def read_state(self, survey: Survey) -> EngineReading:
        """Containers that the engine's state directories describe, at their usual and configured places.

        Reads no process but those whose PID a state file names.
        """

    def read_supervisors(self, survey: Survey) -> EngineReading | None:
        """Containers known only from a supervisor's arguments (unusual roots, LXC, nspawn); None: nothing more.

        ``survey.supervisors`` are the PIDs to look at; ``survey.processes.named(survey.supervisors, "conmon")``.
        """
