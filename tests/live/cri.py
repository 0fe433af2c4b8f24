"""A client of containerd's CRI, as small as the tests need it: gRPC over curl, messages encoded by hand.

Debian has no crictl. *Source:* ``runtime.v1`` of the Kubernetes CRI (api.proto), whose field numbers stand below.
"""

import json
from typing import Any

from tests.live.image import NAME
from tests.live.machine import LAB, CommandFailedError, run

SOCKET = "/run/containerd/containerd.sock"
BRIDGE = "cs-cni0"

Field = tuple[int, "str | bytes | int | list[Field]"]

#: Pod name → the container in it. Both in namespace shop; the second has no container that runs.
PODS = {"web-0": "app", "job-1": "once"}


def is_ours() -> bool:
    """Whether the tests started this containerd; another may have no CRI."""
    return (LAB / "cni").exists()


def write_cni() -> None:
    """A bridge for pods."""
    (LAB / "cni").mkdir(exist_ok=True)
    plugin = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": False,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.99.7.0/24"}]], "dataDir": str(LAB / "cni-ipam")},
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    text = json.dumps({"cniVersion": "0.4.0", "name": "cs-pods", "plugins": [plugin, portmap]})
    (LAB / "cni/10-cs.conflist").write_text(text)


def start() -> None:
    """Start two pods with one container each; the container of the second has ended."""
    for name, container in PODS.items():
        config = _pod_config(name)
        pod = _text(_call("RunPodSandbox", [(1, config)]), 1)
        command = ["/bin/sleep", "100000"] if container == "app" else ["/bin/sh", "-c", "exit 9"]
        resources: list[Field] = [(1, 100_000), (2, 50_000), (4, 64 << 20)]
        created = _call(
            "CreateContainer",
            [
                (1, pod),
                (2, [(1, [(1, container)]), (2, [(1, NAME)]), *((3, word) for word in command), (11, f"{container}/0.log"),
                     (9, [(1, "io.kubernetes.container.name"), (2, container)]), (15, [(1, resources)])]),
                (3, config),
            ],
        )  # fmt: skip
        _call("StartContainer", [(1, _text(created, 1))])


def start_pod(name: str) -> str:
    """A pod of a test's own, without a container; returns its id."""
    return _text(_call("RunPodSandbox", [(1, _pod_config(name))]), 1)


def start_attempt(pod: str, name: str, attempt: int, script: str) -> str:
    """Start an attempt of the container ``job`` in a pod of that name, as kubelet does; returns its id."""
    config: list[Field] = [
        (1, [(1, "job"), (2, attempt)]),
        (2, [(1, NAME)]),
        *((3, word) for word in ("/bin/sh", "-c", script)),
        (9, [(1, "io.kubernetes.container.name"), (2, "job")]),
        (11, f"job/{attempt}.log"),
    ]
    created = _text(_call("CreateContainer", [(1, pod), (2, config), (3, _pod_config(name))]), 1)
    _call("StartContainer", [(1, created)])
    return created


def remove_pod(pod: str) -> None:
    """Stop and remove one, with its containers. Their logs stay: kubelet would remove those."""
    _call("StopPodSandbox", [(1, pod)])
    _call("RemovePodSandbox", [(1, pod)])


def remove_pods() -> None:
    """Stop and remove the pods that the tests made."""
    for item in _fields(_call("ListPodSandbox", [])):
        if item[0] == 1 and isinstance(item[1], bytes):
            metadata = _bytes(item[1], 2)
            if _text(metadata, 1) in PODS and _text(metadata, 3) == "shop":
                remove_pod(_text(item[1], 1))


def containers() -> list[dict[str, Any]]:
    """Every container of every pod, as ``ContainerStatus`` with ``verbose`` says: id, name, state, and its ``info``."""
    found = []
    for number, item in _fields(_call("ListContainers", [])):
        if number == 1 and isinstance(item, bytes):
            answer = _call("ContainerStatus", [(1, _text(item, 1)), (2, 1)])
            status = _bytes(answer, 1)
            found.append(
                {
                    "id": _text(status, 1),
                    "name": _text(_bytes(status, 2), 1),
                    "state": _number(status, 3),  # 0 created, 1 running, 2 exited
                    "created": _number(status, 4),
                    "exit_code": _number(status, 7),
                    "image": _text(_bytes(status, 8), 1),
                    "log_path": _text(status, 15),
                    "pod_id": _text(item, 2),
                    "info": json.loads(_text(_bytes(answer, 2), 2)),
                }
            )
    return found


