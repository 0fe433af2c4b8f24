"""Cgroups that the launcher makes: what the kernel enforces, and that nothing of them is left."""

import os
import signal
import time
from pathlib import Path

import pytest

from ctrscope.cgroups.cgroup import freeze, join, kill_all, plan_cgroups, read_pids, remove, thaw, update
from ctrscope.oci.errors import LauncherError, SpecError
from ctrscope.oci.state import Cgroups
from tests.attach.containers import wait_for
from tests.cgroups.placed import Placed, placed, resources_of, spec_of
from tests.requirements import require, require_root

pytestmark = pytest.mark.usefixtures("root")

MIB = 1 << 20
NAME = f"ctrscope-kernel-{os.getpid()}"
_STRESS = "import os; os.execlp('stress-ng', 'stress-ng', '--quiet', '--temp-path', '/tmp', *{!r})"


@pytest.fixture
def root() -> None:
    require_root("makes cgroups")


def stress(*arguments: str) -> str:
    require("stress-ng")
    return _STRESS.format(arguments)


def oom_kills(box: Placed) -> int:
    lines = dict(line.split() for line in box.read("memory.events" if box.cgroups.is_v2 else "memory.oom_control").splitlines())
    return int(lines["oom_kill"])


def test_memory_stays_below_its_limit_under_stress_and_the_killer_comes() -> None:
    memory = {"limit": 64 * MIB, "swap": 64 * MIB}
    with placed(NAME, stress("--vm", "1", "--vm-bytes", "300M", "--vm-keep", "--timeout", "300"), memory=memory) as box:
        wait_for("the OOM killer", lambda: oom_kills(box), 60)
        current = "memory.current" if box.cgroups.is_v2 else "memory.usage_in_bytes"
        assert max(int(box.read(current)) for _ in range(200)) <= 64 * MIB
        if not box.cgroups.is_v2:
            assert int(box.read("memory.max_usage_in_bytes")) <= 64 * MIB


def test_cpu_time_stays_below_its_quota_under_stress() -> None:
    with placed(NAME, stress("--cpu", "2", "--timeout", "300"), cpu={"quota": 10_000, "period": 50_000}) as box:

        def read() -> tuple[float, int, int]:
            lines = dict(line.split() for line in box.read("cpu.stat").splitlines())
            nanoseconds = int(lines["usage_usec"]) * 1000 if box.cgroups.is_v2 else int(box.read("cpuacct.usage"))
            return nanoseconds / 1e9, int(lines["nr_periods"]), int(lines["nr_throttled"])

        wait_for("periods in which it was throttled", lambda: read()[2] > 5, 60)
        before, moment = read(), time.monotonic()
        wait_for("periods enough to judge", lambda: read()[1] - before[1] >= 30, 60)
        after, elapsed = read(), time.monotonic() - moment
        # Of every period a fifth, and at the ends what was begun: a slice of 5 ms on each CPU.
        assert after[0] - before[0] <= 0.2 * elapsed * 1.1 + 0.05
        assert after[2] > before[2]


def test_tasks_stay_below_their_limit_under_stress() -> None:
    with placed(NAME, stress("--fork", "8", "--fork-max", "16", "--timeout", "300"), pids={"limit": 12}) as box:
        events = box.file("pids.events")
        wait_for("a fork to fail", lambda: int(events.read_text().split()[1]) > 20, 60)
        assert max(int(box.read("pids.current")) for _ in range(500)) <= 12


def test_a_device_is_open_to_whom_a_rule_allows_it_only_in_the_way_it_says(tmp_path: Path) -> None:
    nodes = {"kmsg": (1, 11), "mem": (1, 1), "loop": (7, 0)}
    for name, (major, minor) in nodes.items():
        os.mknod(tmp_path / name, (0o060666 if name == "loop" else 0o020666), os.makedev(major, minor))
    program = f"""
import errno, os
for path, flags in (("/dev/null", os.O_RDWR), ("{tmp_path}/kmsg", os.O_RDONLY), ("{tmp_path}/kmsg", os.O_WRONLY),
                    ("{tmp_path}/kmsg", os.O_RDWR), ("{tmp_path}/mem", os.O_RDONLY), ("{tmp_path}/loop", os.O_RDONLY)):
    try:
        os.close(os.open(path, flags | os.O_NONBLOCK))
        print("open", end=" ")
    except OSError as error:
        print(errno.errorcode[error.errno], end=" ")
try:
    os.mknod("{tmp_path}/new", 0o020666, os.makedev(10, 200))
    print("made")
except OSError as error:
    print(errno.errorcode[error.errno])
import time; time.sleep(1000)
"""
    rules = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"},
    ]
    with placed(NAME, program.replace('print("made")', 'print("made", flush=True)'), devices=rules) as box:
        assert box.warnings == ()
        assert box.process.stdout is not None
        assert box.process.stdout.readline().split() == ["open", "open", "EPERM", "EPERM", "EPERM", "EPERM", "made"]


