"""Whose is it: a PID, a namespace, a link, an address, a port, a cgroup, a path, an image, a pod, a name.

What a query can mean follows from its form (``parse_query``); only that is read, and what is cheap first. A bare number
means several things, and every one of them that holds is an answer of its own. What is the host's is said to be the host's.
"""

from collections.abc import Iterator

from ctrscope.discovery.lookup import all_named
from ctrscope.discovery.whose import Whose
from ctrscope.model.container import Container
from ctrscope.model.gap import Reading
from ctrscope.model.match import Match, MatchKind, Query, parse_query
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs

#: Characters from which on the beginning of an id is meant as such.
_SHORTEST_ID = 6


def find(hostfs: HostFs, snapshot: Snapshot, query: str) -> Reading[tuple[Match, ...]]:
    """Everything on this host that answers to *query*; empty when nothing does.

    The snapshot has to have been taken with namespaces and with containers that do not run.
    *Cost:* by the kind of query: a name nothing, a PID one file, a port three files for each network namespace; a link or
    MAC asks netlink in each; a namespace that no process is in looks wherever one can hide.
    """
    asked, whose = parse_query(query.strip()), Whose(hostfs, snapshot)
    matches = tuple(_matches(whose, asked)) if asked.text else ()
    order = list(MatchKind)
    unique = dict.fromkeys(sorted(matches, key=lambda match: order.index(match.kind)))
    return Reading(tuple(unique), tuple(dict.fromkeys(whose.gaps)))


def _matches(whose: Whose, asked: Query) -> Iterator[Match]:
    if asked.text.startswith("/"):
        yield from _of_path(whose, asked)
        return
    named = False
    for match in (match for kind in asked.kinds for match in _of_name(whose.snapshot, kind, asked.text)):
        named = True
        yield match
    if MatchKind.PROCESS in asked.kinds:
        from ctrscope.discovery.find_processes import find_pid_inside, find_process

        yield from find_process(whose, asked)
        yield from find_pid_inside(whose, asked)
    if MatchKind.NAMESPACE in asked.kinds:
        from ctrscope.discovery.find_processes import find_namespace

        yield from find_namespace(whose, asked)
    if not {MatchKind.PORT, MatchKind.ADDRESS, MatchKind.MAC, MatchKind.LINK}.isdisjoint(asked.kinds):
        yield from _of_network(whose, asked, named)


def _of_network(whose: Whose, asked: Query, named: bool) -> Iterator[Match]:
    from ctrscope.discovery.find_network import find_address, find_link, find_port, may_be_link

    if MatchKind.PORT in asked.kinds:
        yield from find_port(whose, asked)
    if MatchKind.ADDRESS in asked.kinds:
        yield from find_address(whose, asked)
    # Netlink is asked when there is such a link, or when nothing else has that name: no process may be where the link is.
    if MatchKind.MAC in asked.kinds or (MatchKind.LINK in asked.kinds and (not named or may_be_link(whose, asked.text))):
        yield from find_link(whose, asked)


def _of_path(whose: Whose, asked: Query) -> Iterator[Match]:
    from ctrscope.discovery.find_paths import find_bind_mount, find_hosts_file, find_path
    from ctrscope.discovery.find_processes import find_cgroup, find_namespace, find_process

    first, _, rest = asked.text.strip("/").partition("/")
    pid = rest.partition("/")[0]
    if first == "proc" and pid.isascii() and pid.isdecimal() and len(pid) < 10:
        yield from find_process(whose, asked._replace(number=int(pid)))
        return
    if (ino := find_bind_mount(whose, asked.text)) is not None:
        yield from find_namespace(whose, asked._replace(number=ino))
        return
    found = False
    for match in (*find_cgroup(whose, asked), *find_path(whose, asked.text)):
        found = True
        yield match
    if not found:
        yield from find_hosts_file(whose, asked.text)


def _of_name(snapshot: Snapshot, kind: MatchKind, text: str) -> Iterator[Match]:
    """What engines call things."""
    if kind is MatchKind.CONTAINER and not text.startswith("pod/"):
        for one in all_named(snapshot, text):
            if text.isdecimal() and len(text) < _SHORTEST_ID and text not in (one.id, one.name):
                continue  # 80 is a port or a PID before it is the beginning of an id
            detail = " ".join(str(word) for word in (one.status, one.pid and f"PID {one.pid}", one.image) if word)
            yield Match(kind=kind, what=one.name, container=one.key, detail=detail)
    for one in snapshot.containers:
        if kind is MatchKind.POD and one.pod is not None and _is_pod(one, text):
            name = "/".join(part for part in (one.pod.namespace, one.pod.name or one.pod.uid) if part)
            detail = f"{'its sandbox' if one.is_sandbox else 'a container of it'}, {one.status}"
            yield Match(kind=kind, what=name, container=one.key, detail=detail)
        elif kind is MatchKind.IMAGE and (image := _image(one, text)) is not None:
            yield Match(kind=kind, what=image, container=one.key, detail=f"made from it, {one.status}")


def _is_pod(container: Container, text: str) -> bool:
    pod = container.pod
    if pod is None:
        return False
    name = text.removeprefix("pod/")
    if name in (pod.name, f"{pod.namespace}/{pod.name}", pod.uid, pod.sandbox_id):
        return bool(name)
    return bool(pod.uid) and name.replace("_", "-") == pod.uid  # as the names of systemd slices have it


def _image(container: Container, text: str) -> str | None:
    """The image of a container, when *text* means it: in full, without its tag, its last word, or the beginning of its id."""
    image, image_id = container.image or "", (container.image_id or "").rpartition(":")[2]
    wanted = text.removeprefix("sha256:")
    if len(wanted) >= _SHORTEST_ID and image_id.startswith(wanted):
        return image or image_id
    if not image:
        return None
    repository, colon, tag = image.rpartition(":")
    untagged = repository if colon and "/" not in tag else image
    meant = {image, untagged, *_shorter(image), *_shorter(untagged)}
    return image if text in meant else None


def _shorter(name: str) -> list[str]:
    """``library/nginx`` and ``nginx`` of ``docker.io/library/nginx``."""
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(1, len(parts))]
