"""What a cgroup may really use: the tightest limit from it up to the host, who imposes it, and whose limit it was that bit."""

from collections.abc import Iterator
from math import inf

from ctrscope.model.cgroup import CgroupStats, EffectiveLimit, EffectiveLimits, Limit, LimitEvents
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.probes.cgroup_limits import Resource, count_cpus, read_limit, read_limit_events
from ctrscope.probes.cgroupfs import CgroupLayout
from ctrscope.probes.host import read_host_size
from ctrscope.probes.hostfs import HostFs

#: ``limited_by`` of what only the size of the host bounds.
HOST = "host"
#: Resource → the v1 controller that limits it.
_CONTROLLER = {"cpu": "cpu", "cpuset": "cpuset", "memory": "memory", "swap": "memory", "memsw": "memory", "pids": "pids"}


class Ancestry:
    """The limits of cgroups and of everything above them. For one pass: no limit is read twice."""

    def __init__(self, hostfs: HostFs, layout: CgroupLayout) -> None:
        self._hostfs, self._layout, self._size = hostfs, layout, read_host_size(hostfs)
        self._bounds: dict[tuple[Resource, str], float | None] = {}  # "max" is infinite
        self._lowest: dict[tuple[Resource, str], tuple[float, str]] = {}
        self._events: dict[str, LimitEvents] = {}

    def limits(self, membership: CgroupMembership, stats: CgroupStats | None = None) -> EffectiveLimits:
        """Tightest limits of one cgroup. *stats*: its own figures where they were read already."""
        if stats is not None:
            self._know(membership, stats)
        memory = self._find(membership, "memory", self._size.memory)
        return EffectiveLimits(
            cpus=min(
                self._find(membership, "cpu", self._size.cpus),
                self._find(membership, "cpuset", self._size.cpus),
                key=lambda limit: limit.value if isinstance(limit.value, (int, float)) else inf,
            ),
            memory=memory,
            swap=self._swap(membership, memory),
            pids=self._find(membership, "pids", self._size.tasks),
        )

    def events(self, membership: CgroupMembership) -> tuple[LimitEvents, ...]:
        """What the cgroup and each above it counted of its own limits, nearest first, without those that counted nothing."""
        levels: dict[str, dict[str, str]] = {}
        for controller in ("cpu", "memory", "pids"):
            nearest = self._path(membership, controller)
            if nearest.endswith(".scope") and self._hostfs.exists(f"{self._directory(controller, nearest)}/container"):
                nearest += "/container"  # where crun sets the limits with the systemd driver
            for path in lineage(nearest):
                if (directory := self._directory(controller, path)) is not None:
                    levels.setdefault(path, {})[controller] = directory
        found = []
        for path in sorted(levels, key=len, reverse=True):
            if path not in self._events:
                self._events[path] = read_limit_events(self._hostfs, self._layout.version, levels[path], path)
            events = self._events[path]
            memory = events.memory_max or events.was_full or events.memory_oom or events.oom_kills
            if events.nr_throttled or memory or events.pids_max:
                found.append(events)
        return tuple(found)

    def _know(self, membership: CgroupMembership, stats: CgroupStats) -> None:
        """Take a cgroup's own limits from its figures."""
        own: dict[Resource, float | None] = {}
        if stats.cpu is not None:
            own["cpu"] = _number(stats.cpu.limit_cpus)
        if stats.cpuset is not None and stats.cpuset.cpus_effective is not None:
            own["cpuset"] = count_cpus(stats.cpuset.cpus_effective)
        if stats.memory is not None:
            memory, swap = _number(stats.memory.limit), _number(stats.memory.swap_limit)
            own["memory"], own["swap"] = memory, swap
            own["memsw"] = None if memory is None or swap is None else memory + swap
        if stats.pids is not None:
            own["pids"] = _number(stats.pids.limit)
        for resource, bound in own.items():
            self._bounds[resource, self._path(membership, _CONTROLLER[resource])] = bound

    def _swap(self, membership: CgroupMembership, memory: EffectiveLimit) -> EffectiveLimit:
        if self._layout.version == "v2":
            return self._find(membership, "swap", self._size.swap)
        # v1 limits memory and swap together: what is left for swap is what memory may not take.
        both = self._find(membership, "memsw", None)
        if not isinstance(both.value, (int, float)) or not isinstance(memory.value, (int, float)):
            return _bounded(inf, None, self._size.swap)
        return _bounded(max(0, both.value - memory.value), both.limited_by, self._size.swap)

    def _find(self, membership: CgroupMembership, resource: Resource, host: int | None) -> EffectiveLimit:
        """The lowest bound from the cgroup upwards; the host's own size when nothing is below it.

        Of two equal ones the nearer counts, save for a cpuset: that is inherited, so there the outer one is the cause.
        """
        path = self._path(membership, _CONTROLLER[resource])
        value, limited_by = self._lowest.get((resource, path)) or self._descend(resource, path)
        return _bounded(value, limited_by or None, host)

    def _descend(self, resource: Resource, path: str) -> tuple[float, str]:
        """The lowest bound down to a cgroup, and where it is."""
        lowest = inf, ""
        for one in reversed([*lineage(path)]):
            key = resource, one
            if key not in self._lowest:
                bound = self._bound(resource, one)
                if bound is not None and (bound < lowest[0] or (bound == lowest[0] != inf and resource != "cpuset")):
                    lowest = bound, one
                self._lowest[key] = lowest
            lowest = self._lowest[key]
        return lowest

    def _bound(self, resource: Resource, path: str) -> float | None:
        key = resource, path
        if key not in self._bounds:
            directory = self._directory(_CONTROLLER[resource], path)
            version = self._layout.version
            found = None if directory is None else read_limit(self._hostfs, version, resource, directory)
            self._bounds[key] = _number(found)
        return self._bounds[key]

    def _path(self, membership: CgroupMembership, controller: str) -> str:
        return membership.path if self._layout.version == "v2" else membership.paths.get(controller, "/")

    def _directory(self, controller: str, path: str) -> str | None:
        mount = self._layout.mounts.get("" if self._layout.version == "v2" else controller)
        return None if mount is None else mount + path


def find_effective_limits(hostfs: HostFs, layout: CgroupLayout, membership: CgroupMembership) -> EffectiveLimits:
    """Tightest limits of one cgroup. Of several, ask one ``Ancestry``: it reads what they share once."""
    return Ancestry(hostfs, layout).limits(membership)


def lineage(path: str) -> Iterator[str]:
    """The cgroup and those above it, nearest first, without the root: that has no limits."""
    while path not in ("/", ""):
        yield path
        path = path.rpartition("/")[0]


def _number(limit: Limit | float | None) -> float | None:
    return inf if limit == "max" else limit


def _bounded(value: float, limited_by: str | None, host: int | None) -> EffectiveLimit:
    if host is not None and value >= host:
        return EffectiveLimit(value=host, limited_by=HOST)
    return EffectiveLimit(value="max") if value == inf else EffectiveLimit(value=value, limited_by=limited_by)
