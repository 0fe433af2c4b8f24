"""A host made by hand in network namespaces of ours: what breaks on the way to a port, and the hop that ``--path`` names.

Whether it works is asked of the kernel: a connection from another namespace, over the wire.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.forwarded import read_filters
from ctrscope.discovery.path import explain_path
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.published import find_publications
from ctrscope.discovery.topology import TopologyReader
from ctrscope.model.network import NetworkPath
from ctrscope.probes.hostfs import HostFs
from tests.kernel.networks import Namespace, network_namespace
from tests.live.machine import wait_for
from tests.requirements import require, require_root

pytestmark = pytest.mark.filterwarnings("error")

RULES = """
table ip nat {
  chain prerouting {
    type nat hook prerouting priority dstnat;
    tcp dport 8080 dnat to %s
  }
}
"""
_SERVE = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM) as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((sys.argv[1], int(sys.argv[2])))
    server.listen()
    print("listens", flush=True)
    while True:
        server.accept()[0].close()
"""
_CONNECT = "import socket; socket.create_connection(('192.0.2.1', 8080), timeout=0.2).close()"


class Site:
    """Wire – host with bridge and rule – container."""

    def __init__(self, wire: Namespace, host: Namespace, inside: Namespace, other: Namespace) -> None:
        self.wire, self.host, self.inside, self.other = wire, host, inside, other

    def answers(self) -> bool:
        """Whether a client on the wire gets a connection to the published port."""
        argv = ["nsenter", f"--net=/proc/{self.wire.pid}/ns/net", sys.executable, "-c", _CONNECT]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

    def publish(self, to: str) -> None:
        """Replace the rule."""
        self.host.run("nft", "-f", "-", text="flush ruleset\n" + RULES % to)

    @contextmanager
    def serving(self, address: str = "0.0.0.0", port: int = 80) -> Iterator[None]:
        """A program inside that listens."""
        argv = ["nsenter", f"--net=/proc/{self.inside.pid}/ns/net", sys.executable, "-c", _SERVE, address, str(port)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
            try:
                assert server.stdout is not None
                assert server.stdout.readline() == b"listens\n"
                yield
            finally:
                server.kill()

    def path(self, port: int = 8080) -> NetworkPath:
        """What we say of it."""
        host = HostFs()
        snapshot = discover(host, Plan(namespaces=True, addresses=True, stats=False, stopped=False))
        topology = TopologyReader(host).read(snapshot, sockets=True).value
        assert topology is not None
        publications = find_publications(host, snapshot, topology).value or ()
        (container,) = [one for one in snapshot.containers if self.inside.pid in one.pids]
        filters = read_filters(host, topology)
        return explain_path(snapshot, topology, publications, container, port, "tcp", filters)


@pytest.fixture(scope="module")
def made() -> Iterator[Site]:
    require_root("network namespaces")
    require("unshare", "nsenter", "ip", "nft")
    with ExitStack() as stack:
        wire, host, inside, other = (stack.enter_context(network_namespace()) for _ in range(4))
        host.script(
            f"""
            ip link add wire0 type veth peer name eth0 netns {wire.pid}
            ip link add br0 type bridge
            ip link add veth-in type veth peer name eth0 netns {inside.pid}
            ip link add veth-other type veth peer name eth0 netns {other.pid}
            """
        )
        wire.script("ip addr add 192.0.2.2/24 dev eth0\nip link set eth0 up")
        other.script("ip addr add 10.77.0.3/24 dev eth0\nip link set eth0 up")
        yield Site(wire, host, inside, other)


@pytest.fixture
def site(made: Site) -> Site:
    """The host, whole again."""
    made.host.script(
        """
        ip addr flush dev wire0
        ip addr add 192.0.2.1/24 dev wire0
        ip link set wire0 up
        ip addr flush dev br0
        ip addr add 10.77.0.1/24 dev br0
        ip link set br0 mtu 1500 up
        ip link set veth-in mtu 1500 master br0 up
        ip link set veth-other master br0 up
        ip route replace default via 192.0.2.2
        echo 1 > /proc/sys/net/ipv4/ip_forward
        """
    )
    made.inside.script(
        """
        ip addr flush dev eth0
        ip addr add 10.77.0.2/24 dev eth0
        ip link set eth0 mtu 1500 up
        ip route replace default via 10.77.0.1
        """
    )
    made.publish("10.77.0.2:80")
    return made


def test_a_way_that_works_has_no_broken_hop(site: Site) -> None:
    with site.serving():
        wait_for("the first connection", site.answers)
        path = site.path()
    assert path.broken is None
    assert [hop.kind for hop in path.hops] == [
        "wire", "nat", "route", "filter", "route", "bridge", "veth", "namespace", "route", "listener",
    ]  # fmt: skip
    assert all(hop.is_ok for hop in path.hops)
    assert "nftables ip nat prerouting handle" in path.hops[1].what


def test_the_port_inside_is_explained_by_the_port_of_the_host(site: Site) -> None:
    with site.serving():
        path = site.path(80)
    assert path.broken is None
    assert path.hops[0].what == "tcp *:8080, published for port 80 inside"


Break = Callable[[Site], None]
BREAKAGES: dict[str, tuple[Break, str, str]] = {
    "a rule that leads to an address nobody has": (
        lambda site: site.publish("10.77.0.99:80"),
        "nat",
        "nobody has 10.77.0.99",
    ),
    "a rule that leads to another namespace": (lambda site: site.publish("10.77.0.3:80"), "nat", "10.77.0.3 is "),
    "a rule that leads to another port": (
        lambda site: site.publish("10.77.0.2:81"),
        "listener",
        "nothing listens on 81/tcp; open are 80",
    ),
    "the host's end of the veth is down": (
        lambda site: site.host.script("ip link set veth-in down"),
        "veth",
        "veth-in is down",
    ),
    "the end inside is down": (lambda site: site.inside.script("ip link set eth0 down"), "namespace", "eth0 inside is down"),
    "the bridge is down": (lambda site: site.host.script("ip link set br0 down"), "bridge", "br0 is down"),
    "the veth left the bridge": (
        lambda site: site.host.script("ip link set veth-in nomaster"),
        "veth",
        "veth-in is not a port of br0",
    ),
    "no default route inside": (
        lambda site: site.inside.script("ip route del default"),
        "route",
        "no default route inside",
    ),
    "a gateway that nobody has": (
        lambda site: site.inside.script("ip route replace default via 10.77.0.77"),
        "route",
        "nobody on this host has the gateway 10.77.0.77",
    ),
    "the host does not forward": (
        lambda site: site.host.script("echo 0 > /proc/sys/net/ipv4/ip_forward"),
        "route",
        "forwarding is off",
    ),
    "the address inside is gone": (
        lambda site: site.inside.script("ip addr flush dev eth0"),
        "nat",
        "nobody has 10.77.0.2",
    ),
    "a route that leads elsewhere": (
        lambda site: site.host.script("ip route add 10.77.0.2/32 dev wire0"),
        "route",
        "the route to 10.77.0.2 leads to wire0",
    ),
    "no rule": (lambda site: site.host.script("nft flush ruleset"), "", "8080/tcp is not published"),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_the_hop_that_is_broken_is_named(site: Site, name: str) -> None:
    breaks, kind, words = BREAKAGES[name]
    with site.serving():
        wait_for("the first connection", site.answers)
        breaks(site)
        assert not site.answers()
        path = site.path()
    if not kind:
        assert words in path.hops[0].why
        return
    assert path.broken is not None
    assert (path.broken.kind, words in path.broken.why) == (kind, True), path.broken


FILTERS = {
    "a policy that drops": ("policy drop;", False),
    "a policy that drops, and a rule for this port": ("policy drop; ip daddr 10.77.0.2 tcp dport 80 accept;", True),
    "a policy that drops, and rules that do not apply": (
        'policy drop; ct state established,related accept; iifname "br0" accept; '
        "ip saddr 10.77.0.0/24 accept; udp dport 80 accept;",
        False,
    ),
    "a rule that rejects": ("policy accept; tcp dport { 79, 80 } reject;", False),
    "a rule in another chain": ("policy drop; jump mine;", True),
    "answers of a connection that another rule let in": ("policy drop; ct state new accept; tcp dport 80 accept;", True),
}


@pytest.mark.parametrize("name", FILTERS)
def test_what_the_packet_filter_drops_is_named_and_what_it_accepts_is_not(site: Site, name: str) -> None:
    rules, is_accepted = FILTERS[name]
    site.host.run(
        "nft",
        "-f",
        "-",
        text=f"""
table inet guard {{
  chain mine {{ oifname "br0" tcp dport 80 accept; }}
  chain forward {{ type filter hook forward priority 0; {rules} }}
  chain back {{ type filter hook forward priority -1; policy accept; }}
}}
""",
    )
    if is_accepted:  # what comes back is let through as well
        site.host.run("nft", "insert", "rule", "inet", "guard", "forward", "ct", "state", "established", "accept")
    with site.serving():
        assert site.answers() == is_accepted
        path = site.path()
    (hop,) = [hop for hop in path.hops if hop.kind == "filter"]
    assert hop.is_ok is is_accepted
    assert (path.broken is None) == is_accepted
    if not is_accepted:
        assert "inet guard forward" in hop.why


@pytest.mark.parametrize("variant", ["iptables-nft", "iptables-legacy"])
def test_the_policy_of_iptables_is_read_from_either_kind_of_table(site: Site, variant: str) -> None:
    require(variant)
    site.host.run(variant, "-P", "FORWARD", "DROP")
    try:
        site.host.run(variant, "-A", "FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
        with site.serving():
            assert not site.answers()
            broken = site.path().broken
            site.host.run(variant, "-A", "FORWARD", "-p", "tcp", "--dport", "80", "-j", "ACCEPT")
            assert site.answers()
            assert site.path().broken is None
    finally:
        site.host.run(variant, "-P", "FORWARD", "ACCEPT")
        site.host.run(variant, "-F", "FORWARD")
    assert broken is not None
    assert broken.kind == "filter"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1", "listens on 127.0.0.1:80 only: nothing that comes to 10.77.0.2 reaches it"),
        ("::1", "listens on [::1]:80 only"),
    ],
)
def test_a_service_on_loopback_alone_is_named(site: Site, address: str, words: str) -> None:
    with site.serving(address):
        assert not site.answers()
        broken = site.path().broken
    assert broken is not None
    assert broken.kind == "listener"
    assert words in broken.why


def test_nobody_who_listens_is_named_with_what_is_open(site: Site) -> None:
    with site.serving(port=8081):
        assert not site.answers()
        broken = site.path().broken
    assert broken is not None
    assert (broken.kind, broken.why) == ("listener", "nothing listens on 80/tcp; open are 8081")


def test_a_smaller_mtu_on_the_way_is_named_last(site: Site) -> None:
    site.host.script("ip link set veth-in mtu 1400")
    with site.serving():
        path = site.path()
    assert path.broken is path.hops[-1]
    assert path.broken.why.startswith("veth-in takes 1400 bytes")
