"""A network made by hand: the host with eth0 and docker0, and the container web on it, whose port 80 is published as 8080."""

from msgspec.structs import replace

from ctrscope.model.container import Container, Port
from ctrscope.model.nat import DnatRule
from ctrscope.model.network import Edge, EdgeEnd, Link, NetworkNamespace, NetworkTopology, Peer, Route, Socket
from ctrscope.model.snapshot import Snapshot
from tests.awkward import SNAPSHOT, WEB

assert SNAPSHOT.host.namespaces.net is not None
HOST_NET = SNAPSHOT.host.namespaces.net
WEB_NET = 4026539001
DB_NET = 4026539002


def link(ifindex: int, name: str, kind: str | None = "veth", *addresses: str, **fields: object) -> Link:
    """A link that is up, with carrier."""
    base = Link(
        ifindex=ifindex,
        name=name,
        kind=kind,
        mac=None,
        mtu=1500,
        state="UP",
        addresses=addresses,
        is_up=True,
        has_carrier=True,
    )
    return replace(base, **fields)


def socket(local: str, port: int, proto: str = "tcp", *, pid: int | None = None, ino: int = 7) -> Socket:
    """A socket that waits for somebody."""
    state = "LISTEN" if proto.startswith("tcp") else "UNCONN"
    return Socket(
        proto=proto, state=state, local=local, local_port=port, remote="0.0.0.0", remote_port=0, ino=ino, pid=pid, comm="httpd"
    )


def route(dst: str, dev: str, gateway: str | None = None) -> Route:
    """A route."""
    return Route(dst=dst, gateway=gateway, dev=dev, src=None)


HOST = NetworkNamespace(
    ino=HOST_NET,
    is_initial=True,
    pid=1,
    links=(
        link(1, "lo", None, "127.0.0.1/8"),
        link(2, "eth0", None, "192.0.2.1/24"),
        link(3, "docker0", "bridge", "172.17.0.1/16"),
        link(4, "veth4", master=3, peer_ifindex=2, peer_netnsid=0, peer=Peer(netns=WEB_NET, ifindex=2, name="eth0")),
        link(5, "veth5", master=3, peer_ifindex=2, peer_netnsid=1, peer=Peer(netns=DB_NET, ifindex=2, name="eth0")),
    ),
    routes=(route("default", "eth0", "192.0.2.254"), route("192.0.2.0/24", "eth0"), route("172.17.0.0/16", "docker0")),
    forwarding={"ipv4": True, "ipv6": False},
    sockets=(),
)


def inside(ino: int, near: int, address: str, *sockets: Socket, container: str) -> NetworkNamespace:
    """The namespace of a container on docker0."""
    peer = Peer(netns=HOST_NET, ifindex=near, name=f"veth{near}")
    return NetworkNamespace(
        ino=ino,
        pid=4711,
        containers=(container,),
        links=(link(1, "lo", None, "127.0.0.1/8"), link(2, "eth0", "veth", f"{address}/16", peer_ifindex=near, peer=peer)),
        routes=(route("default", "eth0", "172.17.0.1"), route("172.17.0.0/16", "eth0")),
        sockets=sockets,
    )


PORT = Port(proto="tcp", host_ip="0.0.0.0", host_port=8080, container_ip=None, container_port=80)
WEB_HERE = replace(WEB, namespaces=replace(WEB.namespaces, net=WEB_NET), ports=(PORT,), addresses=("172.17.0.2/16",), note=None)
DB_HERE = replace(
    WEB,
    id="db" * 32,
    name="db",
    pid=5811,
    pids=(5811,),
    namespaces=replace(WEB.namespaces, net=DB_NET),
    ports=(),
    addresses=("172.17.0.3/16",),
    note=None,
)
assert WEB.pid is not None
WEB_INSIDE = inside(WEB_NET, 4, "172.17.0.2", socket("0.0.0.0", 80, pid=WEB.pid), container=WEB.id)
DB_INSIDE = inside(DB_NET, 5, "172.17.0.3", container=DB_HERE.id)
RULE = DnatRule(
    netns=HOST_NET,
    source="nftables ip nat DOCKER handle 12",
    family="ipv4",
    proto="tcp",
    dst="",
    is_local_only=True,
    dport=(8080, 8080),
    hooks=("prerouting", "output"),
    to_ip="172.17.0.2",
    to_port=80,
)


def snapshot(*containers: Container) -> Snapshot:
    """The host with these containers, or with web and db."""
    return replace(SNAPSHOT, containers=containers or (WEB_HERE, DB_HERE), gaps=())


def topology(*namespaces: NetworkNamespace) -> NetworkTopology:
    """All of it, or other namespaces in place of those with the same inode."""
    found = {one.ino: one for one in (HOST, WEB_INSIDE, DB_INSIDE)} | {one.ino: one for one in namespaces}
    edges = tuple(
        Edge(kind="veth", a=EdgeEnd(netns=netns, ifindex=2), b=EdgeEnd(netns=HOST_NET, ifindex=near))
        for netns, near in ((WEB_NET, 4), (DB_NET, 5))
    )
    return NetworkTopology(network_namespaces=tuple(found.values()), edges=edges)


def with_link(namespace: NetworkNamespace, name: str, **fields: object) -> NetworkNamespace:
    """The namespace with one link changed."""
    links = tuple(replace(one, **fields) if one.name == name else one for one in namespace.links)
    return replace(namespace, links=links)
