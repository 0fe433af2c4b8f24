"""A host whose hierarchy of cgroups is an ordinary directory, and which has one process: init of a container."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import Container, ContainerStatus, EngineName
from ctrscope.probes.hostfs import HostFs, ProcDir

SCOPE = "/machine.slice/libpod-3f.scope"
BOX = Container(
    id="3f",
    name="box",
    engine=EngineName.PODMAN,
    status=ContainerStatus.RUNNING,
    pid=4711,
    starttime_ticks=5000,
    cgroup=CgroupMembership(version="v2", path=SCOPE, paths={}),
    has_own_cgroup=True,
)


class FilesFs(HostFs):
    """The v2 hierarchy is at *mount*. *cgroup*: where init is; *ours*: where we are."""

    def __init__(self, mount: Path, cgroup: str = SCOPE, ours: str = "/") -> None:
        super().__init__("/")
        self.mounts, self.cgroup, self.ours = f"cgroup2 {mount} cgroup2 rw 0 0\n", f"0::{cgroup}\n", f"0::{ours}\n"

    def read(self, path: str, **options: Any) -> bytes:
        own = {"/proc/mounts": self.mounts, "/proc/self/cgroup": self.ours}.get(path)
        return super().read(path, **options) if own is None else own.encode()

    def lines(self, path: str) -> Iterator[bytes]:
        return iter(self.read(path).splitlines())

    @contextmanager
    def process(self, pid: int) -> Iterator[ProcDir]:
        yield _Process(self.cgroup)


class _Process:
    def __init__(self, cgroup: str) -> None:
        self._files = {"stat": "4711 (sleep) S 1 0 0 0 0 0 0 0 0 0 3 4 0 0 20 0 1 0 5000 0 0", "cgroup": cgroup}

    def read(self, name: str) -> bytes:
        return self._files[name].encode()

    def readlink(self, name: str) -> str:
        raise FileNotFoundError(name)

    def names(self, name: str) -> list[str]:
        raise FileNotFoundError(name)

    def directories(self, most: int) -> Iterator[tuple[str, int]]:
        raise FileNotFoundError("fd")
