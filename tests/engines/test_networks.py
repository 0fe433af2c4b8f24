"""Names of networks, as engines write them down."""

import json
from pathlib import Path

from ctrscope.engines.networks import (
    Attachment,
    BridgeNetwork,
    parse_docker_networks,
    read_cni_attachments,
    read_cni_networks,
    read_podman_networks,
)
from ctrscope.model.gap import Gap, Reason
from tests.builders import HostTree

_ID = "cf93" * 16


def test_docker_names_the_network_and_its_bridge_in_two_records() -> None:
    index = b"\x02\0\0\0\0\0\0\0"
    pairs = [
        (
            f"docker/network/v1.0/bridge/{_ID}/".encode(),
            index + json.dumps({"BridgeName": "br-cf93cf93cf93", "ID": _ID}).encode(),
        ),
        (f"docker/network/v1.0/network/{_ID}/".encode(), index + json.dumps({"name": "shop", "id": _ID}).encode()),
        (b"docker/network/v1.0/network/00/", index + b'{"name": "host", "id": "00"}'),
        (b"docker/network/v1.0/endpoint/11/", index + b"{}"),
    ]
    assert list(parse_docker_networks(pairs, "local-kv.db")) == [BridgeNetwork("docker", "shop", "br-cf93cf93cf93")]


def test_podman_has_a_file_for_each_network_but_the_one_built_in(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.file("/etc/containers/networks/shop.json", '{"name": "shop", "driver": "bridge", "network_interface": "podman1"}')
    tree.file("/etc/containers/networks/out.json", '{"name": "out", "driver": "macvlan", "network_interface": "eth0"}')
    gaps: list[Gap] = []
    assert read_podman_networks(tree.fs, gaps) == (
        BridgeNetwork("podman", "podman", "podman0"),
        BridgeNetwork("podman", "shop", "podman1"),
    )
    assert gaps == []


def test_a_file_of_podman_that_is_cut_off_is_a_gap_and_the_rest_stands(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.file("/etc/containers/networks/a.json", '{"name": "shop", "driver"')
    tree.file("/etc/containers/networks/b.json", '{"name": "b", "driver": "bridge", "network_interface": "podman2"}')
    gaps: list[Gap] = []
    assert [one.name for one in read_podman_networks(tree.fs, gaps)] == ["podman", "b"]
    assert [(gap.reason, gap.source) for gap in gaps] == [(Reason.MALFORMED, "/etc/containers/networks/a.json")]


def test_a_cni_list_names_its_bridge_or_has_the_usual_one(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.file(
        "/etc/cni/net.d/10-a.conflist",
        '{"name": "pods", "plugins": [{"type": "bridge", "bridge": "cs0"}, {"type": "portmap"}]}',
    )
    tree.file("/etc/cni/net.d/20-b.conf", '{"name": "old", "type": "bridge"}')
    tree.file("/etc/cni/net.d/30-c.conflist", '{"name": "calico", "plugins": [{"type": "calico"}]}')
    tree.file("/etc/cni/net.d/cni.lock", "")
    assert read_cni_networks(tree.fs, []) == (BridgeNetwork("cni", "pods", "cs0"), BridgeNetwork("cni", "old", "cni0"))


def test_results_of_cni_say_who_is_where(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    result = {
        "kind": "cniCacheV1",
        "containerId": "aa",
        "networkName": "pods",
        "result": {"interfaces": [{"name": "cs0"}, {"name": "veth1"}, {"name": "eth0", "sandbox": "/run/netns/x"}]},
    }
    tree.file("/var/lib/cni/results/pods-aa-eth0", json.dumps(result))
    tree.file("/var/lib/cni/results/cni-loopback-aa-lo", '{"containerId": "aa", "networkName": "cni-loopback"}')
    assert read_cni_attachments(tree.fs, []) == (Attachment("aa", "pods", ("cs0", "veth1")),)


def test_a_host_without_any_of_it_has_no_names_and_no_gaps(tmp_path: Path) -> None:
    gaps: list[Gap] = []
    host = HostTree(tmp_path).fs
    assert (read_cni_networks(host, gaps), read_cni_attachments(host, gaps)) == ((), ())
    assert gaps == []


def test_a_directory_of_podman_that_may_not_be_read_is_a_gap_of_podman(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.file("/etc/containers/networks", "no directory")
    gaps: list[Gap] = []
    read_podman_networks(tree.fs, gaps)
    assert [(gap.subject, gap.source) for gap in gaps] == [("engine podman", "/etc/containers/networks")]
