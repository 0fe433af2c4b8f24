"""Links: down, without carrier, leading nowhere, too small, with an address that somebody else has too.

*Source:* rtnetlink(7); veth(4); kernel document networking/bridge.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ctrscope.findings.subjects import container_subject
from ctrscope.model.container import Container, EngineName, Evidence
from ctrscope.model.finding import Finding, Severity, Subject
from ctrscope.model.network import Link, NetworkNamespace
from ctrscope.model.observed import Observed
from ctrscope.model.quoting import quote
from ctrscope.model.thresholds import Thresholds

_PAIRED = ("veth", "netkit")
_QUOTED = 8  # routes named as evidence


class Place(NamedTuple):
    """A link of a container, and what it hangs on."""

    container: Container
    namespace: NetworkNamespace
    link: Link
    near: Link | None  # the other end, or the link below
    outside: NetworkNamespace | None  # where that is
    bridge: Link | None  # whose port the other end is


def places(observed: Observed) -> Iterator[Place]:
    """Every link but loopback of a namespace with a container in it that is not the host's, once for each namespace."""
    if observed.topology is None:
        return
    namespaces = {one.ino: one for one in observed.topology.network_namespaces}
    for namespace, container in inhabited(observed):
        for link in namespace.links:
            if link.name == "lo":
                continue
            outside = None if link.peer is None or link.peer.netns is None else namespaces.get(link.peer.netns)
            near = None if outside is None or link.peer is None else _by_index(outside, link.peer.ifindex)
            bridge = None if outside is None or near is None else _by_index(outside, near.master)
            yield Place(container, namespace, link, near, outside, bridge)


def inhabited(observed: Observed) -> Iterator[tuple[NetworkNamespace, Container]]:
    """Namespaces of containers, with the one that stands for it: the pod's sandbox, or the first."""
    if observed.topology is None:
        return
    by_netns: dict[int, Container] = {}
    for container in observed.snapshot.containers:
        ino = container.namespaces.net
        if container.is_running and ino is not None and (ino not in by_netns or container.is_sandbox):
            by_netns[ino] = container
    for namespace in observed.topology.network_namespaces:
        if not namespace.is_initial and namespace.ino in by_netns:
            yield namespace, by_netns[namespace.ino]


