"""How much each container wrote: its writable layer, counted while somebody looks, and again when that can have changed.

Nobody writes it down, and it may be millions of files: it is counted on a thread of its own, one container after the other,
and what is not known yet is not handed out.
"""

import threading
from collections.abc import Mapping, Sequence
from time import monotonic

from ctrscope.discovery.measure import measure_layer
from ctrscope.discovery.writable_layers import find_writable_layer
from ctrscope.model.container import Container
from ctrscope.model.gap import Reading
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.storage import Measured
from ctrscope.model.value import Value
from ctrscope.probes.hostfs import HostFs

#: Seconds between two counts of a container that ran meanwhile, longer where counting took long; and of one that did not,
#: into which somebody may have copied something from outside.
_EVERY, _SHARE, _AT_LEAST_EVERY = 10.0, 0.02, 300.0


class _Counted(Value, frozen=True):
    reading: Reading[Measured]
    ran: int | None  # CPU time of the container when counting began
    at: float  # monotonic, when it ended
    cost: float  # seconds


class LayerSizes:
    """Sizes of writable layers, as last counted. *Errors:* what went wrong on the thread is raised by the next ``get``."""

    def __init__(self, hostfs: HostFs) -> None:
        self._root = hostfs.root
        self._counted: dict[str, _Counted] = {}
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def get(self, snapshot: Snapshot, keys: Sequence[str]) -> Mapping[str, Reading[Measured]]:
        """What is known of some containers, by key; has those counted whose turn it is. Returns at once.

        A reading without a value: it has no such layer, or why it could not be counted.
        """
        error, self._error = self._error, None
        if error is not None:
            raise error
        wanted = [one for key in keys if (one := snapshot.container(key)) is not None]
        for gone in set(self._counted) - {one.key for one in snapshot.containers}:
            del self._counted[gone]
        if self._thread is None or not self._thread.is_alive():
            due = [(one, _ran(snapshot, one)) for one in wanted if self._is_due(one, _ran(snapshot, one))]
            if due:
                # A daemon: a read that never returns must not keep us from ending.
                self._thread = threading.Thread(target=self._count, args=(due,), name="layers", daemon=True)
                self._thread.start()
        return {one.key: self._counted[one.key].reading for one in wanted if one.key in self._counted}

    def _is_due(self, container: Container, ran: int | None) -> bool:
        before = self._counted.get(container.key)
        if before is None:
            return True
        age = monotonic() - before.at
        has_run = container.is_running and (ran is None or ran != before.ran)
        return age >= (max(_EVERY, before.cost / _SHARE) if has_run else _AT_LEAST_EVERY)

    def _count(self, due: Sequence[tuple[Container, int | None]]) -> None:
        hostfs = HostFs(self._root)  # on a thread of its own, hence with descriptors of its own
        try:
            for container, ran in due:
                started = monotonic()
                layer, gaps = find_writable_layer(hostfs, container)
                reading = measure_layer(hostfs, layer) if layer is not None else Reading(None, gaps)
                ended = monotonic()
                self._counted[container.key] = _Counted(reading, ran, ended, ended - started)
        except Exception as error:  # whatever it was, whoever asks next is told
            self._error = error


def _ran(snapshot: Snapshot, container: Container) -> int | None:
    stats = snapshot.stats.get(container.key)
    return stats.cpu.usage_usec if stats is not None and stats.cpu is not None else None
