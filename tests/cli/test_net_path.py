"""``ctrscope net ID --path PORT`` over a network made by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from ctrscope.discovery.published import join_publications
from ctrscope.discovery.topology import TopologyReader
from ctrscope.model.gap import Reading
from ctrscope.model.network import NetworkTopology
from tests.cli.conftest import Done, Host
from tests.cli.test_answers import assert_valid
from tests.site import HOST, RULE, snapshot, topology, with_link

Run = Callable[..., Done]


@pytest.fixture
def net(awkward: Host, run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    found = topology(with_link(HOST, "veth4", is_up=False))
    awkward.snapshot = snapshot()

    def read(self: TopologyReader, *arguments: Any, **options: Any) -> Reading[NetworkTopology]:
        return Reading(found)

    monkeypatch.setattr(TopologyReader, "read", read)
    published = join_publications(awkward.snapshot, found, (RULE,), ())
    monkeypatch.setattr("ctrscope.discovery.published.find_publications", lambda *given: Reading(published))
    return lambda *argv: run("net", *argv)


def test_each_hop_is_a_line_and_the_broken_one_is_marked(net: Run) -> None:
    done = net("web", "--path", "8080")
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[0] == "8080/tcp of web"
    assert "  ✓ nat        nftables ip nat DOCKER handle 12 → 172.17.0.2:80" in lines
    assert "  ✗ veth       veth4 ↔ eth0 inside" in lines
    (marked,) = [line for line in lines if "◀ here" in line]
    assert lines.index(marked) > lines.index("  ✗ veth       veth4 ↔ eth0 inside")
    assert lines[-1] == "It breaks at the veth: veth4 is down"


def test_json_has_the_hops_and_satisfies_the_schema(net: Run) -> None:
    found = net("web", "--path", "8080", "--json").answer
    assert_valid("NetAnswer", found)
    assert found["path"]["port"] == 8080
    assert [hop["kind"] for hop in found["path"]["hops"] if hop["is_ok"] is False] == ["veth"]
    assert net("--json").answer["path"] is None


def test_udp_is_asked_for_with_a_slash(net: Run) -> None:
    assert "8080/udp is not published" in net("web", "--path", "8080/udp").out


@pytest.mark.parametrize("wrong", ["0", "65536", "http", "80/icmp", "80/", "-1", "٨٠"])
def test_what_is_no_port_is_wrong_usage(net: Run, wrong: str) -> None:
    done = net("web", f"--path={wrong}")
    assert done.status == 2
    assert "write 8080 or 53/udp" in done.err


def test_a_path_needs_a_container(net: Run) -> None:
    done = net("--path", "80")
    assert done.status == 2
    assert "ctrscope net ID --path PORT" in done.err
