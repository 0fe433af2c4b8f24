"""What was noticed between two looks at the host."""

from collections.abc import Mapping

import msgspec

from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.event import Exit
from ctrscope.model.value import Value


class Seen(Value, frozen=True, kw_only=True):
    """A container that was there for a moment at least: its runtime's state, or a program executed in a cgroup of that name."""

    at: float  # Unix time
    engine: EngineName
    id: str
    pid: int  # of init
    engine_namespace: str | None = None
    owner_uid: int = 0
    command: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        """Key of the container."""
        return self.container().key

    def container(self, name: str | None = None) -> Container:
        """The container, as far as it is known when it is gone."""
        return Container(
            id=self.id,
            name=name or (self.id[:12] if len(self.id) == 64 else self.id),
            engine=self.engine,
            engine_namespace=self.engine_namespace,
            owner_uid=self.owner_uid,
            command=self.command,
            status=ContainerStatus.STOPPED,
        )


class Flip(Value, frozen=True, kw_only=True):
    """A container was paused, or goes on."""

    at: float  # Unix time
    container: str  # key
    frozen: bool


class Entered(Value, frozen=True, kw_only=True):
    """A program was executed in a container's cgroup by somebody who came from outside."""

    at: float  # Unix time
    container: str  # key
    pid: int
    uid: int | None
    command: tuple[str, ...]


class Named(Value, frozen=True, kw_only=True):
    """A network namespace was given a name, or lost it."""

    at: float  # Unix time
    path: str  # /run/netns/blue
    is_new: bool


class Noticed(msgspec.Struct, frozen=True, kw_only=True):
    """Everything since somebody asked last. Exits are those of the latest thousands of processes."""

    seen: tuple[Seen, ...] = ()
    flips: tuple[Flip, ...] = ()
    entered: tuple[Entered, ...] = ()
    named: tuple[Named, ...] = ()
    names: Mapping[str, str] = {}  # of containers by their id, where the state did not stay long enough to be read
    exits: Mapping[int, Exit] = {}  # by PID
    whole: bool = False  # whether containers may have come or gone
    limits: bool = False  # whether somebody wrote a limit
