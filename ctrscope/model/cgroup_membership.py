"""Cgroups: which one a process is in. A module of its own, for ``ps`` has no use for the figures in ``cgroup``."""

from collections.abc import Mapping
from typing import Literal

from ctrscope.model.value import Value

CgroupVersion = Literal["v1", "v2", "hybrid"]


class CgroupMembership(Value, frozen=True, kw_only=True):
    """Where a process stands in the cgroup hierarchies, as seen from the host; cgroups(7)."""

    version: CgroupVersion
    path: str  # the v2 path; on v1 and hybrid the path most controllers agree on
    paths: Mapping[str, str]  # v1 and hybrid: controller → path; "" is the v2 hierarchy
