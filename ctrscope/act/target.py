"""The container that is acted on: it has to be the one that was chosen, until the moment of acting.

*Source:* proc_pid_stat(5) for the start time, cgroups(7).
"""

from ctrscope.act.refusal import CannotAct
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import Container
from ctrscope.model.gap import VANISHED, ParseError
from ctrscope.model.value import Value
from ctrscope.probes.cgroupfs import CgroupLayout, read_layout, read_members
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_cgroup import parse_cgroup
from ctrscope.probes.proc_pid_stat import parse_stat


class Target(Value, frozen=True, kw_only=True):
    """Who it is, as far as it takes to recognise it."""

    name: str
    key: str
    pid: int  # of init
    starttime_ticks: int
    layout: CgroupLayout
    membership: CgroupMembership
    init: CgroupMembership  # where init is: the container's own cgroup, or one below it
    has_own_cgroup: bool


def choose_target(host: HostFs, container: Container) -> Target:
    """The container as it is now. Errors: CannotAct when it does not run, or has become another."""
    name, pid = container.name, container.pid
    if host.root != "/":
        raise CannotAct(f"{name}: --root {host.root} is not the running host; run ctrscope on that host")
    if pid is None:
        raise CannotAct(f"{name} is {container.status}, not running: there is nothing to act on")
    layout = read_layout(host)
    if layout is None:
        raise CannotAct(f"{name}: no cgroup hierarchy is mounted here")
    membership, starttime = _look(host, name, pid, layout)
    if container.starttime_ticks not in (None, starttime):
        raise CannotAct(f"{name} ended meanwhile: process {pid} is another one now")
    return Target(
        name=name,
        key=container.key,
        pid=pid,
        starttime_ticks=starttime,
        layout=layout,
        membership=container.cgroup if container.cgroup is not None else membership,
        init=membership,
        has_own_cgroup=container.has_own_cgroup,
    )


def check_target(host: HostFs, target: Target) -> None:
    """Compare once more, right before acting. Errors: CannotAct."""
    membership, starttime = _look(host, target.name, target.pid, target.layout)
    if starttime != target.starttime_ticks:
        raise CannotAct(f"{target.name} ended meanwhile: process {target.pid} is another one now; nothing was done")
    known = target.membership
    pairs = [(known.path, membership.path), *((path, membership.paths.get(name, "/")) for name, path in known.paths.items())]
    # Init of some containers (crun with systemd) is in a cgroup below the container's own.
    if any(now != path and not now.startswith(f"{path.rstrip('/')}/") for path, now in pairs):
        raise CannotAct(f"{target.name}: process {target.pid} has moved to cgroup {membership.path}; nothing was done")


def own_directory(host: HostFs, target: Target, controller: str) -> str:
    """Directory of the container's own cgroup in the hierarchy of *controller*. Errors: CannotAct when it has none there.

    On v1 a container may be in another path in each hierarchy. One counts as its own when nobody else is in it.
    """
    layout, membership = target.layout, target.membership
    if not target.has_own_cgroup or membership.path == "/":
        raise CannotAct(
            f"{target.name} has no cgroup of its own: it shares {membership.path} with others, who would be hit too"
        )
    directory = layout.directory(membership, "" if layout.version == "v2" else controller)
    if directory is None:
        raise CannotAct(f"{target.name}: there is no {controller} hierarchy on this host")
    path = membership.paths.get(controller, membership.path)
    known = layout.own_directory(membership)
    if path == "/" or (
        path != membership.path and known is not None and set(read_members(host, directory)) - set(read_members(host, known))
    ):
        raise CannotAct(
            f"{target.name} has no {controller} cgroup of its own: it shares {path} with others, who would be hit too"
        )
    return directory


def inner_directory(target: Target, directory: str, controller: str) -> str | None:
    """The cgroup below the container's own *directory* that crun makes with the systemd driver; None when init is not there.

    A container that may write its own cgroup can make one of that name too: what counts is where init is.
    """
    inner, init = f"{directory}/container", target.layout.directory(target.init, controller)
    return inner if directory.endswith(".scope") and f"{init}/".startswith(f"{inner}/") else None


def _look(host: HostFs, name: str, pid: int, layout: CgroupLayout) -> tuple[CgroupMembership, int]:
    try:
        with host.process(pid) as process:
            stat = parse_stat(process.read("stat"))
            membership = layout.membership(parse_cgroup(process.read("cgroup")))
    except (OSError, ParseError) as error:
        if isinstance(error, OSError) and error.errno not in VANISHED:
            raise CannotAct(f"{name}: process {pid} cannot be looked at: {error.strerror}") from error
        raise CannotAct(f"{name} ended meanwhile: there is no process {pid}") from None
    if stat.has_ended:
        raise CannotAct(f"{name} ended meanwhile: process {pid} is a zombie")
    return membership, stat.starttime_ticks
