"""What nerdctl notes on a containerd container: name, networks, ports, log; labels that are annotations as well.

*Source:* nerdctl pkg/labels/labels.go and docs/dir.md; go-cni PortMapping.
*Shape:* ``nerdctl/name``, ``nerdctl/networks`` (``["bridge"]``), ``nerdctl/ports``
(``[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":"0.0.0.0"}]``), ``nerdctl/state-dir``.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from ctrscope.engines.state_file import check_path, parse_json
from ctrscope.model.container import Port


class _PortMapping(msgspec.Struct):
    host_port: int = msgspec.field(name="HostPort", default=0)
    container_port: int = msgspec.field(name="ContainerPort", default=0)
    protocol: str = msgspec.field(name="Protocol", default="tcp")
    host_ip: str = msgspec.field(name="HostIP", default="")


_networks_decoder = msgspec.json.Decoder(tuple[str, ...])
_ports_decoder = msgspec.json.Decoder(list[_PortMapping])


def nerdctl_fields(described: Mapping[str, str], container_id: str) -> dict[str, Any]:
    """Fields of a Record from annotations and labels taken together. Errors: ParseError."""
    fields: dict[str, Any] = {}
    if name := described.get("nerdctl/name"):
        fields["name"] = name
    if networks := described.get("nerdctl/networks"):
        fields["networks"] = parse_json(_networks_decoder, _bytes(networks), "nerdctl/networks")
    if ports := described.get("nerdctl/ports"):
        fields["ports"] = tuple(
            Port(
                proto=port.protocol,
                host_ip=port.host_ip,
                host_port=port.host_port,
                container_ip=None,
                container_port=port.container_port,
            )
            for port in parse_json(_ports_decoder, _bytes(ports), "nerdctl/ports")
        )
    if state_dir := described.get("nerdctl/state-dir"):
        fields["log_path"] = f"{check_path(state_dir, 'nerdctl/state-dir')}/{container_id}-json.log"
    return fields


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
