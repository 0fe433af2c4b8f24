"""Networks as engines wrote them down, those that nothing uses too.

*Source:* moby libnetwork network.go (``docker/network/v1.0/network/ID`` of ``local-kv.db``: an index of 8 bytes and JSON, in
which ``ipamV4Info`` is JSON in a string, and ``IPAMData`` once more); netavark and containers-common ``libnetwork/types``
(``networks/NAME.json``; the default network 10.88.0.0/16 has a file only where it was changed); ``cni_configuration``.
"""

from functools import partial

import msgspec

from ctrscope.engines import cni_configuration
from ctrscope.engines.bolt import read_bolt
from ctrscope.engines.kept import KeptReader, values_of
from ctrscope.engines.state_file import parse_json
from ctrscope.model.container import EngineName
from ctrscope.model.gap import ParseError
from ctrscope.model.storage import KeptNetwork

_RECORDS = b"docker/network/v1.0/"
_BUILT_IN = "podman"


class _DockerNetwork(msgspec.Struct, rename="camel"):
    name: str = ""
    id: str = ""
    network_type: str = ""
    created: str | None = None
    internal: bool = False
    labels: dict[str, str] | None = None
    ipam_v4_info: str = msgspec.field(name="ipamV4Info", default="")
    ipam_v6_info: str = msgspec.field(name="ipamV6Info", default="")


class _Pool(msgspec.Struct):
    data: str = msgspec.field(name="IPAMData", default="")


class _PoolData(msgspec.Struct, rename="pascal"):
    pool: str = ""
    gateway: str = ""


class _Bridge(msgspec.Struct):
    id: str = msgspec.field(name="ID", default="")
    name: str = msgspec.field(name="BridgeName", default="")


class _Subnet(msgspec.Struct):
    subnet: str = ""
    gateway: str = ""


class _PodmanNetwork(msgspec.Struct):
    name: str = ""
    id: str = ""
    driver: str = ""
    network_interface: str = ""
    created: str | None = None
    subnets: list[_Subnet] | None = None
    internal: bool = False
    labels: dict[str, str] | None = None


_docker_decoder = msgspec.json.Decoder(_DockerNetwork)
_bridge_decoder = msgspec.json.Decoder(_Bridge)
_pools_decoder = msgspec.json.Decoder(list[_Pool] | None)
_pool_decoder = msgspec.json.Decoder(_PoolData)
_podman_decoder = msgspec.json.Decoder(_PodmanNetwork)


def read_docker_networks(reader: KeptReader, root: str) -> tuple[KeptNetwork, ...]:
    """Networks of one data root."""
    path = f"{root}/network/files/local-kv.db"
    found: list[_DockerNetwork] = []
    bridges: dict[str, str] = {}
    try:
        for key, value in read_bolt(reader.host, path, partial(values_of, b"libnetwork"), reader.owner):
            if key.startswith(_RECORDS + b"network/"):
                found.append(parse_json(_docker_decoder, value[8:], path))
            elif key.startswith(_RECORDS + b"bridge/"):
                bridge = parse_json(_bridge_decoder, value[8:], path)
                bridges[bridge.id] = bridge.name
    except (OSError, ParseError) as error:
        reader.note(error, path)
        return ()
    networks: list[KeptNetwork] = []
    for one in reader.first_of(found, path):
        try:
            networks.append(_docker_network(reader, one, bridges.get(one.id), path))
        except ParseError as error:  # in what it has of addresses: the others stand
            reader.note(error, path)
    return tuple(networks)


def _docker_network(reader: KeptReader, record: _DockerNetwork, bridge: str | None, path: str) -> KeptNetwork:
    pools = [
        parse_json(_pool_decoder, pool.data.encode(), path)
        for info in (record.ipam_v4_info, record.ipam_v6_info)
        if info
        for pool in parse_json(_pools_decoder, info.encode(), path) or ()
        if pool.data
    ]
    return KeptNetwork(
        engine=EngineName.DOCKER,
        owner_uid=reader.owner or 0,
        store=path,
        source=path,
        created_at=record.created,
        labels=record.labels or {},
        id=record.id,
        name=record.name,
        driver=record.network_type or None,
        subnets=tuple(pool.pool for pool in pools if pool.pool),
        gateways=tuple(pool.gateway.partition("/")[0] for pool in pools if pool.gateway),
        bridge=bridge or None,
        is_internal=record.internal,
    )


def read_podman_networks(reader: KeptReader, graphroot: str) -> tuple[KeptNetwork, ...]:
    """Networks of the reader's owner, whose store that is: those that have a file, and the one that is built in."""
    directory = f"{graphroot}/networks" if reader.owner else "/etc/containers/networks"
    found: list[KeptNetwork] = []
    for path, record in reader.parsed(directory, partial(parse_json, _podman_decoder), ".json"):
        subnets = record.subnets or ()
        found.append(
            KeptNetwork(
                engine=EngineName.PODMAN,
                owner_uid=reader.owner or 0,
                store=directory,
                source=path,
                created_at=record.created,
                labels=record.labels or {},
                id=record.id,
                name=record.name,
                driver=record.driver or None,
                subnets=tuple(one.subnet for one in subnets if one.subnet),
                gateways=tuple(one.gateway for one in subnets if one.gateway),
                # The interface of a macvlan network is the one that it lies on.
                bridge=(record.network_interface or None) if record.driver == "bridge" else None,
                is_internal=record.internal,
            )
        )
    if not any(one.name == _BUILT_IN for one in found):
        source = f"built into Podman: {directory} has no {_BUILT_IN}.json"
        found.insert(
            0,
            KeptNetwork(
                engine=EngineName.PODMAN,
                owner_uid=reader.owner or 0,
                store=directory,
                source=source,
                id="",
                name=_BUILT_IN,
                driver="bridge",
                bridge="podman0",
            ),
        )
    return tuple(found)


def read_cni_networks(reader: KeptReader) -> tuple[KeptNetwork, ...]:
    """Networks of CNI's configuration."""
    found = []
    directory = cni_configuration.DIRECTORY
    for path, record in reader.parsed(directory, cni_configuration.parse_cni_configuration, *cni_configuration.ENDINGS):
        # Others only add to what the one that makes the bridge did, or the first where none does.
        plugin = next((one for one in record.chain if one.bridge_name), record.chain[0])
        found.append(
            KeptNetwork(
                engine=None,
                store=directory,
                source=path,
                id="",
                name=record.name,
                driver=plugin.type or None,
                subnets=tuple(one.subnet for one in plugin.ranges if one.subnet),
                gateways=tuple(one.gateway for one in plugin.ranges if one.gateway),
                bridge=plugin.bridge_name or None,
            )
        )
    return tuple(found)
