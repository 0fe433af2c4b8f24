"""One consistent view of the host.

It is never encoded as a whole, so that the types of figures are imported where there are figures.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from ctrscope.model.container import Container, EngineStatus
from ctrscope.model.gap import Gap
from ctrscope.model.host import Host

if TYPE_CHECKING:
    from ctrscope.model.cgroup import CgroupStats, EffectiveLimits
    from ctrscope.model.network import Traffic


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one pass over the host found. Compared by identity, so that handing it on never walks it."""

    taken_at: str  # RFC 3339
    monotonic_ns: int
    host: Host
    containers: tuple[Container, ...]
    engines: tuple[EngineStatus, ...]
    gaps: tuple[Gap, ...]
    stats: "Mapping[str, CgroupStats]"  # by container key; only what the plan asked for
    effective: "Mapping[str, EffectiveLimits]" = {}  # by container key; where there are stats
    traffic: "Mapping[str, Traffic]" = {}  # by container key; of its network namespace, unless that is the host's
    figure_gaps: tuple[Gap, ...] = ()  # the last of ``gaps``: those about figures
    vanished: int = 0  # processes that ended between listing and reading

    def container(self, key: str) -> Container | None:
        """The container with that key."""
        return next((found for found in self.containers if found.key == key), None)
