"""``find`` by what proc(5) numbers: processes, threads, PIDs as a container counts them, namespaces, cgroups."""

from collections.abc import Iterator

from ctrscope.discovery.whose import Whose, is_within, names_of
from ctrscope.model.container import Container
from ctrscope.model.gap import ParseError
from ctrscope.model.match import Match, MatchKind, Query
from ctrscope.model.namespace import HolderKind, Namespace, NamespaceId, NamespaceType
from ctrscope.probes.proc_pid_status import read_status


def find_process(whose: Whose, query: Query) -> Iterator[Match]:
    """A process of the host, or one of its threads.

    /proc/TID exists for every thread, although only processes are listed; proc(5).
    """
    number = query.number or 0
    try:
        status = read_status(whose.hostfs, number)
    except (OSError, ParseError):
        return
    if status.tgid != number:
        container = whose.process(status.tgid)
        detail = f"a thread of process {status.tgid} ({_command(whose, status.tgid)}){_whose(container)}"
        yield Match(kind=MatchKind.THREAD, what=f"thread {number}", container=_key(container), detail=detail)
        return
    what, command = f"process {number}", _command(whose, number)
    container = whose.process(number)
    if container is not None:
        role = "its init" if number == container.pid else f"PID {status.nspid[-1]} inside" if len(status.nspid) > 1 else ""
        yield _match(MatchKind.PROCESS, what, container.key, ", ".join(part for part in (command, role) if part))
    for kept in whose.supervised(number):
        yield _match(MatchKind.PROCESS, what, kept.key, f"{command}: its supervisor")
    if container is None and not whose.supervised(number):
        differing = whose.namespaces(number).differs_from(whose.snapshot.host.namespaces)
        own = f", with its own {' '.join(differing)}" if differing else ""
        yield _match(MatchKind.PROCESS, what, None, f"{command}: a process of the host, in no container{whose.caveat}{own}")


def find_pid_inside(whose: Whose, query: Query) -> Iterator[Match]:
    """Processes that have that PID in the innermost PID namespace they are in.

    PID 1 is left out: every container's init has it.
    """
    if query.number == 1:
        return
    ending = f"\t{query.number}".encode()
    for container in whose.running:
        for pid in container.pids:
            try:
                text = whose.hostfs.read(f"/proc/{pid}/status")
            except OSError:
                continue
            # Not parsed: of two thousand processes one line is asked for.
            nspid = text.partition(b"\nNSpid:")[2].partition(b"\n")[0]
            if nspid.count(b"\t") > 1 and nspid.endswith(ending) and whose.process(pid) is container:
                what = f"PID {query.number} inside"
                yield _match(MatchKind.PID_INSIDE, what, container.key, f"process {pid} of the host: {_command(whose, pid)}")


def find_namespace(whose: Whose, query: Query) -> Iterator[Match]:
    """A namespace by its inode number: the containers in it, or the host, or what else keeps it.

    Looked for among the containers first, then among all processes, and only then wherever a namespace can hide.
    """
    ino = query.number or 0
    types = (query.namespace,) if query.namespace is not None else tuple(NamespaceType)
    for type_ in types:
        what = str(NamespaceId(type_, ino))
        members = whose.members(type_, ino)
        if whose.is_hosts(type_, ino):
            also = f"; in it as well: {names_of(members)}" if members else ""
            yield _match(MatchKind.NAMESPACE, what, None, f"the host's own {type_} namespace, no container's{also}")
            return
        if members:
            for container in members:
                others = names_of(one for one in members if one is not container)
                detail = f"its {type_} namespace" + (f", shared with {others}" if others else "")
                yield _match(MatchKind.NAMESPACE, what, container.key, detail)
            return
    for type_ in types:
        found = [pid for pid in whose.processes.pids() if whose.namespaces(pid).ino(type_) == ino]
        if found:
            yield _held_by_processes(whose, NamespaceId(type_, ino), sorted(found))
            return
    from ctrscope.discovery.namespaces import read_namespaces  # looks everywhere: the last resort

    namespaces, gaps = read_namespaces(whose.hostfs, whose.snapshot)
    whose.gaps += gaps
    for namespace in namespaces or ():
        if namespace.ino == ino and namespace.type in types:
            yield _hidden(whose, namespace)


