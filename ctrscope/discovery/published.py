"""Published ports: what engines say they publish, and what really does it, each traced to who listens there.

Four things can publish a port: a rule of the kernel (``nat.py``), a process that passes connections on (``port_proxies.py``),
a socket of a container in the host's own network namespace, and nobody, although an engine's state says so.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from ctrscope.discovery.forwarded import read_filters, with_filters
from ctrscope.discovery.nat import may_forward, read_nat
from ctrscope.discovery.port_proxies import PortProxy, find_port_proxies, listening_sockets
from ctrscope.discovery.sockets import with_sockets
from ctrscope.model.container import Container
from ctrscope.model.gap import Gap, Reading
from ctrscope.model.nat import DnatRule
from ctrscope.model.network import NetworkTopology, Publication, Socket
from ctrscope.model.reach import Reach, any_address, find_listener
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs

#: Ports of one rule that are told one by one; a range for telephony has ten thousand.
_MOST_PORTS = 256
_MOST_DOORS = 2000  # of one proxy whose sockets cannot be read
_THIS_HOST = "this host only"


def find_publications(hostfs: HostFs, snapshot: Snapshot, topology: NetworkTopology) -> Reading[tuple[Publication, ...]]:
    """Every published port, in order of the port. Sockets that *topology* lacks are read where something is published.

    *Gaps:* namespaces whose rules or sockets could not be read. *Cost:* 5 ms for the rules, and a stat line of every process.
    """
    rules, gaps = read_nat(hostfs, topology)
    topology, socket_gaps = _with_sockets(hostfs, snapshot, topology, rules or ())
    proxies = find_port_proxies(hostfs, topology)
    # What cannot be read of a user's namespace takes nothing from what is known of the host's.
    is_complete = not any(gap.subject == "host" for gap in gaps)
    found = join_publications(snapshot, topology, rules or (), proxies, is_complete=is_complete)
    return Reading(with_filters(found, topology, read_filters(hostfs, topology)), (*gaps, *socket_gaps))


def _with_sockets(
    hostfs: HostFs, snapshot: Snapshot, topology: NetworkTopology, rules: Iterable[DnatRule]
) -> tuple[NetworkTopology, tuple[Gap, ...]]:
    """The topology with the sockets of the namespaces that publish or may be published."""
    reach = Reach(topology)
    wanted = {one.ino for one in topology.network_namespaces if may_forward(one)}
    wanted |= {one.namespaces.net for one in snapshot.containers if one.ports and one.namespaces.net is not None}
    wanted |= {owner for rule in rules if rule.to_ip and (owner := reach.owner(rule.netns, rule.to_ip)) is not None}
    lacking = [one for one in topology.network_namespaces if one.ino in wanted and one.sockets is None]
    if not lacking:
        return topology, ()
    read, gaps = with_sockets(hostfs, lacking, snapshot.containers)
    by_ino = {one.ino: one for one in read}
    namespaces = tuple(by_ino.get(one.ino, one) for one in topology.network_namespaces)
    return msgspec.structs.replace(topology, network_namespaces=namespaces), gaps


def join_publications(
    snapshot: Snapshot,
    topology: NetworkTopology,
    rules: Iterable[DnatRule],
    proxies: Iterable[PortProxy],
    *,
    is_complete: bool = True,
) -> tuple[Publication, ...]:
    """What rules, proxies and engines say, as one: by port, and by where it leads. *is_complete*: all rules could be read."""
    join = _Join(snapshot, topology, is_complete)
    for rule in rules:
        join.add_rule(rule)
    for proxy in proxies:
        join.add_proxy(proxy)
    join.add_host_network()
    join.add_declared()
    return join.finish()


class _Key(NamedTuple):
    """One way in, and where it leads."""

    netns: int
    proto: str
    host_ip: str
    host_port: int
    target_ip: str | None
    target_port: int | None
    target_netns: int | None

    @property
    def door(self) -> tuple[int, str, int]:
        """The port, whatever its address."""
        return self.netns, self.proto, self.host_port


class _Entry(msgspec.Struct):
    """What is known of one key."""

    via: dict[str, None] = {}
    reach: str | None = None  # "" as soon as one of them reaches everybody
    container: str | None = None
    listener: Socket | None = None
    declared_by: str | None = None
    is_declared: bool = False


class _Join:
    def __init__(self, snapshot: Snapshot, topology: NetworkTopology, is_complete: bool) -> None:
        self._reach = Reach(topology)
        self._is_complete = is_complete
        self._host_net = snapshot.host.namespaces.net
        self._running = [one for one in snapshot.containers if one.is_running]
        self._by_pid = {pid: one for one in self._running for pid in one.pids}
        self._by_netns: dict[int, list[Container]] = {}
        for one in self._running:
            if one.namespaces.net is not None:
                self._by_netns.setdefault(one.namespaces.net, []).append(one)
        self._entries: dict[_Key, _Entry] = {}
        self._doors: dict[tuple[int, str, int], dict[_Key, None]] = {}  # a range for telephony has ten thousand

    def add_rule(self, rule: DnatRule) -> None:
        """What a rule of the kernel publishes; it is no publication when it is for addresses that are elsewhere."""
        if rule.dport is None or rule.to_ip is None or not self._is_published(rule):
            return
        first, last = rule.dport
        host_ip = any_address(rule.dst)
        only_host = _is_loopback(host_ip) or rule.hooks == ("output",)
        reach = _THIS_HOST if only_host else f"through {rule.in_interface} only" if rule.in_interface else ""
        for port in range(first, min(last, first + _MOST_PORTS - 1) + 1):
            target_port = port if rule.to_port is None else rule.to_port
            found = self._reach.owner(rule.netns, rule.to_ip) if rule.to_ip else None
            key = _Key(rule.netns, rule.proto or "tcp", host_ip, port, rule.to_ip, target_port, found)
            self._add(key, rule.source, reach)

    def _is_published(self, rule: DnatRule) -> bool:
        if rule.is_local_only or not rule.dst or _is_loopback(rule.dst):
            return True
        # The address of a Kubernetes service is nobody's: it is no port of this host.
        return self._reach.has_address_in(rule.netns, rule.dst) or "KUBE-" not in rule.source

    def add_proxy(self, proxy: PortProxy) -> None:
        """What a process listens on and passes on. Its sockets say what is published; its arguments where it leads."""
        if proxy.netns is None:
            return
        via = f"{proxy.name} {proxy.pid}"
        if proxy.sockets is not None:
            doors = [(_proto(one), any_address(one.local), one.local_port or 0) for one in proxy.sockets]
        else:
            doors = [
                (one.proto, one.host_ip, port)
                for one in proxy.forwards
                for port in range(one.first, min(one.last, one.first + _MOST_PORTS - 1) + 1)
            ][:_MOST_DOORS]
        for proto, host_ip, port in doors:
            target_ip, target_port, netns = None, None, None
            for forward in proxy.forwards:
                if forward.proto == proto and forward.first <= port <= forward.last:
                    target_ip, target_port = forward.to_ip, forward.to_port + port - forward.first
                    if forward.to_pid is not None and forward.to_pid in self._by_pid:
                        netns = self._by_pid[forward.to_pid].namespaces.net
                    elif target_ip:
                        netns = self._reach.owner(proxy.netns, target_ip)
            key = _Key(proxy.netns, proto, host_ip, port, target_ip, target_port, netns)
            self._add(key, via, _THIS_HOST if _is_loopback(host_ip) else "")

    def add_host_network(self) -> None:
        """What containers in the host's own network namespace listen on."""
        initial = self._reach.initial
        if initial is None:
            return
        for _, socket in listening_sockets(initial.sockets):
            container = self._by_pid.get(socket.pid) if socket.pid is not None else None
            if container is None or container.namespaces.net != initial.ino or socket.local_port is None:
                continue
            host_ip = any_address(socket.local)
            key = _Key(initial.ino, _proto(socket), host_ip, socket.local_port, host_ip, socket.local_port, initial.ino)
            entry = self._add(key, "host network", _THIS_HOST if _is_loopback(host_ip) else "")
            entry.listener, entry.container = socket, container.id

    def add_declared(self) -> None:
        """What engines say: a publication that is there is confirmed, one that is not is shown as such."""
        if self._host_net is None:
            return
        for container in self._running:
            netns = container.namespaces.net
            for port in container.ports:
                if not port.host_port or netns is None or netns == self._host_net:
                    continue
                host_ip = any_address(port.host_ip)
                target_ip = port.container_ip or self._own_address(container)
                wanted = _Key(self._host_net, port.proto, host_ip, port.host_port, target_ip, port.container_port, netns)
                self._confirm(container, wanted)

    def _confirm(self, container: Container, wanted: _Key) -> None:
        # What takes all that is for it; "" is every address.
        same = [key for key in self._doors.get(wanted.door, ()) if key.host_ip in (wanted.host_ip, "")]
        for key in same:
            entry = self._entries[key]
            if key.target_port is None and key.target_netns is None:
                # A proxy that does not say where it leads: the engine does.
                self._forget(key)
                confirmed = wanted._replace(host_ip=key.host_ip)
                for via in entry.via:
                    self._add(confirmed, via, entry.reach or "")
                key, entry = confirmed, self._entries[confirmed]
            elif key.target_netns is None and key.target_ip is None:
                self._forget(key)
                key = key._replace(target_ip=wanted.target_ip, target_netns=wanted.target_netns)
                self._entries[key] = entry
                self._doors.setdefault(key.door, {})[key] = None
            if entry.declared_by is None or container.is_sandbox:  # every container of a pod names the pod's ports
                entry.declared_by = container.id
            entry.is_declared = (key.target_netns, key.target_port) == (wanted.target_netns, wanted.target_port)
        if not same:
            entry = self._entry(wanted)
            entry.declared_by, entry.is_declared = container.id, True

    def _own_address(self, container: Container) -> str | None:
        return next((address.partition("/")[0] for address in container.addresses), None) or self._reach.first_address(
            container.namespaces.net
        )

    def _add(self, key: _Key, via: str, reach: str) -> _Entry:
        # The same port of every address and of IPv6 besides is one publication.
        entry = self._entry(key)
        entry.via = {**entry.via, via: None}
        entry.reach = reach if entry.reach is None else entry.reach and reach
        return entry

    def _entry(self, key: _Key) -> _Entry:
        self._doors.setdefault(key.door, {})[key] = None
        return self._entries.setdefault(key, _Entry())

    def _forget(self, key: _Key) -> None:
        del self._entries[key], self._doors[key.door][key]

    def finish(self) -> tuple[Publication, ...]:
        """All of them, each with who listens, in order of the port."""
        return tuple(
            sorted(
                (self._publication(key, entry) for key, entry in self._entries.items()),
                # The sort is stable: of one port and address the first rule is the one that decides.
                key=lambda one: (self._reach.order(one.netns), one.host_port, one.proto, one.host_ip),
            )
        )

    def _publication(self, key: _Key, entry: _Entry) -> Publication:
        listener = entry.listener
        namespace = self._reach.namespaces.get(key.target_netns) if key.target_netns is not None else None
        if listener is None and namespace is not None and key.target_port is not None:
            listener = find_listener(namespace.sockets or (), key.proto, key.target_ip, key.target_port)
        return Publication(
            proto=key.proto,
            host_ip=key.host_ip,
            host_port=key.host_port,
            netns=key.netns,
            via=tuple(entry.via),
            target_ip=key.target_ip,
            target_port=key.target_port,
            target_netns=key.target_netns,
            container=entry.container or self._container(key.target_netns, listener, entry.declared_by),
            listener=listener,
            is_declared=entry.is_declared,
            declared_by=entry.declared_by,
            is_checked=self._is_complete or bool(entry.via),
            reach=entry.reach or (_THIS_HOST if _is_loopback(key.host_ip) else ""),
        )

    def _container(self, netns: int | None, listener: Socket | None, declared_by: str | None) -> str | None:
        """Whose namespace that is: who listens, who declared it, or the first that is in it."""
        if listener is not None and listener.pid in self._by_pid:
            return self._by_pid[listener.pid].id
        inside = self._by_netns.get(netns, []) if netns is not None else []
        ids = [one.id for one in inside]
        return declared_by if declared_by in ids else ids[0] if ids else None


def _proto(socket: Socket) -> str:
    return socket.proto.removesuffix("6")


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address in ("::1", "::1/128")


def published_for(publications: Iterable[Publication], container: Container) -> Iterator[Publication]:
    """Those that lead to a container, or that its engine declares."""
    for one in publications:
        if container.id in (one.container, one.declared_by) or (
            one.target_netns is not None and one.target_netns == container.namespaces.net
        ):
            yield one
