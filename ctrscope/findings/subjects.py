"""What a finding is about, and the levels of cgroups at which a limit may bite."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from ctrscope.model.cgroup import CgroupStats, EffectiveLimit
from ctrscope.model.container import Container
from ctrscope.model.finding import Subject
from ctrscope.model.observed import Observed
from ctrscope.model.rates import Rates

Resource = Literal["cpus", "memory", "swap", "pids"]
#: The v1 controller that accounts for a resource.
_CONTROLLERS: dict[Resource, str] = {"cpus": "cpu", "memory": "memory", "swap": "memory", "pids": "pids"}


class Level(NamedTuple):
    """A cgroup whose limit a container has to live with: its own, or the tightest above."""

    path: str
    is_own: bool
    stats: CgroupStats
    rates: Rates

    @property
    def set_by(self) -> str:
        """What to add to a title."""
        return "" if self.is_own else f" set by {self.path}"


def container_subject(container: Container) -> Subject:
    """A container, by its key."""
    return Subject(kind="container", id=container.key, name=container.name)


def running(observed: Observed) -> Iterator[Container]:
    """The containers that processes of exist now."""
    return (container for container in observed.snapshot.containers if container.is_running)


def levels(observed: Observed, container: Container, resource: Resource) -> Iterator[Level]:
    """The container's own cgroup, then the one above that limits it, as far as their figures were read."""
    key = container.key
    if key in observed.snapshot.stats:
        path = cgroup_path(container, resource)
        yield Level(path, True, observed.snapshot.stats[key], observed.rates.get(key, Rates()))
    above = imposed_from_above(container, effective_limit(observed, container, resource))
    if above is not None and above in observed.levels:
        yield Level(above, False, observed.levels[above], observed.level_rates.get(above, Rates()))


def effective_limit(observed: Observed, container: Container, resource: Resource) -> EffectiveLimit | None:
    """The tightest bound of a resource from the container's cgroup up; None when that was not read."""
    effective = observed.effective.get(container.key)
    limit: EffectiveLimit | None = getattr(effective, resource) if effective is not None else None
    return limit


def imposed_from_above(container: Container, limit: EffectiveLimit | None) -> str | None:
    """Path of the cgroup above the container's own that imposes a limit; None: its own does, the host's size, or unknown."""
    if limit is None or limit.limited_by is None or limit.limited_by == "host" or container.cgroup is None:
        return None
    own = {container.cgroup.path, *container.cgroup.paths.values()} - {"/"}
    # crun with the systemd driver sets limits on a cgroup below the container's scope.
    is_own = any(limit.limited_by == path or limit.limited_by.startswith(f"{path}/") for path in own)
    return None if is_own else limit.limited_by


def cgroup_path(container: Container, resource: Resource) -> str:
    """Path of the container's own cgroup in the hierarchy that accounts for a resource."""
    cgroup = container.cgroup
    return "?" if cgroup is None else cgroup.paths.get(_CONTROLLERS[resource], cgroup.path)


def by_version(container: Container, v2: str, v1: str) -> str:
    """Name of an interface file, on v2 or on v1 and hybrid."""
    return v2 if container.cgroup is None or container.cgroup.version == "v2" else v1
