"""The dashboard's source: one snapshot after another, what changed in between, and what the screen in front needs.

Most samples only read the figures again (``Watcher``). What is dear is read while somebody looks at it, and not every second.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from ctrscope.discovery.event_watcher import EventWatcher
from ctrscope.discovery.notes import notes_of
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.rates import rates_between, stats_rates
from ctrscope.discovery.watcher import Watcher
from ctrscope.findings import diagnose, diagnose_figures
from ctrscope.model.cgroup import CgroupNode, CgroupStats
from ctrscope.model.detail import Detail
from ctrscope.model.finding import Finding
from ctrscope.model.gap import Gap, Reading
from ctrscope.model.namespace import Namespace
from ctrscope.model.network import LinkRates, NetworkTopology, NetworkWay, Publication
from ctrscope.model.process import ProcessForest
from ctrscope.model.rates import Rates
from ctrscope.model.sample import Ages, Focus, Sample
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.source import HostSources
from ctrscope.model.storage import Measured, Storage
from ctrscope.model.thresholds import Thresholds
from ctrscope.probes.hostfs import HostFs

if TYPE_CHECKING:
    from ctrscope.discovery.layer_sizes import LayerSizes
    from ctrscope.discovery.levels import LevelReader
    from ctrscope.discovery.network_names import NetworkNames
    from ctrscope.discovery.noticing import Noticer
    from ctrscope.discovery.process_forest import ForestReader
    from ctrscope.discovery.topology import TopologyReader

T = TypeVar("T")

_PLAN = Plan(namespaces=True, addresses=True, stats=True, stopped=True)
#: Seconds between two readings of what is not read with every sample, while somebody looks at it.
_CGROUPS_EVERY, _NAMESPACES_EVERY, _PUBLICATIONS_EVERY, _DIAGNOSIS_EVERY = 1.8, 3.0, 5.0, 5.0
_SOURCES_EVERY = 5.0
#: And of health, while nobody does: the header counts what is wrong on every screen. Where that takes long, it takes a
#: hundredth of the time at most.
_DIAGNOSIS_AT_LEAST_EVERY, _DIAGNOSIS_SHARE = 30.0, 0.01
#: Of security, while somebody looks at it: half a second of CPU for 300 containers, and a twentieth of the time at most.
_SECURITY_EVERY, _SECURITY_SHARE = 5.0, 0.05
#: Of what engines keep beside containers, likewise: forty milliseconds for a few images, more for hundreds.
_STORAGE_EVERY, _STORAGE_SHARE = 5.0, 0.02
#: Of the whole host, for what shows nowhere else; longer where the kernel tells us of whatever starts, ends or is changed.
_WHOLE_EVERY, _WHOLE_EVERY_WHERE_NOTICED = 5.0, 15.0


class _Kept(Generic[T]):
    """What is read again only when it is older than some seconds."""

    def __init__(self, read: Callable[[Snapshot], Reading[T]]) -> None:
        self._read = read
        self._reading: Reading[T] = Reading(None)
        self._read_at = -math.inf
        self.cost = 0.0  # CPU time that the last reading took, in seconds

    @property
    def age(self) -> float | None:
        """Seconds since it was read; None when it was not."""
        return _age_of(self._read_at)

    def get(self, snapshot: Snapshot, seconds: float) -> Reading[T]:
        started, used = time.monotonic(), time.thread_time()
        if started - self._read_at >= seconds:
            self._reading = self._read(snapshot)
            self._read_at, self.cost = time.monotonic(), time.thread_time() - used
        return self._reading


class _Aside(Generic[T]):
    """What takes so long that no sample may wait for it: read on a thread of its own, the last answer is handed out meanwhile.

    *Errors:* what went wrong there is raised by the next ``get``.
    """

    def __init__(self, read: Callable[[Snapshot], Reading[T]]) -> None:
        self._read = read
        self._reading: Reading[T] = Reading(None)
        self._read_at = -math.inf
        self._cost = 0.0  # CPU time of the last reading, seconds
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    @property
    def age(self) -> float | None:
        """Seconds since it was read; None when it was not."""
        return _age_of(self._read_at)

    def get(self, snapshot: Snapshot, seconds: float, share: float) -> Reading[T]:
        """The last answer, renewed when it is older than *seconds*, and so that reading takes a *share* of the time at most."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        is_busy = self._thread is not None and self._thread.is_alive()
        if not is_busy and time.monotonic() - self._read_at >= max(seconds, self._cost / share):
            # A daemon, as the one that takes samples: a read that never returns must not keep us from ending.
            self._thread = threading.Thread(target=self._renew, args=(snapshot,), name="aside", daemon=True)
            self._thread.start()
        return self._reading

    def _renew(self, snapshot: Snapshot) -> None:
        used = time.thread_time()
        try:
            self._reading = self._read(snapshot)
        except Exception as error:  # whatever it was, whoever asks next is told
            self._error = error
        self._read_at, self._cost = time.monotonic(), time.thread_time() - used


