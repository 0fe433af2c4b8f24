"""The sample that the dashboard draws: a snapshot, what changed since the last, and what is on the screen."""

from collections.abc import Mapping

import msgspec

from ctrscope.model.cgroup import CgroupNode, CgroupStats
from ctrscope.model.detail import Detail
from ctrscope.model.event import Event
from ctrscope.model.finding import Finding
from ctrscope.model.gap import Gap, Reading
from ctrscope.model.namespace import Namespace
from ctrscope.model.network import LinkRates, NetworkTopology, NetworkWay
from ctrscope.model.process import ProcessForest
from ctrscope.model.rates import Rates
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.source import HostSources
from ctrscope.model.storage import Measured, Storage


class HostTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Usage of the whole host and of ourselves; rates are of the time since the sample before."""

    cpu_percent: float | None = None  # of all CPUs
    memory_used: int | None = None  # total minus available, bytes
    memory_total: int | None = None
    stalled_percent: Mapping[str, float] = {}  # pressure "some" of cpu, memory and io: percent of the time
    read_bytes: float | None = None  # a second, of the disks
    write_bytes: float | None = None
    rx_bytes: float | None = None  # a second, of the links to the wire
    tx_bytes: float | None = None
    self_cpu_percent: float | None = None  # of one CPU
    self_rss: int | None = None


class Ages(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds since what is not read with every sample was read. None: it was not, or is read with every sample."""

    health: float | None = None  # all of it, not only what the figures tell
    security: float | None = None
    idle: float | None = None  # limits, and the memory, tasks and I/O of cgroups in which nothing ran since


class Sample(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What the dashboard draws: a snapshot, and what changed since the last."""

    snapshot: Snapshot
    rates: Mapping[str, Rates]  # by container key
    totals: HostTotals
    details: Mapping[str, Detail]  # by container key, for what Focus asked
    findings: tuple[Finding, ...] | None = None  # of health, worst first; None: not judged yet, which takes two readings
    earlier: tuple[Finding, ...] = ()  # those of health that the figures do not tell: as of the last look at all of it
    ages: Ages = Ages()
    security: tuple[Finding, ...] | None = None  # what audit says, worst first; None: nobody asked, or it is not known yet
    namespaces: tuple[Namespace, ...] | None = None  # what Focus asked; None: nobody did
    cgroups: CgroupNode | None = None  # the root of the tree
    cgroup_rates: Mapping[str, Rates] = {}  # by path of the cgroup
    topology: NetworkTopology | None = None
    way: NetworkWay | None = None  # of the container in focus
    link_rates: Mapping[tuple[int, int], LinkRates] = {}  # by (inode of the network namespace, ifindex)
    events: tuple[Event, ...] = ()  # since the sample before
    event_gaps: tuple[Gap, ...] = ()  # what cannot be noticed here
    processes: ProcessForest | None = None
    levels: Mapping[str, CgroupStats] = {}  # by path of the cgroup, of those that Focus asked for
    level_rates: Mapping[str, Rates] = {}
    sources: HostSources | None = None
    storage: Storage | None = None
    layer_sizes: Mapping[str, Reading[Measured]] = {}  # by container key, of those that Focus asked for and that are counted
    gaps: tuple[Gap, ...] = ()  # of what Focus asked beyond the containers


class Focus(msgspec.Struct, frozen=True, kw_only=True):
    """What is on the screen, hence what is worth reading."""

    container: str | None = None  # key
    secrets: bool = False  # of that container, values that look secret, too
    way: bool = False  # of that container, how it is reached from the wire
    namespaces: bool = False  # every namespace of the host
    cgroups: bool = False  # the cgroup tree
    topology: bool = False  # every network namespace, and what connects them
    findings: bool = False  # all of health, not only what the figures tell, and of security
    processes: bool = False  # of every container
    levels: tuple[str, ...] = ()  # paths of cgroups whose figures are shown as those of a group
    storage: bool = False  # images, writable layers, volumes, networks, secrets
    layers: tuple[str, ...] = ()  # keys of containers whose writable layers are to be counted
    host: bool = False  # what the kernel answers to us, and the pressure of the host
