"""What was noticed between two looks at the host."""

from collections.abc import Mapping

import msgspec

from ctrscope.model.container import EngineName
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
    """Everything since somebody asked last. Exits are kept longer: those of the latest thousands of processes."""

    seen: tuple[Seen, ...] = ()
    flips: tuple[Flip, ...] = ()
    entered: tuple[Entered, ...] = ()
    named: tuple[Named, ...] = ()
    names: Mapping[str, str] = {}  # of containers by their id, where the state did not stay long enough to be read
    exits: Mapping[int, Exit] = {}  # by PID
    whole: bool = False  # whether containers may have come or gone
    limits: bool = False  # whether somebody wrote a limit