class Sampler:
    """Takes samples; keeps only the previous snapshot, and the last of what is not read every time.

    *noticer*: notices what happens between two samples; without it, events are what two snapshots show. *keep_open*: how many
    interface files may stay open.
    """

    def __init__(
        self,
        hostfs: HostFs,
        thresholds: Thresholds | None = None,
        noticer: "Noticer | None" = None,
        *,
        keep_open: int = 0,
    ) -> None:
        from ctrscope.probes.host_totals import HostTotalsReader  # psutil, for the dashboard only

        self._hostfs, self._thresholds = hostfs, thresholds or Thresholds()
        every = _WHOLE_EVERY if noticer is None or noticer.gaps else _WHOLE_EVERY_WHERE_NOTICED
        self._watcher = Watcher(hostfs, _PLAN, whole_every=every, limits_every=every, keep_open=keep_open)
        self._previous: Snapshot | None = None
        self._events = EventWatcher(hostfs, noticer)
        self._totals = HostTotalsReader(hostfs)
        self._namespaces = _Kept(self._read_namespaces)
        self._diagnosis = _Kept(self._read_diagnosis)
        self._security = _Aside(self._read_security)
        self._storage = _Aside(self._read_storage)
        self._network = _NetworkSampler(hostfs)
        self._cgroups = _Kept(self._read_cgroups)
        self._sources = _Kept(self._read_sources)
        self._forest: ForestReader | None = None
        self._levels: LevelReader | None = None
        self._layers: LayerSizes | None = None
        self._tree: CgroupNode | None = None  # the latest
        self._way: NetworkWay | None = None  # the latest, to which container, and of when
        self._way_to: str | None = None
        self._way_at = -math.inf
        self._tree_rates: Mapping[str, Rates] = {}

    def sample(self, focus: Focus) -> Sample:
        """Take one, with the details of what is on the screen."""
        noticed = self._events.notice()
        previous, snapshot = (
            self._previous,
            self._watcher.look(whole=noticed.whole, limits=noticed.limits, opened=focus.container),
        )
        events = self._events.poll(previous, snapshot)
        rates = rates_between(previous, snapshot) if previous is not None else {}
        self._previous = snapshot
        findings, earlier = self._findings(snapshot, rates, focus) if previous is not None else (None, ())
        looks = self._security.get(snapshot, _SECURITY_EVERY, _SECURITY_SHARE) if focus.findings else Reading(None)
        stores = self._storage.get(snapshot, _STORAGE_EVERY, _STORAGE_SHARE) if focus.storage else Reading(None)
        namespaces, gaps = self._namespaces.get(snapshot, _NAMESPACES_EVERY) if focus.namespaces else Reading(None)
        is_net = focus.topology or focus.way
        is_another = focus.way and self._way_to != focus.container
        topology, link_rates, network_gaps = self._network.read(snapshot, is_another) if is_net else (None, {}, ())
        cgroups, cgroup_gaps = self._cgroups.get(snapshot, _CGROUPS_EVERY) if focus.cgroups else Reading(None)
        levels, level_rates = self._read_levels(focus.levels) if focus.levels else ({}, {})
        return Sample(
            snapshot=with_notes(snapshot, findings or ()),
            rates=rates,
            totals=self._totals.read(),
            details=self._details(snapshot, focus),
            findings=findings,
            earlier=earlier,
            ages=Ages(health=self._diagnosis.age, security=self._security.age, idle=self._watcher.limits_age),
            security=looks.value,
            namespaces=namespaces,
            cgroups=cgroups,
            cgroup_rates=self._tree_rates if focus.cgroups else {},
            topology=topology,
            way=self._read_way(snapshot, topology, focus) if focus.way and topology is not None else None,
            link_rates=link_rates,
            events=events,
            event_gaps=self._events.gaps,
            processes=self._read_processes(snapshot) if focus.processes else None,
            levels=levels,
            level_rates=level_rates,
            sources=self._sources.get(snapshot, _SOURCES_EVERY).value if focus.host else None,
            storage=stores.value,
            layer_sizes=self._layer_sizes(snapshot, focus.layers) if focus.layers else {},
            gaps=(*gaps, *network_gaps, *cgroup_gaps, *looks.gaps, *stores.gaps),
        )

    def _details(self, snapshot: Snapshot, focus: Focus) -> dict[str, Detail]:
        container = snapshot.container(focus.container) if focus.container is not None else None
        if container is None:
            return {}
        from ctrscope.discovery.detail import read_detail  # only once a container is opened

        return {container.key: read_detail(self._hostfs, container, show_secrets=focus.secrets)}

    def _read_way(self, snapshot: Snapshot, topology: NetworkTopology, focus: Focus) -> NetworkWay | None:
        """The way to the container in focus; judged as often as sockets are read, which say who listens."""
        container = snapshot.container(focus.container) if focus.container is not None else None
        if container is None or not container.is_running:
            return None
        if self._way_at != self._network.published_at:
            from ctrscope.discovery.forwarded import read_filters
            from ctrscope.discovery.way import find_way

            self._way = find_way(snapshot, topology, container, read_filters(self._hostfs, topology))
            self._way_to, self._way_at = container.key, self._network.published_at
        return self._way

    def _findings(
        self, snapshot: Snapshot, rates: Mapping[str, Rates], focus: Focus
    ) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
        """What the figures say now with what else was found when all of health was looked at last; and the latter alone."""
        found = diagnose_figures(snapshot, rates, snapshot.effective, self._thresholds)
        seldom = max(_DIAGNOSIS_AT_LEAST_EVERY, self._diagnosis.cost / _DIAGNOSIS_SHARE)
        seconds = _DIAGNOSIS_EVERY if focus.findings else seldom
        whole = self._diagnosis.get(snapshot, seconds).value or ()
        known = {(finding.rule, finding.subject) for finding in found}
        more = [finding for finding in whole if (finding.rule, finding.subject) not in known]
        return tuple(sorted((*found, *more), key=lambda finding: finding.severity.rank)), tuple(more)

    def _read_levels(self, paths: Sequence[str]) -> tuple[Mapping[str, CgroupStats], Mapping[str, Rates]]:
        from ctrscope.discovery.levels import LevelReader

        self._levels = self._levels or LevelReader(self._hostfs)
        return self._levels.read(paths)

    def _layer_sizes(self, snapshot: Snapshot, keys: Sequence[str]) -> Mapping[str, Reading[Measured]]:
        from ctrscope.discovery.layer_sizes import LayerSizes  # only once somebody wants to see them

        self._layers = self._layers or LayerSizes(self._hostfs)
        return self._layers.get(snapshot, keys)

    def _read_processes(self, snapshot: Snapshot) -> ProcessForest:
        from ctrscope.discovery.process_forest import ForestReader

        self._forest = self._forest or ForestReader(self._hostfs)
        return self._forest.read(snapshot, time.monotonic_ns())

    def _read_sources(self, snapshot: Snapshot) -> Reading[HostSources]:
        from ctrscope.discovery.sources import read_host_sources

        return Reading(read_host_sources(self._hostfs, snapshot.host))

    def _read_diagnosis(self, snapshot: Snapshot) -> Reading[tuple[Finding, ...]]:
        from ctrscope.discovery.observe import observe

        observed, gaps = observe(self._hostfs, snapshot)
        return Reading(diagnose(observed, self._thresholds) if observed is not None else (), gaps)

    def _read_security(self, snapshot: Snapshot) -> Reading[tuple[Finding, ...]]:
        from ctrscope.discovery.audit import gather
        from ctrscope.findings.security import judge

        # On a thread of its own, hence with descriptors of its own.
        audit, gaps = gather(HostFs(self._hostfs.root), snapshot)
        if audit is None:
            return Reading(None, gaps)
        judgement = judge(audit.host, audit.containers)
        return Reading(judgement.findings, (*gaps, *judgement.gaps))

    def _read_storage(self, snapshot: Snapshot) -> Reading[Storage]:
        from ctrscope.discovery.storage import read_storage

        # On a thread of its own, hence with descriptors of its own.
        return read_storage(HostFs(self._hostfs.root), snapshot)

    def _read_namespaces(self, snapshot: Snapshot) -> Reading[tuple[Namespace, ...]]:
        from ctrscope.discovery.namespaces import read_namespaces

        return read_namespaces(self._hostfs, snapshot)

    def _read_cgroups(self, snapshot: Snapshot) -> Reading[CgroupNode]:
        from ctrscope.discovery.cgroups import read_cgroup_tree

        reading = read_cgroup_tree(self._hostfs, snapshot)
        self._tree_rates = tree_rates_between(self._tree, reading.value)
        self._tree = reading.value
        return reading


