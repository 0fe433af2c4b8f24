"""One limit of one cgroup, v1 or v2: what the ancestors of a container are asked, and how often their limits were hit.

*Source:* kernel documents cgroup-v2 and cgroup-v1.
*Versions:* pids.events.local since Linux 6.11; before it, and on v1, a failed fork is counted where it was tried, not where the
limit is. memory.memsw.failcnt stays 0 in Linux 6.18, so where memory and swap together may be no more than memory alone, only
the peak tells that v1's limit was hit.
"""

from collections.abc import Mapping
from typing import Literal

from ctrscope.model.cgroup import Limit, LimitEvents
from ctrscope.model.cgroup_membership import CgroupVersion
from ctrscope.model.gap import ParseError
from ctrscope.probes.cgroup1 import parse_v1_limit, parse_v1_quota
from ctrscope.probes.cgroup2 import parse_cpu_max
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.keyed import parse_flat, parse_limit, parse_number, parse_text

#: What can be limited. ``memsw`` is memory and swap together, which only v1 limits.
Resource = Literal["cpu", "cpuset", "memory", "swap", "memsw", "pids"]
_FILES_V2: Mapping[Resource, str] = {"memory": "memory.max", "swap": "memory.swap.max", "pids": "pids.max"}
_FILES_V1: Mapping[Resource, str] = {"memory": "memory.limit_in_bytes", "memsw": "memory.memsw.limit_in_bytes"}


def read_limit(host: HostFs, version: CgroupVersion, resource: Resource, directory: str) -> float | Literal["max"] | None:
    """CPUs, bytes or tasks that this one cgroup allows; None where there is no such file, or it makes no sense."""
    try:
        return _read(host, version, resource, directory)
    except (OSError, ParseError):
        return None


def read_limit_events(host: HostFs, version: CgroupVersion, directories: Mapping[str, str], path: str) -> LimitEvents:
    """How often the cgroup at *path* hit its own limits. *directories*: controller ("cpu", "memory", "pids") → where it is."""

    def flat(controller: str, name: str) -> Mapping[str, int]:
        if controller not in directories:
            return {}
        try:
            return parse_flat(host.read(f"{directories[controller]}/{name}"))
        except (OSError, ParseError):
            return {}

    cpu = flat("cpu", "cpu.stat")
    throttled = cpu.get("throttled_usec")
    place = directories.get("memory")
    limit = None if place is None else read_limit(host, version, "memory", place)
    if version == "v2":
        peak = _number(host, place, "memory.peak")
        memory = flat("memory", "memory.events.local")
        hits, oom = memory.get("max"), memory.get("oom")
        kills = memory.get("oom_kill")
    else:
        peak = _number(host, place, "memory.max_usage_in_bytes")
        oom = None
        kills = flat("memory", "memory.oom_control").get("oom_kill")
        found = [_number(host, place, f"memory.{name}failcnt") for name in ("", "memsw.")]
        hits = None if found[0] is None else found[0] + (found[1] or 0)
        throttled = cpu["throttled_time"] // 1000 if "throttled_time" in cpu else None
    return LimitEvents(
        path=path,
        nr_throttled=cpu.get("nr_throttled"),
        nr_periods=cpu.get("nr_periods"),
        throttled_usec=throttled,
        memory_max=hits,
        was_full=None if peak is None or not isinstance(limit, int) else peak >= limit,
        memory_oom=oom,
        oom_kills=kills,
        pids_max=flat("pids", "pids.events.local").get("max"),
    )


def count_cpus(ranges: str) -> int | None:
    """How many CPUs a list of ranges names: 5 for ``0-3,8``; None for an empty list, which says nothing."""
    count = 0
    try:
        for part in ranges.split(","):
            first, _, last = part.partition("-")
            if first:
                count += int(last or first) - int(first) + 1
    except ValueError:
        return None
    return count or None


def _read(host: HostFs, version: CgroupVersion, resource: Resource, directory: str) -> float | Literal["max"] | None:
    if resource == "cpuset":
        name = "cpuset.cpus.effective" if version == "v2" else "cpuset.effective_cpus"
        return count_cpus(parse_text(host.read(f"{directory}/{name}")))
    if version == "v2":
        if resource == "cpu":
            return _cpus(*parse_cpu_max(host.read(f"{directory}/cpu.max")))
        return parse_limit(host.read(f"{directory}/{_FILES_V2[resource]}"))
    if resource == "cpu":
        quota = parse_v1_quota(host.read(f"{directory}/cpu.cfs_quota_us"))
        return "max" if quota == "max" else _cpus(quota, parse_number(host.read(f"{directory}/cpu.cfs_period_us")))
    if resource == "pids":
        return parse_limit(host.read(f"{directory}/pids.max"))
    return parse_v1_limit(host.read(f"{directory}/{_FILES_V1[resource]}"))


def _cpus(quota: Limit, period: int) -> float | Literal["max"] | None:
    """None for a period of 0, which no kernel has: it stands in a file of another root."""
    return "max" if quota == "max" else quota / period if period else None


def _number(host: HostFs, directory: str | None, name: str) -> int | None:
    if directory is None:
        return None
    try:
        return parse_number(host.read(f"{directory}/{name}"))
    except (OSError, ParseError):
        return None
