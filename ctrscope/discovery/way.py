"""How one container is reached from the wire: its part of the map, and of each of its ports the way, hop by hop."""

from ctrscope.discovery.forwarded import Filters
from ctrscope.discovery.narrow import narrowed
from ctrscope.discovery.path import explain_path
from ctrscope.discovery.published import published_for
from ctrscope.model.container import Container
from ctrscope.model.network import NetworkTopology, NetworkWay, Socket
from ctrscope.model.snapshot import Snapshot

#: Ports whose way is looked at; a container may publish thousands.
_MOST = 12


def find_way(snapshot: Snapshot, topology: NetworkTopology, container: Container, filters: Filters) -> NetworkWay | None:
    """The way to a running container; *topology* has publications and sockets. None when its network was not found."""
    here = next((one for one in topology.network_namespaces if one.ino == container.namespaces.net), None)
    if here is None:
        return None
    publications = topology.publications or ()
    ports: list[tuple[int | None, str]] = [(one.host_port, one.proto) for one in published_for(publications, container)]
    ports += [(one.host_port, one.proto) for one in container.ports if one.host_port]
    if not ports:
        ports = [(one.local_port, one.proto.removesuffix("6")) for one in here.sockets or () if _is_own_door(one, container)]
    paths = tuple(
        explain_path(snapshot, topology, publications, container, port, proto, filters)
        for port, proto in list(dict.fromkeys(ports))[:_MOST]
        if port is not None
    )
    return NetworkWay(topology=NetworkTopology() if here.is_initial else narrowed(topology, here.ino), paths=paths)


def _is_own_door(socket: Socket, container: Container) -> bool:
    """Whether a process of the container waits there for others."""
    is_local = socket.local is None or socket.local.startswith("127.") or socket.local == "::1"
    return socket.state == "LISTEN" and not is_local and socket.pid in container.pids
