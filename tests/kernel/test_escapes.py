"""Who is in a container's cgroup and not in its namespaces, and the reverse: processes moved with nsenter and cgroup.procs."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.processes import read_processes
from ctrscope.model.namespace import NamespaceType
from ctrscope.model.process import Process, Role
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_stat import read_stat
from ctrscope.render.trees import remarks
from tests.attach.containers import children, runc_container, wait_for
from tests.requirements import require, require_root

_INIT = "sleep 100001 & busybox unshare -n sleep 100002 & exec sleep 100000"
_CAPABLE = {name: ["CAP_SYS_ADMIN"] for name in ("bounding", "effective", "permitted")}


class Box(NamedTuple):
    """A runc container with two children of init: one as it was born, one in a network namespace that it made."""

    name: str
    init: int
    plain: int
    unshared: int


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    require_root()
    require("runc", "nsenter")
    name = f"fnd-escapes-{os.getpid()}"
    directory = tmp_path_factory.mktemp("escapes")
    with runc_container(directory, name, args=["/bin/sh", "-c", _INIT], capabilities=_CAPABLE) as init:

        def born() -> dict[str, int]:
            found = {" ".join(Path(f"/proc/{pid}/cmdline").read_text().split("\0")).strip(): pid for pid in children(init)}
            return found if set(found) == {"sleep 100001", "sleep 100002"} else {}

        found = wait_for("both children", born)
        yield Box(name, init, found["sleep 100001"], found["sleep 100002"])


def directories(pid: int | str) -> list[str]:
    """The cgroup directories of a process, one for each hierarchy."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    found = []
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        for _, point, kind, options, *_ in mounts:
            if kind == ("cgroup" if names else "cgroup2") and (not names or set(names.split(",")) <= set(options.split(","))):
                found.append(f"{point}{path.rstrip('/')}")
    return found


def move(pid: int, like: int | str) -> None:
    """Put a process into the cgroups of another one."""
    for directory in directories(like):
        with suppress(OSError):  # v2 without controllers may refuse
            Path(directory, "cgroup.procs").write_text(str(pid))


@contextmanager
def started(*argv: str, before: Callable[[], None] | None = None) -> Iterator[int]:
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=before)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def processes_of(box: Box) -> dict[int, Process]:
    snapshot = discover(HostFs("/"), Plan(namespaces=False, addresses=False, stats=False, stopped=False))
    (container,) = [one for one in snapshot.containers if one.name == box.name]
    return {process.pid: process for process in read_processes(HostFs("/"), container)}


def words(process: Process) -> str:
    return ", ".join(remarks(process, {process.container or "": "box"}))


def test_those_born_inside_are_where_they_belong(box: Box) -> None:
    found = processes_of(box)
    for pid in (box.init, box.plain, box.unshared):
        assert not found[pid].outside
        assert not found[pid].is_outside_cgroup
        assert not found[pid].is_visitor
    # A network namespace of its own is no escape.
    assert os.readlink(f"/proc/{box.unshared}/ns/net") != os.readlink(f"/proc/{box.init}/ns/net")
    assert found[box.plain].role is found[box.unshared].role is Role.DESCENDANT
    assert words(found[box.plain]) == words(found[box.unshared]) == ""


def test_an_exec_is_joined_and_nothing_else(box: Box) -> None:
    with ExitStack() as stack:
        stack.enter_context(started("runc", "exec", box.name, "/bin/sleep", "100003"))
        found = wait_for(
            "the process that exec started",
            lambda: [one for one in processes_of(box).values() if one.cmdline == ("/bin/sleep", "100003")],
        )
        (process,) = found
        stack.callback(os.kill, process.pid, 9)
        assert (process.role, process.outside, process.is_outside_cgroup) == (Role.JOINED, (), False)
        assert not process.is_visitor
        assert words(process).startswith("joined box from outside")
        assert "namespace" not in words(process)


def test_who_joined_the_namespaces_but_not_the_cgroup_has_escaped_the_limits(box: Box) -> None:
    flags = ("-m", "-u", "-i", "-n", "-p", "-C")
    with started("nsenter", "-t", str(box.init), *flags, "/bin/sleep", "100004") as entering:
        (pid,) = wait_for("sleep", lambda: children(entering))
        wait_for("exec", lambda: Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"/bin/sleep"))
        process = processes_of(box)[pid]
        assert (process.role, process.outside, process.is_outside_cgroup) == (Role.JOINED, (), True)
        assert process.has_escaped_limits
        assert "outside its cgroup: no limit holds it" in words(process)
        move(pid, box.init)
        assert processes_of(box)[pid].is_outside_cgroup is False


def test_who_joined_one_namespace_is_told_which_others_it_is_not_in(box: Box) -> None:
    with started("nsenter", "-t", str(box.init), "-n", "sleep", "100005") as pid:
        wait_for("exec", lambda: Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep"))
        process = processes_of(box)[pid]
        own = {
            name
            for name in NamespaceType
            if os.readlink(f"/proc/{box.init}/ns/{name}") != os.readlink(f"/proc/{pid}/ns/{name}")
        }
        assert "net" not in own
        assert set(process.outside or ()) == own
        assert process.is_outside_cgroup is True
        assert not process.is_visitor


def test_a_process_of_the_host_in_the_cgroup_is_a_visitor(box: Box) -> None:
    with started("sleep", "100006") as pid:
        move(pid, box.init)
        process = processes_of(box)[pid]
        assert process.role is Role.JOINED
        assert NamespaceType.MNT in (process.outside or ())
        assert NamespaceType.PID in (process.outside or ())
        assert (process.is_outside_cgroup, process.is_visitor) == (False, True)
        assert "a visitor in its cgroup" in words(process)
        assert "not in its" in words(process)


def test_who_was_born_inside_and_moved_out_of_the_cgroup_has_escaped_the_limits(box: Box) -> None:
    move(box.plain, "self")
    try:
        process = processes_of(box)[box.plain]
        assert (process.role, process.outside, process.is_outside_cgroup) == (Role.DESCENDANT, (), True)
        assert "outside its cgroup: no limit holds it" in words(process)
    finally:
        move(box.plain, box.init)


#: A process in a network namespace of its own, of which only the second thread goes on.
_HEADLESS = (
    "import ctypes, threading, time; libc = ctypes.CDLL(None); libc.unshare(0x40000000); "
    "threading.Thread(target=time.sleep, args=(600,)).start(); libc.pthread_exit(None)"
)


def test_a_sandbox_whose_main_thread_has_ended_is_found() -> None:
    require_root("a network namespace")
    with subprocess.Popen([sys.executable, "-c", _HEADLESS]) as process:
        try:
            wait_for("the end of its main thread", lambda: read_stat(HostFs(), process.pid).state == "Z")
            own = os.stat(f"/proc/{process.pid}/task/{max(map(int, os.listdir(f'/proc/{process.pid}/task')))}/ns/net").st_ino

            snapshot = discover(HostFs(), Plan(addresses=False))
        finally:
            process.kill()
    (found,) = [one for one in snapshot.containers if process.pid in one.pids]
    assert (found.pid, found.id, found.namespaces.net) == (process.pid, f"net:[{own}]", own)
