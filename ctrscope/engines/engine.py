"""What every engine module provides, and what it is given.

*Shape:* ``Survey`` goes through the engines in order; each answers with an ``EngineReading`` of Records.
"""

from typing import ClassVar, NamedTuple, Protocol

from ctrscope.model.container import EngineName, EngineReading, Record
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable


class User(NamedTuple):
    """A user who may have containers of their own."""

    uid: int
    name: str
    home: str


class Survey:
    """What is known so far, handed to each engine in turn."""

    def __init__(self, host: HostFs, processes: ProcessTable, users: tuple[User, ...]) -> None:
        self.host = host
        self.processes = processes
        self.users = users  # ordinary users with a home directory; root is not among them
        self.supervisors: tuple[int, ...] = ()  # PIDs outside every container found so far; filled before read_supervisors
        self._records: list[Record] = []
        self._state_dirs: set[str] = set()
        self._ids: set[str] = set()

    @property
    def records(self) -> tuple[Record, ...]:
        """Records of the engines that were read before."""
        return tuple(self._records)

    def add(self, records: tuple[Record, ...]) -> None:
        """Take the records of one engine."""
        for record in records:
            self._records.append(record)
            self._ids.add(record.id)
            self._state_dirs.update(record.state_dirs)

    def has_id(self, container_id: str) -> bool:
        """Whether an engine that was read before has a container with that full id."""
        return container_id in self._ids

    def has_state_dir(self, path: str) -> bool:
        """Whether a record already stands for that OCI runtime state directory (``/run/runc/ID``)."""
        return path in self._state_dirs


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
