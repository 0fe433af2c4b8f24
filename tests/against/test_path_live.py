"""Published ports of real engines against their own words, and ``--path`` against what a connection says."""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from ctrscope.discovery.discover import discover
from ctrscope.discovery.plan import Plan
from ctrscope.discovery.published import find_publications
from ctrscope.discovery.topology import TopologyReader
from ctrscope.model.network import Publication
from ctrscope.model.reach import any_address
from ctrscope.probes.hostfs import HostFs
from tests.against.names import called
from tests.live import docker, podman
from tests.live.machine import run, wait_for
from tests.requirements import require, unmet

pytestmark = pytest.mark.usefixtures("peopled")

PORT = 28999


def publications() -> tuple[Publication, ...]:
    host = HostFs()
    snapshot = discover(host, Plan(namespaces=True, addresses=False, stats=False, stopped=False))
    topology = TopologyReader(host).read(snapshot).value
    assert topology is not None
    found, gaps = find_publications(host, snapshot, topology)
    assert not [gap for gap in gaps if "publications" in gap.fields]
    return found or ()


def path(name: str, port: str) -> list[dict[str, Any]]:
    """Hops that the command line gives."""
    answer = json.loads(run(sys.executable, "-m", "ctrscope", "net", name, "--path", port, "--json"))
    hops: list[dict[str, Any]] = answer["path"]["hops"]
    return hops


def broken(hops: list[dict[str, Any]]) -> tuple[str, str]:
    hop = next((hop for hop in hops if hop["is_ok"] is False), None)
    return (hop["kind"], hop["why"]) if hop is not None else ("", "")


def answers(address: str, port: int) -> bool:
    """Whether a connection of the host itself is taken; docker's rules are asked for it too, unless it is for 127.0.0.1."""
    with socket.socket() as client:
        client.settimeout(0.3)
        return client.connect_ex((address, port)) == 0


def own_address() -> str:
    """An address of the host that is not on loopback."""
    links = json.loads(run("ip", "-j", "-4", "addr", "show", "scope", "global"))
    return str(next(one["local"] for link in links if link["ifname"] == "docker0" for one in link["addr_info"]))


class Web(NamedTuple):
    """A container with a published port."""

    name: str
    pid: int  # of its init


@contextmanager
def container(name: str, *command: str) -> Iterator[Web]:
    """A container of docker that publishes the port."""
    run("docker", "rm", "-f", name, check=False)
    try:
        docker.start_container(name, "-p", f"{PORT}:80", docker.IMAGE, *command)
        yield Web(name, int(run("docker", "inspect", "-f", "{{.State.Pid}}", name)))
    finally:
        run("docker", "rm", "-f", name)


@pytest.fixture(scope="module")
def running(parts: tuple[str, ...]) -> Iterator[Web]:
    if "docker" not in parts:
        unmet("not installed: docker")
    with container("pb-web", "httpd", "-f", "-p", "80") as made:
        wait_for("an answer", lambda: answers(own_address(), PORT))
        yield made


@pytest.fixture
def web(peopled: tuple[str, ...], running: Web) -> Web:
    """One that serves on every address, and works."""
    assert answers(own_address(), PORT)
    return running


def inside(pid: int, *argv: str) -> None:
    run("nsenter", f"--net=/proc/{pid}/ns/net", *argv)


@pytest.mark.parametrize("engine", ["docker", "podman"], indirect=True)
def test_every_port_that_the_engine_publishes_is_traced_to_its_container(engine: str) -> None:
    ours = [one for one in publications() if one.is_declared]
    if engine == "docker":
        ids = run("docker", "ps", "-q", "--no-trunc").split()
        said = json.loads(run("docker", "inspect", *ids))
    else:
        said = [one for one in podman.inspect() if one["State"]["Running"]]
    expected = set()
    for one in said:
        for inner, bindings in (one["NetworkSettings"]["Ports"] or {}).items():
            number, proto = inner.split("/")
            for binding in bindings or ():
                expected.add((proto, any_address(binding["HostIp"]), int(binding["HostPort"]), int(number), one["Id"]))
    assert expected
    pods = {one["Id"]: one.get("Pod") or one["Id"] for one in said}
    found = {
        (one.proto, one.host_ip, one.host_port, one.target_port, pods.get(one.declared_by or "", ""))
        for one in ours
        if one.declared_by in pods
    }
    assert found == {(*rest, pods[full]) for *rest, full in expected}
    assert all(one.via for one in ours if one.declared_by in pods)


