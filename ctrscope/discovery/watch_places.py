"""Which directories show that something happened to a container: engines' state, cgroups, named network namespaces."""

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from ctrscope.engines.claims import is_full_id
from ctrscope.model.cgroup_membership import CgroupMembership
from ctrscope.model.container import Container, EngineName, EngineStatus
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.cgroupfs import CgroupLayout
from ctrscope.probes.hostfs import HostFs

#: Hierarchies of v1 in which somebody may write something that matters.
_CONTROLLERS = ("freezer", "memory", "cpu", "pids")
_DOCKER_EXEC_ROOT = "/run/docker"
_NETNS = "/run/netns"


class Kind(Enum):
    """What a directory holds."""

    STATES = "state directories of an OCI runtime"
    STATE = "the state of one container"
    DOCKER = "Docker's containers"
    DOCKER_ONE = "one container of Docker"
    CGROUP = "a container's own cgroup"
    CGROUPS = "cgroups of containers"
    NETNS = "named network namespaces"
    OTHER = "state that only a whole look understands"


class Place(NamedTuple):
    """One directory."""

    path: str
    kind: Kind
    engine: EngineName | None = None
    namespace: str | None = None  # containerd namespace
    owner_uid: int = 0
    key: str | None = None  # of the container whose cgroup it is
    cgroup: CgroupMembership | None = None

    def entry(self, name: str) -> "Place":
        """What is one container in it."""
        kind = Kind.STATE if self.kind is Kind.STATES else Kind.DOCKER_ONE
        return self._replace(path=f"{self.path}/{name}", kind=kind)


def find_places(host: HostFs, snapshot: Snapshot, layout: CgroupLayout | None) -> Iterator[Place]:
    """What is worth watching, what tells most first. Not every one need exist."""
    for status in snapshot.engines:
        if status.found:
            yield from _state_places(host, status)
    yield Place(_NETNS, Kind.NETNS)
    if layout is not None:
        running = [one for one in snapshot.containers if one.is_running and one.has_own_cgroup and one.cgroup is not None]
        own = [place for one in running for place in _cgroup_places(layout, one)]
        above = dict.fromkeys(place.path.rpartition("/")[0] for place in own)
        yield from (Place(path, Kind.CGROUPS) for path in above)
        yield from own


def _state_places(host: HostFs, status: EngineStatus) -> Iterator[Place]:
    for root in status.state_roots:
        owner = _owner(root)
        if status.engine is EngineName.DOCKER:
            yield Place(f"{root}/containers", Kind.DOCKER, status.engine, owner_uid=owner)
            for name in _names(host, _DOCKER_EXEC_ROOT):
                for moby in _names(host, f"{_DOCKER_EXEC_ROOT}/{name}") if name.startswith("runtime-") else ():
                    yield Place(f"{_DOCKER_EXEC_ROOT}/{name}/{moby}", Kind.STATES, status.engine)
        elif status.engine is EngineName.CONTAINERD:
            yield Place(f"{root}/runc", Kind.OTHER, status.engine)
            for name in _names(host, f"{root}/runc"):
                is_dockers = name == "moby"
                engine = EngineName.DOCKER if is_dockers else status.engine
                yield Place(f"{root}/runc/{name}", Kind.STATES, engine, None if is_dockers else name, owner)
        elif status.engine in (EngineName.RUNC, EngineName.CRUN, EngineName.CTRSCOPE):
            yield Place(root, Kind.STATES, status.engine, owner_uid=owner)
        elif status.engine in (EngineName.PODMAN, EngineName.CRI_O):
            yield Place(f"{root}/overlay-containers", Kind.OTHER, status.engine)
        else:
            yield Place(root, Kind.OTHER, status.engine)


def _cgroup_places(layout: CgroupLayout, container: Container) -> Iterator[Place]:
    assert container.cgroup is not None
    found = [layout.own_directory(container.cgroup)]
    if layout.version != "v2":
        found += [
            layout.directory(container.cgroup, name)
            for name in _CONTROLLERS
            if container.cgroup.paths.get(name, "/") != "/"  # else it is everybody's
        ]
    for path in dict.fromkeys(found):
        if path is not None:
            yield Place(path, Kind.CGROUP, key=container.key, cgroup=container.cgroup)


def _owner(root: str) -> int:
    parts = root.split("/")
    return int(parts[3]) if parts[1:3] == ["run", "user"] and len(parts) > 3 and parts[3].isdecimal() else 0


def _names(host: HostFs, path: str) -> list[str]:
    try:
        return [name for name in host.names(path) if not is_full_id(name)]
    except OSError:
        return []
