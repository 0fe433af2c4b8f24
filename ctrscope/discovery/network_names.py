"""Which network a namespace and a bridge belong to, in the words of the engines that made them."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from ctrscope.engines.cni_results import read_cni_attachments
from ctrscope.engines.kept import KeptReader
from ctrscope.engines.networks import read_cni_networks, read_docker_networks, read_podman_networks
from ctrscope.model.container import EngineName
from ctrscope.model.gap import Gap, Reading
from ctrscope.model.network import Link, NetworkNamespace, NetworkTopology
from ctrscope.model.snapshot import Snapshot
from ctrscope.model.storage import KeptNetwork
from ctrscope.probes.hostfs import HostFs


class NetworkNames(NamedTuple):
    """Names of networks."""

    bridges: Mapping[str, tuple[str, ...]]  # "docker network shop" by name of the bridge in the host's network namespace
    containers: Mapping[str, tuple[str, ...]]  # by id of a container, or of a pod's sandbox


def read_network_names(hostfs: HostFs, snapshot: Snapshot) -> Reading[NetworkNames]:
    """What root's engines wrote down; users' engines make their bridges elsewhere. *Cost:* a few small files."""
    gaps: list[Gap] = []
    networks: list[KeptNetwork] = []

    def reader(engine: str) -> KeptReader:
        return KeptReader(hostfs, engine, None, gaps, "network_namespaces.networks")

    for engine in snapshot.engines:
        if engine.engine is EngineName.DOCKER and engine.found:
            for root in engine.state_roots:
                if not _is_of_a_user(root):
                    networks += read_docker_networks(reader(engine.engine), root)
        elif engine.engine is EngineName.PODMAN and engine.found:
            networks += read_podman_networks(reader(engine.engine), "/var/lib/containers/storage")
    networks += read_cni_networks(reader("cni"))
    named = [(one.bridge, f"{one.engine or 'cni'} network {one.name}") for one in networks if one.name and one.bridge]
    containers: dict[str, tuple[str, ...]] = {}
    for attachment in read_cni_attachments(reader("cni")):
        containers[attachment.container] = (*containers.get(attachment.container, ()), attachment.network)
        named += [(link, f"cni network {attachment.network}") for link in attachment.host_links]
    bridges: dict[str, tuple[str, ...]] = {}
    for bridge, name in dict.fromkeys(named):
        bridges[bridge] = (*bridges.get(bridge, ()), name)
    return Reading(NetworkNames(bridges, containers), tuple(gaps))


def with_network_names(topology: NetworkTopology, names: NetworkNames) -> NetworkTopology:
    """The topology with names: of namespaces in ``networks``, of bridges in ``details["network"]``."""
    return msgspec.structs.replace(
        topology, network_namespaces=tuple(_named(one, names) for one in topology.network_namespaces)
    )


def _named(namespace: NetworkNamespace, names: NetworkNames) -> NetworkNamespace:
    if namespace.is_initial:
        links = tuple(_named_link(link, names) for link in namespace.links)
        return msgspec.structs.replace(namespace, links=links)
    more = [name for container in namespace.containers for name in names.containers.get(container, ())]
    if not more:
        return namespace
    return msgspec.structs.replace(namespace, networks=tuple(dict.fromkeys((*namespace.networks, *more))))


def _named_link(link: Link, names: NetworkNames) -> Link:
    found = names.bridges.get(link.name, ()) if link.kind == "bridge" else ()
    if not found:
        return link
    return msgspec.structs.replace(link, details={**link.details, "network": ", ".join(found)})


def _is_of_a_user(root: str) -> bool:
    """Whether it lies where users' engines keep theirs; their networks are in other namespaces."""
    return root.startswith(("/home/", "/run/user/")) or "/.local/" in root
