"""What the dashboard looks up for somebody who asks, beyond the samples: handed in, since views read nothing themselves.

All of it may take long, and is called on a thread of its own (``acting.run_aside``).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from ctrscope.model.changes import ChangePiece
from ctrscope.model.container import Container
from ctrscope.model.detail import ConfigFile
from ctrscope.model.gap import Reading
from ctrscope.model.log import LogLine, LogPage, LogPlace, LogSource
from ctrscope.model.storage import Image, ImageConfig, Measured, Volume, WritableLayer

Keep = Callable[[LogLine], bool]


class Log(Protocol):
    """The log of one container, open; asked by one thread at a time."""

    source: LogSource

    def before(self, place: LogPlace | None, count: int, keep: Keep | None = None) -> LogPage:
        """The last lines before a place, or before the end."""

    def after(self, place: LogPlace, count: int, keep: Keep | None = None) -> LogPage:
        """The first lines from a place on."""

    def find_time(self, moment: float) -> LogPlace | None:
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

    log: Callable[[Container], Log]  # Errors: acting.Refused: there is no file; where it is read instead
    files: Callable[[Container, bool], Sequence[ConfigFile]]  # with or without what looks secret
    changes: Callable[[Container], Reading[Changes]]  # gaps: there is no writable layer, or it cannot be found
    image: Callable[[Image], Reading[ImageConfig]]
    measure: Callable[[Volume], Reading[Measured]]
