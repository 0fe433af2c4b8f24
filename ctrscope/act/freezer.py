"""Pause a container and let it run again: its cgroup is frozen and thawed.

*Source:* kernel documents cgroup-v2 (cgroup.freeze) and cgroup-v1/freezer-subsystem (freezer.self_freezing).
"""

from ctrscope.act.open_cgroup import PATIENCE, opened_cgroup, set_frozen
from ctrscope.act.record import record
from ctrscope.act.refusal import CannotAct
from ctrscope.act.target import Target, check_target, choose_target, inner_directory, own_directory
from ctrscope.model.container import Container
from ctrscope.model.gap import VANISHED, ParseError
from ctrscope.model.quoting import quote
from ctrscope.model.value import Value
from ctrscope.probes.cgroupfs import read_frozen
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_cgroup import parse_cgroup


class FreezePlan(Value, frozen=True, kw_only=True):
    """Which cgroups are going to be frozen or thawed. None: it is so already."""

    target: Target
    frozen: bool
    directories: tuple[str, ...]


def plan_freeze(host: HostFs, container: Container, *, frozen: bool) -> FreezePlan:
    """Decide which cgroup. Nothing is changed. Errors: CannotAct, for one that has no cgroup of its own, or that we are in."""
    target = choose_target(host, container)
    controller = "freezer" if _is_v1(target) else ""
    directory = own_directory(host, target, controller)
    if frozen:
        _refuse_ourselves(host, target, directory, controller)
    # crun with the systemd driver freezes the cgroup below the scope, where init is, and would not thaw the scope.
    inner = inner_directory(target, directory, controller)
    levels = [directory] if inner is None else [directory, inner]
    is_so = read_frozen(host, target.layout, target.membership)
    if frozen:
        return FreezePlan(target=target, frozen=True, directories=() if is_so else tuple(levels[-1:]))
    told = tuple(level for level in levels if _is_set(level, is_v1=_is_v1(target)))
    if is_so and not told:
        raise CannotAct(f"{target.name} is frozen by a cgroup above {directory}: thaw that one")
    return FreezePlan(target=target, frozen=False, directories=told)


def apply_freeze(host: HostFs, plan: FreezePlan) -> None:
    """Freeze or thaw, and wait until the kernel says that it is so. Errors: CannotAct."""
    target, verb = plan.target, "pause" if plan.frozen else "unpause"
    for directory in plan.directories:
        try:
            with opened_cgroup(directory) as cgroup:
                check_target(host, target)
                is_done = set_frozen(cgroup, frozen=plan.frozen, is_v1=_is_v1(target))
        except OSError as error:
            if error.errno in VANISHED:
                raise CannotAct(f"{target.name} ended meanwhile: {directory} is gone") from error
            why = "not permitted; run ctrscope as root" if isinstance(error, PermissionError) else error.strerror
            first = plan.directories[0]
            left = "nothing was changed" if directory == first else f"{first} was changed before that, and is left so"
            raise CannotAct(f"{target.name}: {directory}: {why}; {left}") from error
        record(verb if is_done else f"{verb} (not complete)", target.key, target.name)
        if not is_done:
            raise CannotAct(
                f"{target.name}: not every task was frozen within {PATIENCE:g} s, one may wait for a disk (state D); the "
                f"kernel goes on trying: ctrscope unpause {quote(target.name)} gives it up"
                if plan.frozen
                else f"{target.name}: still frozen after {PATIENCE:g} s: a cgroup above {directory} may be frozen too"
            )


def _is_v1(target: Target) -> bool:
    return target.layout.version != "v2" and "freezer" in target.layout.mounts


def _is_set(directory: str, *, is_v1: bool) -> bool:
    """Whether this very cgroup was told to freeze, whatever those above are."""
    try:
        with opened_cgroup(directory) as cgroup:
            return cgroup.read("freezer.self_freezing" if is_v1 else "cgroup.freeze").strip() == b"1"
    except OSError:
        return False


def _refuse_ourselves(host: HostFs, target: Target, directory: str, controller: str) -> None:
    """Who freezes the cgroup that they are in waits for ever."""
    try:
        own = target.layout.membership(parse_cgroup(host.read("/proc/self/cgroup")))
    except (OSError, ParseError):
        return
    if f"{target.layout.directory(own, controller)}/".startswith(f"{directory}/"):
        raise CannotAct(f"{target.name}: ctrscope itself runs in {directory} and would be frozen too")
