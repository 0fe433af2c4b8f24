"""Change the limits of a running container, as its engine would: in the files of its own cgroup.

*Source:* kernel documents cgroup-v2 (cpu.max, memory.max, pids.max) and cgroup-v1 (memory, sched-bwc, pids).
*Shape:* ``plan_limit`` reads and decides, ``apply_limit`` writes and reads back what the kernel made of it.
*Versions:* v1 keeps memory.memsw.limit_in_bytes (memory and swap together) at or above memory.limit_in_bytes, so what grows is
written in that order and what shrinks in the other; the room for swap stays as it was.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Literal, TypeVar

import msgspec

from ctrscope.act.open_cgroup import OpenCgroup, opened_cgroup
from ctrscope.act.record import record
from ctrscope.act.refusal import CannotAct
from ctrscope.act.target import Target, check_target, choose_target, inner_directory, own_directory
from ctrscope.model.cgroup import Limit
from ctrscope.model.container import Container
from ctrscope.model.gap import VANISHED, ParseError
from ctrscope.model.quantity import format_bytes
from ctrscope.model.value import Value
from ctrscope.probes.cgroup1 import parse_v1_limit, parse_v1_quota
from ctrscope.probes.cgroup2 import parse_cpu_max
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.keyed import parse_limit, parse_number

T = TypeVar("T")

Resource = Literal["memory", "memory and swap", "cpus", "pids"]

_MEMSW = "memory.memsw.limit_in_bytes"


class LimitRequest(Value, frozen=True, kw_only=True):
    """What the user asked for. None: leave it."""

    memory: Limit | None = None  # bytes
    cpus: float | Literal["max"] | None = None
    pids: Limit | None = None
    force: bool = False  # also below what is used now


class Change(Value, frozen=True, kw_only=True):
    """One file, before and after."""

    resource: Resource
    directory: str
    file: str
    before: str  # as people say it: "64M", "0.5 CPU", "max"
    after: str
    text: str  # what to write


class LimitPlan(Value, frozen=True, kw_only=True):
    """What is going to be written, in this order. No changes: it is all so already."""

    target: Target
    changes: tuple[Change, ...]


def plan_limit(host: HostFs, container: Container, request: LimitRequest) -> LimitPlan:
    """Decide what to write. Nothing is changed. Errors: CannotAct, if it shares its cgroup or uses more already."""
    target = choose_target(host, container)
    changes: list[Change] = []
    if request.memory is not None:
        changes += _plan_memory(host, target, request.memory, force=request.force)
    if request.cpus is not None:
        changes += _plan_cpus(host, target, request.cpus)
    if request.pids is not None:
        changes += _plan_pids(host, target, request.pids, force=request.force)
    return LimitPlan(target=target, changes=tuple(changes))


def apply_limit(host: HostFs, plan: LimitPlan) -> tuple[Change, ...]:
    """Write it; returns the changes with what the kernel says afterwards.

    Errors: CannotAct. What was written before something went wrong stays, and the message says so.
    """
    done: list[Change] = []
    with ExitStack() as stack:
        cgroups: dict[str, OpenCgroup] = {}
        try:
            for directory in dict.fromkeys(change.directory for change in plan.changes):
                cgroups[directory] = stack.enter_context(opened_cgroup(directory))
        except OSError as error:
            raise CannotAct(f"{plan.target.name}: cgroup {error.filename}: {error.strerror}; nothing was changed") from error
        # With the directories open: a cgroup that is made anew under the same name is not the one we write to.
        check_target(host, plan.target)
        for change in plan.changes:
            cgroup = cgroups[change.directory]
            try:
                cgroup.write(change.file, change.text)
            except OSError as error:
                if done:
                    record(f"limit {_words(done)}", plan.target.key, plan.target.name)
                raise CannotAct(_explain(plan.target, change, error, done)) from error
            done.append(msgspec.structs.replace(change, after=_read_back(cgroup, change)))
    if done:
        record(f"limit {_words(done)}", plan.target.key, plan.target.name)
    return tuple(done)


def _plan_memory(host: HostFs, target: Target, wanted: Limit, *, force: bool) -> Iterator[Change]:
    directory, is_v2 = own_directory(host, target, "memory"), target.layout.version == "v2"
    used = _read(target, directory, "memory.current" if is_v2 else "memory.usage_in_bytes", parse_number)
    if isinstance(wanted, int) and wanted < used and not force:
        raise CannotAct(
            f"{target.name} uses {format_bytes(used)} of memory, more than {format_bytes(wanted)}: the kernel would reclaim "
            "what it can, then kill processes of it; --force does so"
        )
    if is_v2:
        for here in _limited_levels(target, directory, "memory.max"):
            before = _read(target, here, "memory.max", parse_limit)
            yield from _change("memory", here, "memory.max", before, wanted)
        return
    before = _read(target, directory, "memory.limit_in_bytes", parse_v1_limit)
    both = _read_memsw(directory)
    memory = _change("memory", directory, "memory.limit_in_bytes", before, wanted)
    if both in (None, "max") or before == "max":
        yield from memory
        return
    assert isinstance(both, int)
    swap = _change("memory and swap", directory, _MEMSW, both, "max" if wanted == "max" else wanted + both - before)
    yield from (*swap, *memory) if wanted == "max" or wanted > before else (*memory, *swap)


def _plan_cpus(host: HostFs, target: Target, wanted: float | Literal["max"]) -> Iterator[Change]:
    directory, is_v2 = own_directory(host, target, "cpu"), target.layout.version == "v2"
    for here in _limited_levels(target, directory, "cpu.max") if is_v2 else (directory,):
        if is_v2:
            quota, period = _read(target, here, "cpu.max", parse_cpu_max)
        else:
            quota = _read(target, here, "cpu.cfs_quota_us", parse_v1_quota)
            period = _read(target, here, "cpu.cfs_period_us", parse_number)
        after: Limit = "max" if wanted == "max" else round(wanted * period)
        if after == quota:
            continue
        yield Change(
            resource="cpus",
            directory=here,
            file="cpu.max" if is_v2 else "cpu.cfs_quota_us",
            before=_cpus(quota, period),
            after=_cpus(after, period),
            text=f"{after} {period}" if is_v2 else "-1" if after == "max" else str(after),
        )


def _plan_pids(host: HostFs, target: Target, wanted: Limit, *, force: bool) -> Iterator[Change]:
    directory = own_directory(host, target, "pids")
    used = _read(target, directory, "pids.current", parse_number)
    if isinstance(wanted, int) and wanted < used and not force:
        raise CannotAct(
            f"{target.name} has {used} tasks, more than {wanted}: it could not start another; --force sets it anyway"
        )
    for here in _limited_levels(target, directory, "pids.max"):
        yield from _change("pids", here, "pids.max", _read(target, here, "pids.max", parse_limit), wanted)


def _change(resource: Resource, directory: str, file: str, before: Limit, after: Limit) -> tuple[Change, ...]:
    """The change of one number; none when it is that already."""
    if before == after:
        return ()
    say = str if resource == "pids" else _bytes
    text = "-1" if after == "max" and file.endswith("limit_in_bytes") else str(after)
    return (Change(resource=resource, directory=directory, file=file, before=say(before), after=say(after), text=text),)


def _limited_levels(target: Target, directory: str, name: str) -> tuple[str, ...]:
    """The container's cgroup, and on v2 the one below that crun makes with systemd: whichever of them limits now."""
    inner = inner_directory(target, directory, "") if target.layout.version == "v2" else None
    if inner is None:
        return (directory,)
    limited = []
    for here in (directory, inner):
        try:
            with opened_cgroup(here) as cgroup:
                if not cgroup.read(name).startswith(b"max"):
                    limited.append(here)
        except OSError:
            continue
    return tuple(limited) or (directory,)


