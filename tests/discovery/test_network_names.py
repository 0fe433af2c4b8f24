"""Names of networks on the map, from what each engine wrote down."""

import json
from pathlib import Path

from msgspec import structs

from ctrscope.discovery.network_names import NetworkNames, read_network_names
from ctrscope.model.container import EngineName, EngineStatus
from ctrscope.model.gap import Reason
from tests.awkward import SNAPSHOT
from tests.builders import HostTree
from tests.engines.bolt_file import bolt_file

_ID = "cf93" * 16
ENGINES = (
    EngineStatus(engine=EngineName.DOCKER, found=True, state_roots=("/var/lib/docker", "/home/alice/.local/share/docker")),
    EngineStatus(engine=EngineName.PODMAN, found=True, state_roots=("/var/lib/containers/storage",)),
)


def docker_file(name: str, bridge: str) -> bytes:
    records = {
        "network": {"name": name, "id": _ID, "networkType": "bridge"},
        "bridge": {"ID": _ID, "BridgeName": bridge},
    }
    texts = {kind: bytes(8) + json.dumps(record).encode() for kind, record in records.items()}
    return bolt_file({"libnetwork": {f"docker/network/v1.0/{kind}/{_ID}/": text for kind, text in texts.items()}})


def test_bridges_have_the_names_of_roots_networks_and_containers_those_of_cni(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.file("/var/lib/docker/network/files/local-kv.db", docker_file("shop", "br-cf93"))
    tree.file("/home/alice/.local/share/docker/network/files/local-kv.db", docker_file("alices", "br-alice"))
    tree.file("/etc/containers/networks/out.json", '{"name": "out", "driver": "macvlan", "network_interface": "eth0"}')
    tree.file("/etc/cni/net.d/10-a.conflist", '{"name": "pods", "plugins": [{"type": "bridge", "bridge": "cs0"}]}')
    result = {"containerId": "aa", "networkName": "pods", "result": {"interfaces": [{"name": "cs0"}, {"name": "veth1"}]}}
    tree.file("/var/lib/cni/results/pods-aa-eth0", json.dumps(result))
    names, gaps = read_network_names(tree.fs, structs.replace(SNAPSHOT, engines=ENGINES))
    assert names == NetworkNames(
        bridges={
            "br-cf93": ("docker network shop",),
            "podman0": ("podman network podman",),
            "cs0": ("cni network pods",),
            "veth1": ("cni network pods",),
        },
        containers={"aa": ("pods",)},
    )
    assert gaps == ()


def test_what_cannot_be_read_is_a_gap_of_the_map(tmp_path: Path) -> None:
    tree = HostTree(tmp_path)
    tree.file("/etc/cni/net.d/10-a.conflist", "{")
    _, gaps = read_network_names(tree.fs, structs.replace(SNAPSHOT, engines=()))
    assert [(gap.reason, gap.fields) for gap in gaps] == [(Reason.MALFORMED, ("network_namespaces.networks",))]
