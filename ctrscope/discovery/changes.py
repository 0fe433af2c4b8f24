"""What a container changed of what it was made from, read piece by piece while somebody looks at it.

As ``docker diff`` and ``podman diff`` say it, from the writable layer itself: no daemon is asked and nothing is mounted.
"""

import os
import time
from collections.abc import Iterator

from ctrscope.model.changes import Change, ChangeKind, ChangePiece
from ctrscope.model.container import EngineName
from ctrscope.model.storage import WritableLayer
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.overlay_changes import FUSE, KERNEL, KERNEL_OF_USER, OverlayWalk

#: Changes that are listed, as many as are sorted while nobody notices; those beyond are counted. Files that are looked at.
_MOST_LISTED, _MOST_FILES = 10_000, 2_000_000
_MARKS = {"kernel": KERNEL, "user": KERNEL_OF_USER, "fuse": FUSE}
#: What Podman and CRI-O put into every container, and ``podman diff`` leaves out, too; libpod diff.go.
_PUT_THERE = frozenset(
    {"/dev", "/proc", "/sys", "/run", "/run/notify", "/run/.containerenv", "/run/secrets"}
    | {f"/etc/{name}" for name in ("hostname", "hosts", "resolv.conf", "mtab")}
)
_PUTTING = (EngineName.PODMAN, EngineName.CRI_O)


class ChangeReader:
    """Goes through the writable layer of one container, as far as it is asked to."""

    def __init__(self, host: HostFs, layer: WritableLayer) -> None:
        self.layer = layer
        self._host = host
        self._walk: OverlayWalk | None = None
        self._batches = self._go()
        self._hidden = _PUT_THERE if layer.engine in _PUTTING else frozenset()
        self._counts = dict.fromkeys(ChangeKind, 0)
        self._listed = self._left_out = self._by_engine = 0

    def _go(self) -> Iterator[list[Change]]:
        handles: list[int] = []
        try:
            handles.append(self._host.open_directory(self.layer.upper, follow=False))
            handles += [self._host.open_directory(path) for path in self.layer.lower]
        except OSError:
            for handle in handles:
                os.close(handle)
            raise
        self._walk = OverlayWalk(handles[0], handles[1:], _MARKS[self.layer.marks], _MOST_FILES)
        yield from self._walk.changes()

    def more(self, seconds: float = 0.2, most: int = 2_000) -> ChangePiece:
        """Go on for some time, or until there are so many changes. Errors: OSError when there is no such layer."""
        until = time.monotonic() + seconds
        found: list[Change] = []
        is_last = True
        for batch in self._batches:
            for change in batch:
                if change.path in self._hidden:
                    self._by_engine += 1
                    continue
                self._counts[change.kind] += 1
                if self._listed < _MOST_LISTED:
                    self._listed += 1
                    found.append(change)
                else:
                    self._left_out += 1
            if len(found) >= most or time.monotonic() >= until:
                is_last = False
                break
        assert self._walk is not None
        return ChangePiece(
            changes=tuple(found),
            counts=dict(self._counts),
            sizes=dict(self._walk.sizes),
            size=self._walk.size,
            left_out=self._left_out,
            by_engine=self._by_engine,
            is_last=is_last,
            trouble=self._walk.trouble,
        )