def _age_of(read_at: float) -> float | None:
    return None if read_at == -math.inf else time.monotonic() - read_at


class _NetworkSampler:
    """The topology with every sample; published ports, who listens there and names of networks every few seconds."""

    def __init__(self, hostfs: HostFs) -> None:
        self._hostfs = hostfs
        self._reader: TopologyReader | None = None
        self._topology: NetworkTopology | None = None
        self._published: Reading[tuple[Publication, ...]] = Reading(None)
        self._names: Reading[NetworkNames] = Reading(None)
        self.published_at = -math.inf  # monotonic

    def read(
        self, snapshot: Snapshot, at_once: bool = False
    ) -> tuple[NetworkTopology | None, Mapping[tuple[int, int], LinkRates], tuple[Gap, ...]]:
        from ctrscope.discovery.link_rates import link_rates_between
        from ctrscope.discovery.topology import TopologyReader

        self._reader = self._reader or TopologyReader(self._hostfs)
        is_due = at_once or time.monotonic() - self.published_at >= _PUBLICATIONS_EVERY
        earlier, (topology, gaps) = self._topology, self._reader.read(snapshot, sockets=is_due)
        self._topology = topology
        if topology is None:
            return None, {}, gaps
        if is_due:
            from ctrscope.discovery.network_names import read_network_names
            from ctrscope.discovery.published import find_publications

            self._published = find_publications(self._hostfs, snapshot, topology)
            self._names = read_network_names(self._hostfs, snapshot)
            self.published_at = time.monotonic()
        rates = link_rates_between(earlier, topology) if earlier is not None else {}
        gaps += (*self._published.gaps, *self._names.gaps)
        if self._names.value is not None:
            from ctrscope.discovery.network_names import with_network_names

            topology = with_network_names(topology, self._names.value)
        return msgspec.structs.replace(topology, publications=self._published.value), rates, gaps


