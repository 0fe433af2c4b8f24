"""Docker: ``config.v2.json`` and ``hostconfig.json`` of every container, and the runtime's state of the running ones.

*Source:* moby daemon/container (container.go, state.go), daemon/runtime_unix.go, daemon/graphdriver, dockerd(8).
*Shape:* ``DATA_ROOT/containers/ID/{config.v2,hostconfig}.json``. ``EXEC_ROOT/runtime-NAME/NAMESPACE/ID`` is the state directory
of the OCI runtime: it has what Docker does not write down, the start time of init. The namespace is containerd's: ``moby``.
*Versions:* 20.10 to 29. Docker 29 keeps images in containerd unless told otherwise. With userns-remap the namespace is
``moby-UID.GID`` since Docker 26; ``--containerd-namespace`` gives it any name.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from ctrscope.engines.claims import is_full_id
from ctrscope.engines.docker_root import DockerRoot, find_roots, find_running_roots
from ctrscope.engines.engine import Survey
from ctrscope.engines.oci_cgroup import find_cgroup_path
from ctrscope.engines.oci_state import OciState, read_oci_state
from ctrscope.engines.state_file import first_of
from ctrscope.model.container import ContainerStatus, EngineName, EngineReading, EngineStatus, Evidence, Record
from ctrscope.model.gap import VANISHED, Gap, ParseError, gap_of
from ctrscope.probes.hostfs import HostFs

if TYPE_CHECKING:
    from ctrscope.engines.docker_config import ContainerConfig

T = TypeVar("T")

_TASKS = "/run/containerd/io.containerd.runtime.v2.task/moby"
_SNAPSHOTTERS = ("overlayfs", "native", "btrfs", "zfs", "stargz", "fuse-overlayfs")


class Docker:
    """Docker, rootful and every user's."""

    name: ClassVar[EngineName] = EngineName.DOCKER

    def read_state(self, survey: Survey) -> EngineReading:
        """Containers below the usual data roots and those that ``daemon.json`` or a running dockerd's arguments name."""
        roots, gaps = find_roots(survey)
        return _read_roots(survey, roots, gaps)

    def read_supervisors(self, survey: Survey) -> EngineReading | None:
        """Containers below the data roots of running dockerds that nothing else named."""
        roots, gaps = find_running_roots(survey)
        known = {root.path for root in find_roots(survey)[0]} if roots else set()
        unknown = [root for root in roots if root.path not in known]
        return _read_roots(survey, unknown, gaps) if unknown else None


def _read_roots(survey: Survey, roots: Iterable[DockerRoot], gaps: list[Gap]) -> EngineReading:
    reader = _Reader(survey.host, gaps)
    for root in roots:
        reader.read_root(root)
    status = EngineStatus(
        engine=EngineName.DOCKER, found=bool(reader.found), state_roots=tuple(reader.found), containers=len(reader.records)
    )
    return EngineReading(status=status, records=tuple(reader.records.values()), gaps=tuple(gaps))


