"""Networks: what rtnetlink(7), sock_diag(7) and nftables say, joined across network namespaces."""

from collections.abc import Mapping
from typing import Literal

from ctrscope.model.value import Value


class Route(Value, frozen=True, kw_only=True):
    """One route; rtnetlink(7)."""

    dst: str  # CIDR, or "default"
    gateway: str | None
    dev: str | None
    src: str | None
    type: str = "unicast"  # "blackhole", "unreachable", "prohibit", "throw"


class Peer(Value, frozen=True, kw_only=True):
    """The other end of a link, which may be in another network namespace."""

    netns: int | None  # inode; None: a namespace that could not be found
    ifindex: int
    name: str | None = None


class Link(Value, frozen=True, kw_only=True):
    """One link (interface) of a network namespace; rtnetlink(7)."""

    ifindex: int | None  # None: not told without netlink
    name: str
    kind: str | None  # "veth", "bridge"; None: a plain device
    mac: str | None
    mtu: int | None
    state: str | None  # operational state: "UP", "DOWN", "UNKNOWN"
    addresses: tuple[str, ...] = ()  # CIDR
    master: int | None = None  # ifindex
    peer_ifindex: int | None = None  # IFLA_LINK
    peer_netnsid: int | None = None  # IFLA_LINK_NETNSID, local to this namespace
    peer: Peer | None = None  # of a veth its other end; of macvlan, ipvlan, vlan and vxlan the link below
    is_up: bool | None = None  # IFF_UP: set up by the administrator
    has_carrier: bool | None = None  # IFF_LOWER_UP
    details: Mapping[str, str] = {}  # of its kind: "vlan id", "vni", "mode"
    rx_bytes: int | None = None
    tx_bytes: int | None = None
    rx_dropped: int | None = None
    tx_dropped: int | None = None


class Neighbour(Value, frozen=True, kw_only=True):
    """One entry of the neighbour table (ARP, NDP)."""

    address: str
    mac: str | None
    dev: str | None
    state: str  # "REACHABLE", "STALE", "FAILED"


class Traffic(Value, frozen=True, kw_only=True):
    """Sums over all links but ``lo`` of one network namespace, since they were made; proc_pid_net(5)."""

    rx_bytes: int
    tx_bytes: int
    rx_dropped: int  # packets
    tx_dropped: int


class Network(Value, frozen=True, kw_only=True):
    """One network namespace as seen from inside."""

    links: tuple[Link, ...] = ()
    routes: tuple[Route, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    forwarding: Mapping[str, bool] = {}  # "ipv4", "ipv6"; empty: not told without netlink


class Socket(Value, frozen=True, kw_only=True):
    """One socket of a network namespace; sock_diag(7), proc_pid_net(5)."""

    proto: str  # "tcp", "tcp6", "udp", "udp6", "unix"
    state: str  # "LISTEN", "ESTABLISHED", … in the kernel's words; udp without a peer: "UNCONN"
    local: str | None  # address; of a unix socket its path, "@name" for an abstract one
    local_port: int | None
    remote: str | None
    remote_port: int | None
    ino: int
    uid: int | None = None
    pid: int | None = None  # a process that has it open, where that could be read
    comm: str | None = None


class NetworkNamespace(Value, frozen=True, kw_only=True):
    """One network namespace with everything in it. Encodes to an item of ``network_namespaces`` of the contract."""

    ino: int
    nsid: int | None = None  # as the host's network namespace numbers it
    is_initial: bool = False
    pid: int | None = None  # a process inside, through which it was read; None: through a bind mount or descriptor
    comm: str | None = None  # of that process
    path: str | None = None  # a bind mount of it: "/run/netns/blue"
    containers: tuple[str, ...] = ()  # ids
    networks: tuple[str, ...] = ()  # names that engines gave it: docker network, podman network, CNI
    links: tuple[Link, ...] = ()
    routes: tuple[Route, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    forwarding: Mapping[str, bool] = {}  # "ipv4", "ipv6"
    sockets: tuple[Socket, ...] | None = None  # None: nobody asked


class EdgeEnd(Value, frozen=True, kw_only=True):
    """One end of an edge."""

    netns: int
    ifindex: int


class Edge(Value, frozen=True, kw_only=True):
    """Two links that belong together."""

    kind: Literal[
        "veth", "bridge_port", "bond_port", "team_port", "vrf_port", "macvlan", "macvtap", "ipvlan", "vlan", "vxlan", "tunnel",
        "lower",
    ]  # fmt: skip  # "lower": any other link on top of another
    a: EdgeEnd  # the end inside, the port, the upper link
    b: EdgeEnd  # the other end, the bridge, the lower link


class Publication(Value, frozen=True, kw_only=True):
    """One published port: how it comes in, whither it goes, and whether somebody listens there."""

    proto: str
    host_ip: str  # "" is every address
    host_port: int
    netns: int  # inode of the network namespace where it is published: the host's, or of rootless networking
    via: tuple[str, ...]  # every mechanism that does it: "nftables", "iptables-legacy", "docker-proxy 5512", "rootlessport 77"
    target_ip: str | None  # where it is sent
    target_port: int | None
    target_netns: int | None = None  # inode of the namespace that has the address; None: nobody has it
    container: str | None = None  # id
    listener: Socket | None = None  # who listens there
    is_declared: bool = False  # the engine's state says so too
    declared_by: str | None = None  # id of the container whose engine says that it publishes this port
    is_checked: bool = True  # False: the rules of the kernel could not be read, and one may do it nevertheless
    dropped_by: str = ""  # rule or policy of the packet filter that drops what other hosts send there
    reach: str = ""  # of whom it is reached, when not of everybody: "this host only"


class NetworkTopology(Value, frozen=True, kw_only=True):
    """All network namespaces of the host, and what connects them."""

    network_namespaces: tuple[NetworkNamespace, ...] = ()
    edges: tuple[Edge, ...] = ()
    read_ns: Mapping[int, int] = {}  # inode → when its counters were read; monotonic clock, nanoseconds
    publications: tuple[Publication, ...] | None = None  # None: nobody asked


class LinkRates(Value, frozen=True, kw_only=True):
    """Change a second between two readings of one link."""

    rx_bytes: float | None = None
    tx_bytes: float | None = None


HopKind = Literal["wire", "link", "nat", "proxy", "filter", "bridge", "veth", "route", "namespace", "listener"]


class Hop(Value, frozen=True, kw_only=True):
    """One step of the way from the wire to the listening process."""

    kind: HopKind
    what: str  # "docker0 172.17.0.1/16"
    is_ok: bool | None  # None: it could not be checked, and why says why
    why: str = ""  # where it breaks: "veth9c41 is down"
    evidence: str = ""  # the file, dump or rule that says so


class NetworkPath(Value, frozen=True, kw_only=True):
    """The way of one published port, hop by hop, in the order of a packet that comes in."""

    proto: str
    port: int
    hops: tuple[Hop, ...]

    @property
    def broken(self) -> Hop | None:
        """The first hop that breaks it."""
        return next((hop for hop in self.hops if hop.is_ok is False), None)


class NetworkWay(Value, frozen=True, kw_only=True):
    """How one container is reached: the part of the map that leads to it, and the way of each of its ports."""

    topology: NetworkTopology
    paths: tuple[NetworkPath, ...] = ()
