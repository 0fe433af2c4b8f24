"""Processes that no engine's state accounts for: lost containers, joined processes, and isolation made by hand."""

from collections.abc import Collection, Iterable

from ctrscope.discovery.confirm import ISOLATORS, Verdict
from ctrscope.discovery.draft import Draft, draft_of
from ctrscope.discovery.isolation import Isolated, groups_of, isolation_of
from ctrscope.discovery.kernel import Kernel
from ctrscope.engines.claims import Claim, parse_claims
from ctrscope.model.container import ContainerStatus, EngineName, Evidence, Monitor, Pod, Record
from ctrscope.model.gap import VANISHED, Gap, Reason
from ctrscope.model.namespace import NamespaceSet, NamespaceType
from ctrscope.probes.cgroupfs import read_members
from ctrscope.probes.proc_pid_stat import Stat

#: Which shared namespace says most about where a process belongs.
_TELLING = (
    NamespaceType.MNT,
    NamespaceType.PID,
    NamespaceType.IPC,
    NamespaceType.NET,
    NamespaceType.UTS,
    NamespaceType.CGROUP,
    NamespaceType.TIME,
    NamespaceType.USER,
)
#: Which namespace gives an unclaimed container its id.
_NAMING = (
    NamespaceType.PID,
    NamespaceType.NET,
    NamespaceType.MNT,
    NamespaceType.USER,
    NamespaceType.IPC,
    NamespaceType.UTS,
    NamespaceType.CGROUP,
    NamespaceType.TIME,
)


def find_supervisors(drafts: Iterable[Draft], kernel: Kernel) -> set[int]:
    """Living processes that wait for a container of *drafts*: they are in none, and are none.

    A supervisor is on the host: users may give what is not the name of one.
    """
    alive = {draft.monitor.pid for draft in drafts if draft.monitor is not None and draft.monitor.alive}
    return {pid for pid in alive if pid is not None and kernel.may_be_on_host(pid)}


def find_orphans(left: Iterable[int], drafts: list[Draft], kernel: Kernel, unread: Collection[str] = ()) -> list[int]:
    """Give processes in an engine's cgroup to their container, even when its state is gone; returns who is left.

    *unread* are engines whose state was not permitted: nobody knows whether it is gone.

    A container whose state names no living process is revived; one without any state is added to *drafts*. Supervisors are
    with their containers: not even their cgroup is asked, a dozen lines each before cgroup v2.
    """
    known = _by_names(drafts)
    groups: dict[str, tuple[Claim, list[int]]] = {}
    rest: list[int] = []
    claims: dict[str, Claim | None] = {}
    supervisors = find_supervisors(drafts, kernel)
    for pid in left:
        if pid in supervisors:
            continue
        membership = kernel.membership(pid)
        path = membership.path if membership else "/"
        if path not in claims:
            claims[path] = next(iter(parse_claims(path)), None)
        claim = claims[path]
        if claim is not None and claim.role == "payload":
            groups.setdefault(claim.path, (claim, []))[1].append(pid)
        # A supervisor is on the host. Whoever is not has only given its cgroup such a name.
        elif claim is None or not kernel.may_be_on_host(pid):
            rest.append(pid)
    for claim, pids in groups.values():
        owner = _find_named(claim, known)
        if owner is not None and owner.pid is not None:
            owner.pids += pids
        elif (top := topmost(pids, kernel)) is not None:
            if owner is None:
                drafts.append(orphan_of(claim, top, pids, kernel, is_unread=claim.engine in unread))
            else:
                owner.revive(top.pid, pids, claim.path, kernel)
    return rest


def _by_names(drafts: Iterable[Draft]) -> dict[tuple[EngineName, int, str], list[Draft]]:
    """Containers by engine, owner and each name that a cgroup may have for them.

    By owner: in the slice of a user only that user makes cgroups, and may give them the name of anybody's container.
    """
    known: dict[tuple[EngineName, int, str], list[Draft]] = {}
    for draft in drafts:
        declared = draft.declared
        if declared.outer is not None:
            continue  # what a container says of itself is not about processes outside of it
        owner = declared.owner_uid or 0
        if declared.engine in (EngineName.INCUS, EngineName.LXD):
            known.setdefault((EngineName.LXC, owner, declared.id), []).append(draft)  # theirs are LXC's cgroups
        for name in {declared.id, declared.name}:
            known.setdefault((declared.engine, owner, name), []).append(draft)
    return known


