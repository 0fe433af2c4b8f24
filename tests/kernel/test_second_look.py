"""Processes looked at twice on the running kernel: what lasted, what runs from a deleted file, what has too many files open."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ctrscope.discovery.second_look import Lasting, look, look_again, unread
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.gap import Reason
from ctrscope.model.observed import ObservedProcess
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_stat import read_stat
from tests.attach.containers import wait_for
from tests.hostfs import DenyingHostFs
from tests.requirements import require

HOST = HostFs()


def container_of(*pids: int) -> Container:
    return Container(id="box", name="box", engine=EngineName.RUNC, status=ContainerStatus.RUNNING, pid=pids[0], pids=pids)


def observed(before: Mapping[int, Lasting], *pids: int) -> list[ObservedProcess]:
    return list(look_again(HOST, container_of(*pids), before))


@pytest.fixture
def zombie() -> Iterator[int]:
    """A process that has ended, and whose parent, we, did not wait for it."""
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
    wait_for("its end", lambda: read_stat(HOST, pid).state == "Z")
    yield pid
    os.waitpid(pid, 0)


def test_a_zombie_that_is_there_at_both_looks_has_lasted(zombie: int) -> None:
    before = look(HOST, (container_of(zombie),))
    (found,) = observed(before, zombie)
    assert (found.state, found.has_lasted, found.ppid, found.executable) == ("Z", True, os.getpid(), None)
    (fresh,) = observed({}, zombie)
    assert not fresh.has_lasted


def test_a_process_stuck_in_the_kernel_has_lasted_until_it_runs_again() -> None:
    # vfork(2): the parent waits in state D until its child has ended or executed.
    program = "import ctypes, os; libc = ctypes.CDLL(None); libc.vfork() or (libc.pause(), libc._exit(0))"
    parent = subprocess.Popen([sys.executable, "-c", program])
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    try:
        # A start reads its files in state D too: only with the child there is it the wait for the child.
        wait_for("vfork", lambda: children.read_text() and read_stat(HOST, parent.pid).state == "D")
        before = look(HOST, (container_of(parent.pid),))
        (found,) = observed(before, parent.pid)
        assert (found.state, found.has_lasted) == ("D", True)
        earlier = {parent.pid: before[parent.pid]._replace(switches=(b"voluntary_ctxt_switches:\t0",))}
        assert not observed(earlier, parent.pid)[0].has_lasted
        another = {parent.pid: before[parent.pid]._replace(starttime_ticks=1)}
        assert not observed(another, parent.pid)[0].has_lasted
    finally:
        for child in children.read_text().split():
            os.kill(int(child), signal.SIGKILL)
        parent.kill()
        parent.wait(10)


def test_what_runs_and_sleeps_is_not_looked_at_twice() -> None:
    assert look(HOST, (container_of(os.getpid()),)) == {}


def test_a_deleted_executable_is_called_so_by_the_kernel(tmp_path: Path) -> None:
    require("sleep")
    sleep = shutil.which("sleep")
    assert sleep is not None
    program = tmp_path / "program"
    shutil.copy(sleep, program)
    process = subprocess.Popen([program, "1000"])
    try:
        wait_for("exec", lambda: os.readlink(f"/proc/{process.pid}/exe") == str(program))
        assert observed({}, process.pid)[0].executable == str(program)
        program.unlink()
        assert observed({}, process.pid)[0].executable == f"{program} (deleted)"
    finally:
        process.kill()
        process.wait(10)


def test_descriptors_are_counted_as_the_directory_has_them() -> None:
    program = (
        "import os, resource, time; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n[os.dup(0) for _ in range(40)]\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program + "print(flush=True); time.sleep(1000)"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        (found,) = observed({}, process.pid)
        assert found.open_files == len(os.listdir(f"/proc/{process.pid}/fd"))
        assert found.open_files_limit == 64
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def test_a_process_that_is_gone_is_left_out_and_what_may_not_be_read_is_unknown() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait(20)
    assert observed({}, os.getpid(), done.pid) == observed({}, os.getpid())
    assert look(HOST, (container_of(done.pid),)) == {}
    pid = os.getpid()
    denying = DenyingHostFs("/", {f"/proc/{pid}/{name}": 13 for name in ("exe", "limits", "fd")} | {f"/proc/{pid}/fd": 1})
    (found,) = look_again(denying, container_of(pid), {})
    assert (found.executable, found.open_files, found.open_files_limit) == (None, None, None)
    (gap,) = unread(denying, container_of(pid), [found])
    assert (gap.source, gap.reason, gap.needs) == (f"/proc/{pid}/exe", Reason.DENIED, "CAP_SYS_PTRACE")
    assert unread(HOST, container_of(pid), observed({}, pid)) == ()


def test_looking_is_quick() -> None:
    started = time.monotonic()
    look(HOST, (container_of(*(int(name) for name in os.listdir("/proc") if name.isdecimal())),))
    assert time.monotonic() - started < 5
