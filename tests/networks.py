"""A topology with everything that has to be drawn, and names that are trouble. Its containers are those of tests.awkward."""

from ctrscope.model.network import (
    Edge,
    EdgeEnd,
    Link,
    LinkRates,
    Neighbour,
    NetworkNamespace,
    NetworkTopology,
    Peer,
    Publication,
    Route,
    Socket,
)
from tests.awkward import HOST, HOSTILE, WEB

INITIAL = HOST.namespaces.net or 0
WEB_NET = WEB.namespaces.net or 0
HOSTILE_NET, NESTED, BLUE, ODD = 4026532904, 4026532950, 4026532977, 4026532980
#: The kernel takes any byte in the name of a link but a slash and white space, up to fifteen.
ODD_NAME = 'a"<b>&\x1b[31m;#]'


def link(ifindex: int, name: str, kind: str | None = None, *addresses: str, up: bool = True, **more: object) -> Link:
    """One link; up with carrier unless *up* is False."""
    facts = {"ifindex": ifindex, "name": name, "kind": kind, "mac": f"02:00:00:00:00:{ifindex:02x}", "mtu": 1500}
    state = {"state": "UP" if up else "DOWN", "is_up": up, "has_carrier": up, "rx_bytes": 0, "tx_bytes": 0}
    return Link(**{**facts, **state, "addresses": addresses, **more})  # type: ignore[arg-type]


def edge(kind: str, a: tuple[int, int], b: tuple[int, int]) -> Edge:
    """One edge."""
    return Edge(kind=kind, a=EdgeEnd(netns=a[0], ifindex=a[1]), b=EdgeEnd(netns=b[0], ifindex=b[1]))  # type: ignore[arg-type]


def lo() -> Link:
    """The loopback."""
    return link(1, "lo", None, "127.0.0.1/8")


def socket(proto: str, state: str, local: str, port: int | None, ino: int, **more: object) -> Socket:
    """One socket, without a peer unless *more* has one."""
    facts = {"proto": proto, "state": state, "local": local, "local_port": port, "ino": ino}
    return Socket(**{**facts, "remote": None, "remote_port": None, **more})  # type: ignore[arg-type]


LISTENER = socket("tcp", "LISTEN", "0.0.0.0", 80, 77, uid=0, pid=4711, comm="nginx")

TOPOLOGY = NetworkTopology(
    network_namespaces=(
        NetworkNamespace(
            ino=INITIAL,
            is_initial=True,
            pid=2,
            comm="kthreadd",
            containers=("host-one",),
            links=(
                lo(),
                link(2, "eth0", None, "10.0.0.5/24", "fe80::1/64"),
                link(3, "docker0", "bridge", "172.17.0.1/16"),
                link(4, "veth1a3f", "veth", master=3),
                link(5, "veth9c41", "veth", up=False, master=3),
                link(6, "podman0", "bridge", "10.88.0.1/16", has_carrier=False),
                link(7, "tunl0", "ipip", up=False),
                link(8, "eth0.7", "vlan", "10.7.0.1/24", details={"vlan id": "7"}),
                link(9, "vethgone", "veth", peer_ifindex=2, peer_netnsid=9, peer=Peer(netns=None, ifindex=2)),
            ),
            routes=(Route(dst="default", gateway="10.0.0.1", dev="eth0", src=None),),
            sockets=(),
        ),
        NetworkNamespace(
            ino=WEB_NET,
            pid=4711,
            comm="nginx",
            containers=(WEB.id,),
            networks=("bridge",),
            forwarding={"ipv4": True, "ipv6": False},
            links=(lo(), link(2, "eth0", "veth", "172.17.0.2/16", peer=Peer(netns=INITIAL, ifindex=4, name="veth1a3f"))),
            routes=(
                Route(dst="default", gateway="172.17.0.1", dev="eth0", src=None),
                Route(dst="192.0.2.0/24", gateway=None, dev=None, src=None, type="blackhole"),
            ),
            neighbours=(Neighbour(address="172.17.0.1", mac="02:00:00:00:00:03", dev="eth0", state="REACHABLE"),),
            sockets=(
                LISTENER,
                socket("unix", "LISTEN", "@odd\x1b[31m", None, 78),
                socket("tcp6", "ESTABLISHED", "fd00::2", 80, 79, remote="fd00::9", remote_port=4242),
            ),
        ),
        NetworkNamespace(
            ino=HOSTILE_NET,
            pid=5000,
            comm="x",
            containers=(HOSTILE.id,),
            links=(
                lo(),
                link(2, ODD_NAME, "veth", "172.17.0.3/16"),
                link(3, "br-in", "bridge", "10.9.0.1/24"),
                link(4, "in0", "veth", master=3),
            ),
            sockets=(),
        ),
        NetworkNamespace(ino=NESTED, pid=5100, comm="sleep", links=(lo(), link(2, "eth0", "veth", "10.9.0.2/24"))),
        NetworkNamespace(ino=BLUE, path="/run/netns/blue", links=(lo(), link(2, "mv0", "macvlan", details={"mode": "bridge"}))),
        NetworkNamespace(
            ino=ODD,
            path="/run/netns/<svg>\x1b]0;",
            links=(lo(), link(2, "tap0", "tun", "192.0.2.1/24", details={"mode": "tap"})),
        ),
        NetworkNamespace(ino=ODD + 1, pid=6000, comm="unshare", links=(lo(),)),
        NetworkNamespace(ino=ODD + 2, pid=6001, comm="bwrap", links=(lo(), link(2, "sit0", "sit", up=False))),
    ),
    edges=(
        edge("veth", (WEB_NET, 2), (INITIAL, 4)),
        edge("veth", (HOSTILE_NET, 2), (INITIAL, 5)),
        edge("bridge_port", (INITIAL, 4), (INITIAL, 3)),
        edge("bridge_port", (INITIAL, 5), (INITIAL, 3)),
        edge("vlan", (INITIAL, 8), (INITIAL, 2)),
        edge("macvlan", (BLUE, 2), (INITIAL, 2)),
        edge("bridge_port", (HOSTILE_NET, 4), (HOSTILE_NET, 3)),
        edge("veth", (NESTED, 2), (HOSTILE_NET, 4)),
    ),
    publications=(
        Publication(
            proto="tcp", host_ip="", host_port=8080, netns=INITIAL,
            via=("nftables ip nat DOCKER handle 5", "docker-proxy 5512"),
            target_ip="172.17.0.2", target_port=80, target_netns=WEB_NET, container=WEB.id, listener=LISTENER,
        ),
        Publication(
            proto="udp", host_ip="127.0.0.1", host_port=53, netns=INITIAL, via=("nftables ip nat DOCKER handle 6",),
            target_ip="172.17.0.3", target_port=53, target_netns=HOSTILE_NET, container=HOSTILE.id,
        ),
        Publication(
            proto="tcp", host_ip="::", host_port=81, netns=INITIAL, via=("nftables ip nat DOCKER handle 7",),
            target_ip="172.17.0.99", target_port=81,
        ),
    ),
)  # fmt: skip

RATES = {(WEB_NET, 2): LinkRates(rx_bytes=1.2 * 1024 * 1024, tx_bytes=340 * 1024.0)}
