"""Containers' network made by the launcher, in a namespace of ours that plays the host; afterwards nothing is left."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.forwarded import read_filters
from ctrscope.discovery.path import explain_path
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.published import find_publications
from ctrscope.discovery.topology import TopologyReader
from ctrscope.network.bridge import NetworkPlan, connect, disconnect, parse_port, plan_network
from ctrscope.oci.errors import LauncherError
from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.netns import run_in_network_namespace
from tests.kernel.networks import Namespace, network_namespace
from tests.requirements import require, require_root

T = TypeVar("T")

_SERVE = """
import socket, sys
with socket.socket() as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("", int(sys.argv[1])))
    server.listen()
    print("listens", flush=True)
    while True:
        connection, (sender, _) = server.accept()
        with connection:
            connection.sendall(sender.encode())
"""
_ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2) as connection:
    print(connection.recv(100).decode())
"""
#: What Docker makes of a host: whatever it does not name is not forwarded.
_DROPPING = "table ip filter {\n chain FORWARD {\n type filter hook forward priority filter; policy drop;\n }\n}\n"
#: What firewalld makes of one, shortened: its policy accepts, and a last rule rejects the rest.
_REJECTING = """
table inet firewalld {
 chain filter_FORWARD {
  type filter hook forward priority filter + 10; policy accept;
  ct state { established, related } accept
  ct status dnat accept
  iifname "lo" accept
  ct state invalid drop
  jump filter_FORWARD_ZONES
  reject with icmpx admin-prohibited
 }
 chain filter_FORWARD_ZONES {
  iifname "elsewhere" accept
 }
}
"""
_ACCEPTING = """
table inet other {
 chain forward {
  type filter hook forward priority filter; policy accept;
  iifname { "a", "b" } drop
  ip saddr 203.0.113.0/24 drop
 }
}
"""


class Host:
    """A namespace that plays the host, with a wire, and the directory of its containers."""

    def __init__(self, namespace: Namespace, wire: Namespace, root: Path, stack: ExitStack) -> None:
        self.namespace, self.wire, self.root, self._stack = namespace, wire, root, stack

    def do(self, call: Callable[[], T]) -> T:
        """Call something on the host."""
        return run_in_network_namespace(self.namespace.pid, call)

    def add(self, name: str, *ports: str) -> tuple[Namespace, NetworkPlan, tuple[str, ...]]:
        """A container on the bridge; itself, its plan, and what was said."""
        inside = self._stack.enter_context(network_namespace())
        (self.root / name).mkdir()
        plan = self.do(lambda: plan_network(str(self.root), name, [parse_port(one) for one in ports]))
        return inside, plan, self.do(lambda: connect(str(self.root), name, inside.pid))

    def remove(self, name: str) -> None:
        """Remove its network."""
        self.do(lambda: disconnect(str(self.root), name))

    def picture(self) -> dict[str, str]:
        """Everything that the launcher may touch, as other programs tell it."""
        commands = (
            "ip -4 -o addr",
            "ip -br link | sort | cut -c1-16",
            "ip route",
            "nft list ruleset",
            "cat /proc/sys/net/ipv4/ip_forward",
        )
        found = {command: self.namespace.run("sh", "-c", command) for command in commands}
        return {**found, "files": str([one.name for one in self.root.iterdir() if one.is_file()])}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    require_root("network namespaces")
    require("unshare", "nsenter", "ip", "nft")
    with ExitStack() as stack:
        namespace, wire = (stack.enter_context(network_namespace()) for _ in range(2))
        namespace.script(
            f"""
            ip link add wire0 type veth peer name eth0 netns {wire.pid}
            ip addr add 192.0.2.1/24 dev wire0
            ip link set wire0 up
            echo 0 > /proc/sys/net/ipv4/ip_forward
            nft list ruleset
            """
        )
        wire.script("ip addr add 192.0.2.2/24 dev eth0\nip link set eth0 up")
        yield Host(namespace, wire, tmp_path, stack)


