"""``linux.resources`` as what is written into which file of a cgroup, on v1 and on v2.

*Source:* OCI runtime specification, config-linux "Control groups"; kernel documents cgroup-v2 and cgroup-v1.
*Shape:* ``plan_limits`` is pure; ``apply_limits`` writes. 0 is "not set" where the runtimes take it for that, -1 is no limit.
*Versions:* shares become a weight as in runc 1.1: the ranges 2-262144 and 1-10000 laid over each other.
"""

import errno
from collections.abc import Iterator
from typing import Any

import msgspec

from ctrscope.act.open_cgroup import opened_cgroup
from ctrscope.model.gap import VANISHED
from ctrscope.model.value import Value
from ctrscope.oci.errors import LauncherError, SpecError
from ctrscope.oci.spec import Resources
from ctrscope.oci.state import Cgroups

#: Below $.linux.resources → file of v1, file of v2, in the order in which they are written.
_FILES: dict[str, tuple[str, str | None]] = {
    "memory.limit": ("memory.limit_in_bytes", "memory.max"),
    "memory.swap": ("memory.memsw.limit_in_bytes", "memory.swap.max"),
    "memory.reservation": ("memory.soft_limit_in_bytes", "memory.low"),
    "memory.kernel": ("memory.kmem.limit_in_bytes", "memory.kmem.limit_in_bytes"),
    "memory.kernelTCP": ("memory.kmem.tcp.limit_in_bytes", "memory.kmem.tcp.limit_in_bytes"),
    "memory.swappiness": ("memory.swappiness", None),
    "memory.disableOOMKiller": ("memory.oom_control", None),
    "cpu.shares": ("cpu.shares", "cpu.weight"),
    "cpu.period": ("cpu.cfs_period_us", "cpu.max"),
    "cpu.quota": ("cpu.cfs_quota_us", "cpu.max"),
    "cpu.burst": ("cpu.cfs_burst_us", "cpu.max.burst"),
    "cpu.realtimePeriod": ("cpu.rt_period_us", None),
    "cpu.realtimeRuntime": ("cpu.rt_runtime_us", None),
    "cpu.idle": ("cpu.idle", "cpu.idle"),
    "cpu.cpus": ("cpuset.cpus", "cpuset.cpus"),
    "cpu.mems": ("cpuset.mems", "cpuset.mems"),
    "pids.limit": ("pids.max", "pids.max"),
    "blockIO.weight": ("blkio.weight", "io.weight"),
    "blockIO.leafWeight": ("blkio.leaf_weight", None),
    "network.classID": ("net_cls.classid", None),
}
#: Where 0 is a value; elsewhere it is "not set", as engines mean it.
_ZERO_COUNTS = frozenset({"memory.swappiness", "cpu.burst", "cpu.idle"})
#: The specification advises against them and newer kernels lack them: a warning.
_OUTDATED = frozenset({"memory.kernel", "memory.kernelTCP", "blockIO.leafWeight"})
_THROTTLES = {"ReadBps": "read_bps", "WriteBps": "write_bps", "ReadIOPS": "read_iops", "WriteIOPS": "write_iops"}


class Setting(Value, frozen=True):
    """One limit, and what says it to the kernel: the first file that is there takes its text."""

    path: str  # below $.linux.resources
    choices: tuple[tuple[str, str], ...]  # file, text


def plan_limits(resources: Resources, *, is_v2: bool) -> tuple[Setting, ...]:
    """What to write, in this order. Errors: SpecError, for what this version of cgroups cannot say."""
    asked = msgspec.to_builtins(resources)
    return (*_numbers(asked, is_v2=is_v2), *_of_devices(asked, is_v2=is_v2), *_unified(asked, is_v2=is_v2))


def apply_limits(cgroups: Cgroups, resources: Resources) -> tuple[str, ...]:
    """Write the limits; returns warnings. Errors: SpecError, LauncherError, which name the limit and the file.

    What the kernel refuses because of another limit (memory above memory and swap together, a burst above the quota) is
    written again after the others.
    """
    warnings: list[str] = []
    waiting = list(plan_limits(resources, is_v2=cgroups.is_v2))
    while waiting:
        refused: list[tuple[Setting, LauncherError]] = []
        for setting in waiting:
            try:
                _write(cgroups, setting)
            except _MissingFileError as error:
                if setting.path not in _OUTDATED:
                    raise
                warnings.append(f"{error}; it goes without")
            except LauncherError as error:
                refused.append((setting, error))
        if len(refused) == len(waiting):
            raise refused[0][1]
        waiting = [setting for setting, _ in refused]
    return tuple(warnings)


class _MissingFileError(LauncherError):
    """The controller is not there, or this kernel's has no such file."""


def _write(cgroups: Cgroups, setting: Setting) -> None:
    tried = ""
    for file, text in setting.choices:
        controller = "" if cgroups.is_v2 else file.partition(".")[0]
        directory = cgroups.directories.get(controller)
        tried = tried or f"no {controller} hierarchy that may be written"
        if directory is None:
            continue
        try:
            with opened_cgroup(directory) as cgroup:
                cgroup.write(file, _with_quota(cgroup.read(file), text) if text.startswith("* ") else text)
        except OSError as error:
            if error.errno in VANISHED:
                tried = (
                    f"no {directory}/{file}: the {file.partition('.')[0]} controller is not enabled there, or has no such file"
                )
                continue
            why = {errno.EINVAL: "the kernel refuses the value", errno.EBUSY: "more than that is in use"}.get(error.errno or 0)
            raise LauncherError(
                f"$.linux.resources.{setting.path}: writing {text!r} to {directory}/{file}: {why or error.strerror}"
            ) from error
        return
    raise _MissingFileError(f"$.linux.resources.{setting.path}: there is {tried}")