def test_docker_publishes_by_a_rule_and_by_a_proxy(web: Web) -> None:
    (found,) = [one for one in publications() if one.host_port == PORT]
    assert found.listener is not None
    assert found.listener.comm == "httpd"
    assert {via.split()[0] for via in found.via} == {"nftables", "docker-proxy"}


def test_a_port_that_answers_has_no_broken_hop(web: Web) -> None:
    hops = path(web.name, str(PORT))
    assert broken(hops) == ("", "")
    assert [hop["kind"] for hop in hops][:2] == ["wire", "nat"]
    assert hops[-1]["kind"] == "listener"


def test_a_removed_default_route_inside_is_the_broken_hop(web: Web) -> None:
    gateway = run("docker", "inspect", "-f", "{{.NetworkSettings.Gateway}}", web.name).strip()
    inside(web.pid, "ip", "route", "del", "default")
    try:
        found = broken(path(web.name, str(PORT)))
    finally:
        inside(web.pid, "ip", "route", "add", "default", "via", gateway)
    assert found == ("route", "no default route inside: an answer to another network does not find its way")


def test_a_downed_link_inside_is_the_broken_hop(web: Web) -> None:
    gateway = run("docker", "inspect", "-f", "{{.NetworkSettings.Gateway}}", web.name).strip()
    inside(web.pid, "ip", "link", "set", "eth0", "down")
    try:
        assert not answers(own_address(), PORT)
        found = broken(path(web.name, str(PORT)))
    finally:
        inside(web.pid, "ip", "link", "set", "eth0", "up")
        inside(web.pid, "ip", "route", "add", "default", "via", gateway)
    assert found == ("namespace", "eth0 inside is down")


def test_a_paused_container_is_the_broken_hop(web: Web) -> None:
    run("docker", "pause", web.name)
    try:
        kind, why = broken(path(web.name, str(PORT)))
    finally:
        run("docker", "unpause", web.name)
    assert kind == "namespace"
    assert "is paused" in why


@pytest.mark.parametrize("whose", ["nobody", "another container"])
def test_a_wrong_dnat_is_the_broken_hop(web: Web, whose: str) -> None:
    require("iptables")
    other = run("docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", called("cs-web")).strip()
    target, words = ("172.17.255.250", "nobody has 172.17.255.250") if whose == "nobody" else (other, f"{other} is ")
    # A rule before docker's own, for a port that is ours alone; it goes away with the test.
    rule = ("-p", "tcp", "--dport", str(PORT), "-j", "DNAT", "--to-destination", f"{target}:81")
    run("iptables", "-t", "nat", "-I", "DOCKER", "1", *rule)
    try:
        assert not answers(own_address(), PORT)
        kind, why = broken(path(web.name, str(PORT)))
    finally:
        run("iptables", "-t", "nat", "-D", "DOCKER", *rule)
    assert kind == "nat"
    assert words in why


def test_a_port_that_is_not_published_is_said_with_those_that_are(web: Web) -> None:
    kind, why = broken(path(web.name, "4711"))
    assert kind == "wire"
    assert f"published are {PORT} → 80" in why


def test_a_port_taken_off_the_rules_is_published_by_the_proxy_alone(web: Web) -> None:
    require("iptables")
    address = run("docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", web.name).strip()
    rule = (
        "DOCKER",
        "!",
        "-i",
        "docker0",
        "-p",
        "tcp",
        "--dport",
        str(PORT),
        "-j",
        "DNAT",
        "--to-destination",
        f"{address}:80",
    )
    run("iptables", "-t", "nat", "-D", *rule)
    try:
        hops = path(web.name, str(PORT))
        assert answers(own_address(), PORT)
    finally:
        run("iptables", "-t", "nat", "-A", *rule)
    assert broken(hops) == ("", "")
    assert hops[1]["kind"] == "proxy"


def test_a_service_on_127_0_0_1_inside_is_the_broken_hop(web: Web) -> None:
    name = "pb-loopback"
    run("docker", "rm", "-f", name, check=False)
    try:
        docker.start_container(name, "-p", f"{PORT + 1}:80", docker.IMAGE, "httpd", "-f", "-p", "127.0.0.1:80")
        assert not answers(own_address(), PORT + 1)
        kind, why = broken(path(name, str(PORT + 1)))
    finally:
        run("docker", "rm", "-f", name)
    assert kind == "listener"
    assert "listens on 127.0.0.1:80 only" in why
