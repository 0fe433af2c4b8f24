"""What containerd's Kubernetes part (CRI) says of a container: its pod, name, image, log and exit.

*Source:* containerd internal/cri/annotations; internal/cri/store/{container,sandbox}/metadata.go (extensions in ``meta.db``);
internal/cri/store/container/status.go (``ROOT/io.containerd.grpc.v1.cri/containers/ID/status``).
*Versions:* annotation ``io.kubernetes.cri.sandbox-uid`` since 1.6; the directory keeps its 1.x name in 2.x.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from ctrscope.engines.state_file import parse_json
from ctrscope.model.container import ContainerStatus, Pod, Port
from ctrscope.model.timestamp import rfc3339_ns

_KIND = "io.cri-containerd.kind"
_EXTENSIONS = ("io.cri-containerd.container.metadata", "io.cri-containerd.sandbox.metadata")
_PROTOCOLS = ("tcp", "udp", "sctp")


class _Name(msgspec.Struct):
    attempt: int = 0


class _PortMapping(msgspec.Struct):
    protocol: int = 0
    container_port: int = 0
    host_port: int = 0
    host_ip: str = ""


class _Config(msgspec.Struct):
    metadata: _Name = msgspec.field(default_factory=_Name)
    port_mappings: list[_PortMapping] | None = None


class _Metadata(msgspec.Struct, rename="pascal"):
    config: _Config = msgspec.field(default_factory=_Config)
    image_ref: str = ""
    log_path: str = ""


class _Versioned(msgspec.Struct, rename="pascal"):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Status(msgspec.Struct, rename="pascal"):
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    reason: str = ""


_metadata_decoder = msgspec.json.Decoder(_Versioned)
_status_decoder = msgspec.json.Decoder(_Status)


def is_cri(described: Mapping[str, str]) -> bool:
    """Whether annotations or labels are those of Kubernetes."""
    return "io.kubernetes.cri.container-type" in described or _KIND in described or "io.kubernetes.pod.name" in described


def pod_fields(described: Mapping[str, str]) -> dict[str, Any]:
    """Fields of a Record from annotations and labels taken together."""
    kind = described.get("io.kubernetes.cri.container-type") or described.get(_KIND)
    is_sandbox = kind == "sandbox"
    pod = Pod(
        name=described.get("io.kubernetes.cri.sandbox-name") or described.get("io.kubernetes.pod.name"),
        namespace=described.get("io.kubernetes.cri.sandbox-namespace") or described.get("io.kubernetes.pod.namespace"),
        uid=described.get("io.kubernetes.cri.sandbox-uid") or described.get("io.kubernetes.pod.uid"),
        sandbox_id=described.get("io.kubernetes.cri.sandbox-id"),
    )
    name = described.get("io.kubernetes.cri.container-name") or described.get("io.kubernetes.container.name")
    fields: dict[str, Any] = {"pod": pod, "is_sandbox": is_sandbox}
    if is_sandbox:
        name = pod.name
    if name:
        fields["name"] = name
    if image := described.get("io.kubernetes.cri.image-name"):
        fields["image"] = image
    return fields


def metadata_fields(extensions: Mapping[str, bytes], source: str) -> dict[str, Any]:
    """Fields of a Record from the CRI extension in ``meta.db``. Errors: ParseError."""
    text = next((extensions[name] for name in _EXTENSIONS if name in extensions), None)
    if text is None:
        return {}
    metadata = parse_json(_metadata_decoder, text, source).metadata
    ports = tuple(
        Port(
            proto=_PROTOCOLS[mapping.protocol] if mapping.protocol in range(3) else str(mapping.protocol),
            host_ip=mapping.host_ip,
            host_port=mapping.host_port,
            container_ip=None,
            container_port=mapping.container_port,
        )
        for mapping in metadata.config.port_mappings or ()
        if mapping.host_port
    )
    return {
        "restart_count": metadata.config.metadata.attempt,
        "ports": ports,
        **({"image_id": metadata.image_ref} if metadata.image_ref else {}),
        **({"log_path": metadata.log_path} if metadata.log_path else {}),
    }


def parse_status(text: bytes, source: str) -> dict[str, Any]:
    """Fields of a Record from a container's ``status`` file. Errors: ParseError."""
    status = parse_json(_status_decoder, text, source)
    started_at, finished_at = (rfc3339_ns(moment) if moment else None for moment in (status.started_at, status.finished_at))
    claimed = ContainerStatus.STOPPED if finished_at else ContainerStatus.RUNNING if started_at else ContainerStatus.CREATED
    return {
        "started_at": started_at,
        "finished_at": finished_at,
        "exit_code": status.exit_code if finished_at else None,
        "oom_killed": status.reason == "OOMKilled" if finished_at else None,
        "status": claimed,
    }
