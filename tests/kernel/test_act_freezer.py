"""Containers paused, thawed and signalled on the running kernel: what it says of the tasks afterwards."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from ctrscope.act.freezer import apply_freeze, plan_freeze
from ctrscope.act.refusal import CannotAct
from ctrscope.act.signal import plan_signal, send_signal
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import Container
from ctrscope.probes.cgroupfs import read_frozen
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_stat import read_stat
from tests.attach.containers import container_of, unshared, wait_for
from tests.kernel.cgroups import UnifiedFs, cgroup, container_in_cgroup, layout, process_in
from tests.requirements import require, require_root

pytestmark = pytest.mark.usefixtures("root")

_BUSY = "print(flush=True)\nwhile True: pass"
_HANDLES_TERM = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(flush=True)
time.sleep(1000)
"""


@pytest.fixture
def root() -> None:
    require_root("freezes and signals")


@pytest.fixture
def group() -> Iterator[dict[str, Path]]:
    with cgroup(f"/ctrscope-act-{os.getpid()}") as found:
        yield found


@pytest.fixture(params=[HostFs, UnifiedFs], ids=["as it is", "v2"])
def host(request: pytest.FixtureRequest) -> HostFs:
    """The freezer of this host as it is mounted, and that of the v2 hierarchy."""
    made: HostFs = request.param()
    return made


def freeze(host: HostFs, box: Container, *, frozen: bool) -> int:
    plan = plan_freeze(host, box, frozen=frozen)
    apply_freeze(host, plan)
    return len(plan.directories)


def used(pid: int) -> int:
    stat = read_stat(HostFs(), pid)
    return stat.utime_ticks + stat.stime_ticks


