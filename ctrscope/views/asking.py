"""What the dashboard looks up for somebody who asks, beyond the samples: handed in, since views read nothing themselves.

All of it may take long, and is called on a thread of its own (``acting.run_aside``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from ctrscope.model.changes import ChangePiece
from ctrscope.model.container import Container
from ctrscope.model.detail import ConfigFile
from ctrscope.model.gap import Reading
from ctrscope.model.log import LogLine, LogPage, LogSource, Place
from ctrscope.model.storage import Image, ImageConfig, Measured, Volume, WritableLayer

Keep = Callable[[LogLine], bool]


class Log(Protocol):
    """The log of one container, or of several read as one, open; asked by one thread at a time."""

    @property
    def beginning(self) -> Place:
        """Before the first line."""

    @property
    def has_times(self) -> bool:
        """Whether lines say when they were written."""

    @property
    def where(self) -> str:
        """The file that it is read from. Not inert."""

    @property
    def source(self) -> LogSource | None:
        """Of one container: its files."""

    @property
    def members(self) -> Sequence[str]:
        """Of several read as one: their names, which lines have in ``whose``. Not inert."""

    @property
    def left_out(self) -> Sequence[str]:
        """Of several: which have no place among them, and why. Not inert."""

    def before(self, place: Place | None, count: int, keep: Keep | None = None) -> LogPage:
        """The last lines before a place, or before the end."""

    def after(self, place: Place, count: int, keep: Keep | None = None) -> LogPage:
        """The first lines from a place on."""

    def find_time(self, moment: float) -> Place | None:
        """Where the lines of that unix time begin; None when they have no times."""

    def size(self) -> int:
        """Bytes that there are."""


class Changes(Protocol):
    """What a container changed, gone through piece by piece; asked by one thread at a time."""

    layer: WritableLayer

    def more(self) -> ChangePiece:
        """Go on for a moment."""


class Asked(NamedTuple):
    """What can be looked up about a container of this host, or about what its engines keep."""

    #: That of so many starts before. Errors: acting.Refused: there is no file; where it is read instead.
    log: Callable[[Container, int], Log]
    #: Of several by the names that their lines are to have. Errors: the same, when there is none.
    logs: Callable[[Mapping[str, Container]], Log]
    files: Callable[[Container, bool], Sequence[ConfigFile]]  # with or without what looks secret
    changes: Callable[[Container], Reading[Changes]]  # gaps: there is no writable layer, or it cannot be found
    image: Callable[[Image], Reading[ImageConfig]]
    measure: Callable[[Volume], Reading[Measured]]
