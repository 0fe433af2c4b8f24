"""One engine's claim held against the kernel.

A PID counts only with the start time that the state recorded. Where the state recorded none, something else has to
speak for the PID: its cgroup carries the container's id, or its parent is the supervisor that this engine always has.
"""

from operator import attrgetter
from typing import Any

import msgspec

from ctrscope.discovery.guests import is_named_in, sandbox_of
from ctrscope.discovery.kernel import Kernel
from ctrscope.engines.claims import is_full_id, parse_claims
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import ContainerStatus, Declared, EngineName, Evidence, Monitor, Record
from ctrscope.model.gap import ParseError
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.timestamp import unix_time
from ctrscope.model.value import Value
from ctrscope.probes.cgroupfs import read_members
from ctrscope.probes.proc_pid_stat import Stat

_LIVE = (ContainerStatus.RUNNING, ContainerStatus.PAUSED, ContainerStatus.CREATING)
#: Their state says that a container exists, never that it runs: a PID that is gone means stopped, as their own tools say.
_STATUS_IS_IMPLIED = (
    EngineName.RUNC,
    EngineName.CRUN,
    EngineName.CONTAINERD,
    EngineName.LXC,
    EngineName.NSPAWN,
    EngineName.CTRSCOPE,
)
#: Programs that make namespaces and wait for what they started in them, by comm.
ISOLATORS = ("bwrap", "unshare", "nsjail", "minijail0", "firejail", "systemd-nspawn")
#: A process whose only work is to wait for a container's init, by comm (15 bytes, as the kernel cuts it).
SUPERVISORS = ("conmon", "conmonrs", "containerd-shim", "lxc-start", "ctrscope-mon", *ISOLATORS)
_DECLARED = Declared.__struct_fields__
_declared = attrgetter(*_DECLARED)
#: A state whose moment of start lies this far from the process's own start is about another process; seconds.
_START_TOLERANCE = 5.0


class Verdict(Value, frozen=True):
    """What the kernel says of a record."""

    status: ContainerStatus
    pid: int | None
    starttime_ticks: int | None
    evidence: tuple[Evidence, ...]
    note: str | None


def confirm(record: Record, kernel: Kernel) -> Verdict:
    """Decide what a record's claims are worth."""
    pid = record.pid
    if pid is None:
        if record.status in _LIVE and record.status is not ContainerStatus.CREATING:
            return Verdict(ContainerStatus.STALE, None, None, (), "state says running and names no process")
        return Verdict(record.status, None, None, (), None)
    stat = kernel.processes.stat(pid)
    if stat is None or stat.has_ended:
        return gone(record, f"process {pid} is {'gone' if stat is None else 'a zombie'}")
    source = f"/proc/{pid}/stat"
    if record.starttime_ticks is not None:
        if stat.starttime_ticks != record.starttime_ticks:
            value = f"starttime {stat.starttime_ticks}, but the state recorded {record.starttime_ticks}"
            return _reused(record, Evidence(source=source, value=value))
        value = f"starttime {stat.starttime_ticks} as recorded"
    elif (why := _corroboration(record, stat, kernel)) is not None:
        value = why
    else:
        value = f"nothing shows that this process ({stat.comm}) is the container's init; the state recorded no start time"
        return _reused(record, Evidence(source=source, value=value))
    if record.owner_uid and not _belongs_to(record.owner_uid, pid, kernel):
        return _reused(
            record, Evidence(source=f"/proc/{pid}", value=f"not a process of uid {record.owner_uid}, whose state this is")
        )
    status = ContainerStatus.CREATED if record.status is ContainerStatus.CREATED else kernel.live_status(pid)
    return Verdict(status, pid, stat.starttime_ticks, (Evidence(source=source, value=value),), None)