def _find_named(claim: Claim, known: dict[tuple[EngineName, int, str], list[Draft]]) -> Draft | None:
    """The container that a claim is about: rather one with that id than one with that name, rather one that runs."""
    named = known.get((claim.engine, claim.owner_uid, claim.id), ())
    fitting = [draft for draft in named if claim.engine_namespace in (None, draft.declared.engine_namespace)]
    return max(fitting, key=lambda draft: (draft.declared.id == claim.id, draft.pid is not None), default=None)


def adopt_joined(left: Iterable[int], drafts: Iterable[Draft], kernel: Kernel) -> list[int]:
    """Give processes inside a container's namespaces, but outside its cgroup, to that container; returns who is left.

    Those are the processes of containers without a cgroup of their own, and the ones that came in from outside.
    """
    isolated: dict[int, NamespaceSet] = {}
    rest: list[int] = []
    for pid in left:
        found = kernel.processes.namespaces(pid)
        if isinstance(found, NamespaceSet) and found.differs_from(kernel.host.namespaces):
            isolated[pid] = found
        else:
            rest.append(pid)
    if not isolated:
        return rest
    homes = _Homes(drafts, kernel)
    supervisors = find_supervisors(drafts, kernel)
    for pid, namespaces in isolated.items():
        if pid in supervisors:
            continue
        types = namespaces.differs_from(kernel.host.namespaces)
        own = [(type_, namespaces.ino(type_) or 0) for type_ in _TELLING if type_ in types]
        home = homes.find(NamespaceType.PID, namespaces.pid or 0)
        if home is None and all(homes.find(type_, ino) is not None for type_, ino in own):
            home = homes.find(*own[0])
        if home is not None:
            home.pids.append(pid)
        else:
            rest.append(pid)
    return rest


class _Homes:
    """Which container a namespace is, one link of each container read for each type that is asked about."""

    def __init__(self, drafts: Iterable[Draft], kernel: Kernel) -> None:
        self._running = [(draft, draft.pid) for draft in drafts if draft.pid is not None]
        self._kernel = kernel
        self._by_type: dict[NamespaceType, dict[int, Draft]] = {}

    def find(self, type_: NamespaceType, ino: int) -> Draft | None:
        """A container in that namespace; None when there is none, or when it is the host's."""
        if ino in (0, self._kernel.host.namespaces.ino(type_)):
            return None
        if type_ not in self._by_type:
            homes: dict[int, Draft] = {}
            for draft, pid in self._running:
                homes.setdefault(self._kernel.processes.namespace(pid, type_) or 0, draft)
            self._by_type[type_] = homes
        return self._by_type[type_].get(ino)


def find_unclaimed(left: Iterable[int], drafts: Iterable[Draft], kernel: Kernel) -> tuple[list[Draft], list[Gap]]:
    """Containers that no engine claims, and the gap for processes that may not be looked at."""
    isolated: list[Isolated] = []
    denied = 0
    supervisors = find_supervisors(drafts, kernel)
    for pid in left:
        # PID 1 of the host is what "host" means; its links may be closed even to root.
        if pid == 1 or pid in supervisors:
            continue
        found = kernel.processes.namespaces(pid)
        if isinstance(found, OSError):
            denied += found.errno not in VANISHED
        elif (isolation := isolation_of(pid, found, kernel)) is not None:
            isolated.append(isolation)
    homes = _Homes(drafts, kernel)
    gaps = []
    if denied:
        gaps.append(
            Gap(
                subject="host",
                fields=("containers",),
                source="/proc/PID/ns",
                reason=Reason.DENIED,
                needs="CAP_SYS_PTRACE",
                detail=f"{denied} processes of other users: isolation made by hand cannot be seen",
            )
        )
    return [
        _unclaimed(group, kernel) for group in groups_of(isolated, lambda type_, ino: homes.find(type_, ino) is not None)
    ], gaps


