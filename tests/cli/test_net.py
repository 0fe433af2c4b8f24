from collections.abc import Callable
from typing import Any

import pytest

from ctrscope.discovery.topology import TopologyReader
from ctrscope.model.gap import Gap, Reading, Reason
from ctrscope.model.network import NetworkTopology
from tests.awkward import STOPPED, WEB
from tests.cli.conftest import Done, Host
from tests.cli.test_answers import answer, assert_valid
from tests.networks import INITIAL, TOPOLOGY, WEB_NET
from tests.requirements import require_root

Run = Callable[..., Done]

NAMESPACE_KEYS = "ino nsid containers links routes sockets"
LINK_KEYS = "ifindex name kind mac mtu state addresses master peer rx_bytes tx_bytes"


@pytest.fixture
def net(awkward: Host, run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command over the network of tests.networks."""

    def read(self: TopologyReader, *arguments: Any, **options: Any) -> Reading[NetworkTopology]:
        gap = Gap(
            subject="namespace net:[7]", fields=("network",), source="netlink", reason=Reason.DENIED, needs="CAP_SYS_ADMIN"
        )
        return Reading(TOPOLOGY, (gap,))

    monkeypatch.setattr(TopologyReader, "read", read)
    monkeypatch.setattr("ctrscope.discovery.namespaces.read_namespaces", lambda *given: Reading(()))
    monkeypatch.setattr("ctrscope.discovery.published.find_publications", lambda *given: Reading(TOPOLOGY.publications))
    return lambda *argv: run("net", *argv)


def test_without_an_id_it_is_the_map_of_the_host(net: Run) -> None:
    done = net()
    assert done.status == 0
    assert "│  ├─ veth1a3f ─ eth0 172.17.0.2/16  web  :80 ◀ *:8080" in done.out
    assert "1 denied (netlink)" in done.err


def test_with_an_id_it_is_the_way_to_the_wire_and_the_namespace_in_full(net: Run) -> None:
    done = net("web")
    assert done.status == 0
    assert "   └─ veth1a3f ─ eth0" in done.out
    assert "veth9c41" not in done.out
    assert [line for line in done.out.splitlines() if line in ("links", "routes", "neighbours", "sockets")] == [
        *("links", "routes", "neighbours", "sockets")
    ]
    assert "nginx 4711" in done.out


def test_a_stopped_container_has_no_network(net: Run) -> None:
    done = net("batch 7")
    assert (done.status, done.out) == (1, "")
    assert f"{STOPPED.name} is stopped: it has no network namespace." in done.err


def test_a_network_that_may_not_be_looked_at_is_not_said_to_be_missing(net: Run) -> None:
    done = net("legacy")
    assert (done.status, done.out) == (6, "")
    assert "legacy: its network namespace could not be read." in done.err
    assert "needs CAP_SYS_ADMIN" in done.err


def test_json_has_the_keys_of_the_contract(net: Run) -> None:
    found = net("--json").answer
    assert [one["ino"] for one in found["network_namespaces"]] == [one.ino for one in TOPOLOGY.network_namespaces]
    web = found["network_namespaces"][1]
    assert set(NAMESPACE_KEYS.split()) <= set(web)
    assert set(LINK_KEYS.split()) <= set(web["links"][1])
    assert web["containers"] == [WEB.id]
    assert web["links"][1]["peer"] == {"netns": INITIAL, "ifindex": 4, "name": "veth1a3f"}
    assert web["routes"][0] == {"dst": "default", "gateway": "172.17.0.1", "dev": "eth0", "src": None, "type": "unicast"}
    assert found["edges"][0] == {"kind": "veth", "a": {"netns": WEB_NET, "ifindex": 2}, "b": {"netns": INITIAL, "ifindex": 4}}
    assert [gap["reason"] for gap in found["gaps"] if gap["source"] == "netlink"] == ["denied"]


def test_json_of_one_container_is_its_namespace_and_what_leads_out_of_it(net: Run) -> None:
    found = net("web", "--json").answer
    assert [one["ino"] for one in found["network_namespaces"]] == [WEB_NET]
    assert [(edge["kind"], edge["b"]["ifindex"]) for edge in found["edges"]] == [("veth", 4)]
    assert [one["host_port"] for one in found["publications"]] == [8080]


@pytest.mark.parametrize(("option", "first"), [("--dot", "graph network {"), ("--mermaid", "flowchart LR"), ("--svg", "<svg ")])
def test_a_picture_is_all_that_comes_out(net: Run, option: str, first: str) -> None:
    whole, one = net(option), net("web", option)
    assert whole.out.startswith(first)
    assert "veth9c41" in whole.out
    assert "veth9c41" not in one.out
    assert "veth1a3f" in one.out


def test_one_picture_at_a_time(net: Run) -> None:
    assert net("--dot", "--svg").status == 2


def test_strict_tells_that_a_namespace_is_missing(net: Run) -> None:
    assert net("--strict").status == 3


def test_an_answer_about_this_host_satisfies_the_published_schema() -> None:
    require_root()
    found = answer("net", "--json")
    assert_valid("NetAnswer", found)
    assert any(one["is_initial"] for one in found["network_namespaces"])


def test_an_answer_about_another_root_has_what_proc_tells_and_says_what_it_does_not(v2_root: object) -> None:
    found = answer("--root", str(v2_root), "net", "--json")
    assert_valid("NetAnswer", found)
    assert {link["name"] for one in found["network_namespaces"] for link in one["links"]} >= {"lo", "eth0"}
    assert all(link["kind"] is None for one in found["network_namespaces"] for link in one["links"])
    assert any(gap["source"] == "netlink" and gap["reason"] == "unsupported" for gap in found["gaps"])
