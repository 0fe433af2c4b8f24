"""``--systemd-cgroup``: a scope of systemd's, whose limits stay when systemd reads its units anew."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ctrscope.cgroups.cgroup import plan_cgroups, update
from ctrscope.oci.errors import LauncherError, SpecError
from tests.attach.containers import wait_for
from tests.cgroups.placed import placed, resources_of, spec_of
from tests.requirements import require_root

MIB = 1 << 20
NAME = f"scope{os.getpid()}"
_RUNS = os.path.isdir("/run/systemd/system")
with_systemd = pytest.mark.skipif(not _RUNS, reason="systemd does not run here")

LIMITS: dict[str, Any] = {
    "memory": {"limit": 64 * MIB, "swap": 96 * MIB, "reservation": 32 * MIB},
    "cpu": {"shares": 512, "quota": 30_000, "period": 60_000},
    "pids": {"limit": 77},
}
FILES = ("memory.max", "memory.swap.max", "memory.low", "cpu.weight", "cpu.max", "pids.max")


def systemctl(*words: str) -> str:
    return subprocess.run(["systemctl", *words], check=True, capture_output=True, text=True, timeout=60).stdout.strip()


@with_systemd
@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("", f"system.slice/ctrscope-{NAME}.scope"),
        (f"ctrscope-test.slice:box:{NAME}", f"ctrscope.slice/ctrscope-test.slice/box-{NAME}.scope"),
        (f"::{NAME}", f"system.slice/{NAME}.scope"),
        (f"-.slice:box:{NAME}", f"box-{NAME}.scope"),
    ],
)
def test_the_scope_is_where_the_path_says_with_the_limits_asked_for(path: str, unit: str) -> None:
    require_root()
    with placed(NAME, path=path, systemd=True, **LIMITS) as box:
        assert box.warnings == ()
        line = next(line for line in Path(f"/proc/{box.process.pid}/cgroup").read_text().splitlines() if line.startswith("0::"))
        assert line == f"0::/{unit}"
        assert box.cgroups.main == f"/sys/fs/cgroup/{unit}"
        asked = {name: box.read(name) for name in FILES}
        assert asked["memory.max"] == str(64 * MIB)
        name = os.path.basename(unit)
        systemctl("daemon-reload")
        systemctl("set-property", "--runtime", name, "CPUWeight=" + asked["cpu.weight"])  # makes it write all of them
        assert {name: box.read(name) for name in FILES} == asked
        assert systemctl("show", "-P", "Delegate", name) == "yes"
        assert update(box.cgroups, resources_of(memory={"limit": 32 * MIB}, cpu={"quota": 6_000, "period": 60_000})) == ()
        systemctl("daemon-reload")
        assert (box.read("memory.max"), box.read("cpu.max")) == (str(32 * MIB), "6000 60000")
    wait_for("systemd to forget it", lambda: systemctl("show", "-P", "LoadState", name) == "not-found", 30)


@with_systemd
def test_a_scope_whose_process_was_killed_is_not_left_as_failed() -> None:
    require_root()
    with placed(NAME, systemd=True) as box:
        assert box.cgroups.scope is not None
        unit = box.cgroups.scope.name
    wait_for("systemd to forget it", lambda: systemctl("show", "-P", "LoadState", unit) == "not-found", 30)


@with_systemd
def test_a_name_that_is_taken_is_said() -> None:
    require_root()
    with (
        placed(NAME, systemd=True),
        pytest.raises(LauncherError, match=f"--systemd-cgroup.*ctrscope-{NAME}.scope"),
        placed(NAME, systemd=True),
    ):
        pass


@with_systemd
@pytest.mark.parametrize("path", ["/docker/3f", "a:b", "a.slice:b:", "a:b:c", "a--b.slice:x:y", "a/b.slice:x:y"])
def test_a_path_that_names_no_scope_is_refused(path: str) -> None:
    with pytest.raises(SpecError, match=r"\$\.linux\.cgroupsPath: expected"):
        plan_cgroups(spec_of(path), NAME, systemd=True)


@pytest.mark.skipif(_RUNS, reason="systemd runs here")
def test_without_systemd_that_is_said() -> None:
    with pytest.raises(LauncherError, match="systemd does not run here"):
        plan_cgroups(spec_of(), NAME, systemd=True)
