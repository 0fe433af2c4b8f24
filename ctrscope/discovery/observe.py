"""Everything that ``diagnose`` judges: two readings of the host, a moment apart.

*Cost:* the figures of each container twice, every process inside once or twice, the kernel log, the cgroup tree, mounts.
"""

import time
from collections.abc import Iterable, Mapping

from ctrscope.discovery.discover import discover
from ctrscope.discovery.effective import HOST, Ancestry
from ctrscope.discovery.observe_network import observe_network
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.rates import rates_between
from ctrscope.discovery.refresh import refresh
from ctrscope.discovery.remnants import Remnants, find_remnants
from ctrscope.discovery.second_look import look, look_again, unread
from ctrscope.model.cgroup import CgroupStats, CpuStats, EffectiveLimit, LimitEvents
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import Container
from ctrscope.model.gap import Reading
from ctrscope.model.observed import Observed
from ctrscope.model.rates import Rates
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroup_stats import read_cgroup_stats
from ctrscope.probes.cgroupfs import CgroupLayout, read_layout
from ctrscope.probes.host import read_boot_time
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.kmsg import read_oom_kills

#: What the snapshot that is handed in has to be made with.
PLAN = Plan(namespaces=True, addresses=True, stats=True, stopped=True)
#: Seconds between the two readings: five periods of the usual quota.
INTERVAL = 0.5
_CONTROLLERS = {"cpus": "cpu", "memory": "memory", "pids": "pids"}


def observe(
    hostfs: HostFs, snapshot: Snapshot, *, keys: Iterable[str] | None = None, interval: float = INTERVAL
) -> Reading[Observed]:
    """Look at the host again *interval* seconds after the snapshot, and at what rates do not tell.

    *keys*: of the containers that matter: processes of others, and what is left of those that are gone, are not looked at.
    Shape: the value is never None; what could not be read is None or missing inside, and has a gap.
    """
    layout = read_layout(hostfs)
    before = _read_levels(hostfs, layout, snapshot)
    lasting = look(hostfs, _chosen(snapshot, keys))
    left = find_remnants(hostfs, layout, snapshot) if keys is None else Remnants(())
    time.sleep(max(0.0, interval - (time.monotonic_ns() - snapshot.monotonic_ns) / 1e9))
    later = refresh(hostfs, layout, snapshot) or discover(hostfs, PLAN)
    levels = _read_levels(hostfs, layout, later)
    kills = read_oom_kills(hostfs, read_boot_time(hostfs))
    # A cgroup that is made just now is empty too: what a container leaves behind is there at both looks.
    remnants, gaps = find_remnants(hostfs, layout, later) if keys is None else Remnants(())
    processes = [(one, look_again(hostfs, one, lasting)) for one in _chosen(later, keys)]
    network = observe_network(hostfs, later)
    observed = Observed(
        snapshot=later,
        seconds=(later.monotonic_ns - snapshot.monotonic_ns) / 1e9,
        rates=rates_between(snapshot, later),
        effective=later.effective,
        limit_events=_read_events(hostfs, layout, later),
        levels=levels,
        level_rates={path: _throttling(before[path], levels[path]) for path in before.keys() & levels},
        processes={one.key: found for one, found in processes},
        oom_kills=kills.value,
        remnants=tuple(one for one in remnants if one in left.value),
        topology=network.topology,
        nameservers=network.nameservers,
    )
    unknown = (gap for one, found in processes for gap in unread(hostfs, one, found))
    return Reading(observed, (*later.gaps, *unknown, *kills.gaps, *gaps, *network.gaps))


def _chosen(snapshot: Snapshot, keys: Iterable[str] | None) -> tuple[Container, ...]:
    wanted = None if keys is None else frozenset(keys)
    return tuple(one for one in snapshot.containers if one.is_running and (wanted is None or one.key in wanted))


def _read_levels(hostfs: HostFs, layout: CgroupLayout | None, snapshot: Snapshot) -> Mapping[str, CgroupStats]:
    """Figures of the cgroups above a container that limit it, by path."""
    controllers: dict[str, set[str]] = {}
    for container in snapshot.containers:
        limits = snapshot.effective.get(container.key)
        if layout is None or limits is None or container.cgroup is None:
            continue
        own = {container.cgroup.path, *container.cgroup.paths.values()}
        for resource, controller in _CONTROLLERS.items():
            limit: EffectiveLimit | None = getattr(limits, resource)
            if limit is not None and limit.limited_by not in (None, HOST, *own):
                controllers.setdefault(str(limit.limited_by), set()).add(controller)
    levels: dict[str, CgroupStats] = {}
    for path, names in controllers.items():
        assert layout is not None
        paths = {} if layout.version == "v2" else dict.fromkeys(names, path)
        membership = CgroupMembership(version=layout.version, path=path, paths=paths)
        stats = read_cgroup_stats(hostfs, layout, membership, f"cgroup {path}").value
        if stats is not None:
            levels[path] = stats
    return levels


def _read_events(hostfs: HostFs, layout: CgroupLayout | None, snapshot: Snapshot) -> Mapping[str, tuple[LimitEvents, ...]]:
    """What each container's cgroup and those above counted of their own limits, by container key."""
    if layout is None:
        return {}
    ancestry = Ancestry(hostfs, layout)
    return {
        one.key: ancestry.events(one.cgroup)
        for one in snapshot.containers
        if one.key in snapshot.stats and one.cgroup is not None
    }


def _throttling(old: CgroupStats, new: CgroupStats) -> Rates:
    """How often a cgroup above was throttled; None when its counters are not those of the same cgroup."""
    before, after = old.cpu or CpuStats(), new.cpu or CpuStats()
    if old.ino != new.ino or before.nr_periods is None or before.nr_throttled is None:
        return Rates()
    if after.nr_periods is None or after.nr_throttled is None:
        return Rates()
    periods, throttled = after.nr_periods - before.nr_periods, after.nr_throttled - before.nr_throttled
    return Rates(throttled_percent=100 * throttled / periods) if periods > 0 <= throttled else Rates()