@contextmanager
def serving(inside: Namespace, port: int) -> Iterator[None]:
    """A program inside that says who asked."""
    argv = ["nsenter", f"--net=/proc/{inside.pid}/ns/net", sys.executable, "-c", _SERVE, str(port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"listens\n"
            yield
        finally:
            server.kill()


def ask(who: Namespace, address: str, port: int) -> str | None:
    """What is answered there; None: nothing."""
    argv = ["nsenter", f"--net=/proc/{who.pid}/ns/net", sys.executable, "-c", _ASK, address, str(port)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def address_of(plan: NetworkPlan) -> str:
    return plan.address.partition("/")[0]


def test_two_containers_reach_each_other(host: Host) -> None:
    one, first, _ = host.add("one")
    two, second, _ = host.add("two")
    with serving(one, 80):
        assert ask(two, address_of(first), 80) == address_of(second)


def test_a_published_port_answers_on_every_address_of_the_host_and_from_the_wire(host: Host) -> None:
    inside, plan, _ = host.add("web", "8080:80")
    other, _, _ = host.add("other")
    with serving(inside, 80):
        for address in ("127.0.0.1", "192.0.2.1", plan.gateway):
            assert ask(host.namespace, address, 8080), address
        assert ask(host.wire, "192.0.2.1", 8080) == "192.0.2.2"  # whose address is not hidden
        assert ask(other, "192.0.2.1", 8080)
        assert ask(host.wire, "192.0.2.1", 80) is None


def test_a_port_of_one_address_is_no_port_of_another(host: Host) -> None:
    inside, _, _ = host.add("web", "127.0.0.1:8080:80")
    with serving(inside, 80):
        assert ask(host.namespace, "127.0.0.1", 8080)
        assert ask(host.namespace, "192.0.2.1", 8080) is None
        assert ask(host.wire, "192.0.2.1", 8080) is None


def test_a_container_reaches_the_wire_by_the_address_of_the_host(host: Host) -> None:
    inside, _, said = host.add("one")
    assert any("ip_forward" in one for one in said)
    with serving(host.wire, 80):
        assert ask(inside, "192.0.2.2", 80) == "192.0.2.1"


def test_what_was_not_published_is_not_reached_from_the_wire(host: Host) -> None:
    inside, plan, _ = host.add("one")
    host.wire.run("ip", "route", "add", "default", "via", "192.0.2.1")
    with serving(inside, 80):
        assert ask(host.namespace, address_of(plan), 80)
        assert ask(host.wire, address_of(plan), 80) is None


def test_the_loopback_of_the_host_is_not_reached_from_a_container(host: Host) -> None:
    """route_localnet on the bridge lets packets for 127.0.0.1 in; the table does not."""
    inside, plan, _ = host.add("one", "127.0.0.1:8080:80")
    # Such a packet leaves a container only where it says so itself.
    inside.script(f"""
        echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet
        ip addr del 127.0.0.1/8 dev lo
        ip route add 127.0.0.1 via {plan.gateway} dev eth0
        """)
    with serving(host.namespace, 81):
        assert ask(host.namespace, "127.0.0.1", 81)
        assert ask(inside, "127.0.0.1", 81) is None
        guard = "nft delete chain ip ctrscope0 guard"
        host.namespace.run("sh", "-c", guard)
        assert ask(inside, "127.0.0.1", 81), "without the rule it is: the test can fail"


@pytest.mark.parametrize(("rules", "chain"), [(_DROPPING, "ip filter FORWARD"), (_REJECTING, "inet firewalld filter_FORWARD")])
def test_where_the_host_drops_all_that_is_forwarded_the_bridge_is_let_through(host: Host, rules: str, chain: str) -> None:
    host.namespace.run("nft", "-f", "-", text=rules)
    before = host.picture()
    inside, plan, said = host.add("web", "8080:80")
    other, _, _ = host.add("other")
    assert any(f"{chain} drops what it does not name" in one for one in said)
    with serving(inside, 80):
        assert ask(host.wire, "192.0.2.1", 8080) == "192.0.2.2"
        assert ask(other, address_of(plan), 80)  # which such a chain sees too, where br_netfilter is in the kernel
    with serving(host.wire, 81):
        assert ask(inside, "192.0.2.2", 81) == "192.0.2.1"
    host.remove("web")
    host.remove("other")
    assert host.picture() == before


def test_a_chain_that_lets_the_rest_through_is_left_alone(host: Host) -> None:
    host.namespace.run("nft", "-f", "-", text=_ACCEPTING)
    _, plan, said = host.add("web", "8080:80")
    assert not any("drops" in one for one in said)
    assert plan.bridge not in host.namespace.run("nft", "list", "table", "inet", "other")


@pytest.mark.parametrize("rule", [("-P", "FORWARD", "DROP"), ("-A", "FORWARD", "-j", "REJECT")])
def test_where_the_older_iptables_drops_it_is_said_what_lets_the_bridge_through(host: Host, rule: tuple[str, ...]) -> None:
    require("iptables-legacy")
    host.namespace.run("iptables-legacy", *rule)
    inside, plan, said = host.add("web", "8080:80")
    advice = next(one for one in said if "FORWARD of iptables-legacy drops what it does not name" in one)
    with serving(inside, 80):
        assert ask(host.wire, "192.0.2.1", 8080) is None
        host.namespace.run("sh", "-ec", advice.partition(": ")[2].partition(" lets ")[0])
        assert ask(host.wire, "192.0.2.1", 8080) == "192.0.2.2"
    _, _, said = host.add("other")
    assert not any("iptables-legacy" in one for one in said)
    assert plan.bridge in host.namespace.run("iptables-legacy", "-S", "FORWARD"), "what its user wrote is the user's"


def test_with_the_last_container_everything_goes(host: Host) -> None:
    before = host.picture()
    host.add("one", "8080:80", "53/udp")
    host.add("two", "8081:80")
    host.remove("one")
    rules = host.namespace.run("nft", "list", "ruleset")
    assert "8081" in rules
    assert "8080" not in rules
    host.remove("two")
    host.remove("two")  # once more is no error
    assert host.picture() == before


def test_forwarding_that_was_on_stays_on(host: Host) -> None:
    host.namespace.script("echo 1 > /proc/sys/net/ipv4/ip_forward")
    _, _, said = host.add("one")
    assert said == ()
    host.remove("one")
    assert host.picture()["cat /proc/sys/net/ipv4/ip_forward"] == "1\n"


def test_an_address_is_given_out_again_and_the_routes_of_the_host_are_kept_clear_of(host: Host) -> None:
    host.namespace.script("ip route add 10.0.0.0/8 via 192.0.2.2\nip route add 172.31.0.0/16 via 192.0.2.2")
    _, first, _ = host.add("one")
    host.add("two")
    assert first.address == "172.30.83.2/24"
    host.remove("one")
    assert host.add("three")[1].address == first.address


def test_a_port_that_is_taken_is_refused_by_name_and_nothing_is_made(host: Host) -> None:
    host.add("web", "8080:80")
    before = host.picture()
    with pytest.raises(LauncherError, match="8080/tcp is published by container web"):
        host.add("second", "127.0.0.1:8080:81")
    with serving(host.namespace, 90), pytest.raises(LauncherError, match="90/tcp cannot be published: Address already in use"):
        host.add("third", "90:90")
    assert host.picture() == before


def test_what_was_planned_for_a_container_whose_directory_is_gone_is_removed_with_the_next(host: Host) -> None:
    before = host.picture()
    host.add("killed", "8080:80")
    host.add("one")
    os.rmdir(host.root / "killed")
    host.remove("one")
    assert host.picture() == before


def test_without_nft_it_is_said_before_anything_is_made(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *unused, **more: None)
    before = host.picture()
    with pytest.raises(LauncherError, match="install nftables"):
        host.add("one")
    assert host.picture() == before


def test_published_ports_are_found_in_the_rules_and_every_hop_to_the_listener_is_in_order(host: Host) -> None:
    inside, plan, _ = host.add("web", "8080:80", "127.0.0.1:8081:80")
    files = HostFs()
    with serving(inside, 80):
        snapshot = discover(files, Plan(namespaces=True, addresses=True, stats=False, stopped=False))
        topology = TopologyReader(files).read(snapshot, sockets=True).value
        assert topology is not None
        published = find_publications(files, snapshot, topology).value or ()
        (container,) = [one for one in snapshot.containers if inside.pid in one.pids]
        path = explain_path(snapshot, topology, published, container, 8080, "tcp", read_filters(files, topology))
    ours = [one for one in published if one.target_ip == address_of(plan) and one.container == container.id]
    assert [(one.host_ip, one.host_port, one.reach) for one in ours] == [("", 8080, ""), ("127.0.0.1", 8081, "this host only")]
    assert path.broken is None
    assert path.hops[-1].kind == "listener"