def _belongs_to(uid: int, pid: int, kernel: Kernel) -> bool:
    """Whether a process is in a user namespace of that user's: anybody can write state about any PID.

    In the host's own it is not, even as that user: so are those of ``docker run -u 1000``.
    """
    from ctrscope.probes.nsfs import read_owner_uid  # only where users have containers
    from ctrscope.probes.proc_pid_uid_map import read_id_map

    own = kernel.processes.namespace(pid, NamespaceType.USER)
    try:
        if own is not None and own == kernel.host.namespaces.user:
            return kernel.hostfs.stat("/proc").st_uid == uid  # a copy of a host, where all is whose copy it is
        if kernel.hostfs.stat(f"/proc/{pid}").st_uid == uid:
            return True
        if any(line.outside == uid for line in read_id_map(kernel.hostfs, pid, "uid_map")):
            return True
        # ``podman run --userns=nomap`` and ``auto`` leave the user out of the map.
        with kernel.hostfs.namespace(f"/proc/{pid}/ns/user") as handle:
            return read_owner_uid(handle) == uid
    except (OSError, ParseError):
        return False


def gone(record: Record, what: str) -> Verdict:
    """The verdict on a record whose process there is no more; *what* says so."""
    if record.status not in _LIVE and record.status is not ContainerStatus.CREATED:
        return Verdict(record.status, None, None, (), None)
    evidence = (Evidence(source=f"/proc/{record.pid}", value=what),)
    if record.engine in _STATUS_IS_IMPLIED:
        return Verdict(ContainerStatus.STOPPED, None, None, evidence, None)
    return Verdict(ContainerStatus.STALE, None, None, evidence, f"state says {record.status}, but {what}")


def _reused(record: Record, evidence: Evidence) -> Verdict:
    if record.status not in _LIVE and record.status is not ContainerStatus.CREATED:
        return Verdict(record.status, None, None, (), None)
    note = f"state says {record.status}, but process {record.pid} is another one"
    return Verdict(ContainerStatus.STALE, None, None, (evidence,), note)


def _corroboration(record: Record, stat: Stat, kernel: Kernel) -> str | None:
    """What speaks for a PID without a recorded start time, or None."""
    for path in set((kernel.processes.cgroup(stat.pid) or {}).values()):
        # What is below the outermost claim, whoever is in that container has named; a user's slice, that user.
        claims = parse_claims(path) if record.outer is not None else parse_claims(path)[:1]
        if any(claim.id in (record.id, record.name) and claim.owner_uid == (record.owner_uid or 0) for claim in claims):
            return f"its cgroup {path} carries the container's id"
        if record.cgroup_path and path == record.cgroup_path != "/":
            return f"it is in the cgroup that the state names: {path}"
    parent = kernel.processes.stat(stat.ppid)
    is_expected = parent is not None and parent.comm == record.monitor_expected and record.monitor_pid in (None, parent.pid)
    if parent is not None and is_expected and _may_supervise(parent.pid, record, kernel):
        return f"its parent {parent.pid} is {parent.comm}"
    recorded, actual = unix_time(record.started_at), unix_time(kernel.started_at(stat.starttime_ticks))
    if recorded is not None and actual is not None and abs(recorded - actual) < _START_TOLERANCE:
        return f"it started at {kernel.started_at(stat.starttime_ticks)}, as the state says"
    # One hypervisor or sentry is the process of every container in it, and as old as the first.
    if sandbox_of(record.runtime) and is_named_in(kernel.processes.cmdline(stat.pid) or (), record):
        return f"its arguments name the sandbox: {stat.comm}"
    return None


def _may_supervise(pid: int, record: Record, kernel: Kernel) -> bool:
    """Whether a process of a supervisor's name is one: root's or the owner's, on the host; anybody may call theirs so."""
    if record.outer is not None:
        return True  # of the same container as the state is
    return kernel.processes.uid(pid) in (0, record.owner_uid) and kernel.may_be_on_host(pid)


def find_named_members(record: Record, pid: int, kernel: Kernel, below: list[str]) -> list[int] | None:
    """Processes of the cgroup that the state names, where the kernel lists init among them: then it is the container's own.

    *below* gets the directories of the cgroups below it. None: ask ``own_membership``. Before cgroup v2 /proc/PID/cgroup has a
    line for each of a dozen hierarchies, and reading it takes a fifth of the time of a container. On v2 it is one line,
    which the freezer needs anyway.
    """
    layout, path = kernel.layout, record.cgroup_path
    if layout is None or layout.version == "v2" or record.owner_uid or not path or path == "/":
        return None
    # A path with ".." could lead to a file that is not the kernel's.
    directory = layout.named_directory(path) if ".." not in path else None
    found: list[str] = []
    members = read_members(kernel.hostfs, directory, found) if directory is not None else []
    if pid not in members:
        return None
    below += found
    return members


