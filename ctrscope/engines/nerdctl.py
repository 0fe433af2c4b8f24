"""What nerdctl notes on a containerd container: name, networks, ports, log; labels that are annotations as well.

*Source:* nerdctl pkg/labels/labels.go, pkg/netutil/networkstore and docs/dir.md; go-cni PortMapping.
*Shape:* ``nerdctl/name``, ``nerdctl/networks`` (``["bridge"]``), ``nerdctl/ports``
(``[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":"0.0.0.0"}]``), ``nerdctl/state-dir``.
*Versions:* since 2.1.3 the ports are in ``network-config.json`` of the state directory: labels have an end.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ctrscope.engines.state_file import check_path, parse_json
from ctrscope.model.container import Port
from ctrscope.probes.hostfs import HostFs


class _PortMapping(msgspec.Struct):
    host_port: int = msgspec.field(name="HostPort", default=0)
    container_port: int = msgspec.field(name="ContainerPort", default=0)
    protocol: str = msgspec.field(name="Protocol", default="tcp")
    host_ip: str = msgspec.field(name="HostIP", default="")


class _NetworkConfig(msgspec.Struct, rename="camel"):
    port_mappings: list[_PortMapping] | None = None


_networks_decoder = msgspec.json.Decoder(tuple[str, ...])
_ports_decoder = msgspec.json.Decoder(list[_PortMapping])
_network_config_decoder = msgspec.json.Decoder(_NetworkConfig)


def nerdctl_fields(described: Mapping[str, str], container_id: str) -> dict[str, Any]:
    """Fields of a Record from annotations and labels taken together. Errors: ParseError."""
    fields: dict[str, Any] = {}
    if name := described.get("nerdctl/name"):
        fields["name"] = name
    if networks := described.get("nerdctl/networks"):
        fields["networks"] = parse_json(_networks_decoder, _bytes(networks), "nerdctl/networks")
    if ports := described.get("nerdctl/ports"):
        mappings = parse_json(_ports_decoder, _bytes(ports), "nerdctl/ports")
        fields["ports"] = _ports(mappings)
    if state_dir := described.get("nerdctl/state-dir"):
        fields["log_path"] = f"{check_path(state_dir, 'nerdctl/state-dir')}/{container_id}-json.log"
    return fields


def network_config_file(described: Mapping[str, str]) -> str | None:
    """Where the ports are written; None without a state directory. Errors: ParseError."""
    state_dir = described.get("nerdctl/state-dir")
    return f"{check_path(state_dir, 'nerdctl/state-dir')}/network-config.json" if state_dir else None


def read_ports(host: HostFs, path: str, owner: int | None) -> tuple[Port, ...]:
    """Published ports of ``network-config.json``. Errors: OSError as from ``HostFs.read``; ParseError."""
    return _ports(parse_json(_network_config_decoder, host.read(path, owner=owner), path).port_mappings or ())


def _ports(mappings: Iterable[_PortMapping]) -> tuple[Port, ...]:
    return tuple(
        Port(
            proto=port.protocol,
            host_ip=port.host_ip,
            host_port=port.host_port,
            container_ip=None,
            container_port=port.container_port,
        )
        for port in mappings
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
