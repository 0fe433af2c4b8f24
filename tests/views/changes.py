"""Changes of a container, told piece by piece."""

import threading
from collections.abc import Sequence
from typing import Any

from ctrscope.model.changes import Change, ChangeKind, ChangePiece, FileType
from ctrscope.model.container import EngineName
from ctrscope.model.gap import Reading
from ctrscope.model.storage import WritableLayer
from tests.views.builders import APP, NOW
from tests.views.driver import asked_of

ADDED, CHANGED, DELETED = ChangeKind
UPPER = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/12/fs"
FOUND = (
    Change(CHANGED, "/etc", FileType.DIRECTORY, None, NOW - 60),
    Change(DELETED, "/etc/group", FileType.FILE),
    Change(CHANGED, "/etc/passwd", FileType.FILE, 1200, NOW - 7200),
    Change(ADDED, "/data.db", FileType.FILE, 5 << 20, NOW - 60),
    Change(CHANGED, "/www", FileType.DIRECTORY, None, NOW - 60, "replaced"),
)


def piece(changes: Sequence[Change] = FOUND, **values: Any) -> ChangePiece:
    counts = {kind: sum(one.kind is kind for one in changes) for kind in ChangeKind}
    figures: dict[str, Any] = {"counts": counts, "sizes": {ADDED: 5 << 20, CHANGED: 1200, DELETED: 0}, "size": (5 << 20) + 1200}
    return ChangePiece(changes=tuple(changes), **(figures | {"is_last": True} | values))


class Told:
    """Changes that hand out one piece after the other, each when it may."""

    def __init__(self, *pieces: ChangePiece) -> None:
        self.layer = WritableLayer(
            engine=EngineName.CONTAINERD, store=UPPER, source="/proc/25112/mountinfo", container=APP, name="app", upper=UPPER
        )
        self.may = threading.Semaphore(0)
        self.looks = 0
        self._pieces = pieces

    def more(self) -> ChangePiece:
        self.may.acquire(timeout=20)
        self.looks += 1
        return self._pieces[min(self.looks, len(self._pieces)) - 1]


def told(*pieces: ChangePiece) -> tuple[Told, Any]:
    changes = Told(*pieces)
    for _ in pieces:
        changes.may.release()
    return changes, asked_of(changes=lambda container: Reading(changes))
