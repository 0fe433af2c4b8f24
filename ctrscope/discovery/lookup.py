"""Which container somebody means: by id, prefix of an id, name, pod, or a process in it."""

from collections.abc import Sequence

from ctrscope.model.container import Container
from ctrscope.model.snapshot import Snapshot


class NoSuchContainer(LookupError):  # noqa: N818 - it reads as what it says
    """Nothing answers to that. ``nearest`` are names that look like it."""

    def __init__(self, query: str, nearest: tuple[str, ...]) -> None:
        super().__init__(f"no such container: {query}")
        self.query = query
        self.nearest = nearest


class AmbiguousContainer(LookupError):  # noqa: N818
    """Several containers answer to that."""

    def __init__(self, query: str, candidates: tuple[Container, ...]) -> None:
        super().__init__(f"{query} may be any of {len(candidates)} containers")
        self.query = query
        self.candidates = candidates


def find_container(snapshot: Snapshot, query: str) -> Container:
    """The one container that *query* means.

    ``pid:N``, a key (``docker/3fca…``), an id or a name (of runc's and containerd's the id is the name), ``engine/name``,
    ``pod/NAME``, or the beginning of an id, in this order: what matches exactly is preferred to what only begins like it.
    Errors: NoSuchContainer, AmbiguousContainer.
    """
    return _only(query, all_named(snapshot, query), snapshot.containers)


def all_named(snapshot: Snapshot, query: str) -> list[Container]:
    """Every container that *query* means, by the first of ``find_container``'s ways in which there is any."""
    containers = snapshot.containers
    if query.startswith("pid:") and query[4:].isdecimal() and len(query) < 20:
        return _with_process(containers, int(query[4:]))
    return (
        [one for one in containers if query == one.key]
        or [one for one in containers if query in (one.id, one.name)]
        or [one for one in containers if query in (f"{one.engine}/{one.name}", _qualified_name(one))]
        or _in_pod(containers, query)
        or [one for one in containers if query and one.id.startswith(query)]
    )


def _qualified_name(container: Container) -> str:
    """The key with the name in the id's place: ``containerd/k8s.io/web``, ``podman@1000/web``."""
    return container.key.removesuffix(container.id) + container.name


def _with_process(containers: Sequence[Container], pid: int) -> list[Container]:
    # A container in a container (docker in docker, LXC) also has it among its processes: the inner one has fewer.
    found = [one for one in containers if pid == one.pid or pid in one.pids]
    return sorted(found, key=lambda one: len(one.pids))[:1]


def _in_pod(containers: Sequence[Container], query: str) -> list[Container]:
    """Containers of ``pod/NAME`` or ``pod/NAMESPACE/NAME``, without the sandbox that only holds the namespaces."""
    kind, _, name = query.partition("/")
    if kind != "pod" or not name:
        return []
    found = [one for one in containers if one.pod is not None and name in (one.pod.name, f"{one.pod.namespace}/{one.pod.name}")]
    return [one for one in found if not one.is_sandbox] or found


def _only(query: str, found: Sequence[Container], containers: Sequence[Container]) -> Container:
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousContainer(query, tuple(found))
    import difflib  # only for those who mistyped

    words = dict.fromkeys(one.name for one in containers)
    words.update(dict.fromkeys(f"pod/{one.pod.name}" for one in containers if one.pod is not None and one.pod.name))
    nearest = difflib.get_close_matches(query, [word for word in words if len(word) < 256], n=3, cutoff=0.5)
    raise NoSuchContainer(query, tuple(nearest))
