"""One pass over the host: engines' claims, confirmed by the kernel, and what no engine claims.

The order follows what is cheap. Engines' state directories name most containers; the cgroup of each lists its processes
in one read, so that only the processes left over (daemons, supervisors, strays) are looked at one by one.
"""

import time
from collections.abc import Iterable

import msgspec

from ctrscope.discovery.confirm import confirm
from ctrscope.discovery.draft import Draft, draft_of
from ctrscope.discovery.kernel import Kernel
from ctrscope.discovery.plan import Plan
from ctrscope.engines.engine import Survey, User
from ctrscope.engines.table import ENGINES, EngineEntry
from ctrscope.engines.users import read_users
from ctrscope.model.container import Container, EngineName, EngineReading, EngineStatus, Record, container_key
from ctrscope.model.gap import Gap, Reason
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroupfs import read_layout, read_members
from ctrscope.probes.host import now, read_host
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.process_table import ProcessTable

#: Runtimes that engines drive: their record gives way to the engine's when that is found later.
_DRIVEN = (EngineName.RUNC, EngineName.CRUN, EngineName.CONTAINERD, EngineName.CTRSCOPE)
#: What was found, what each engine said, and what could not be known of the rest.
_Found = tuple[list[Draft], list[EngineReading], tuple[Gap, ...]]
_NOTHING: _Found = ([], [], ())


def discover(hostfs: HostFs, plan: Plan, processes: ProcessTable | None = None) -> Snapshot:
    """Find every container of the host. *processes*: a new table, where what is read of them is of use afterwards.

    *Gaps:* what an engine's state or the kernel would not tell; the rest of the answer stands.
    *Cost:* per container and per process outside containers, not per process.
    """
    taken_at, monotonic_ns = now(), time.monotonic_ns()
    layout = read_layout(hostfs)
    host, gaps = read_host(hostfs, layout)
    assert host is not None
    kernel = Kernel(hostfs, host, layout, processes or ProcessTable(hostfs))
    users = read_users(hostfs)
    drafts, readings, left_gaps = _find_running(plan.only, users, kernel) if plan.only is not None else _NOTHING
    if not drafts:
        drafts, readings, left_gaps = _find_all(plan, users, kernel)
    drafts = [draft for draft in drafts if draft.pid is not None or plan.stopped]
    containers = tuple(draft.finish(kernel, plan) for draft in drafts)
    if plan.namespaces:
        from ctrscope.discovery.sharing import find_shares  # only where namespaces are shown

        containers = find_shares(containers, host.namespaces)
    figures = None
    if plan.stats:
        from ctrscope.discovery.stats import read_stats  # only where figures are shown

        figures = read_stats(containers, hostfs, layout, host)
    return Snapshot(
        taken_at=taken_at,
        monotonic_ns=monotonic_ns,
        host=host,
        containers=tuple(sorted(containers, key=lambda container: (container.engine, container.name, container.id))),
        engines=_statuses(readings, containers),
        gaps=(
            *gaps,
            *(gap for reading in readings for gap in reading.gaps),
            *left_gaps,
            *(gap for draft in drafts for gap in draft.gaps),
            *(figures.gaps if figures else ()),
        ),
        stats=figures.stats if figures else {},
        effective=figures.effective if figures else {},
        traffic=figures.traffic if figures else {},
        figure_gaps=figures.gaps if figures else (),
        vanished=kernel.processes.vanished,
    )


def _find_running(query: str, users: tuple[User, ...], kernel: Kernel) -> _Found:
    """The containers that engines' states call by exactly that id or name, if all of those run: then nobody else is meant."""
    survey = Survey(kernel.hostfs, kernel.processes, users, only=query)
    readings = [_read_state(entry, survey) for entry in ENGINES]
    named = [record for record in survey.records if query in (record.id, record.name, container_key(record))]
    drafts = [draft_of(record, confirm(record, kernel), kernel) for record in named]
    if any(draft.pid is None for draft in drafts):
        return _NOTHING  # whether it runs after all, its cgroup or a supervisor knows
    _collect_members(drafts, kernel)
    return drafts, readings, ()


def _find_all(plan: Plan, users: tuple[User, ...], kernel: Kernel) -> _Found:
    """Every container."""
    from ctrscope.discovery.leftover import adopt_joined, find_orphans, find_unclaimed  # not where one is sought

    # Listed before the engines' states are read: a container that starts in between is not taken for one without a state.
    kernel.processes.pids()
    survey = Survey(kernel.hostfs, kernel.processes, users, commands=plan.commands)
    readings = [_read_state(entry, survey) for entry in ENGINES]
    drafts = [draft_of(record, confirm(record, kernel), kernel) for record in survey.records]
    _collect_members(drafts, kernel)

    left = _left_over(drafts, kernel)
    survey.supervisors = tuple(left)
    late = _read_supervisors(survey, readings)
    if late:
        drafts = _replaced(drafts, [draft_of(record, confirm(record, kernel), kernel) for record in late])
        _collect_members(drafts, kernel)
        left = _left_over(drafts, kernel)

    nested_gaps: list[Gap] = []
    if outers := _may_hold_others(drafts, left, kernel):
        from ctrscope.discovery.nested import find_nested  # few hosts have engines in containers

        left, nested_gaps = find_nested(outers, drafts, left, kernel)
    denied = (gap.subject for reading in readings for gap in reading.gaps if gap.reason is Reason.DENIED)
    left = find_orphans(left, drafts, kernel, {subject.removeprefix("engine ") for subject in denied})
    left = adopt_joined(left, drafts, kernel)
    unclaimed, unclaimed_gaps = find_unclaimed(left, drafts, kernel)
    return [*drafts, *unclaimed], readings, (*nested_gaps, *unclaimed_gaps)


