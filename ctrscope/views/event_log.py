"""The latest events, numbered, so that a line keeps its place while older ones are forgotten."""

from collections import deque
from collections.abc import Iterable, Iterator

from ctrscope.model.event import Event

#: Events that are kept.
MOST = 10_000


class EventLog:
    """Grows at its end."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=MOST)
        self.last = 0  # number of the latest; 0: there was none yet

    def __len__(self) -> int:
        return len(self._events)

    def add(self, events: Iterable[Event]) -> None:
        """Remember more."""
        for event in events:
            self._events.append(event)
            self.last += 1

    def numbered(self) -> Iterator[tuple[int, Event]]:
        """Each with its number, the oldest first."""
        return enumerate(self._events, self.last - len(self._events) + 1)
