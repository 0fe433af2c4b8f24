"""Cgroups of the tests' own, in every hierarchy that is mounted, each with one process in it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.probes.cgroupfs import CgroupLayout, read_layout
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.proc_pid_cgroup import read_cgroup
from ctrscope.probes.proc_pid_stat import read_stat
from tests.attach.containers import wait_for
from tests.requirements import require_root, unmet

_CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "freezer", "")


class UnifiedFs(HostFs):
    """This host as if nothing but the v2 hierarchy were mounted: on a hybrid one it has no controllers, but a freezer."""

    def read(self, path: str, **options: object) -> bytes:
        text = super().read(path, **options)  # type: ignore[arg-type]
        if path != "/proc/mounts":
            return text
        lines = [line for line in text.splitlines() if b" cgroup2 " in line]
        if not lines:
            unmet("no v2 hierarchy")
        return b"\n".join(lines) + b"\n"

    def lines(self, path: str) -> Iterator[bytes]:
        return iter(self.read(path).splitlines())


def layout() -> CgroupLayout:
    found = read_layout(HostFs())
    assert found is not None
    return found


def directories(path: str) -> dict[str, Path]:
    """Controller → directory of the cgroup *path*."""
    mounts = layout().mounts
    if set(mounts) == {""}:
        return dict.fromkeys(_CONTROLLERS, Path(mounts[""] + path))
    return {controller: Path(mounts[controller] + path) for controller in _CONTROLLERS if controller in mounts}


@contextmanager
def cgroup(path: str) -> Iterator[dict[str, Path]]:
    """An empty cgroup in every hierarchy; removed with what is below it."""
    require_root("cgroups of its own")
    found = directories(path)
    for directory in dict.fromkeys(found.values()):
        directory.mkdir(exist_ok=True)
    try:
        yield found
    finally:
        for directory in dict.fromkeys(found.values()):
            for below, _, _ in os.walk(directory, topdown=False):
                with suppress(OSError):
                    wait_for(f"{below} to be empty", lambda below=below: not Path(below, "cgroup.procs").read_text(), 5)  # type: ignore[misc]
                    os.rmdir(below)


@contextmanager
def process_in(found: dict[str, Path], program: str = "import time; print(flush=True); time.sleep(1000)") -> Iterator[int]:
    """A Python program that runs in a cgroup: its PID, once it has printed a line."""
    joined = f"import sys\nsys.stdin.readline()\n{program}"
    process = subprocess.Popen([sys.executable, "-c", joined], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for directory in dict.fromkeys(found.values()):
            (directory / "cgroup.procs").write_text(str(process.pid))
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        yield process.pid
    finally:
        process.kill()
        for directory in dict.fromkeys(found.values()):
            for name, text in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                with suppress(OSError):
                    (directory / name).write_text(text)
        process.wait(10)
        process.stdin.close()
        process.stdout.close()


def container_in_cgroup(pid: int, host: HostFs | None = None, name: str = "box") -> Container:
    """The container whose init is *pid*, in a cgroup of its own."""
    host = host or HostFs()
    found = read_layout(host)
    assert found is not None
    return Container(
        id=name,
        name=name,
        engine=EngineName.RUNC,
        status=ContainerStatus.RUNNING,
        pid=pid,
        starttime_ticks=read_stat(host, pid).starttime_ticks,
        cgroup=found.membership(read_cgroup(host, pid)),
        has_own_cgroup=True,
        pids=(pid,),
    )