def own_membership(record: Record, pid: int, kernel: Kernel) -> tuple[CgroupMembership | None, bool]:
    """The container's cgroup, and whether it is its own rather than one it shares with whoever started it.

    init may stand deeper than the container's cgroup: crun puts it in ``…scope/container``, systemd in ``init.scope``.
    """
    membership = kernel.membership(pid)
    if membership is None or membership.path == "/":
        return membership, False
    named = record.cgroup_path or "/"
    is_named = named != "/" and _is_within(membership.path, named)
    for claim in parse_claims(membership.path):
        # Below the cgroup that root's state names, the container itself gave the names.
        is_inside = is_named and not record.owner_uid and claim.path != named and _is_within(claim.path, named)
        if claim.role == "payload" and claim.id in (record.id, record.name) and not is_inside:
            return _cut(membership, claim.path), True
    if is_named:
        cut = _cut(membership, named)
        if not record.owner_uid or _is_given_to(record.owner_uid, cut, kernel):
            return cut, True
    leaf = membership.path.rpartition("/")[2]
    # nspawn makes "payload" beside its own "supervisor"; without systemd in the root, where all its machines share it. Any
    # other name could be a cgroup that others are in as well: "web" says nothing about webserver.service.
    is_payload = leaf == "payload" and membership.path != "/payload"
    has_name = leaf.removesuffix(".scope") in (record.id, record.name) or (is_full_id(record.id) and record.id in leaf)
    return membership, is_payload or has_name


def _is_given_to(uid: int, membership: CgroupMembership, kernel: Kernel) -> bool:
    """Whether a cgroup belongs to that user: a user's state may name one that others are in, such as ``/user.slice``."""
    directory = kernel.layout.own_directory(membership) if kernel.layout is not None else None
    try:
        return directory is not None and kernel.hostfs.stat(directory).st_uid == uid
    except OSError:
        return False


def find_monitor(record: Record | None, pid: int, kernel: Kernel) -> Monitor | None:
    """The supervisor of a running container; ``alive`` is False when the engine always has one and init's parent is not it."""
    stat = kernel.processes.stat(pid)
    parent = kernel.processes.stat(stat.ppid) if stat is not None and stat.ppid else None
    if parent is not None and (parent.comm in SUPERVISORS or (record is not None and parent.pid == record.monitor_pid)):
        return Monitor(pid=parent.pid, comm=parent.comm, alive=True)
    if record is None or record.monitor_expected is None:
        return None
    if record.monitor_pid is not None:
        known = kernel.processes.stat(record.monitor_pid)
        if (
            known is not None
            and known.comm == record.monitor_expected
            and not known.has_ended
            and _is_about(kernel.processes.cmdline(known.pid) or (), record)
        ):
            return Monitor(pid=known.pid, comm=known.comm, alive=True)
    return Monitor(pid=record.monitor_pid, comm=record.monitor_expected, alive=False)


def _is_about(arguments: tuple[str, ...], record: Record) -> bool:
    """Whether a supervisor's arguments have the container: ``conmon -c ID``, ``[lxc monitor] /var/lib/lxc NAME``.

    The PID that the state recorded may be another one's by now, and that may be a supervisor, too.
    """
    return not {record.id, record.name}.isdisjoint(word for argument in arguments for word in argument.split())


def declared_of(record: Record) -> dict[str, Any]:
    """What of a record is a container's too, by field."""
    return dict(zip(_DECLARED, _declared(record), strict=True))


def _is_within(path: str, ancestor: str) -> bool:
    return path == ancestor or path.startswith(ancestor.rstrip("/") + "/")


def _cut(membership: CgroupMembership, path: str) -> CgroupMembership:
    """The membership of the container's own cgroup, where init stands below it."""
    if membership.path == path:
        return membership
    paths = {name: path if _is_within(found, path) else found for name, found in membership.paths.items()}
    return msgspec.structs.replace(membership, path=path, paths=paths)
