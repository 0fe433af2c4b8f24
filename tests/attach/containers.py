"""Containers to enter, made from nothing but ``unshare`` or runc, and a look at whoever entered them."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ctrscope.attach.syscalls import CLONE_FLAGS
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.model.namespace import NamespaceType
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_stat import read_stat
from tests.requirements import require

T = TypeVar("T")

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
_APPLETS = ("sh", "cat", "id", "env", "pwd", "true", "sleep", "tty", "stty", "grep", "readlink", "test", "echo", "ls")
_READY = "echo ready; exec sleep 100000"


class Facts(NamedTuple):
    """What a process is, as the kernel shows it from outside."""

    namespaces: Mapping[str, str]
    cgroup: str
    status: tuple[str, ...]  # ids, groups, capabilities, NoNewPrivs
    root: tuple[int, int]
    cwd: tuple[int, int]
    descriptors: Mapping[str, str]
    environ: frozenset[bytes]


def facts(pid: int) -> Facts:
    """Look at one process."""
    proc = Path("/proc", str(pid))
    wanted = ("Uid", "Gid", "Groups", "Cap", "NoNewPrivs")
    root, cwd = (proc / "root").stat(), (proc / "cwd").stat()
    return Facts(
        namespaces={name: os.readlink(proc / "ns" / name) for name in NAMESPACES},
        cgroup=(proc / "cgroup").read_text(),
        status=tuple(line for line in (proc / "status").read_text().splitlines() if line.startswith(wanted)),
        root=(root.st_dev, root.st_ino),
        cwd=(cwd.st_dev, cwd.st_ino),
        descriptors={name: os.readlink(proc / "fd" / name) for name in os.listdir(proc / "fd")},
        environ=frozenset((proc / "environ").read_bytes().split(b"\0")),
    )


def make_rootfs(path: Path) -> Path:
    """A root file system of busybox and empty directories."""
    require("busybox")
    busybox = shutil.which("busybox")
    assert busybox is not None
    for name in ("bin", "etc", "proc", "dev", "tmp", "srv"):
        (path / name).mkdir(parents=True)
    shutil.copy(busybox, path / "bin" / "busybox")
    for applet in _APPLETS:
        (path / "bin" / applet).symlink_to("busybox")
    return path


def wait_for(what: str, condition: Callable[[], T], seconds: float = 20) -> T:
    """Wait until *condition* is true and return it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.01)
    return value


def children(pid: int) -> list[int]:
    """PIDs of the children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def container_of(pid: int, status: ContainerStatus = ContainerStatus.RUNNING) -> Container:
    """The container whose init is *pid*."""
    start = read_stat(HostFs(), pid).starttime_ticks
    return Container(id="box", name="box", engine=EngineName.UNCLAIMED, status=status, pid=pid, starttime_ticks=start)


@contextmanager
def unshared(
    *flags: str, rootfs: Path | None = None, mounts: str = "", uid: int | None = None, mapped: bool = False
) -> Iterator[int]:
    """A container of ``unshare FLAGS``; its init.

    *mounts* is shell text that runs before chroot, *uid* whose container it is; *mapped*: in a user namespace whose ids
    0 to 65535 are 100000 and up outside.
    """
    require("unshare")
    enter = f"exec chroot {rootfs} /bin/sh -c '{_READY}'" if rootfs else _READY
    process = subprocess.Popen(
        ["unshare", *flags, "sh", "-c", f"{mounts} {enter}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "ROLE": "init", "HOME": "/srv", "TERM": "vt52"},
        cwd="/",
        user=uid,
        group=uid,
        extra_groups=[] if uid is not None else None,
        start_new_session=True,
        preexec_fn=_enter_mapped_user_namespace if mapped else None,
    )
    assert process.stdout is not None
    init = 0
    try:
        assert process.stdout.readline() == b"ready\n"
        init = (children(process.pid) or [process.pid])[0]
        wait_for("sleep", lambda: Path(f"/proc/{init}/cmdline").read_bytes().startswith(b"sleep\0"))
        yield init
    finally:
        for pid in (init, process.pid):
            with suppress(ProcessLookupError):
                if pid:
                    os.kill(pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def _enter_mapped_user_namespace() -> None:
    """Only a process outside may write a map of several ids: a child that stays there does."""
    pid = os.getpid()
    reader, writer = os.pipe()
    outside = os.fork()
    if outside == 0:
        os.read(reader, 1)
        for file in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}/{file}").write_text("0 100000 65536")
        os._exit(0)
    assert ctypes.CDLL(None).unshare(CLONE_FLAGS[NamespaceType.USER]) == 0
    os.write(writer, b"x")
    os.waitpid(outside, 0)
    os.setgroups([4, 5])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


@contextmanager
def runc_container(directory: Path, name: str, **process: Any) -> Iterator[int]:
    """A container of runc; its init. *process* changes that part of config.json."""
    require("runc")
    make_rootfs(directory / "rootfs")
    subprocess.run(["runc", "spec"], cwd=directory, check=True)
    config = json.loads((directory / "config.json").read_text())
    config["process"].update({"terminal": False, "args": ["/bin/sleep", "100000"], "rlimits": [], **process})
    config["root"]["readonly"] = False
    (directory / "config.json").write_text(json.dumps(config))
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["runc", "run", "-d", "-b", str(directory), name], check=True, timeout=60, **quiet)
    try:
        state = subprocess.run(["runc", "state", name], check=True, capture_output=True).stdout
        yield int(json.loads(state)["pid"])
    finally:
        subprocess.run(["runc", "resume", name], check=False, **quiet)
        subprocess.run(["runc", "delete", "-f", name], check=True, timeout=60, **quiet)


def attach_command(pid: int, *argv: str, **request: Any) -> list[str]:
    """The command line of ``enter_pid``: attach to the container of that init, confined unless the request says otherwise."""
    return [sys.executable, "-m", "tests.attach.enter_pid", str(pid), json.dumps({"argv": argv, "confined": True, **request})]


def attach(pid: int, *argv: str, stdin: bytes = b"", **request: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a container, through pipes."""
    return subprocess.run(attach_command(pid, *argv, **request), input=stdin, capture_output=True, timeout=60, check=False)


@contextmanager
def entered(pid: int, **request: Any) -> Iterator[int]:
    """A ``cat`` that entered the container of that init: its PID."""
    process = subprocess.Popen(attach_command(pid, "cat", **request), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"hello\n"
        yield entrant_of(process.pid)
    finally:
        process.stdin.close()
        process.stdout.close()
        assert process.wait(20) == 0


def entrant_of(pid: int) -> int:
    """The command that ``ctrscope attach``, which is process *pid*, started: the child of its child."""
    between = wait_for("go-between", lambda: children(pid))[0]  # behind it is the guard of a terminal
    (entrant,) = wait_for("entrant", lambda: children(between))
    return entrant