def down(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """An end of a container's link that is down."""
    for place in places(observed):
        link, near = place.link, place.near
        if near is not None and near.is_up is False and link.is_up is not False and place.outside is not None:
            title = f"{near.name}, the other end of {link.name}, is down: nothing gets in or out"
            remedy = f"{_at(place.outside)}ip link set {quote(near.name)} up"
            yield _finding("health/link-down", Severity.HIGH, place, title, near, remedy)
        elif link.is_up is False and link.addresses:
            title = f"{link.name} inside is down"
            remedy = f"{_at(place.namespace)}ip link set {quote(link.name)} up"
            yield _finding("health/link-down", Severity.HIGH, place, title, link, remedy)


def bridges(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """A bridge with ports that is down or has no carrier. One without ports has none by nature."""
    for namespace in () if observed.topology is None else observed.topology.network_namespaces:
        for bridge in namespace.links:
            ports = [link for link in namespace.links if link.master is not None and link.master == bridge.ifindex]
            if bridge.kind != "bridge" or not ports:
                continue
            names = ", ".join(port.name for port in ports[:4]) + (", …" if len(ports) > 4 else "")
            if bridge.is_up is False:
                words, remedy = "is down", f"{_at(namespace)}ip link set {quote(bridge.name)} up"
            elif bridge.has_carrier is False:
                words, remedy = "has no carrier", "look why none of its ports is up"
            else:
                continue
            yield Finding(
                rule="health/bridge-down",
                severity=Severity.HIGH,
                subject=_link_subject(namespace, bridge),
                title=f"bridge {bridge.name} {words}, with {len(ports)} port{'s' if len(ports) > 1 else ''}: {names}",
                evidence=(_evidence(namespace, bridge),),
                remedy=remedy,
            )


def unattached(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """A veth whose other end is nowhere to be found, or that leads into a container and hangs on nothing."""
    if observed.topology is None:
        return
    # Without these rights the namespaces of other users' processes are not found, and every veth would seem to dangle.
    privileges = observed.snapshot.host.privileges
    sees_all = {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE"} <= set(privileges.capabilities)
    for namespace in observed.topology.network_namespaces:
        for link in namespace.links:
            if sees_all and link.kind in _PAIRED and link.peer is not None and link.peer.netns is None:
                yield Finding(
                    rule="health/dangling-veth",
                    severity=Severity.LOW,
                    subject=_link_subject(namespace, link),
                    title=f"{link.name} leads to a network namespace that no process is in and no mount shows",
                    evidence=(_evidence(namespace, link),),
                    remedy=f"if nothing needs it: {_at(namespace)}ip link delete {quote(link.name)}",
                )
    for place in places(observed):
        near, outside = place.near, place.outside
        if near is None or outside is None or near.kind not in _PAIRED or not outside.is_initial or not place.link.addresses:
            continue
        if near.master is None and not near.addresses and not any(route.dev == near.name for route in outside.routes):
            title = f"{near.name}, the other end of {place.link.name}, is in no bridge and has neither address nor route"
            remedy = f"ip link set {quote(near.name)} master BRIDGE"
            yield _finding("health/link-unattached", Severity.HIGH, place, title, near, remedy)


def small_mtu(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """A link on the way that takes less than what is sent from inside: larger packets vanish without a word."""
    for place in places(observed):
        outward = [one for one in (place.near, place.bridge) if one is not None and one.mtu is not None]
        smallest = min(outward, key=lambda one: one.mtu or 0, default=None)
        if smallest is None or smallest.mtu is None or place.link.mtu is None or smallest.mtu >= place.link.mtu:
            continue
        title = (
            f"{place.link.name} sends up to {place.link.mtu} bytes, {smallest.name} takes {smallest.mtu}: larger ones are lost"
        )
        remedy = f"{_at(place.namespace)}ip link set {quote(place.link.name)} mtu {smallest.mtu}, or for the whole network"
        yield _finding("health/mtu-smaller", Severity.MEDIUM, place, title, smallest, remedy)


def duplicate_addresses(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """The same address twice behind one bridge, or on top of one link."""
    having: dict[tuple[int, int | None, str], list[Place]] = {}
    for place in places(observed):
        if place.near is None or place.outside is None:
            continue
        shared = place.bridge if place.bridge is not None else place.near
        if place.bridge is None and place.link.kind in _PAIRED:  # a pair of its own, shared with nobody
            continue
        for address in place.link.addresses:
            plain = address.partition("/")[0]
            if not plain.startswith("fe80:"):
                having.setdefault((place.outside.ino, shared.ifindex, plain), []).append(place)
    for (_, _, address), found in having.items():
        first = found[0]
        below = first.bridge or first.near
        own = below is not None and any(one.partition("/")[0] == address for one in below.addresses)
        if below is None or (len(found) < 2 and not own):
            continue
        names = [one.container.name for one in found] + ([f"{below.name} itself"] if own else [])
        yield Finding(
            rule="health/duplicate-address",
            severity=Severity.HIGH,
            subject=container_subject(first.container),
            title=f"{address} is there {len(names)} times on {below.name}: {', '.join(names)}",
            evidence=tuple(_evidence(one.namespace, one.link) for one in found),
            remedy="give each its own address: which of them answers is a matter of chance",
        )


def no_default_route(observed: Observed, thresholds: Thresholds) -> Iterator[Finding]:
    """An address, and no default route: other networks get no answer."""
    published = {
        one.target_netns
        for one in (observed.topology.publications if observed.topology is not None else None) or ()
        if not one.reach and any(via.startswith(("nftables", "iptables")) for via in one.via)
    }
    for namespace, container in inhabited(observed):
        addresses = [one for link in namespace.links if link.name != "lo" and link.is_up for one in link.addresses]
        reachable = [one for one in addresses if not one.startswith("fe80:")]
        if not reachable or any(route.dst == "default" for route in namespace.routes):
            continue
        is_published = namespace.ino in published
        if not is_published and container.engine is EngineName.UNCLAIMED:
            continue  # made by hand, and perhaps meant so
        words = (
            ": its published ports get no answer out" if is_published else ": on purpose where the network is an internal one"
        )
        yield Finding(
            rule="health/no-default-route",
            severity=Severity.HIGH if is_published else Severity.INFO,
            subject=container_subject(container),
            title=f"no default route inside{words}",
            evidence=(
                Evidence(
                    source=f"routes of net:[{namespace.ino}]",
                    value="; ".join(f"{route.dst} dev {route.dev}" for route in namespace.routes[:_QUOTED]) or "none",
                ),
            ),
            remedy=f"{_at(namespace)}ip route add default via GATEWAY",
        )


def _finding(rule: str, severity: Severity, place: Place, title: str, link: Link, remedy: str) -> Finding:
    where = place.namespace if link is place.link or place.outside is None else place.outside
    return Finding(
        rule=rule,
        severity=severity,
        subject=container_subject(place.container),
        title=title,
        evidence=(_evidence(where, link),),
        remedy=remedy,
    )


def _evidence(namespace: NetworkNamespace, link: Link) -> Evidence:
    flags = [word for word, is_set in (("UP", link.is_up), ("LOWER_UP", link.has_carrier)) if is_set]
    addresses = "".join(f", {one}" for one in link.addresses)
    told = f"flags {','.join(flags) or 'none'}, state {link.state}, mtu {link.mtu}"
    return Evidence(
        source=f"link {link.name} of net:[{namespace.ino}]",
        value=f"{told}{addresses}",
    )


def _link_subject(namespace: NetworkNamespace, link: Link) -> Subject:
    return Subject(kind="link", id=f"net:[{namespace.ino}] {link.name}", name=link.name)


def _at(namespace: NetworkNamespace) -> str:
    """What to write before a command so that it is run in a network namespace."""
    if namespace.is_initial:
        return ""
    path = f"/proc/{namespace.pid}/ns/net" if namespace.pid is not None else namespace.path or "PATH"
    return f"nsenter --net={quote(path)} "


def _by_index(namespace: NetworkNamespace, ifindex: int | None) -> Link | None:
    return None if ifindex is None else next((link for link in namespace.links if link.ifindex == ifindex), None)
