"""Networks that engines really made: every link against ip(8) inside, every veth and port against engine and kernel."""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from ctrscope.discovery.detail import read_detail
from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.topology import TopologyReader
from ctrscope.model.container import Container
from ctrscope.model.network import NetworkNamespace, NetworkTopology
from ctrscope.model.snapshot import Snapshot
from ctrscope.probes.hostfs import HostFs
from tests.against.ip_words import differences, ip_links
from tests.against.names import IS_V2_MACHINE, called
from tests.live import cri, lxc
from tests.live import podman as podman_engine
from tests.live.machine import run
from tests.live.podman import inspect, podman


class Seen(NamedTuple):
    """One look at everything."""

    snapshot: Snapshot
    topology: NetworkTopology

    def container(self, name: str) -> Container:
        (found,) = [one for one in self.snapshot.containers if one.name == name and one.is_running]
        return found

    def of(self, container: Container) -> NetworkNamespace:
        (found,) = [one for one in self.topology.network_namespaces if one.ino == container.namespaces.net]
        return found

    def edges(self) -> set[tuple[str, str, str]]:
        """Kind and the names of both ends, each with the inode of its namespace."""
        names = {
            (one.ino, link.ifindex): f"{one.ino}/{link.name}" for one in self.topology.network_namespaces for link in one.links
        }
        return {
            (edge.kind, names[edge.a.netns, edge.a.ifindex], names[edge.b.netns, edge.b.ifindex])
            for edge in self.topology.edges
        }


def look() -> Seen:
    snapshot = discover(HostFs(), Plan(namespaces=True, addresses=False, stats=False, stopped=True))
    topology = TopologyReader(HostFs()).read(snapshot).value
    assert topology is not None
    return Seen(snapshot, topology)


@pytest.fixture(scope="module")
def seen(parts: tuple[str, ...]) -> Seen:
    return look()


@pytest.fixture(scope="module")
def host_links() -> dict[int, Any]:
    """Links of the host by ifindex, as ip(8) says."""
    return {link["ifindex"]: link for link in ip_links("/proc/self/ns/net").values()}


def test_everything_in_every_namespace_is_what_ip_says_inside(parts: tuple[str, ...]) -> None:
    # What changed between the two readings is looked at again.
    wrong: dict[str, list[str]] = {}
    for _ in range(5):
        wrong.clear()
        for namespace in look().topology.network_namespaces:
            where = f"/proc/{namespace.pid}/ns/net" if namespace.pid is not None else namespace.path
            if len(namespace.links) > 1 and where is not None and os.path.exists(where):
                wrong[where] = differences(namespace, where)
        assert len(wrong) > 1
        if not any(wrong.values()):
            break
    assert {where: lines for where, lines in wrong.items() if lines} == {}


def bridges() -> Iterator[tuple[str, str, str]]:
    """Engine, container, and the bridge that the engine says it is on."""
    networks = {one: run("docker", "network", "inspect", "-f", "{{.Id}}", one).strip() for one in ("bridge", called("cs-shop"))}
    yield "docker", called("cs-web"), "docker0"
    yield "docker", called("cs-db"), f"br-{networks[called('cs-shop')][:12]}"
    yield "podman", called("cs-p-web"), "podman0"
    yield "podman", called("cs-pod-a"), "podman0"
    if IS_V2_MACHINE:  # where the pod has no network of its own
        yield "lxc", called("cs-lx1"), called(lxc.BRIDGE)
        return
    yield "containerd", "web-0", cri.BRIDGE
    for name in lxc.RUNNING:
        yield "lxc", name, lxc.BRIDGE


