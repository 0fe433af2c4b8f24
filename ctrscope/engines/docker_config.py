"""The two files that Docker keeps of a container, as the parts of a Record.

*Source:* moby daemon/container/container.go and state.go (``config.v2.json``), api/types/container/hostconfig.go
(``hostconfig.json``).
*Shape:* ``{"State": {"Running": true, "Pid": 1154, …}, "ID": "07a7…", "Path": "sh", "Args": […], "Name": "/d-web", …}``.
Docker writes the year 1 for "never".
"""

from typing import Any

import msgspec

from ctrscope.engines.health import Health
from ctrscope.engines.state_file import parse_json
from ctrscope.model.container import ContainerStatus, Port

_NEVER = "0001-01-01T00:00:00Z"


class State(msgspec.Struct, rename="pascal"):
    """``State``."""

    health: Health | None = None
    running: bool = False
    paused: bool = False
    restarting: bool = False
    dead: bool = False
    oom_killed: bool | None = msgspec.field(name="OOMKilled", default=None)
    pid: int = 0
    exit_code: int = 0
    started_at: str | None = None
    finished_at: str | None = None


class AskedFor(msgspec.Struct, rename="pascal"):
    """``Config``."""

    image: str | None = None
    labels: dict[str, str] | None = None


class Endpoint(msgspec.Struct):
    """One of ``NetworkSettings.Networks``."""

    ip: str = msgspec.field(name="IPAddress", default="")
    prefix: int = msgspec.field(name="IPPrefixLen", default=0)
    ipv6: str = msgspec.field(name="GlobalIPv6Address", default="")
    ipv6_prefix: int = msgspec.field(name="GlobalIPv6PrefixLen", default=0)


class Binding(msgspec.Struct, rename="pascal"):
    """A host address of a published port."""

    host_ip: str = ""
    host_port: str = ""


#: ``{"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "443/tcp": null}``; null: exposed, not published.
PortMap = dict[str, list[Binding] | None]


class NetworkSettings(msgspec.Struct, rename="pascal"):
    """``NetworkSettings``."""

    networks: dict[str, Endpoint | None] | None = None
    ports: PortMap | None = None


class ContainerConfig(msgspec.Struct, rename="pascal"):
    """``config.v2.json``."""

    id: str = msgspec.field(name="ID")
    state: State = msgspec.field(default_factory=State)
    name: str = ""
    created: str | None = None
    path: str = ""
    args: list[str] | None = None
    config: AskedFor = msgspec.field(default_factory=AskedFor)
    image: str | None = None
    network_settings: NetworkSettings | None = None
    log_path: str | None = None
    driver: str | None = None
    restart_count: int | None = None


class HostConfig(msgspec.Struct, rename="pascal"):
    """``hostconfig.json``."""

    runtime: str | None = None
    port_bindings: PortMap | None = None


class _Environment(msgspec.Struct, rename="pascal"):
    env: list[str] | None = None


class _ConfigWithEnvironment(msgspec.Struct, rename="pascal"):
    config: _Environment = msgspec.field(default_factory=_Environment)


_config_decoder = msgspec.json.Decoder(ContainerConfig)
_host_config_decoder = msgspec.json.Decoder(HostConfig)


def parse_config(text: bytes, path: str) -> ContainerConfig:
    """Parse ``config.v2.json``. Errors: ParseError."""
    return parse_json(_config_decoder, text, path)


def parse_host_config(text: bytes, path: str) -> HostConfig:
    """Parse ``hostconfig.json``. Errors: ParseError."""
    return parse_json(_host_config_decoder, text, path)


def parse_environment(text: bytes, path: str) -> list[str]:
    """``Config.Env`` of ``config.v2.json``: strings ``NAME=value``. Errors: ParseError."""
    decoder = msgspec.json.Decoder(_ConfigWithEnvironment)  # made here: one container at a time is asked for it
    return parse_json(decoder, text, path).config.env or []


def declared_fields(config: ContainerConfig, host_config: HostConfig | None) -> dict[str, Any]:
    """Fields of a Record that the two files hold; those that need the runtime's state or another file are not among them."""
    state = config.state
    labels = config.config.labels or {}
    status = claimed_status(state)
    settings = config.network_settings or NetworkSettings()
    running = status in (ContainerStatus.RUNNING, ContainerStatus.PAUSED)
    ports = settings.ports if running else host_config.port_bindings if host_config is not None else None
    return {
        "name": config.name.removeprefix("/") or config.id,
        "status": status,
        "pid": state.pid or None,
        "created_at": _moment(config.created),
        "started_at": _moment(state.started_at),
        "finished_at": _moment(state.finished_at),
        "exit_code": state.exit_code if status is ContainerStatus.STOPPED else None,
        "oom_killed": state.oom_killed,
        "image": config.config.image,
        "image_id": config.image,
        "command": (config.path, *(config.args or ())) if config.path else None,
        "runtime": host_config.runtime or None if host_config is not None else None,
        "labels": labels,
        "group": labels.get("com.docker.compose.project"),
        "ports": tuple(parse_ports(ports or {})),
        "addresses": _addresses(settings) if running else (),
        "networks": tuple(settings.networks or ()),
        "log_path": config.log_path or None,
        "restart_count": config.restart_count,
        "health": state.health.word if running and state.health is not None else None,
    }


def claimed_status(state: State) -> ContainerStatus:
    """What the state says, in the words of the OCI runtime specification."""
    if state.restarting:
        # Docker calls it running as well; between two attempts there is no process.
        return ContainerStatus.STOPPED
    if state.running:
        return ContainerStatus.PAUSED if state.paused else ContainerStatus.RUNNING
    return ContainerStatus.STOPPED if state.dead or _moment(state.started_at) else ContainerStatus.CREATED


def parse_ports(ports: PortMap) -> list[Port]:
    """Published ports of a port map."""
    found = []
    for inside, bindings in ports.items():
        number, _, proto = inside.partition("/")
        for binding in bindings or ():
            port = Port(
                proto=proto or "tcp",
                host_ip=binding.host_ip,
                host_port=_number(binding.host_port),  # "" and "8000-8010": Docker picks one at start
                container_ip=None,
                container_port=_number(number),
            )
            found.append(port)
    return found


def _addresses(settings: NetworkSettings) -> tuple[str, ...]:
    endpoints = [endpoint for endpoint in (settings.networks or {}).values() if endpoint is not None]
    pairs = [(end.ip, end.prefix) for end in endpoints] + [(end.ipv6, end.ipv6_prefix) for end in endpoints]
    return tuple(f"{address}/{prefix}" for address, prefix in pairs if address)


def _moment(text: str | None) -> str | None:
    return None if not text or text == _NEVER else text


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else None
