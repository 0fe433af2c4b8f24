"""Watches the running host for events as the dashboard does, a look at a time."""

from collections.abc import Sequence

from ctrscope.discovery.event_watcher import EventWatcher
from ctrscope.discovery.noticing import Noticer
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.watcher import Watcher
from ctrscope.model.event import Event, EventKind
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from tests.attach.containers import wait_for


class Watching:
    """What the dashboard does once a second, by hand; of the events, those about names with *name* in them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.noticer = Noticer(HostFs())
        self.noticer.start()
        self._events = EventWatcher(HostFs(), self.noticer)
        self._watcher = Watcher(HostFs(), Plan(addresses=False, stats=True))
        self._before: Snapshot | None = None
        self.told: list[Event] = []
        self.sample()

    def sample(self) -> Snapshot:
        """Look once."""
        noticed = self._events.notice()
        after = self._watcher.look(whole=noticed.whole, limits=noticed.limits)
        self.told += [event for event in self._events.poll(self._before, after) if self._name in event.name]
        self._before = after
        return after

    def close(self) -> None:
        """Watch no more."""
        self.noticer.close()

    def until(self, *kinds: EventKind) -> Sequence[Event]:
        """Sample until events of these kinds were told, and no others; gives them."""

        def is_told() -> bool:
            self.sample()
            return len(self.told) >= len(kinds)

        wait_for(f"{kinds}, told: {self.told}", is_told, 30)
        told, self.told = self.told, []
        assert [event.kind for event in told] == list(kinds)
        return told