def pending(pid: int, number: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return any(int(line.split()[1], 16) & 1 << (number - 1) for line in lines if line.startswith(("ShdPnd", "SigPnd")))


def is_gone(pid: int) -> bool:
    try:
        return read_stat(HostFs(), pid).state in "ZX"
    except OSError:
        return True


def is_said_to_be_frozen(host: HostFs, group: dict[str, Path]) -> bool:
    """What the kernel's own file says."""
    if isinstance(host, UnifiedFs) or "freezer" not in layout().mounts:
        return "frozen 1" in (group[""] / "cgroup.events").read_text().splitlines()
    return (group["freezer"] / "freezer.state").read_text() == "FROZEN\n"


def test_a_paused_container_stands_still_until_it_is_thawed(host: HostFs, group: dict[str, Path]) -> None:
    with process_in(group, _BUSY) as pid:
        box = container_in_cgroup(pid, host)
        assert freeze(host, box, frozen=True) == 1
        assert is_said_to_be_frozen(host, group)
        before = used(pid)
        assert freeze(host, box, frozen=True) == 0
        assert used(pid) == before
        assert freeze(host, box, frozen=False) == 1
        assert not is_said_to_be_frozen(host, group)
        wait_for("it to run", lambda: used(pid) > before)
        assert freeze(host, box, frozen=False) == 0


def test_what_is_frozen_from_above_is_not_thawed_below(host: HostFs, group: dict[str, Path]) -> None:
    with cgroup(f"/ctrscope-act-{os.getpid()}/inner") as inner, process_in(inner) as pid:
        inside = container_in_cgroup(pid, host)
        assert inside.cgroup is not None
        above = replace(inside, cgroup=parent_of(inside))
        freeze(host, above, frozen=True)
        with pytest.raises(CannotAct, match="is frozen by a cgroup above"):
            plan_freeze(host, inside, frozen=False)
        freeze(host, above, frozen=False)
        assert not is_said_to_be_frozen(host, inner)


def parent_of(box: Container) -> CgroupMembership:
    assert box.cgroup is not None
    paths = {name: path.removesuffix("/inner") for name, path in box.cgroup.paths.items()}
    return replace(box.cgroup, path=box.cgroup.path.removesuffix("/inner"), paths=paths)


_FREEZE_ONESELF = """
import os, sys
from pathlib import Path
from ctrscope.act.freezer import plan_freeze
from ctrscope.act.refusal import CannotAct
from tests.kernel.cgroups import container_in_cgroup, directories
from ctrscope.probes.hostfs import HostFs
for directory in dict.fromkeys(directories(sys.argv[1]).values()):
    (directory / "cgroup.procs").write_text(str(os.getpid()))
try:
    plan_freeze(HostFs(), container_in_cgroup(os.getpid()), frozen=True)
except CannotAct as error:
    print(error)
"""


@pytest.mark.usefixtures("group")
def test_nobody_freezes_the_cgroup_that_they_are_in() -> None:
    command = [sys.executable, "-c", _FREEZE_ONESELF, f"/ctrscope-act-{os.getpid()}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert f"/ctrscope-act-{os.getpid()} and would be frozen too" in done.stdout


def test_a_container_that_was_replaced_is_not_frozen(host: HostFs, group: dict[str, Path]) -> None:
    with process_in(group) as pid:
        plan = plan_freeze(host, container_in_cgroup(pid, host), frozen=True)
        with pytest.raises(CannotAct, match="is another one now"):
            apply_freeze(host, replace(plan, target=replace(plan.target, starttime_ticks=1)))
        assert read_frozen(host, plan.target.layout, plan.target.membership) is False


def test_a_shared_cgroup_is_not_frozen(group: dict[str, Path]) -> None:
    with process_in(group) as pid, pytest.raises(CannotAct, match="has no cgroup of its own"):
        plan_freeze(HostFs(), replace(container_in_cgroup(pid), has_own_cgroup=False), frozen=True)


def test_a_signal_reaches_init(group: dict[str, Path]) -> None:
    with process_in(group) as pid:
        plan = plan_signal(HostFs(), container_in_cgroup(pid), signal.SIGTERM)
        assert (plan.name, plan.warnings) == ("SIGTERM", ())
        send_signal(HostFs(), plan)
        wait_for("its end", lambda: is_gone(pid))


def test_a_signal_that_pid_1_has_no_handler_for_is_dropped_and_that_is_said() -> None:
    require("unshare")
    with unshared("-p", "-f") as init:
        plan = plan_signal(HostFs(), container_of(init), signal.SIGTERM)
        assert "has no handler for SIGTERM" in plan.warnings[0]
        send_signal(HostFs(), plan)
        assert not pending(init, signal.SIGTERM)
        assert not is_gone(init)
        kill = plan_signal(HostFs(), container_of(init), signal.SIGKILL)
        assert kill.warnings == ()
        send_signal(HostFs(), kill)
        wait_for("its end", lambda: is_gone(init))


def test_a_signal_for_a_paused_container_waits_and_that_is_said(host: HostFs, group: dict[str, Path]) -> None:
    with process_in(group, _HANDLES_TERM) as pid:
        box = container_in_cgroup(pid, host)
        freeze(host, box, frozen=True)
        plan = plan_signal(host, box, signal.SIGTERM)
        assert "SIGTERM stays pending until it is thawed" in plan.warnings[0]
        send_signal(host, plan)
        assert pending(pid, signal.SIGTERM)
        freeze(host, box, frozen=False)
        wait_for("its end", lambda: is_gone(pid))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_dies_leaves_the_v2_freezer_and_waits_in_that_of_v1(number: int, host: HostFs, group: dict[str, Path]) -> None:
    with process_in(group) as pid:
        box = container_in_cgroup(pid, host)
        freeze(host, box, frozen=True)
        plan = plan_signal(host, box, number)
        assert bool(plan.warnings) == (type(host) is HostFs and "freezer" in layout().mounts)
        send_signal(host, plan)
        if plan.warnings:
            assert pending(pid, number)
            assert not is_gone(pid)
            freeze(host, box, frozen=False)
        wait_for("its end", lambda: is_gone(pid))


def test_a_pid_that_belongs_to_another_now_gets_no_signal(group: dict[str, Path]) -> None:
    with process_in(group) as pid:
        plan = plan_signal(HostFs(), container_in_cgroup(pid), signal.SIGKILL)
        with pytest.raises(CannotAct, match="is another one now; nothing was done"):
            send_signal(HostFs(), replace(plan, target=replace(plan.target, starttime_ticks=1)))
        assert not is_gone(pid)
    with pytest.raises(CannotAct, match="ended meanwhile"):
        send_signal(HostFs(), plan)


_LISTEN = """
import os, socket, sys
from ctrscope.act.record import record
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind("/dev/log")
os.environ["SUDO_USER"] = "alice"
record("limit memory 64M -> 128M", "docker/3f", "web\\nforged: line")
sys.stdout.buffer.write(listener.recv(4096))
"""


def test_everything_done_is_a_line_in_the_system_log() -> None:
    require("unshare", "mount")
    # A mount namespace of its own, so that nobody else finds a /dev/log there.
    command = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev && exec "$0" -c "$1"', sys.executable, _LISTEN]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    line = done.stdout.rstrip(b"\0").decode()
    assert line.startswith("<13>")  # facility user, severity notice
    assert "ctrscope[" in line
    assert line.endswith("limit memory 64M -> 128M uid=0 sudo_user=alice container=docker/3f name='web?forged: line'")
