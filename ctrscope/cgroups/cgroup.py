"""The cgroups of a container: planned, made, joined, frozen, emptied, removed, in all hierarchies that there are.

*Source:* cgroups(7), kernel documents cgroup-v2 and cgroup-v1; OCI runtime specification, config-linux "Cgroups Path".
*Versions:* on hybrid hosts the v2 hierarchy has no controllers and counts as one hierarchy more. cgroup.kill since Linux 5.14.
"""

import _signal as signal
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from ctrscope.act.open_cgroup import opened_cgroup, set_frozen
from ctrscope.cgroups.devices import allow_devices
from ctrscope.cgroups.limits import apply_limits, plan_limits
from ctrscope.model.gap import VANISHED
from ctrscope.oci.errors import LauncherError, SpecError, step
from ctrscope.oci.spec import Resources, Spec
from ctrscope.oci.state import Cgroups
from ctrscope.probes.cgroupfs import CgroupLayout, find_children, read_layout, read_members
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_cgroup import read_cgroup

#: Where containers go whose config.json has no cgroupsPath; it is removed with the last of them.
PARENT = "/ctrscope"
#: Seconds until what was killed is gone; a task that waits for a disk may take longer.
_PATIENCE = 10.0
_PAUSE = 0.005
_HOST = HostFs()


def plan_cgroups(spec: Spec, container_id: str, *, systemd: bool) -> Cgroups:
    """Decide where; nothing is made. Hierarchies that we may not write are left out. Errors: SpecError, LauncherError."""
    layout = read_layout(_HOST)
    is_v2 = layout is not None and layout.version == "v2"
    plan_limits(spec.linux.resources, is_v2=is_v2)  # what cannot be said is an error now
    if layout is None:
        return Cgroups()
    if systemd:
        from ctrscope.cgroups.systemd import plan_scope

        scope, path = plan_scope(spec.linux.cgroups_path, container_id)
        return Cgroups(directories={name: f"{mount}{path}" for name, mount in layout.mounts.items()}, scope=scope)
    path = os.path.normpath(spec.linux.cgroups_path or f"{PARENT}/{container_id}")
    if path.lstrip("/") in ("", ".", "..") or path.startswith("../"):
        raise SpecError(f"$.linux.cgroupsPath: expected a path below that of a hierarchy, found {spec.linux.cgroups_path!r}")
    if os.geteuid() != 0 and not spec.linux.cgroups_path:
        path = f"ctrscope-{container_id}"  # an ordinary user has no /ctrscope, but perhaps a cgroup that was delegated
    own = read_cgroup(_HOST, os.getpid())
    places = {name: f"{mount}{_base(layout, own, name, path)}/{path.lstrip('/')}" for name, mount in layout.mounts.items()}
    for directory in dict.fromkeys(places.values()):
        if os.path.isdir(directory) and (pids := read_members(_HOST, directory)):
            raise LauncherError(f"cgroup {directory} is in use: process {pids[0]} is in it; choose another $.linux.cgroupsPath")
    return Cgroups(directories={name: directory for name, directory in places.items() if _is_writable(directory)})


def make(cgroups: Cgroups, resources: Resources) -> tuple[str, ...]:
    """Make them and set the limits; returns warnings. A scope waits for its process. Errors: LauncherError, SpecError."""
    return _make(cgroups, resources) if cgroups.scope is None else ()


def place(cgroups: Cgroups, resources: Resources, pid: int) -> tuple[str, ...]:
    """Move a process in, and make the scope that it is to be in; returns warnings. Errors: LauncherError, SpecError."""
    warnings: tuple[str, ...] = ()
    if cgroups.scope is not None:
        from ctrscope.cgroups.systemd import start_scope

        start_scope(cgroups.scope, resources, pid)
        warnings = _make(cgroups, resources)
    join(cgroups, pid)
    return warnings


def join(cgroups: Cgroups, pid: int) -> None:
    """Move a process in. Errors: LauncherError."""
    for directory in cgroups.distinct:
        with step(f"joining cgroup {directory}"), opened_cgroup(directory) as cgroup:
            cgroup.write("cgroup.procs", str(pid))


def update(cgroups: Cgroups, resources: Resources) -> tuple[str, ...]:
    """Change limits of a container that runs; devices stay. Returns warnings. Errors: LauncherError, SpecError."""
    from ctrscope.oci.validate import validate_resources

    validate_resources(resources)
    warnings = apply_limits(cgroups, resources)
    if cgroups.scope is not None:
        from ctrscope.cgroups.systemd import update_scope

        update_scope(cgroups.scope, resources)
    return warnings


def freeze(cgroups: Cgroups) -> None:
    """Stop every process of it. Errors: LauncherError."""
    if not _set_frozen(cgroups, frozen=True):
        with suppress(LauncherError):
            _set_frozen(cgroups, frozen=False)
        raise LauncherError("not every process could be frozen in time: one may wait for a disk (state D); all run again")


def thaw(cgroups: Cgroups) -> None:
    """Let them run again. Errors: LauncherError."""
    if not _set_frozen(cgroups, frozen=False):
        raise LauncherError("still frozen: a cgroup above it may be frozen too")


def let_go(cgroups: Cgroups | None) -> None:
    """Kill whoever is left in them, and remove them. Errors: LauncherError."""
    if cgroups is not None:
        kill_all(cgroups)
        remove(cgroups)


