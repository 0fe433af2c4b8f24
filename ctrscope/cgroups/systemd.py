"""A scope of systemd for a container: asked for over D-Bus, with the limits that systemd would otherwise put back.

*Source:* org.freedesktop.systemd1(5) StartTransientUnit and SetUnitProperties, systemd.slice(5), busctl(1).
*Shape:* cgroupsPath is ``slice:prefix:name`` then, as with runc; the scope is ``prefix-name.scope``. It is delegated: systemd
leaves what is below it alone, but writes the limits of the scope itself anew whenever it reads its units.
"""

import os
import time
from contextlib import suppress

from ctrscope.cgroups.limits import weight_of_shares
from ctrscope.oci.errors import LauncherError, SpecError, run_program
from ctrscope.oci.spec import Resources
from ctrscope.oci.state import Scope
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_cgroup import read_cgroup

_MANAGER = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_PATIENCE = 30.0  # seconds; systemd may be busy with starting the host
_PAUSE = 0.005
_UNLIMITED = (1 << 64) - 1


def plan_scope(cgroups_path: str, container_id: str) -> tuple[Scope, str]:
    """The unit, and its path below every hierarchy. Errors: SpecError, LauncherError."""
    if not os.path.isdir("/run/systemd/system"):
        raise LauncherError("--systemd-cgroup: systemd does not run here (no /run/systemd/system); leave the option out")
    is_users = _is_ordinary()
    slice_, prefix, name = ("", "ctrscope", container_id)
    if cgroups_path:
        parts = cgroups_path.split(":")
        if len(parts) != 3 or not parts[2] or "/" in cgroups_path:
            raise SpecError(
                f"$.linux.cgroupsPath: expected slice:prefix:name, as --systemd-cgroup was given, found {cgroups_path!r}"
            )
        slice_, prefix, name = parts
    slice_ = slice_ or ("user.slice" if is_users else "system.slice")
    unit = f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
    path = f"{_path_of(slice_)}/{unit}"
    if is_users:
        path = _ask(is_users, "get-property", *_MANAGER, "ControlGroup").split('"')[1] + path
    return Scope(name=unit, slice=slice_, is_users=is_users), path


def start_scope(scope: Scope, resources: Resources, pid: int) -> None:
    """Have it made with a process in it, and wait until the process is there. Errors: LauncherError."""
    properties = [
        ("Description", "s", f"container {scope.name.removesuffix('.scope')}"),
        ("Slice", "s", scope.slice),
        ("PIDs", "au", "1", str(pid)),
        ("Delegate", "b", "true"),
        ("DefaultDependencies", "b", "false"),
        ("CollectMode", "s", "inactive-or-failed"),  # a scope whose process was killed would stay as a failed one
        *((f"{one}Accounting", "b", "true") for one in ("CPU", "Memory", "IO", "Tasks")),
        *_limits(resources),
    ]
    arguments = ("StartTransientUnit", "ssa(sv)a(sa(sv))", scope.name, "fail", *_array(properties), "0")
    _ask(scope.is_users, "call", *_MANAGER, *arguments)
    host, deadline = HostFs(), time.monotonic() + _PATIENCE
    while not any(path.endswith(f"/{scope.name}") for path in read_cgroup(host, pid).values()):
        if time.monotonic() > deadline:
            raise LauncherError(f"systemd did not start {scope.name} in {_PATIENCE:g} s: see `systemctl status {scope.name}`")
        time.sleep(_PAUSE)


def update_scope(scope: Scope, resources: Resources) -> None:
    """Tell systemd of new limits, which it would otherwise undo. Errors: LauncherError."""
    if properties := _limits(resources):
        arguments = ("SetUnitProperties", "sba(sv)", scope.name, "true", *_array(properties))
        _ask(scope.is_users, "call", *_MANAGER, *arguments)


def stop_scope(scope: Scope) -> None:
    """Have it forgotten. Systemd does so once it hears that it is empty, which it never does if we remove it first."""
    with suppress(LauncherError):  # it is gone; or systemd is, and so is what it would have kept
        _ask(scope.is_users, "call", *_MANAGER, "StopUnit", "ss", scope.name, "replace")


def _limits(resources: Resources) -> list[tuple[str, ...]]:
    found: list[tuple[str, int | None]] = []
    if (memory := resources.memory) is not None:
        found += [("MemoryMax", memory.limit), ("MemoryLow", memory.reservation)]
        if memory.swap and memory.swap > 0 and memory.limit:
            found.append(("MemorySwapMax", memory.swap - memory.limit or None))
    if (cpu := resources.cpu) is not None:
        found.append(("CPUWeight", weight_of_shares(cpu.shares) if cpu.shares else None))
        if cpu.quota:
            found.append(("CPUQuotaPerSecUSec", cpu.quota * 1_000_000 // (cpu.period or 100_000) if cpu.quota > 0 else -1))
        found.append(("CPUQuotaPeriodUSec", cpu.period))
    if resources.pids is not None:
        found.append(("TasksMax", resources.pids.limit))
    return [(name, "t", str(_UNLIMITED if value < 0 else value)) for name, value in found if value]


def _array(properties: list[tuple[str, ...]]) -> tuple[str, ...]:
    return (str(len(properties)), *(word for one in properties for word in one))


def _ask(is_users: bool, *words: str) -> str:
    what = words[-1] if words[0] != "call" else words[4]
    # busctl comes with systemd; -- because the root slice is called -.slice
    return run_program(f"--systemd-cgroup: {what}", ("busctl", "--user" if is_users else "--system", "--", *words))


def _path_of(slice_: str) -> str:
    """``a-b.slice`` is ``/a.slice/a-b.slice``. Errors: SpecError."""
    name = slice_.removesuffix(".slice")
    if slice_ == "-.slice":
        return ""
    parts = name.split("-")
    if name == slice_ or not all(parts):
        raise SpecError(f"$.linux.cgroupsPath: expected the name of a slice before the first colon, found {slice_!r}")
    return "".join(f"/{'-'.join(parts[:depth])}.slice" for depth in range(1, len(parts) + 1))


def _is_ordinary() -> bool:
    """Whether we are nobody on the host: an ordinary user, or root of a user namespace."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return os.geteuid() != 0 or int(file.read().split()[2]) != (1 << 32) - 1