class _Reader:
    """Reads data roots, one after the other; the first that has a container keeps it."""

    def __init__(self, host: HostFs, gaps: list[Gap]) -> None:
        self._host = host
        self._gaps = gaps
        self.records: dict[tuple[int, str], Record] = {}  # by owner too: a user may give a container any id
        self.found: list[str] = []

    def read_root(self, root: DockerRoot) -> None:
        """Read a data root, and those of a remapped user namespace in it."""
        try:
            names = self._host.names(root.path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self._gaps.append(gap_of(error, "engine docker", ("containers",), root.path))
            if self._host.exists(root.path):
                self.found.append(root.path)
            return
        if "containers" in names:
            self._read_containers(root)
        for name in names:
            uid, dot, gid = name.partition(".")
            if dot and uid.isdecimal() and gid.isdecimal():
                self._read_containers(msgspec.structs.replace(root, path=f"{root.path}/{name}"))

    def _read_containers(self, root: DockerRoot) -> None:
        directory = f"{root.path}/containers"
        try:
            names = self._host.names(directory)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self._gaps.append(gap_of(error, "engine docker", ("containers",), directory))
            names = []
        self.found.append(root.path)
        names, more = first_of(names, root.owner, "engine docker", directory)
        self._gaps += more
        state_dirs = self._find_state_dirs(root) if names else {}
        for name in names:
            key = (root.owner or 0, name)
            if is_full_id(name) and key not in self.records:
                record = self._read_container(root, name, state_dirs.get(name))
                if record is not None:
                    self.records[key] = record

    def _find_state_dirs(self, root: DockerRoot) -> dict[str, str]:
        """Runtime state directories by container id: of those that have an init, or had one when the shim died."""
        found = {}
        for runtime in self._names(root.exec_root):
            for namespace in self._names(f"{root.exec_root}/{runtime}") if runtime.startswith("runtime-") else ():
                directory = f"{root.exec_root}/{runtime}/{namespace}"
                found.update({name: f"{directory}/{name}" for name in self._names(directory)})
        return found

    def _names(self, directory: str) -> list[str]:
        try:
            return self._host.names(directory)
        except OSError as error:
            if error.errno not in VANISHED:
                self._gaps.append(gap_of(error, "engine docker", ("pid",), directory))
            return []

    def _read_container(self, root: DockerRoot, container_id: str, state_dir: str | None) -> Record | None:
        from ctrscope.engines.docker_config import declared_fields, parse_config, parse_host_config  # only where there are any

        subject = f"container docker{f'@{root.owner}' if root.owner else ''}/{container_id}"
        directory = f"{root.path}/containers/{container_id}"
        source = f"{directory}/config.v2.json"
        config = self._read(source, parse_config, root, subject, ("name", "image", "status"))
        state = self._read_runtime_state(root, state_dir, subject) if state_dir is not None else None
        if config is None and state is None:
            return None
        evidence: tuple[Evidence, ...] = ()
        fields: dict[str, Any] = {"name": container_id, "status": ContainerStatus.RUNNING}
        if config is not None:
            host_config = self._read(f"{directory}/hostconfig.json", parse_host_config, root, subject, ("runtime", "ports"))
            fields = declared_fields(config, host_config)
            evidence += (Evidence(source=source, value=_words(config)),)
        if state is not None:
            fields |= runtime_fields(state)
            evidence += (Evidence(source=state.source, value=f"pid {state.pid}, start time {state.starttime_ticks}"),)
        elif config is not None:
            fields["rootfs"] = self._find_rootfs(root, container_id, config.driver)
            fields["bundle"] = self._find_bundle(container_id, config.state.pid)
        return Record(
            id=container_id,
            engine=EngineName.DOCKER,
            owner_uid=root.owner or 0,
            monitor_expected="containerd-shim",
            evidence=evidence,
            **fields,
        )

    def _read(
        self, path: str, parse: Callable[[bytes, str], T], root: DockerRoot, subject: str, fields: tuple[str, ...]
    ) -> T | None:
        """A file of a container, or None: it is gone, or there is a Gap."""
        try:
            return parse(self._host.read(path, owner=root.owner), path)
        except (OSError, ParseError) as error:
            if not isinstance(error, OSError) or error.errno not in VANISHED:
                self._gaps.append(gap_of(error, subject, fields, path))
            return None

    def _read_runtime_state(self, root: DockerRoot, state_dir: str, subject: str) -> OciState | None:
        try:
            return read_oci_state(self._host, state_dir, owner=root.owner)
        except (OSError, ParseError) as error:
            self._gaps.append(gap_of(error, subject, ("starttime_ticks",), state_dir))
            return None

    def _find_rootfs(self, root: DockerRoot, container_id: str, driver: str | None) -> str | None:
        """Where the root file system is mounted while the container runs."""
        if driver == "overlay2":
            source = f"{root.path}/image/overlay2/layerdb/mounts/{container_id}/mount-id"
            try:
                mount_id = self._host.read(source, limit=4096, owner=root.owner).decode("ascii").strip()
            except (OSError, ValueError):
                return None
            return f"{root.path}/overlay2/{mount_id}/merged" if mount_id and "/" not in mount_id else None
        # The containerd image store has its snapshotter for a driver.
        path = f"{root.path}/rootfs/{driver}/{container_id}"
        return path if driver in _SNAPSHOTTERS and self._host.exists(path) else None

    def _find_bundle(self, container_id: str, pid: int) -> str | None:
        """Bundle of a running container whose runtime keeps no OCI state directory (Kata, gVisor)."""
        path = f"{_TASKS}/{container_id}"
        return path if pid and self._host.exists(path) else None


def runtime_fields(state: OciState) -> dict[str, Any]:
    """Fields of a Record that the OCI runtime's state holds."""
    return {
        "pid": state.pid,
        "starttime_ticks": state.starttime_ticks,
        "bundle": state.bundle,
        "rootfs": state.rootfs,
        "cgroup_path": find_cgroup_path(state.cgroup_paths),
        "state_dirs": (state.path, state.bundle) if state.bundle else (state.path,),
    }


def _words(config: "ContainerConfig") -> str:
    state = config.state
    said = [name for name in ("Running", "Paused", "Restarting", "Dead") if getattr(state, name.lower())]
    return f"{', '.join(said) or 'not Running'}, Pid {state.pid}"