def test_what_is_frozen_stands_still_until_it_is_thawed() -> None:
    with placed(NAME, "n = 0\nwhile True: n += 1") as box:
        ticks = Path(f"/proc/{box.process.pid}/stat")

        def used() -> int:
            return sum(map(int, ticks.read_text().rpartition(")")[2].split()[11:13]))

        wait_for("some CPU time", lambda: used() > 3, 30)
        freeze(box.cgroups)
        before, switches = used(), Path(f"/proc/{box.process.pid}/status").read_text().split("nonvoluntary")[1]
        time.sleep(0.2)  # what it would run in meanwhile
        assert (used(), Path(f"/proc/{box.process.pid}/status").read_text().split("nonvoluntary")[1]) == (before, switches)
        thaw(box.cgroups)
        wait_for("more CPU time", lambda: used() > before, 30)


def test_limits_of_a_running_container_change_in_either_direction() -> None:
    with placed(NAME, memory={"limit": 64 * MIB, "swap": 64 * MIB}, cpu={"quota": 20_000}, pids={"limit": 10}) as box:
        maximum = "memory.max" if box.cgroups.is_v2 else "memory.limit_in_bytes"
        for size in (256, 32):
            memory = {"limit": size * MIB, "swap": 2 * size * MIB}
            assert update(box.cgroups, resources_of(memory=memory, cpu={"period": 50_000}, pids={"limit": size})) == ()
            assert box.read(maximum) == str(size * MIB)
            swap = size * MIB if box.cgroups.is_v2 else 2 * size * MIB
            assert box.read("memory.swap.max" if box.cgroups.is_v2 else "memory.memsw.limit_in_bytes") == str(swap)
            assert box.read("pids.max") == str(size)
        if box.cgroups.is_v2:
            assert box.read("cpu.max") == "20000 50000"
        else:
            assert (box.read("cpu.cfs_quota_us"), box.read("cpu.cfs_period_us")) == ("20000", "50000")
        with pytest.raises(LauncherError, match=r"\$\.linux\.resources\.cpu\.cpus: writing '4000' to /sys/fs/cgroup"):
            update(box.cgroups, resources_of(cpu={"cpus": "4000"}))


def test_whatever_runs_in_it_and_below_it_is_killed_and_removed() -> None:
    forks = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(20):
    if os.fork() == 0:
        while True:
            if os.fork() == 0: os.setsid(); time.sleep(1000)
            time.sleep(1)
print(flush=True); time.sleep(1000)
"""
    with placed(NAME, forks, pids={"limit": 200}) as box:
        wait_for("a crowd", lambda: len(read_pids(box.cgroups)) > 30, 60)
        for directory in box.cgroups.distinct:
            (Path(directory) / "below" / "deeper").mkdir(parents=True)
        if not box.cgroups.is_v2:
            freeze(box.cgroups)
        kill_all(box.cgroups)
        assert read_pids(box.cgroups) == ()
        assert box.process.wait(20) == -signal.SIGKILL
        remove(box.cgroups)
        assert [directory for directory in box.cgroups.distinct if os.path.exists(directory)] == []
        remove(box.cgroups)  # once more is fine


def test_without_cgroups_path_the_parent_goes_with_the_last() -> None:
    with placed(f"{NAME}-1") as one, placed(f"{NAME}-2") as two:
        assert {os.path.dirname(path).rpartition("/")[2] for path in one.cgroups.distinct} == {"ctrscope"}
        parents = {os.path.dirname(path) for path in two.cgroups.distinct}
    assert [path for path in parents if os.path.exists(path) and not list(Path(path).glob("*/cgroup.procs"))] == []


def test_another_process_joins() -> None:
    with placed(NAME) as box, placed(f"{NAME}-other") as other:
        join(box.cgroups, other.process.pid)
        assert set(read_pids(box.cgroups)) == {box.process.pid, other.process.pid}
        join(other.cgroups, other.process.pid)


@pytest.mark.parametrize("path", ["/", ".", "..", "../up", "a/../.."])
def test_a_path_that_is_no_cgroup_of_its_own_is_refused(path: str) -> None:
    with pytest.raises(SpecError, match=r"\$\.linux\.cgroupsPath"):
        plan_cgroups(spec_of(path), NAME, systemd=False)


def test_a_cgroup_that_others_are_in_is_refused() -> None:
    with placed(NAME, path=f"/{NAME}") as box, pytest.raises(LauncherError, match=f"in use: process {box.process.pid}"):
        plan_cgroups(spec_of(f"/{NAME}"), "other", systemd=False)


def test_a_limit_without_its_controller_is_refused_with_limit_and_place() -> None:
    with placed(NAME) as box:
        with pytest.raises(LauncherError, match=r"\$\.linux\.resources\.hugepageLimits\[0\]: there is no .*hugetlb"):
            update(box.cgroups, resources_of(hugepageLimits=[{"pageSize": "3MB", "limit": 1}]))
        without = Cgroups()
        with pytest.raises(LauncherError, match=r"\$\.linux\.resources\.pids\.limit: there is no pids hierarchy"):
            update(without, resources_of(pids={"limit": 5}))
        assert update(without, resources_of()) == ()


def test_what_the_kernel_refuses_is_said_with_limit_and_file() -> None:
    with placed(NAME) as box, pytest.raises(LauncherError, match=r"\$\.linux\.resources\.cpu\.burst: .*the kernel refuses"):
        update(box.cgroups, resources_of(cpu={"burst": 1 << 60}))
