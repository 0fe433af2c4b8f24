"""Published ports that lead nowhere, and name servers that nobody can reach.

*Source:* nft(8), iptables(8), resolv.conf(5).
"""

from collections.abc import Iterator

from ctrscope.findings.health.links import inhabited
from ctrscope.findings.subjects import container_subject
from ctrscope.model.container import Container, Evidence
from ctrscope.model.finding import Finding, Severity, Subject
from ctrscope.model.network import NetworkNamespace, Publication
from ctrscope.model.observed import Observed
from ctrscope.model.reach import VIRTUAL, any_address, find_route, waiting_sockets
from ctrscope.model.thresholds import Thresholds

_RULES = ("nftables ", "iptables-legacy ")


def lead_to_nobody(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """A rule that sends a port to an address that nobody has."""
    for one in _publications(observed):
        if one.target_netns is not None or not one.target_ip or not any(via.startswith(_RULES) for via in one.via):
            continue
        namespace = _namespace(observed, one.netns)
        route = find_route(namespace, one.target_ip) if namespace is not None else None
        device = (
            next((link for link in namespace.links if route is not None and link.name == route.dev), None)
            if namespace
            else None
        )
        if device is not None and device.kind not in VIRTUAL:
            continue  # it leads out of this host, where we see nothing
        yield Finding(
            rule="health/dnat-to-nobody",
            severity=Severity.HIGH,
            subject=_subject(observed, one),
            title=f"port {_door(one)} is sent to {one.target_ip}:{one.target_port}, an address that nobody has",
            evidence=(Evidence(source=", ".join(one.via), value=f"→ {one.target_ip}:{one.target_port}"),),
            remedy="if its container is gone, its engine should have removed the rule: restart that engine, or delete the rule",
        )


def published_by_nothing(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """A port that an engine's state says is published, and no rule or process does it."""
    for one in _publications(observed):
        if one.via or not one.is_checked:
            continue
        yield Finding(
            rule="health/published-by-nothing",
            severity=Severity.HIGH,
            subject=_subject(observed, one),
            title=f"port {_door(one)} is declared, and nothing publishes it: no rule of the kernel, no proxy process",
            evidence=(Evidence(source="state of its engine", value=f"{_door(one)} → {one.target_ip}:{one.target_port}"),),
            remedy="somebody flushed the rules, or the proxy died: restart the container, or reload its engine's network",
        )


def dropped(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """A published port whose packets the packet filter drops on their way: other hosts get no answer."""
    for one in _publications(observed):
        if one.dropped_by:
            yield Finding(
                rule="health/published-dropped",
                severity=Severity.MEDIUM,
                subject=_subject(observed, one),
                title=f"port {_door(one)} is published, and what other hosts send there is dropped by {one.dropped_by}",
                evidence=(
                    Evidence(source=one.dropped_by, value=f"forwarded to {one.target_ip}:{one.target_port}/{one.proto}"),
                ),
                remedy="if other hosts should reach it, accept it there; Docker sets that policy, also for other engines",
            )


def nobody_listens(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """A published port, its container alive, and nobody listens there."""
    for one in _publications(observed):
        namespace = _namespace(observed, one.target_netns)
        if one.listener is not None or namespace is None or namespace.sockets is None or one.target_port is None:
            continue
        waiting = list(waiting_sockets(namespace.sockets, one.proto))
        elsewhere = [socket for socket in waiting if socket.local_port == one.target_port]
        others = sorted({socket.local_port or 0 for socket in waiting if not _is_loopback(socket.local)})
        if elsewhere:
            words = f"{elsewhere[0].local} only, where {one.target_ip or 'what comes'} does not lead"
            title = f"port {_door(one)}: {one.target_port}/{one.proto} inside listens on {words}"
            remedy = "let it listen on every address (0.0.0.0 or ::)"
        else:
            title = f"port {_door(one)}: nothing listens on {one.target_port}/{one.proto} inside"
            remedy = (
                f"open are {', '.join(map(str, others[:8]))}" if others else "look at what its process says: logs, or inspect"
            )
        yield Finding(
            rule="health/nobody-listens",
            severity=Severity.MEDIUM,
            subject=_subject(observed, one),
            title=title,
            evidence=(
                Evidence(
                    source=f"sockets of net:[{namespace.ino}]",
                    value=", ".join(f"{socket.proto} {socket.local}:{socket.local_port}" for socket in waiting[:8]) or "none",
                ),
            ),
            remedy=remedy,
        )


def nameservers(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """A resolv.conf whose name servers cannot be reached from inside."""
    for namespace, container in inhabited(observed):
        servers = observed.nameservers.get(container.key)
        if not servers or all(link.name == "lo" for link in namespace.links):
            continue  # none is asked, or it has no network at all, which somebody wanted
        lost = [(server, why) for server in servers if (why := _unreachable(namespace, server)) is not None]
        if not lost:
            continue
        yield Finding(
            rule="health/nameserver-unreachable",
            severity=Severity.MEDIUM if len(lost) == len(servers) else Severity.LOW,
            subject=container_subject(container),
            title="; ".join(f"name server {server}: {why}" for server, why in lost),
            evidence=(Evidence(source=f"/etc/resolv.conf of {container.name}", value=", ".join(servers)),),
            remedy="write a name server into it that can be reached from inside; 127.0.0.53 is the host's own",
        )


def _unreachable(namespace: NetworkNamespace, server: str) -> str | None:
    if _is_loopback(server):
        if namespace.sockets is None:
            return None
        # Docker's own at 127.0.0.11 listens on other ports, to which rules inside lead.
        answers = any(
            socket.local == server or (socket.local_port == 53 and not any_address(socket.local))
            for proto in ("udp", "tcp")
            for socket in waiting_sockets(namespace.sockets, proto)
        )
        return None if answers else "nothing inside answers at that address"
    address = server.partition("%")[0]
    return None if find_route(namespace, address) is not None else "no route inside leads there"


def _publications(observed: Observed) -> tuple[Publication, ...]:
    return (observed.topology.publications if observed.topology is not None else None) or ()


def _namespace(observed: Observed, ino: int | None) -> NetworkNamespace | None:
    found = () if observed.topology is None else observed.topology.network_namespaces
    return next((one for one in found if one.ino == ino), None)


def _subject(observed: Observed, publication: Publication) -> Subject:
    wanted = publication.declared_by or publication.container
    container: Container | None = next((one for one in observed.snapshot.containers if one.id == wanted), None)
    return container_subject(container) if container is not None else Subject(kind="host", id="host", name="host")


def _door(one: Publication) -> str:
    ip = f"[{one.host_ip}]" if ":" in one.host_ip else one.host_ip or "*"
    return f"{ip}:{one.host_port}/{one.proto}"


def _is_loopback(address: str | None) -> bool:
    return (address or "").startswith("127.") or address == "::1"
