"""Networks as engines write them down: their names, the bridges that they made for them, who got which.

*Source:* moby libnetwork ``local-kv.db`` (BoltDB; a value is an index of 8 bytes and JSON); netavark and containers-common
``libnetwork/types`` (``networks/NAME.json``); libcni's cache of results.
*Versions:* libcni writes ``cniCacheV1`` since 0.7. Podman's default network is built in: it has no file unless it was changed.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import msgspec

from ctrscope.engines import cni_configuration
from ctrscope.engines.bolt import read_bolt
from ctrscope.engines.kept import values_of
from ctrscope.engines.state_file import parse_json
from ctrscope.model.container import EngineName
from ctrscope.model.gap import VANISHED, Gap, ParseError, gap_of
from ctrscope.probes.hostfs import HostFs

_CNI_RESULTS = "/var/lib/cni/results"
_PODMAN_NETWORKS = "/etc/containers/networks"
_FILE_LIMIT = 1024 * 1024
_MOST_FILES = 5_000


class BridgeNetwork(NamedTuple):
    """A network and the bridge that belongs to it."""

    engine: str  # "docker", "podman", "cni"
    name: str
    bridge: str


class Attachment(NamedTuple):
    """A container, or a pod's sandbox, in a network."""

    container: str  # full id
    network: str
    host_links: tuple[str, ...] = ()  # links that were made or used outside: the bridge, the other end of the veth


class _Subnetwork(msgspec.Struct):
    bridge: str = msgspec.field(name="BridgeName", default="")
    id: str = msgspec.field(name="ID", default="")


class _DockerNetwork(msgspec.Struct):
    name: str = ""
    id: str = ""


class _PodmanNetwork(msgspec.Struct):
    name: str = ""
    driver: str = ""
    network_interface: str = ""


class _Interface(msgspec.Struct):
    name: str = ""
    sandbox: str = ""  # the network namespace it is in; "" is the host's


class _Answer(msgspec.Struct):
    interfaces: list[_Interface] | None = None


class _CniResult(msgspec.Struct, rename="camel"):
    container_id: str = ""
    network_name: str = ""
    result: _Answer | None = None


_bridge_decoder = msgspec.json.Decoder(_Subnetwork)
_docker_decoder = msgspec.json.Decoder(_DockerNetwork)
_podman_decoder = msgspec.json.Decoder(_PodmanNetwork)
_result_decoder = msgspec.json.Decoder(_CniResult)


def read_docker_networks(host: HostFs, root: str, gaps: list[Gap]) -> tuple[BridgeNetwork, ...]:
    """Networks with a bridge, below Docker's data root."""
    path = f"{root}/network/files/local-kv.db"
    try:
        pairs = read_bolt(host, path, partial(values_of, b"libnetwork"))
        return tuple(parse_docker_networks(pairs, path))
    except (OSError, ParseError) as error:
        _note(gaps, error, EngineName.DOCKER, path)
        return ()


def parse_docker_networks(pairs: Iterable[tuple[bytes, bytes]], path: str) -> Iterator[BridgeNetwork]:
    """Keys and values of the bucket. Errors: ParseError."""
    names: dict[str, str] = {}
    bridges: dict[str, str] = {}
    for key, value in pairs:
        parts = key.decode("utf-8", "replace").split("/")
        if len(parts) < 4 or parts[:3] != ["docker", "network", "v1.0"]:
            continue
        if parts[3] == "network":
            network = parse_json(_docker_decoder, value[8:], path)
            names[network.id] = network.name
        elif parts[3] == "bridge":
            bridge = parse_json(_bridge_decoder, value[8:], path)
            bridges[bridge.id] = bridge.bridge
    for network_id, name in bridges.items():
        if name and names.get(network_id):
            yield BridgeNetwork("docker", names[network_id], name)


def read_podman_networks(host: HostFs, gaps: list[Gap]) -> tuple[BridgeNetwork, ...]:
    """Networks of root's Podman that have a file, and the one that is built in."""
    found = [BridgeNetwork("podman", "podman", "podman0")]
    for path, text in _files(host, EngineName.PODMAN, _PODMAN_NETWORKS, (".json",), gaps):
        try:
            network = parse_json(_podman_decoder, text, path)
        except ParseError as error:
            _note(gaps, error, EngineName.PODMAN, path)
            continue
        if network.driver == "bridge" and network.name and network.network_interface:
            found.append(BridgeNetwork("podman", network.name, network.network_interface))
    return tuple(found)


def read_cni_networks(host: HostFs, gaps: list[Gap]) -> tuple[BridgeNetwork, ...]:
    """Networks of the CNI configurations at their usual place."""
    found = []
    for path, text in _files(host, "cni", cni_configuration.DIRECTORY, cni_configuration.ENDINGS, gaps):
        try:
            network = cni_configuration.parse_cni_configuration(text, path)
        except ParseError as error:
            _note(gaps, error, "cni", path)
            continue
        bridges = [plugin.bridge_name for plugin in network.chain if network.name]
        found += [BridgeNetwork("cni", network.name, bridge) for bridge in bridges if bridge]
    return tuple(found)


def read_cni_attachments(host: HostFs, gaps: list[Gap]) -> tuple[Attachment, ...]:
    """Who is in which network, from the results that libcni keeps until a container is taken out again."""
    found = []
    for path, text in _files(host, "cni", _CNI_RESULTS, ("",), gaps):
        try:
            result = parse_json(_result_decoder, text, path)
        except ParseError as error:
            _note(gaps, error, "cni", path)
            continue
        # Every pod's loopback is a network of its own, too.
        if result.container_id and result.network_name and result.network_name != "cni-loopback":
            interfaces = (result.result.interfaces if result.result is not None else None) or ()
            outside = tuple(one.name for one in interfaces if one.name and not one.sandbox)
            found.append(Attachment(result.container_id, result.network_name, outside))
    return tuple(found)


def _files(host: HostFs, engine: str, directory: str, endings: tuple[str, ...], gaps: list[Gap]) -> Iterator[tuple[str, bytes]]:
    try:
        names = sorted(host.names(directory))
    except OSError as error:
        _note(gaps, error, engine, directory)
        return
    for name in names[:_MOST_FILES]:
        if not name.endswith(endings):
            continue
        path = f"{directory}/{name}"
        try:
            yield path, host.read(path, limit=_FILE_LIMIT)
        except OSError as error:
            _note(gaps, error, engine, path)


def _note(gaps: list[Gap], error: OSError | ParseError, engine: str, path: str) -> None:
    if not isinstance(error, OSError) or error.errno not in VANISHED:
        gaps.append(gap_of(error, f"engine {engine}", ("network_namespaces.networks",), path))