def _read(target: Target, directory: str, name: str, parse: Callable[[bytes], T]) -> T:
    try:
        with opened_cgroup(directory) as cgroup:
            return parse(cgroup.read(name))
    except ParseError as error:
        raise CannotAct(f"{target.name}: {directory}/{name}: {error}") from error
    except OSError as error:
        if error.errno in VANISHED:
            controller = name.partition(".")[0]
            raise CannotAct(
                f"{target.name}: there is no {directory}/{name}: the {controller} controller is off there"
            ) from error
        raise CannotAct(f"{target.name}: {directory}/{name}: {error.strerror}") from error


def _read_memsw(directory: str) -> Limit | None:
    """Limit of memory and swap together; None where that is not counted (no swapaccount, before Linux 5.8)."""
    try:
        with opened_cgroup(directory) as cgroup:
            return parse_v1_limit(cgroup.read(_MEMSW))
    except (OSError, ParseError):
        return None


def _read_back(cgroup: OpenCgroup, change: Change) -> str:
    """What the kernel says now: it rounds bytes down to whole pages."""
    try:
        text = cgroup.read(change.file)
        if change.file == "cpu.max":
            return _cpus(*parse_cpu_max(text))
        if change.file == "cpu.cfs_quota_us":
            return _cpus(parse_v1_quota(text), parse_number(cgroup.read("cpu.cfs_period_us")))
        if change.resource == "pids":
            return str(parse_limit(text))
        return _bytes(parse_limit(text) if change.file == "memory.max" else parse_v1_limit(text))
    except (OSError, ParseError) as error:
        return f"unknown ({error})"


def _explain(target: Target, change: Change, error: OSError, done: list[Change]) -> str:
    reasons = {
        errno.EACCES: "not permitted; run ctrscope as root, or as the user whom the cgroup is delegated to",
        errno.EPERM: "not permitted; run ctrscope as root, or as the user whom the cgroup is delegated to",
        errno.EROFS: "cgroupfs is mounted read-only here",
        errno.EBUSY: "the kernel cannot get the usage below that",
        errno.EINVAL: "the kernel refuses the value"
        + (
            ": on cgroup v1 no cgroup may have more CPU than one above it, or less than one below"
            if change.file.startswith("cpu.cfs")
            else ""
        ),
    }
    why = reasons.get(error.errno or 0, error.strerror or str(error))
    before = f"changed before that, and left so: {_words(done)}" if done else "nothing was changed"
    return f"{target.name}: {change.directory}/{change.file}: {why}; {before}"


def _words(changes: list[Change]) -> str:
    return ", ".join(f"{change.resource} {change.before} -> {change.after}" for change in changes)


def _bytes(value: Limit) -> str:
    return "max" if value == "max" else format_bytes(value)


def _cpus(quota: Limit, period: int) -> str:
    return "max" if quota == "max" or not period else f"{quota / period:g} CPU"