def find_cgroup(whose: Whose, query: Query) -> Iterator[Match]:
    """A cgroup by its directory, or by its path as /proc/PID/cgroup has it."""
    layout = whose.layout
    if layout is None:
        return
    text = "/" + query.text.strip("/")
    mount = max((mount for mount in layout.mounts.values() if is_within(text, mount)), key=len, default=None)
    paths = [text] if mount is None else [text[len(mount) :] or "/"]
    if mount is None and is_within(text, "/sys/fs/cgroup"):
        paths = [text.removeprefix("/sys/fs/cgroup") or "/"]  # without the controller's directory of cgroup v1
    for path in paths:
        container = whose.cgroup(path)
        if container is not None and container.cgroup is not None:
            own = "its own cgroup" if path == container.cgroup.path else f"below its cgroup {container.cgroup.path}"
            yield _match(MatchKind.CGROUP, path, container.key, own)
        elif any(whose.hostfs.exists(directory + (path if path != "/" else "")) for directory in set(layout.mounts.values())):
            guests = [one for one in whose.running if one.cgroup is not None and is_within(one.cgroup.path, path)]
            below = f"; at or below it: {names_of(guests[:5])}" + (f" and {len(guests) - 5} more" if len(guests) > 5 else "")
            yield _match(MatchKind.CGROUP, path, None, "the host's, no container's own" + (below if guests else ""))


def _held_by_processes(whose: Whose, namespace: NamespaceId, pids: list[int]) -> Match:
    homes = {pid: container for pid in pids if (container := whose.process(pid)) is not None}
    first = next(iter(homes), pids[0])
    others = f" and {len(pids) - 1} more" if len(pids) > 1 else ""
    where = f"process {first} ({_command(whose, first)}){others}"
    if first in homes:
        detail = f"not the one of its init: {where} is in it"
        return _match(MatchKind.NAMESPACE, str(namespace), homes[first].key, detail)
    unknown = whose.unknown_host(namespace.type)
    detail = (
        f"{unknown}: {where} is in it" if unknown else f"nobody's: no container's{whose.caveat}, kept by {where} of the host"
    )
    return _match(MatchKind.NAMESPACE, str(namespace), None, detail)


def _hidden(whose: Whose, namespace: Namespace) -> Match:
    """A namespace that no process is in."""
    holders = [
        " ".join(part for part in (str(holder.kind).replace("_", " "), holder.path or "", _process(holder.pid)) if part)
        for holder in namespace.held_by
    ]
    keepers = [(one.kind, whose.process(one.pid)) for one in namespace.held_by if one.pid is not None]
    # What the host mounts is mounted in every mount namespace that is a slave of its own, too.
    is_the_hosts = any(kind is HolderKind.BIND_MOUNT and keeper is None for kind, keeper in keepers)
    home = None if is_the_hosts else next((keeper for _, keeper in keepers if keeper is not None), None)
    kept = ", ".join(holders[:3]) + (f" and {len(holders) - 3} more" if len(holders) > 3 else "")
    nobody = "" if home is not None else "nobody's: "
    return _match(MatchKind.NAMESPACE, str(namespace.id), _key(home), f"{nobody}no process is in it; held by {kept or '?'}")


def _process(pid: int | None) -> str:
    return "" if pid is None else f"of process {pid}"


def _whose(container: Container | None) -> str:
    return "" if container is not None else ", of the host, in no container"


def _key(container: Container | None) -> str | None:
    return None if container is None else container.key


def _command(whose: Whose, pid: int) -> str:
    arguments = whose.processes.cmdline(pid)
    if arguments:
        return " ".join(arguments)[:200]
    stat = whose.processes.stat(pid)
    return f"[{stat.comm}]" if stat is not None else "?"


def _match(kind: MatchKind, what: str, container: str | None, detail: str) -> Match:
    return Match(kind=kind, what=what, container=container, detail=detail)
