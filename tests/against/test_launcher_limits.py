"""Limits: runc, given the same config.json, writes the same into every file of every hierarchy."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.attach.containers import make_rootfs
from tests.cgroups.placed import Placed, placed
from tests.requirements import require, require_root

MIB = 1 << 20
#: What counts or measures and would differ by itself; what is about processes; what the kernel derives from the rest.
_MOVING = (
    "stat", "usage", "procs", "tasks", "threads", "current", "peak", "events", "failcnt", "pressure", "numa", "io_service",
    "serviced", "shown", "slabinfo", "kill", "event_control", "force_empty", "release", "misc",
)  # fmt: skip
_EVERYTHING = {
    "memory": {"limit": 64 * MIB, "swap": 96 * MIB, "reservation": 32 * MIB},
    "cpu": {"shares": 512, "quota": 30_000, "period": 60_000, "cpus": "0", "mems": "0"},
    "pids": {"limit": 77},
    "devices": [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"},
        {"allow": True, "type": "b", "major": 7, "access": "r"},
    ],
}
_DISK = next((name for name in ("vda", "sda", "nvme0n1") if Path("/sys/block", name).exists()), None)


@pytest.fixture(autouse=True)
def needed() -> None:
    require_root("makes cgroups")
    require("runc", "busybox")


@pytest.mark.parametrize(
    "resources",
    [
        {},
        _EVERYTHING,
        {"memory": {"limit": -1}, "cpu": {"quota": -1, "shares": 2}, "pids": {"limit": -1}},
        {"memory": {"limit": 64 * MIB, "swap": -1}, "cpu": {"period": 50_000, "shares": 262144}, "pids": {"limit": 1000}},
        {"memory": {"limit": 32 * MIB, "swap": 32 * MIB}, "cpu": {"quota": 5_000, "shares": 1024}},
        {
            "memory": {"limit": 0, "swap": 0, "reservation": 0},
            "cpu": {"shares": 0, "quota": 0, "period": 0},
            "pids": {"limit": 0},
        },
        {
            "devices": [
                {"allow": True, "access": "rwm"},
                {"allow": False, "type": "c", "major": 10, "minor": 1, "access": "rwm"},
            ]
        },
    ],
    ids=("nothing", "everything", "unlimited", "partly", "no-swap", "zeros", "all-devices-but-one"),
)
def test_every_file_says_what_it_says_under_runc(resources: dict[str, Any], tmp_path: Path) -> None:
    _compare(resources, tmp_path)


@pytest.mark.skipif(_DISK is None, reason="no disk that could be throttled")
def test_a_disk_is_throttled_as_under_runc(tmp_path: Path) -> None:
    major, minor = Path(f"/sys/block/{_DISK}/dev").read_text().strip().split(":")
    device = {"major": int(major), "minor": int(minor)}
    limits = {
        "weight": 300,
        "throttleReadBpsDevice": [{**device, "rate": MIB}],
        "throttleWriteBpsDevice": [{**device, "rate": 2 * MIB}],
        "throttleReadIOPSDevice": [{**device, "rate": 100}],
        "throttleWriteIOPSDevice": [{**device, "rate": 200}],
    }
    ours = _compare({"blockIO": limits}, tmp_path)
    assert any(str(2 * MIB) in text for text in ours.values())


def test_a_relative_path_is_below_the_same_cgroups_as_with_runc(tmp_path: Path) -> None:
    name = f"ctrscope-against-{os.getpid()}"
    with _runc(tmp_path, f"{name}/runc", {}) as pid, placed(f"{name}-ours", path=f"{name}/ours") as ours:
        theirs = Path(f"/proc/{pid}/cgroup").read_text().replace(f"{name}/runc", f"{name}/ours")
        assert Path(f"/proc/{ours.process.pid}/cgroup").read_text() == theirs
        parents = [os.path.dirname(directory) for directory in ours.cgroups.distinct]
    for parent in parents:
        os.rmdir(parent)  # made for cgroupsPath: the engine's, who asked for it


def _compare(resources: dict[str, Any], directory: Path) -> dict[str, str]:
    name = f"ctrscope-against-{os.getpid()}"
    with (
        _runc(directory, f"/{name}-runc", resources),
        placed(f"{name}-ours", path=f"/{name}-ours", **resources) as ours,
    ):
        found = {
            key: (_files(ours, f"{name}-ours", key), _files(ours, f"{name}-runc", key)) for key in ours.cgroups.directories
        }
    mine, runcs = (
        {f"{key or 'v2'}/{file}": text for key, both in found.items() for file, text in both[side].items()} for side in (0, 1)
    )
    assert mine == runcs
    assert ours.warnings == ()
    return mine


def _files(ours: Placed, name: str, controller: str) -> dict[str, str]:
    directory = Path(ours.cgroups.directories[controller]).with_name(name)
    found = {}
    for file in sorted(directory.iterdir()):
        if file.is_dir() or any(word in file.name for word in _MOVING):
            continue
        try:
            text = file.read_text()
        except OSError:
            continue  # written only
        if file.name == "devices.list":
            # runc 1.1 allows /dev/net/tun to everybody, runc 1.2 no longer does.
            text = "\n".join(sorted(line for line in text.splitlines() if line != "c 10:200 rwm"))
        found[file.name] = text
    return found


@contextmanager
def _runc(directory: Path, path: str, resources: dict[str, Any]) -> Iterator[int]:
    """A container of runc in that cgroup; its init."""
    make_rootfs(directory / "rootfs")
    subprocess.run(["runc", "spec"], cwd=directory, check=True)
    config = json.loads((directory / "config.json").read_text())
    config["process"].update(terminal=False, args=["/bin/sleep", "100000"], rlimits=[])
    config["linux"].update(cgroupsPath=path, resources=resources)
    (directory / "config.json").write_text(json.dumps(config))
    name = f"ctrscope-against-{os.getpid()}"
    # A machine may be emulated; and one that could not be started in time must not be in the way of the next.
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "timeout": 300}
    try:
        subprocess.run(["runc", "run", "-d", "-b", str(directory), name], check=True, **quiet)
        state = subprocess.run(["runc", "state", name], check=True, capture_output=True).stdout
        yield int(json.loads(state)["pid"])
    finally:
        subprocess.run(["runc", "delete", "-f", name], check=True, **quiet)