def _read_state(entry: EngineEntry, survey: Survey) -> EngineReading:
    if not entry.has_trace(survey.host, survey.users):
        return EngineReading(status=EngineStatus(engine=entry.name, found=False))
    reading = entry.load().read_state(survey)
    survey.add(reading.records)
    return reading


def _read_supervisors(survey: Survey, readings: list[EngineReading]) -> list[Record]:
    """Ask the engines about the processes that are left; their readings grow by what they find."""
    comms = {stat.comm for pid in survey.supervisors if (stat := survey.processes.stat(pid)) is not None}
    found: list[Record] = []
    for index, entry in enumerate(ENGINES):
        if comms.isdisjoint(entry.supervisors) or (more := entry.load().read_supervisors(survey)) is None:
            continue
        survey.add(more.records)
        found += more.records
        before = readings[index]
        roots = dict.fromkeys((*before.status.state_roots, *more.status.state_roots))
        readings[index] = EngineReading(
            status=msgspec.structs.replace(before.status, found=True, state_roots=tuple(roots)),
            records=(*before.records, *more.records),
            gaps=(*before.gaps, *more.gaps),
        )
    return found


def _replaced(drafts: list[Draft], late: list[Draft]) -> list[Draft]:
    """All drafts, where a later record of the same container takes the place of an earlier one that did not run.

    The earlier one is the same container by key (an LXC container on disk, then its monitor), or what an OCI runtime
    said of it before its engine's store was found. An earlier one that runs as the same process knows more: it stays.
    Two supervisors may name one container, as when a monitor has forked and not yet started init: the one with an init counts.
    """
    running = {draft.key: draft.pid for draft in drafts if draft.pid is not None}
    new: dict[str, Draft] = {}
    for draft in sorted(late, key=lambda draft: draft.pid is None):
        if draft.key not in running or draft.pid not in (None, running[draft.key]):
            new.setdefault(draft.key, draft)
    directories = {(draft.declared.owner_uid or 0, path) for draft in new.values() for path in draft.state_dirs}
    kept = [
        draft
        for draft in drafts
        if draft.key not in new
        and not (
            draft.declared.engine in _DRIVEN
            and directories.intersection((draft.declared.owner_uid or 0, path) for path in draft.state_dirs)
        )
    ]
    return [*kept, *new.values()]


def _collect_members(drafts: Iterable[Draft], kernel: Kernel) -> None:
    """Read which processes each container's own cgroup holds."""
    for draft in drafts:
        if draft.pid is None or draft.pids or kernel.layout is None:
            continue
        members = draft.members
        if members is None and draft.membership is not None and draft.has_own_cgroup:
            directory = kernel.layout.own_directory(draft.membership)
            members = read_members(kernel.hostfs, directory, draft.cgroups_below) if directory is not None else None
        outside = draft.monitor.pid if draft.monitor else None
        draft.pids = [draft.pid, *(pid for pid in members or () if pid not in (outside, draft.pid))]


def _may_hold_others(drafts: Iterable[Draft], left: Iterable[int], kernel: Kernel) -> list[Draft]:
    """Containers that show a sign of an engine inside; one more is a process whose parent is inside but whose cgroup is not."""
    parents = {stat.ppid for pid in left if (stat := kernel.processes.stat(pid)) is not None}
    return [
        draft
        for draft in drafts
        if draft.pid is not None and (draft.may_hold_others(kernel) or not parents.isdisjoint(draft.pids))
    ]


def _left_over(drafts: Iterable[Draft], kernel: Kernel) -> list[int]:
    """PIDs in no container's cgroup, without kernel threads."""
    covered = {pid for draft in drafts for pid in draft.pids}
    return [
        pid
        for pid in kernel.processes.pids()
        if pid not in covered and (stat := kernel.processes.stat(pid)) is not None and not stat.is_kernel_thread
    ]


def _statuses(readings: Iterable[EngineReading], containers: Iterable[Container]) -> tuple[EngineStatus, ...]:
    counts: dict[EngineName, int] = {}
    for container in containers:
        counts[container.engine] = counts.get(container.engine, 0) + 1
    return tuple(
        msgspec.structs.replace(reading.status, containers=counts.get(reading.status.engine, 0)) for reading in readings
    )
