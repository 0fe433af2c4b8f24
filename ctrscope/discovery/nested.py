"""Engines inside containers: docker in docker, kind, podman in podman. Their containers are found where they left their state.

The engines read the outer container's root (/proc/PID/root) as they read the host's. A PID in such a state is one of the
outer's PID namespace and becomes the host's by NSpid (proc_pid_status(5)); only processes inside the outer count, so that a
container can lie about nothing but itself. Start times are the same clock, save in a time namespace.

*Gaps:* what could not be read, under the outer's name. A container with a FUSE file system is not looked into: whoever serves
that may be inside and never answer.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from ctrscope.discovery.confirm import Verdict, confirm, gone
from ctrscope.discovery.draft import Draft, draft_of
from ctrscope.discovery.inside import BoundedFs, InnerTable
from ctrscope.discovery.kernel import Kernel
from ctrscope.discovery.leftover import orphan_of, topmost
from ctrscope.discovery.whose import is_within
from ctrscope.engines.claims import Claim, parse_claims
from ctrscope.engines.engine import Survey
from ctrscope.engines.table import ENGINES
from ctrscope.engines.users import read_users
from ctrscope.model.container import Evidence, Record
from ctrscope.model.gap import VANISHED, Gap, ParseError, Reason, gap_of
from ctrscope.model.namespace import NamespaceType
from ctrscope.probes.cgroupfs import read_members
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_mountinfo import find_unanswering, read_mountinfo
from ctrscope.probes.proc_pid_status import read_status

#: Containers in containers in containers; kind in a CI job is two.
_DEEPEST = 3
_MOST_RECORDS = 500
_MOST_GAPS = 50


def find_nested(outers: Iterable[Draft], drafts: list[Draft], left: list[int], kernel: Kernel) -> tuple[list[int], list[Gap]]:
    """Add to *drafts* what runs inside of *outers*, take its processes from theirs, and return who of *left* remains."""
    gaps: list[Gap] = []
    inits = {draft.pid for draft in drafts}
    waiting = [(outer, 1) for outer in outers]
    while waiting:
        outer, depth = waiting.pop(0)
        assert outer.pid is not None
        look = _Look(outer, outer.pid, left, inits, kernel)
        inner = look.find()
        gaps += look.gaps[:_MOST_GAPS]
        taken = {pid for draft in inner for pid in draft.pids}
        outer.pids = [pid for pid in outer.pids if pid not in taken]
        left = [pid for pid in left if pid not in taken]
        inits.update(draft.pid for draft in inner)
        drafts += inner
        if depth < _DEEPEST:
            waiting += [(draft, depth + 1) for draft in inner if draft.may_hold_others(kernel)]
    return left, gaps


class _Look:
    """One look into one container."""

    def __init__(self, outer: Draft, pid: int, left: Iterable[int], inits: set[int | None], kernel: Kernel) -> None:
        self._outer, self._pid, self._inits, self._kernel = outer, pid, inits, kernel
        self._root = f"/proc/{pid}/root"
        self._to_host = self._map_pids(left)
        self._allowed = frozenset(self._to_host.values()) - {pid}
        self._shift = self._clock_shift()
        self.gaps: list[Gap] = []

    def find(self) -> list[Draft]:
        """Containers inside, with their processes; the innermost ones are found in another look."""
        try:
            mount_point = find_unanswering(self._kernel.hostfs, read_mountinfo(self._kernel.hostfs, self._pid), "/")
        except (OSError, ParseError) as error:
            if not isinstance(error, OSError) or error.errno not in VANISHED:
                self.gaps.append(
                    gap_of(error, self._subject, ("containers",), f"/proc/{self._pid}/mountinfo", "CAP_SYS_PTRACE")
                )
            return []
        if mount_point is not None:
            detail = f"not looked into: it has a FUSE file system at {mount_point}, which may never answer"
            self._gap(Reason.NOT_COLLECTED, self._root + mount_point, detail)
            return []
        records: tuple[Record, ...] = ()
        try:
            with self._kernel.hostfs.inside(self._pid) as inside:
                records = self._read(BoundedFs(inside.root))
        except OSError as error:
            if error.errno not in VANISHED:
                self.gaps.append(gap_of(error, self._subject, ("containers",), self._root, "CAP_SYS_PTRACE"))
        found = self._merged([self._draft(record) for record in records])
        # Each process is one container's: every init its own, then whose cgroup it is in.
        taken = {draft.pid for draft in found}
        for draft in sorted(found, key=lambda draft: not draft.has_own_cgroup):
            self._collect(draft, taken)
            taken.update(draft.pids)
        return found + self._orphans(taken)

    @property
    def _subject(self) -> str:
        return f"container {self._outer.key}"

    def _map_pids(self, left: Iterable[int]) -> dict[int, int]:
        """PID in the outer's PID namespace → the host's, of every process in its cgroup, and of their descendants elsewhere."""
        level = len(self._nspid(self._pid)) - 1
        inside = set(self._outer.pids)
        followed: set[int] = set()  # each once: anybody may fork a chain as long as they like
        for pid in left:
            chain: list[int] = []
            here = pid
            while here not in inside and here > 1 and here not in followed:
                followed.add(here)
                chain.append(here)
                stat = self._kernel.processes.stat(here)
                here = stat.ppid if stat is not None else 0
            if here in inside:
                inside.update(chain)
        return {nspid[level]: pid for pid in inside if len(nspid := self._nspid(pid)) > level >= 0}

    def _nspid(self, pid: int) -> tuple[int, ...]:
        try:
            return read_status(self._kernel.hostfs, pid).nspid
        except (OSError, ParseError):
            return ()

    def _clock_shift(self) -> int:
        """Ticks that the outer's time namespace adds to start times; time_namespaces(7)."""
        own, host = self._kernel.processes.namespace(self._pid, NamespaceType.TIME), self._kernel.host.namespaces.time
        if own is None or own == host:
            return 0
        from ctrscope.probes.proc_pid_timens_offsets import read_time_offsets

        try:
            return round(read_time_offsets(self._kernel.hostfs, self._pid).boottime * self._kernel.host.clock_ticks)
        except (OSError, ParseError):
            return 0

    def _read(self, inside: HostFs) -> tuple[Record, ...]:
        """What every engine inside left."""
        table = InnerTable(self._kernel.processes, self._to_host, self._shift)
        same_ids = self._kernel.namespaces(self._pid).user == self._kernel.host.namespaces.user
        # In a user namespace a user's files carry other ids than the user's account says.
        survey = Survey(inside, table, read_users(inside) if same_ids else ())
        for entry in ENGINES:
            if entry.has_trace(inside, survey.users):
                reading = entry.load().read_state(survey)
                survey.add(reading.records)
                self._take(reading.gaps)
        known = {record.pid for record in survey.records}
        survey.supervisors = tuple(pid for pid in self._to_host if pid not in known)
        comms = {stat.comm for pid in survey.supervisors if (stat := table.stat(pid)) is not None}
        for entry in ENGINES:
            if not comms.isdisjoint(entry.supervisors) and (more := entry.load().read_supervisors(survey)) is not None:
                survey.add(more.records)
                self._take(more.gaps)
        if len(survey.records) > _MOST_RECORDS:
            detail = f"{len(survey.records)} containers inside: {_MOST_RECORDS} were looked at"
            self._gap(Reason.TRUNCATED, self._root, detail)
        return survey.records[:_MOST_RECORDS]

    def _take(self, gaps: Iterable[Gap]) -> None:
        for gap in gaps:
            kind, _, name = gap.subject.partition(" ")
            subject = f"{self._subject}/{name}" if kind == "container" else self._subject
            detail = f"{gap.subject} inside: {gap.detail}" if kind != "container" else gap.detail
            self.gaps.append(msgspec.structs.replace(gap, subject=subject, source=self._outside(gap.source), detail=detail))

    def _gap(self, reason: Reason, source: str, detail: str) -> None:
        self.gaps.append(Gap(subject=self._subject, fields=("containers",), source=source, reason=reason, detail=detail))

    def _outside(self, path: str) -> str:
        return self._root + path if path.startswith("/") else path

    def _draft(self, record: Record) -> Draft:
        """The record in the host's terms, held against the kernel."""
        pid = self._to_host.get(record.pid or 0)
        translated = msgspec.structs.replace(
            record,
            outer=self._outer.key,
            pid=pid,
            monitor_pid=self._to_host.get(record.monitor_pid or 0),
            starttime_ticks=self._starttime(record.starttime_ticks, pid),
            cgroup_path=self._cgroup_path(record.cgroup_path, pid),
        )
        if record.pid is None:
            verdict = confirm(translated, self._kernel)
        elif pid is None or pid not in self._allowed or pid in self._inits:
            what = "gone" if pid is None else "the outer container's own, or another container's"
            verdict = gone(record, f"process {record.pid} inside is {what}")
            evidence = (Evidence(source=self._root, value=f"PID {record.pid} inside is {what}"),)
            verdict = msgspec.structs.replace(verdict, evidence=evidence)
        else:
            verdict = confirm(translated, self._kernel)
        return self._placed(translated, verdict)

    def _placed(self, record: Record, verdict: Verdict) -> Draft:
        """A draft inside the outer one: name, key and paths say so."""
        draft = draft_of(record, verdict, self._kernel)
        outer = self._outer
        if draft.pid is not None and draft.has_own_cgroup and not self._is_own(draft):
            draft.has_own_cgroup, draft.members, draft.cgroups_below = False, None, []
            draft.membership = self._kernel.membership(draft.pid)
        moved: dict[str, Any] = {
            name: self._outside(path) for name in ("bundle", "rootfs", "log_path") if (path := getattr(record, name))
        }
        evidence = (msgspec.structs.replace(one, source=self._outside(one.source)) for one in record.evidence)
        draft.declared = msgspec.structs.replace(
            record, outer=outer.key, name=f"{outer.declared.name}/{record.name}", evidence=tuple(evidence), **moved
        )
        return draft

    def _is_own(self, draft: Draft) -> bool:
        """Whether its cgroup is below the outer's, or elsewhere with nobody in it but processes of the outer.

        What is inside may call any cgroup that it stands in its own: the one around all containers, or a visitor's session.
        """
        path, above = draft.cgroup_path or "/", self._outer.cgroup_path or "/"
        if is_within(above, path):
            return False
        if is_within(path, above):
            return True
        layout, members = self._kernel.layout, draft.members
        if members is None and layout is not None and draft.membership is not None:
            directory = layout.own_directory(draft.membership)
            members = read_members(self._kernel.hostfs, directory) if directory is not None else None
        return members is not None and self._allowed.issuperset(members)

    def _starttime(self, recorded: int | None, pid: int | None) -> int | None:
        """A start time as the host counts. With an offset that is no whole tick it may be one off."""
        if recorded is None or not self._shift or pid is None:
            return recorded
        stat = self._kernel.processes.stat(pid)
        ticks = recorded - self._shift
        return stat.starttime_ticks if stat is not None and abs(stat.starttime_ticks - ticks) <= 1 else ticks

    def _cgroup_path(self, recorded: str | None, pid: int | None) -> str | None:
        """A cgroup as the host names it: in a cgroup namespace the outer's own is the root."""
        membership = self._kernel.membership(pid) if pid is not None else None
        if recorded is None or membership is None:
            return None
        above = (self._outer.cgroup_path or "").rstrip("/")
        for path in (above + recorded, recorded):
            if not is_within(above, path) and is_within(membership.path, path):
                return path
        return None

    def _merged(self, drafts: list[Draft]) -> list[Draft]:
        """Each container once: rather as it runs, rather as the engine says than as the runtime does that it drives."""
        by_key: dict[str, Draft] = {}
        for draft in drafts:
            if draft.key not in by_key or by_key[draft.key].pid is None:
                by_key[draft.key] = draft
        by_pid: dict[int, Draft] = {}
        for draft in by_key.values():
            if draft.pid is not None:
                by_pid.setdefault(draft.pid, draft)  # the engine that drives the other one was asked first
        return [draft for draft in by_key.values() if draft.pid is None or by_pid[draft.pid] is draft]

    def _collect(self, draft: Draft, taken: set[int | None]) -> None:
        if draft.pid is None:
            return
        layout = self._kernel.layout
        directory = None
        if layout is not None and draft.membership is not None and draft.has_own_cgroup:
            directory = layout.own_directory(draft.membership)
        if directory is not None:
            inside: Iterable[int] = read_members(self._kernel.hostfs, directory, draft.cgroups_below)
        else:
            own = self._kernel.processes.namespace(draft.pid, NamespaceType.PID)
            shared = self._kernel.processes.namespace(self._pid, NamespaceType.PID)
            inside = () if own in (None, shared) else (pid for pid in self._allowed if self._pid_namespace(pid) == own)
        outside = draft.monitor.pid if draft.monitor is not None else None
        others = [pid for pid in inside if pid in self._allowed and pid not in taken and pid != outside]
        draft.pids = [draft.pid, *others]

    def _pid_namespace(self, pid: int) -> int | None:
        return self._kernel.processes.namespace(pid, NamespaceType.PID)

    def _orphans(self, taken: set[int | None]) -> list[Draft]:
        """Processes in a cgroup that an engine inside named, in another PID namespace than the outer's: its state is gone."""
        above = self._outer.membership.path if self._outer.membership is not None and self._outer.has_own_cgroup else None
        groups: dict[str, tuple[Claim, list[int]]] = {}
        for pid in sorted(self._allowed - taken):
            membership = self._kernel.membership(pid)
            if above is None or membership is None or not membership.path.startswith(f"{above}/"):
                continue
            claim = next((one for one in parse_claims(membership.path) if one.path.startswith(f"{above}/")), None)
            if claim is not None and claim.role == "payload" and self._pid_namespace(pid) != self._pid_namespace(self._pid):
                groups.setdefault(claim.path, (claim, []))[1].append(pid)
        found = []
        for claim, pids in groups.values():
            if (top := topmost(pids, self._kernel)) is not None:
                orphan = orphan_of(claim, top, pids, self._kernel)
                orphan.declared = msgspec.structs.replace(
                    orphan.declared, outer=self._outer.key, name=f"{self._outer.declared.name}/{orphan.declared.name}"
                )
                found.append(orphan)
        return found
