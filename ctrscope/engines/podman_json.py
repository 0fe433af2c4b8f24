"""JSON that Podman stores for each container and pod, whichever database it is in.

*Source:* libpod ``container_config.go`` (ContainerConfig), ``container.go`` (ContainerState), ``pod.go``,
``define/containerstate.go``; common ``libnetwork/types``. Only the keys named here are looked at.
*Versions:* networks are ``orderedNetworks`` since Podman 6, ``newNetworks`` in 4 and 5. Podman 3 had names alone, and wrote
``portMappings`` and ``networkResults`` in the form of CNI.
"""

from typing import Any

import msgspec

from ctrscope.engines.oci_config import OciConfig
from ctrscope.model.container import ContainerStatus

#: define.ContainerStatus. 0 is "unknown", 7 "removing", 8 "stopping" (its processes still run).
STATUS = {
    1: ContainerStatus.CREATED,
    2: ContainerStatus.CREATED,
    3: ContainerStatus.RUNNING,
    4: ContainerStatus.STOPPED,
    5: ContainerStatus.PAUSED,
    6: ContainerStatus.STOPPED,
    7: ContainerStatus.STOPPED,
    8: ContainerStatus.RUNNING,
}


class PortMapping(msgspec.Struct):
    """A published port, or *range* of them."""

    host_ip: str = ""
    container_port: int = 0
    host_port: int = 0
    range: int = 1
    protocol: str = "tcp"


class CniPortMapping(msgspec.Struct):
    """A published port as Podman 3 wrote it."""

    host_port: int = msgspec.field(name="hostPort", default=0)
    container_port: int = msgspec.field(name="containerPort", default=0)
    protocol: str = "tcp"
    host_ip: str = msgspec.field(name="hostIP", default="")
    range: int = 1


class _NamedNetwork(msgspec.Struct):
    name: str


class ContainerConfig(msgspec.Struct, rename="camel"):
    """What the container was created as; libpod's ContainerConfig."""

    id: str
    name: str = ""
    pod: str = ""
    spec: OciConfig | None = None
    image_id: str = msgspec.field(name="rootfsImageID", default="")
    image_name: str = msgspec.field(name="rootfsImageName", default="")
    rootfs: str = ""
    command: list[str] | None = None
    entrypoint: list[str] | None = None
    labels: dict[str, str] | None = None
    created_time: str | None = None
    log_path: str = ""
    runtime: str = ""
    is_infra: bool = msgspec.field(name="pause", default=False)
    healthcheck: dict[str, Any] | None = None
    health_log_destination: str = ""
    network_of: str = msgspec.field(name="netNsCtr", default="")
    port_mappings: list[PortMapping] | None = msgspec.field(name="newPortMappings", default=None)
    cni_port_mappings: list[CniPortMapping] | None = msgspec.field(name="portMappings", default=None)
    ordered_networks: list[_NamedNetwork] | None = None
    networks: dict[str, Any] | None = msgspec.field(name="newNetworks", default=None)
    cni_networks: list[str] | None = msgspec.field(name="networks", default=None)

    @property
    def network_names(self) -> tuple[str, ...]:
        """Networks it was created in; BoltDB keeps them elsewhere."""
        named = [network.name for network in self.ordered_networks or ()]
        return (*named, *(self.networks or ()), *(self.cni_networks or ()))


class _Subnet(msgspec.Struct):
    ipnet: str = ""


class _Interface(msgspec.Struct):
    subnets: list[_Subnet] | None = None


class _NetworkStatus(msgspec.Struct):
    interfaces: dict[str, _Interface] | None = None


class _CniAddress(msgspec.Struct):
    address: str = ""


class CniResult(msgspec.Struct):
    """What a CNI plug-in answered; cni.dev specification, section 5."""

    ips: list[_CniAddress] | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """In CIDR form."""
        return tuple(address.address for address in self.ips or () if address.address)


class ContainerState(msgspec.Struct, rename="camel"):
    """How the container is, as Podman saw it last; libpod's ContainerState."""

    state: int = 0
    config_path: str = ""
    mount_point: str = ""
    run_dir: str = ""
    started_time: str | None = None
    finished_time: str | None = None
    exit_code: int = 0
    exited: bool = False
    oom_killed: bool = False
    pid: int = 0
    conmon_pid: int = 0
    restart_count: int = 0
    network_status: dict[str, _NetworkStatus] | None = None
    cni_results: list[CniResult] | None = msgspec.field(name="networkResults", default=None)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses that Podman gave it, in CIDR form."""
        found = [
            subnet.ipnet
            for network in (self.network_status or {}).values()
            for interface in (network.interfaces or {}).values()
            for subnet in interface.subnets or ()
            if subnet.ipnet
        ]
        return (*found, *(address for result in self.cni_results or () for address in result.addresses))


class PodConfig(msgspec.Struct):
    """What the pod was created as."""

    id: str
    name: str = ""


class PodState(msgspec.Struct):
    """How the pod is."""

    infra: str = msgspec.field(name="InfraContainerID", default="")


def real_time(text: str | None) -> str | None:
    """A time as Go writes it, or None for Go's zero time, which stands for never."""
    return None if text is None or text.startswith("0001-01-01T") else text