def with_notes(snapshot: Snapshot, findings: Sequence[Finding]) -> Snapshot:
    """The snapshot, where the note of a container is the title of its worst finding, if there is one."""
    notes = notes_of(findings)
    if not notes:
        return snapshot
    containers = tuple(
        msgspec.structs.replace(container, note=notes[container.key]) if container.key in notes else container
        for container in snapshot.containers
    )
    return msgspec.structs.replace(snapshot, containers=containers)


def tree_rates_between(earlier: CgroupNode | None, later: CgroupNode | None) -> dict[str, Rates]:
    """Change a second of every cgroup that is in both trees, by path; none of one that was made anew."""
    before = {node.path: node.stats for node in _walk(earlier)}
    rates = {}
    for node in _walk(later):
        old, new = before.get(node.path), node.stats
        if old is None or new is None or old.ino != new.ino or old.read_at_ns is None or new.read_at_ns is None:
            continue
        if new.read_at_ns > old.read_at_ns:
            rates[node.path] = stats_rates(old, new, None, None, (new.read_at_ns - old.read_at_ns) / 1e9)
    return rates


def _walk(root: CgroupNode | None) -> Sequence[CgroupNode]:
    nodes = [] if root is None else [root]
    for node in nodes:
        nodes += node.children
    return nodes