def orphan_of(claim: Claim, top: Stat, pids: list[int], kernel: Kernel, *, is_unread: bool = False) -> Draft:
    """The container that a cgroup names and no state does, or none that could be read."""
    short = claim.id[:12] if len(claim.id) == 64 else claim.id
    record = Record(
        id=claim.id,
        name=short,
        engine=claim.engine,
        engine_namespace=claim.engine_namespace,
        owner_uid=claim.owner_uid,
        status=ContainerStatus.RUNNING,
        pid=top.pid,
        command=kernel.processes.cmdline(top.pid) or None,
        created_at=kernel.started_at(top.starttime_ticks),
        pod=Pod(uid=claim.pod_uid) if claim.pod_uid else None,
        cgroup_path=claim.path,
        evidence=(Evidence(source=f"/proc/{top.pid}/cgroup", value=claim.path),),
    )
    what = f"{claim.engine}'s state is not permitted" if is_unread else f"{claim.engine} has no state of it"
    note = f"{what}: found by its cgroup"
    draft = draft_of(record, Verdict(kernel.live_status(top.pid), top.pid, top.starttime_ticks, (), note), kernel)
    draft.pids = [top.pid, *(pid for pid in pids if pid != top.pid)]
    return draft


def _unclaimed(group: list[Isolated], kernel: Kernel) -> Draft:
    inside = [member for member in group if member.namespaces.pid != kernel.host.namespaces.pid] or group
    top = topmost([member.pid for member in inside], kernel)
    init = next((member for member in inside if top is not None and member.pid == top.pid), inside[0])
    stat = init.stat
    naming = next(type_ for type_ in _NAMING if type_ in init.types)
    parent = kernel.processes.stat(stat.ppid)
    is_monitored = parent is not None and (parent.pid in {member.pid for member in group} or parent.comm in ISOLATORS)
    monitor = Monitor(pid=parent.pid, comm=parent.comm, alive=True) if is_monitored and parent is not None else None
    owns_cgroup = _owns_cgroup(init, group, kernel)
    record = Record(
        id=f"{naming}:[{init.namespaces.ino(naming)}]",
        name=(init.unit if owns_cgroup else None) or stat.comm,
        engine=EngineName.UNCLAIMED,
        owner_uid=init.uid,
        status=ContainerStatus.RUNNING,
        pid=stat.pid,
        created_at=kernel.started_at(stat.starttime_ticks),
        command=kernel.processes.cmdline(stat.pid) or None,
        evidence=(
            Evidence(source=f"/proc/{stat.pid}/ns", value="not the host's: " + ", ".join(str(type_) for type_ in init.types)),
        ),
    )
    draft = draft_of(record, Verdict(kernel.live_status(stat.pid), stat.pid, stat.starttime_ticks, (), None), kernel)
    outside = monitor.pid if monitor else None
    others = [member.pid for member in group if member.pid not in (stat.pid, outside)]
    draft.monitor = monitor
    draft.has_own_cgroup = owns_cgroup
    draft.pids = [stat.pid, *others]
    return draft


def _owns_cgroup(init: Isolated, group: list[Isolated], kernel: Kernel) -> bool:
    """Whether the cgroup holds nobody but this container: a service that is one, or a cgroup made for it."""
    membership = kernel.membership(init.pid)
    directory = kernel.layout.own_directory(membership) if kernel.layout and membership else None
    if directory is None:
        return False
    pids = {member.pid for member in group}
    # Whoever was started in a session shares its cgroup, which may hold thousands, with who started it.
    if any(ppid not in pids and kernel.membership(ppid) == membership for ppid in {member.stat.ppid for member in group}):
        return False
    return pids.issuperset(read_members(kernel.hostfs, directory))


def topmost(pids: list[int], kernel: Kernel) -> Stat | None:
    """The oldest process whose parent is not among *pids*; zombies do not count."""
    members = set(pids)
    stats = [stat for pid in pids if (stat := kernel.processes.stat(pid)) is not None and not stat.has_ended]
    tops = [stat for stat in stats if stat.ppid not in members]
    return min(tops or stats, key=lambda stat: (stat.starttime_ticks, stat.pid), default=None)
