"""Networks as engines write them down, and who is in which: literal files of each engine, and broken ones."""

import json
from pathlib import Path

from ctrscope.engines.cni_results import Attachment, read_cni_attachments
from ctrscope.engines.kept import KeptReader
from ctrscope.engines.networks import read_cni_networks, read_docker_networks, read_podman_networks
from ctrscope.model.gap import Gap, Reason
from tests.builders import HostTree
from tests.engines.bolt_file import bolt_file

STORE = "/var/lib/containers/storage"
_ID = "cf93" * 16


def reader(tree: HostTree, gaps: list[Gap], engine: str = "docker", owner: int | None = None) -> KeptReader:
    return KeptReader(tree.fs, engine, owner, gaps)


def test_a_network_of_docker_has_its_pools_and_its_bridge(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    index = b"\x02" + bytes(7)
    pool = json.dumps({"Pool": "172.29.7.0/24", "Gateway": "172.29.7.1/24"})
    network = {
        "name": "shop",
        "id": _ID,
        "networkType": "bridge",
        "created": "2026-11-22T11:44:04Z",
        "internal": True,
        "ipamV4Info": json.dumps([{"IPAMData": pool}]),
    }
    records = {
        f"docker/network/v1.0/network/{_ID}/": index + json.dumps(network).encode(),
        f"docker/network/v1.0/bridge/{_ID}/": index + json.dumps({"ID": _ID, "BridgeName": "br-cf93"}).encode(),
        "docker/network/v1.0/endpoint/x/": index + b"{}",
    }
    tree.file("/var/lib/docker/network/files/local-kv.db", bolt_file({"libnetwork": records}))
    (found,) = read_docker_networks(reader(tree, gaps), "/var/lib/docker")
    assert (found.name, found.driver, found.bridge, found.is_internal) == ("shop", "bridge", "br-cf93", True)
    assert (found.subnets, found.gateways) == (("172.29.7.0/24",), ("172.29.7.1",))
    assert gaps == []


def test_of_a_network_of_docker_that_makes_no_sense_the_others_stay(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    records = {
        f"docker/network/v1.0/network/{name}/": bytes(8) + json.dumps({"name": name, "id": name, "ipamV4Info": pools}).encode()
        for name, pools in (("bad", "[{"), ("good", "null"))
    }
    tree.file("/var/lib/docker/network/files/local-kv.db", bolt_file({"libnetwork": records}))
    assert [one.name for one in read_docker_networks(reader(tree, gaps), "/var/lib/docker")] == ["good"]
    assert [gap.reason for gap in gaps] == [Reason.MALFORMED]


def test_podmans_own_network_is_there_without_a_file_and_cni_has_lists(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    tree.file(
        "/etc/containers/networks/shop.json",
        '{"name": "shop", "id": "ee", "driver": "bridge", "network_interface": "podman1",'
        ' "subnets": [{"subnet": "10.89.0.0/24", "gateway": "10.89.0.1"}]}',
    )
    built_in, shop = read_podman_networks(reader(tree, gaps, "podman"), STORE)
    assert (built_in.name, built_in.bridge) == ("podman", "podman0")
    assert (shop.name, shop.subnets, shop.gateways) == ("shop", ("10.89.0.0/24",), ("10.89.0.1",))
    ranges = [[{"subnet": "10.1.0.0/16", "gateway": "10.1.0.1"}]]
    plugins = [{"type": "bridge", "bridge": "cni0", "ipam": {"ranges": ranges}}, {"type": "portmap"}]
    tree.file("/etc/cni/net.d/10-pods.conflist", json.dumps({"name": "pods", "plugins": plugins}))
    (pods,) = read_cni_networks(reader(tree, gaps, "cni"))
    assert (pods.engine, pods.name, pods.bridge, pods.subnets) == (None, "pods", "cni0", ("10.1.0.0/16",))
    assert gaps == []


def test_a_cni_network_has_the_bridge_of_the_plug_in_that_makes_it_and_files_without_a_list_count(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    plugins = [{"type": "tuning"}, {"type": "bridge", "ipam": {"subnet": "10.2.0.0/16"}}]
    tree.file("/etc/cni/net.d/10-late.conflist", json.dumps({"name": "late", "plugins": plugins}))
    tree.file("/etc/cni/net.d/20-old.conf", '{"name": "old", "type": "bridge", "bridge": "old0"}')
    tree.file("/etc/cni/net.d/30-far.conflist", '{"name": "far", "plugins": [{"type": "calico"}]}')
    found = [(one.name, one.driver, one.bridge, one.subnets) for one in read_cni_networks(reader(tree, gaps, "cni"))]
    assert found == [("late", "bridge", "cni0", ("10.2.0.0/16",)), ("old", "bridge", "old0", ()), ("far", "calico", None, ())]
    assert gaps == []


def test_podmans_own_network_with_a_file_is_the_one_of_the_file(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    tree.file("/etc/containers/networks/podman.json", '{"name": "podman", "driver": "bridge", "network_interface": "mine0"}')
    assert [(one.name, one.bridge) for one in read_podman_networks(reader(tree, gaps, "podman"), STORE)] == [
        ("podman", "mine0")
    ]
    assert gaps == []


def test_the_interface_of_a_network_without_a_bridge_is_no_bridge(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    tree.file("/etc/containers/networks/out.json", '{"name": "out", "driver": "macvlan", "network_interface": "eth0"}')
    _, out = read_podman_networks(reader(tree, gaps, "podman"), STORE)
    assert (out.name, out.driver, out.bridge) == ("out", "macvlan", None)


def test_a_users_networks_lie_in_the_store_and_what_is_somebody_elses_is_not_the_users(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    text = '{"name": "mine", "driver": "bridge", "network_interface": "podman1"}'
    store = "/home/alice/.local/share/containers/storage"
    tree.file(f"{store}/networks/mine.json", text)
    owner = tree.fs.stat(f"{store}/networks/mine.json").st_uid
    assert [one.name for one in read_podman_networks(reader(tree, gaps, "podman", owner + 1), store)] == ["podman"]
    assert [gap.reason for gap in gaps] == [Reason.DENIED]


def test_a_file_of_podman_that_is_cut_off_is_a_gap_and_the_rest_stands(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    tree.file("/etc/containers/networks/a.json", '{"name": "shop", "driver"')
    tree.file("/etc/containers/networks/b.json", '{"name": "b", "driver": "bridge", "network_interface": "podman2"}')
    assert [one.name for one in read_podman_networks(reader(tree, gaps, "podman"), STORE)] == ["podman", "b"]
    assert [(gap.reason, gap.source) for gap in gaps] == [(Reason.MALFORMED, "/etc/containers/networks/a.json")]


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
    assert read_cni_attachments(reader(tree, [], "cni")) == (Attachment("aa", "pods", ("cs0", "veth1")),)


def test_a_host_without_any_of_it_has_no_names_and_no_gaps(tmp_path: Path) -> None:
    tree, gaps = HostTree(tmp_path), list[Gap]()
    assert read_cni_networks(reader(tree, gaps, "cni")) == ()
    assert read_cni_attachments(reader(tree, gaps, "cni")) == ()
    assert read_docker_networks(reader(tree, gaps), "/var/lib/docker") == ()
    assert gaps == []