def _with_quota(now: bytes, text: str) -> str:
    """A new period with the quota that holds now."""
    return text.replace("*", now.decode().split()[0], 1)


def _numbers(asked: dict[str, Any], *, is_v2: bool) -> Iterator[Setting]:
    for path, files in _FILES.items():
        group, _, name = path.partition(".")
        value = asked.get(group, {}).get(name)
        if path == "memory.swap" and not value and asked.get("memory", {}).get("limit") == -1:
            # No limit of memory is none of memory and swap together either, where those are counted.
            yield Setting(path, ((files[is_v2] or "", "max" if is_v2 else "-1"), ("memory.limit_in_bytes", "-1")))
        elif value not in (None, "", 0, False) or (value == 0 and value is not False and path in _ZERO_COUNTS):
            file = files[is_v2]
            if file is None:
                raise _unsaid(path, is_v2=is_v2)
            yield Setting(path, _choices(file, _text(path, value, asked, is_v2=is_v2), value))


def _text(path: str, value: Any, asked: dict[str, Any], *, is_v2: bool) -> str:
    if value == -1 and (is_v2 or path == "pids.limit"):
        return "max"
    if not is_v2 or isinstance(value, str):
        return str(int(value) if value is True else value)
    if path == "memory.swap":
        limit = asked["memory"].get("limit", 0)
        if not 0 < limit <= value:
            raise SpecError(
                "$.linux.resources.memory.swap: expected memory and swap together, at least what "
                f"$.linux.resources.memory.limit says ({limit}), found {value}"
            )
        return str(value - limit)
    if path == "cpu.shares":
        return str(weight_of_shares(value))
    return f"* {value}" if path == "cpu.period" else str(value)


def _of_devices(asked: dict[str, Any], *, is_v2: bool) -> Iterator[Setting]:
    io = asked.get("blockIO", {})
    for number, one in enumerate(io.get("weightDevice", ())):
        for key, v1 in (("weight", "blkio.weight_device"), ("leafWeight", "blkio.leaf_weight_device")):
            if one.get(key):
                path = f"blockIO.weightDevice[{number}].{key}"
                if is_v2 and key == "leafWeight":
                    raise _unsaid(path, is_v2=is_v2)
                yield Setting(
                    path, _choices("io.weight" if is_v2 else v1, f"{_number(one)} {one[key]}", one[key], _number(one))
                )
    for name, key in _THROTTLES.items():
        for number, one in enumerate(io.get(f"throttle{name}Device", ())):
            file, text = f"blkio.throttle.{key}_device", f"{_number(one)} {one['rate']}"
            if is_v2:
                file, text = "io.max", f"{_number(one)} {key[0]}{key.partition('_')[2]}={one['rate'] or 'max'}"
            yield Setting(f"blockIO.throttle{name}Device[{number}]", ((file, text),))
    for number, one in enumerate(asked.get("hugepageLimits", ())):
        file = f"hugetlb.{one['pageSize']}.{'max' if is_v2 else 'limit_in_bytes'}"
        yield Setting(f"hugepageLimits[{number}]", ((file, str(one["limit"])),))
    for number, one in enumerate(asked.get("network", {}).get("priorities", ())):
        if is_v2:
            raise _unsaid("network.priorities", is_v2=is_v2)
        yield Setting(f"network.priorities[{number}]", (("net_prio.ifpriomap", f"{one['name']} {one['priority']}"),))
    for device, limits in asked.get("rdma", {}).items():
        words = [
            f"hca_{kind}={limits[key]}" for kind, key in (("handle", "hcaHandles"), ("object", "hcaObjects")) if key in limits
        ]
        yield Setting(f"rdma[{device!r}]", (("rdma.max", " ".join((device, *words))),))


def _unified(asked: dict[str, Any], *, is_v2: bool) -> Iterator[Setting]:
    for name, text in asked.get("unified", {}).items():
        path = f"unified[{name!r}]"
        if not is_v2:
            raise _unsaid(path, is_v2=is_v2)
        if "/" in name or name.startswith("cgroup."):
            raise SpecError(f"$.linux.resources.{path}: expected a file of a controller, like memory.high")
        yield Setting(path, ((name, text),))


def _choices(file: str, text: str, weight: Any, device: str = "") -> tuple[tuple[str, str], ...]:
    """A weight has another file where the BFQ scheduler keeps it, which takes 1-1000 as it stands; io.weight goes to 10000."""
    controller, _, name = file.partition(".")
    if controller not in ("io", "blkio"):
        return ((file, text),)
    if controller == "io":
        text = f"{device} {_io_weight(weight)}".lstrip()
    return ((f"{controller}.bfq.{name}", f"{device} {weight}".lstrip()), (file, text))


def weight_of_shares(shares: int) -> int:
    """cpu.weight of v2 for cpu.shares of v1."""
    return 1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142


def _io_weight(weight: int) -> int:
    return 1 + (min(max(weight, 10), 1000) - 10) * 9999 // 990


def _number(device: dict[str, Any]) -> str:
    return f"{device['major']}:{device['minor']}"


def _unsaid(path: str, *, is_v2: bool) -> SpecError:
    version = "v2" if is_v2 else "v1"
    return SpecError(f"$.linux.resources.{path}: cgroup {version} has nothing that does this; leave it out on this host")