def read_pids(cgroups: Cgroups) -> tuple[int, ...]:
    """Its processes, those in cgroups below its own too; none when it is gone."""
    return () if cgroups.main is None else tuple(sorted(read_members(_HOST, cgroups.main)))


def kill_all(cgroups: Cgroups) -> None:
    """Kill every process of it, and wait until they are gone. Errors: LauncherError."""
    if "" in cgroups.directories:
        with suppress(OSError), opened_cgroup(cgroups.directories[""]) as cgroup:
            cgroup.write("cgroup.kill", "1")
            if _wait(lambda: not read_pids(cgroups), _PATIENCE / 10):
                return

    def is_empty() -> bool:
        if not (left := read_pids(cgroups)):
            return True
        with suppress(LauncherError):  # frozen, none of them can fork meanwhile
            _set_frozen(cgroups, frozen=True)
        for pid in read_pids(cgroups) or left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(LauncherError):
            _set_frozen(cgroups, frozen=False)
        return False

    if not _wait(is_empty):
        raise LauncherError(
            f"processes {', '.join(map(str, read_pids(cgroups)))} do not end: they may wait for a disk (state D)"
        )


def remove(cgroups: Cgroups) -> None:
    """Remove them with whatever the container made below; what is gone already is fine. Errors: LauncherError."""
    if cgroups.scope is not None:
        from ctrscope.cgroups.systemd import stop_scope

        stop_scope(cgroups.scope)
        _wait(lambda: not os.path.exists(cgroups.main or ""))
    for directory in cgroups.distinct:
        _remove_tree(directory)
        parent = os.path.dirname(directory)
        if parent.endswith(PARENT):
            with suppress(OSError):  # EBUSY, ENOTEMPTY: another container is there
                os.rmdir(parent)


def _make(cgroups: Cgroups, resources: Resources) -> tuple[str, ...]:
    _create(cgroups)
    return (*apply_limits(cgroups, resources), *allow_devices(cgroups, resources.devices))


def _create(cgroups: Cgroups) -> None:
    for name, directory in cgroups.directories.items():
        with step(f"making cgroup {directory}"):
            # ENOENT: a container that ended took the parent with it.
            if not _wait(partial(_made, directory)):
                raise LauncherError(f"cgroup {directory} cannot be made: what is above it goes away")
            if name == "cpuset":
                _take_over_cpuset(directory)
            if cgroups.is_v2:
                _enable_controllers(directory)


def _made(directory: str) -> bool:
    try:
        os.makedirs(directory, exist_ok=True)
    except FileNotFoundError:
        return False
    return True


def _take_over_cpuset(directory: str) -> None:
    """On v1 a new cpuset has neither CPUs nor memory, and nothing can run in it: what the one above has is taken over."""
    above = os.path.dirname(directory)
    for name in ("cpuset.cpus", "cpuset.mems"):
        with opened_cgroup(directory) as cgroup:
            if cgroup.read(name).strip():
                continue
            if not _read(f"{above}/{name}"):
                _take_over_cpuset(above)
            cgroup.write(name, _read(f"{above}/{name}"))


def _enable_controllers(directory: str) -> None:
    """Let the cgroup have the files of every controller that there is. What is refused is missed where a limit needs it."""
    above = os.path.dirname(directory)
    if not os.path.exists(f"{above}/cgroup.controllers"):
        return
    _enable_controllers(above)
    missing = set(_read(f"{above}/cgroup.controllers").split()) - set(_read(f"{directory}/cgroup.controllers").split())
    for controller in sorted(missing):
        with suppress(OSError), opened_cgroup(above) as cgroup:  # EBUSY: processes are in it; ENOTSUP: it is threaded
            cgroup.write("cgroup.subtree_control", f"+{controller}")


def _base(layout: CgroupLayout, own: Mapping[str, str], controller: str, path: str) -> str:
    """What a path is relative to: our own cgroup; on v2 the one above it, which holds no processes."""
    if path.startswith("/"):
        return ""
    base = own.get(controller, "/")
    return (os.path.dirname(base) if layout.version == "v2" else base).rstrip("/")


def _is_writable(directory: str) -> bool:
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    return os.access(directory, os.W_OK)


def _set_frozen(cgroups: Cgroups, *, frozen: bool) -> bool:
    is_v1 = "freezer" in cgroups.directories
    directory = cgroups.directories.get("freezer" if is_v1 else "")
    if directory is None:
        raise LauncherError("it has no cgroup that could be frozen: neither the v1 freezer nor v2 may be written here")
    with step(f"{'freezing' if frozen else 'thawing'} {directory}"), opened_cgroup(directory) as cgroup:
        return set_frozen(cgroup, frozen=frozen, is_v1=is_v1)


def _remove_tree(directory: str) -> None:
    if not os.path.isdir(directory):
        return
    for child in find_children(_HOST, directory):
        _remove_tree(child)
    reason = ""

    def is_gone() -> bool:
        nonlocal reason
        try:
            os.rmdir(directory)
        except OSError as error:
            reason = error.strerror or ""
            return error.errno in VANISHED
        return True

    if not _wait(is_gone):
        raise LauncherError(f"removing cgroup {directory}: {reason}; processes in it: {read_members(_HOST, directory)}")


def _wait(is_so: Callable[[], bool], patience: float = _PATIENCE) -> bool:
    deadline = time.monotonic() + patience
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _read(path: str) -> str:
    return _HOST.read(path).decode().strip()