def test_every_veth_leads_to_its_port_and_the_port_to_its_bridge(
    peopled: tuple[str, ...], seen: Seen, host_links: dict[int, Any]
) -> None:
    initial = next(one.ino for one in seen.topology.network_namespaces if one.is_initial)
    for engine, name, bridge in bridges():
        if engine not in peopled:
            continue
        container = seen.container(name)
        inside = ip_links(f"/proc/{container.pid}/ns/net")["eth0"]
        outside = host_links[inside["link_index"]]
        # Both ends name each other: that much ip(8) says without knowing which namespace is which.
        assert outside["link_index"] == inside["ifindex"]
        assert outside["master"] == bridge
        net = container.namespaces.net
        found = {edge for edge in seen.edges() if f"{net}/eth0" in edge or f"{initial}/{outside['ifname']}" in edge}
        assert found == {
            ("veth", f"{net}/eth0", f"{initial}/{outside['ifname']}"),
            ("bridge_port", f"{initial}/{outside['ifname']}", f"{initial}/{bridge}"),
        }, name


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_address_and_mac_are_those_that_docker_gave(peopled: tuple[str, ...], engine: str, seen: Seen) -> None:
    for name in (called("cs-web"), called("cs-db")):
        container = seen.container(name)
        said = run(
            "docker",
            "inspect",
            "-f",
            "{{range .NetworkSettings.Networks}}{{.MacAddress}} {{.IPAddress}}/{{.IPPrefixLen}}{{end}}",
            name,
        )
        (link,) = [link for link in seen.of(container).links if link.name == "eth0"]
        assert f"{link.mac} {link.addresses[0]}" == said.strip()


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_address_and_mac_are_those_that_podman_gave(peopled: tuple[str, ...], engine: str, seen: Seen) -> None:
    (words,) = inspect(called("cs-p-web"))
    (network,) = words["NetworkSettings"]["Networks"].values()
    (link,) = [link for link in seen.of(seen.container(called("cs-p-web"))).links if link.name == "eth0"]
    assert (link.mac, link.addresses[0]) == (network["MacAddress"], f"{network['IPAddress']}/{network['IPPrefixLen']}")


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_containers_that_share_a_network_are_in_one_namespace(peopled: tuple[str, ...], engine: str, seen: Seen) -> None:
    web, side, host = (seen.container(called(name)) for name in ("cs-web", "cs-side", "cs-host"))
    assert set(seen.of(web).containers) == {web.id, side.id}
    initial = next(one for one in seen.topology.network_namespaces if one.is_initial)
    assert host.id in initial.containers
    assert seen.of(host) is initial


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_a_macvlan_leads_to_the_link_below_it(peopled: tuple[str, ...], engine: str) -> None:
    remove = ("network", "rm", "-f", "-t", "0", "ctrscope-macvlan")
    podman(*remove, check=False)
    podman("network", "create", "-d", "macvlan", "-o", "parent=podman0", "--subnet", "10.97.7.0/24", "ctrscope-macvlan")
    try:
        podman_engine.start_container("ctrscope-macvlan", "--network", "ctrscope-macvlan", podman_engine.IMAGE, "sleep", "1000")
        seen = look()
        container = seen.container("ctrscope-macvlan")
        (link,) = [link for link in seen.of(container).links if link.name == "eth0"]
        assert (link.kind, link.details["mode"]) == ("macvlan", "bridge")
        assert link.peer is not None
        assert (link.peer.name, link.peer.netns) == ("podman0", seen.snapshot.host.namespaces.net)
        assert differences(seen.of(container), f"/proc/{container.pid}/ns/net") == []
        assert ("macvlan", f"{container.namespaces.net}/eth0", f"{link.peer.netns}/podman0") in seen.edges()
    finally:
        podman(*remove)


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_an_opened_container_shows_where_its_link_leads(peopled: tuple[str, ...], engine: str, seen: Seen) -> None:
    web = seen.container(called("cs-web"))
    network = read_detail(HostFs(), web).network
    assert network is not None
    (whole,) = [link for link in seen.of(web).links if link.name == "eth0"]
    (alone,) = [link for link in network.links if link.name == "eth0"]
    assert alone.peer == whole.peer is not None