def pods() -> list[dict[str, Any]]:
    """Every pod sandbox, as ``PodSandboxStatus`` with ``verbose`` says."""
    found = []
    for number, item in _fields(_call("ListPodSandbox", [])):
        if number == 1 and isinstance(item, bytes):
            answer = _call("PodSandboxStatus", [(1, _text(item, 1)), (2, 1)])
            status = _bytes(answer, 1)
            metadata = _bytes(status, 2)
            found.append(
                {
                    "id": _text(status, 1),
                    "name": _text(metadata, 1),
                    "uid": _text(metadata, 2),
                    "namespace": _text(metadata, 3),
                    "state": _number(status, 3),  # 0 ready, 1 not ready
                    "created": _number(status, 4),
                    "ip": _text(_bytes(status, 5), 1),
                    "info": json.loads(_text(_bytes(answer, 2), 2)),
                }
            )
    return found


def _pod_config(name: str) -> list[Field]:
    metadata: list[Field] = [(1, name), (2, f"0a1b2c3d-{len(name):04d}-4e5f-8091-a2b3c4d5e6f7"), (3, "shop")]
    config: list[Field] = [
        (1, metadata),
        (2, name),
        (3, str(LAB / "pods" / name)),
        (6, [(1, "io.kubernetes.pod.name"), (2, name)]),
        (6, [(1, "io.kubernetes.pod.namespace"), (2, "shop")]),
        (8, [(1, f"/kubepods/burstable/pod-{name}")]),
    ]
    if name == "web-0":
        config.append((5, [(2, 80), (3, 38080), (4, "127.0.0.1")]))
    return config


def _call(method: str, message: list[Field]) -> bytes:
    """One unary call. Errors: CommandFailedError with the status of gRPC, which stands in the trailers."""
    body = _encode(message)
    request, answer, headers = LAB / "grpc.request", LAB / "grpc.answer", LAB / "grpc.headers"
    request.write_bytes(b"\0" + len(body).to_bytes(4, "big") + body)
    answer.write_bytes(b"")
    run(
        *("curl", "-sS", "--http2-prior-knowledge", "--unix-socket", SOCKET, "--max-time", "60"),
        *("-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary", f"@{request}"),
        *("-D", str(headers), "-o", str(answer), f"http://localhost/runtime.v1.RuntimeService/{method}"),
    )
    trailers = dict(line.split(": ", 1) for line in headers.read_text().splitlines() if ": " in line)
    if trailers.get("grpc-status") != "0":
        raise CommandFailedError(f"CRI {method}: {trailers.get('grpc-status')}: {trailers.get('grpc-message')}")
    return answer.read_bytes()[5:]


def _encode(message: list[Field]) -> bytes:
    parts = []
    for number, value in message:
        if isinstance(value, int):
            parts.append(_varint(number << 3) + _varint(value))
        else:
            content = value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else _encode(value)
            parts.append(_varint(number << 3 | 2) + _varint(len(content)) + content)
    return b"".join(parts)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _fields(message: bytes) -> list[tuple[int, bytes | int]]:
    found: list[tuple[int, bytes | int]] = []
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(message):
        tag = varint()
        if tag & 7 == 0:
            found.append((tag >> 3, varint()))
        else:
            length = varint()
            found.append((tag >> 3, message[position : position + length]))
            position += length
    return found


def _bytes(message: bytes, number: int) -> bytes:
    return next((value for found, value in _fields(message) if found == number and isinstance(value, bytes)), b"")


def _text(message: bytes, number: int) -> str:
    return _bytes(message, number).decode()


def _number(message: bytes, number: int) -> int:
    return next((value for found, value in _fields(message) if found == number and isinstance(value, int)), 0)
