"""What engines say of their containers, in one shape to compare with: pure, from the text of their own commands."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ctrscope.model.container import Container, ContainerStatus, EngineName

Json = dict[str, Any]


class Words(NamedTuple):
    """One container in the words of its engine. *said* has only what the engine does say."""

    engine: EngineName
    id: str
    said: Mapping[str, object]
    namespace: str | None = None
    owner_uid: int | None = 0

    @property
    def label(self) -> str:
        """How a failure names it."""
        return f"{self.engine} {self.namespace or ''} {self.said.get('name', self.id)}"


def differences(words: Iterable[Words], containers: Iterable[Container], engine: EngineName) -> list[str]:
    """Where *containers* of one engine are not what that engine says: missing, too many, or a field that is not equal."""
    wanted = {_key(said.namespace, said.owner_uid, said.id): said for said in words}
    found: dict[object, Container] = {}
    lines = []
    for container in containers:
        if container.engine != engine:
            continue
        key = _key(container.engine_namespace, container.owner_uid, _id(container))
        if key in found:
            lines.append(f"twice: {container.key} {container.name}")
        found[key] = container
    lines += [f"missing: {said.label}" for key, said in wanted.items() if key not in found]
    lines += [f"not known to the engine: {other.key} {other.name}" for key, other in found.items() if key not in wanted]
    for key, said in wanted.items():
        if key in found:
            for field, value in said.said.items():
                if (ours := _ours(found[key], field)) != value:
                    lines.append(f"{said.label}: {field} is {ours!r}, the engine says {value!r}")
    return lines


def docker_words(inspect: Iterable[Json]) -> list[Words]:
    """`docker inspect`."""
    found = []
    for container in inspect:
        state, network = container["State"], container["NetworkSettings"]
        said: dict[str, object] = {
            "name": container["Name"].removeprefix("/"),
            "status": _DOCKER_STATUS[state["Status"]],
            "pid": state["Pid"] or None,
            "image": container["Config"]["Image"],
            "image_id": container["Image"],
            "command": (container["Path"], *container["Args"]),
            "created": instant(container["Created"]),
            "log_path": container["LogPath"] or None,
        }
        if state["Status"] == "exited":
            said["exit_code"] = state["ExitCode"]
        if state["Pid"]:
            said["ports"] = _docker_ports(network["Ports"])
            said["started"] = instant(state["StartedAt"])
            if not container["HostConfig"]["NetworkMode"].startswith(("container:", "host")):
                said["addresses"] = _docker_addresses(network["Networks"])
        found.append(Words(EngineName.DOCKER, container["Id"], said))
    return found


def podman_words(inspect: Iterable[Json], *, owner_uid: int = 0) -> list[Words]:
    """`podman container inspect`."""
    found = []
    for container in inspect:
        state, network = container["State"], container["NetworkSettings"]
        said: dict[str, object] = {
            "name": container["Name"],
            "status": _PODMAN_STATUS[state["Status"]],
            "pid": state["Pid"] or None,
            "image": container["ImageName"],
            "image_id": container["Image"],
            "command": (container["Path"], *container["Args"]),
            "created": instant(container["Created"]),
            "runtime": container["OCIRuntime"],
        }
        if state["Status"] == "exited":
            said["exit_code"] = state["ExitCode"]
        if container["Pod"]:
            said["pod_uid"] = container["Pod"]
            said["is_sandbox"] = container["IsInfra"]
        if state["Pid"]:
            said["cgroup"] = state["CgroupPath"]
            said["monitor"] = (state["ConmonPid"], "conmon", True)
            said["ports"] = _docker_ports(network["Ports"])
            if container["HostConfig"]["NetworkMode"] == "bridge" and network.get("Networks"):
                said["addresses"] = _docker_addresses(network["Networks"])
        found.append(Words(EngineName.PODMAN, container["Id"], said, owner_uid=owner_uid))
    return found


def ctr_words(namespace: str, infos: Iterable[Json], tasks: str) -> list[Words]:
    """`ctr container info` of each container of a namespace, and `ctr task ls` of it."""
    states = {fields[0]: (int(fields[1]), fields[2]) for line in tasks.splitlines()[1:] if len(fields := line.split()) == 3}
    found = []
    for info in infos:
        pid, state = states.get(info["ID"], (None, "CREATED"))
        said: dict[str, object] = {
            "status": ContainerStatus(state.lower()),
            "pid": pid if state in ("RUNNING", "PAUSED") else None,
            "image": info["Image"],
            "runtime": info["Runtime"]["Name"],
            "created": instant(info["CreatedAt"]),
            "command": tuple(info["Spec"]["process"]["args"]),
        }
        cgroup = info["Spec"]["linux"].get("cgroupsPath", "")
        if said["pid"] is not None and cgroup.startswith("/"):
            said["cgroup"] = cgroup
        if namespace != "k8s.io":
            said["name"] = info["ID"]
        found.append(Words(EngineName.CONTAINERD, info["ID"], said, namespace=namespace))
    return found


def cri_words(words: Iterable[Words], pods: Iterable[Json], containers: Iterable[Json]) -> list[Words]:
    """What CRI says on top of ``ctr_words`` of its namespace."""
    known = {said.id: said for said in words}
    sandboxes = {pod["id"]: pod for pod in pods}
    for pod in sandboxes.values():
        more: dict[str, object] = {"name": pod["name"], "is_sandbox": True, "pod": _pod(pod)}
        if pod["ip"]:
            more["ips"] = frozenset({pod["ip"]})
        _add(known, pod["id"], more)
    for container in containers:
        more = {
            "name": container["name"],
            "is_sandbox": False,
            "pod": _pod(sandboxes[container["pod_id"]]),
            "status": _CRI_STATUS[container["state"]],
            "log_path": container["log_path"],
        }
        if container["state"] == 2:
            more["exit_code"] = container["exit_code"]
        _add(known, container["id"], more)
    return list(known.values())


def oci_words(listing: Iterable[Json], engine: EngineName, *, without: Iterable[str] = ()) -> list[Words]:
    """`runc list -f json` or `crun list -f json`, *without* those that another engine has."""
    driven = frozenset(without)
    found = []
    for container in listing:
        if container["id"] in driven:
            continue
        status = ContainerStatus(container["status"])
        said: dict[str, object] = {
            "name": container["id"],
            "status": status,
            "pid": container["pid"] or None,
            "bundle": container["bundle"],
            "created": instant(container["created"]),
        }
        found.append(Words(engine, container["id"], said))
    return found


def lxc_words(info: str) -> Words:
    """`lxc-info -n NAME`."""
    lines = [(key.strip(), value.strip()) for line in info.splitlines() for key, _, value in [line.partition(":")]]
    fields = dict(lines)
    said: dict[str, object] = {"status": _LXC_STATUS[fields["State"]], "pid": int(fields["PID"]) if "PID" in fields else None}
    if addresses := frozenset(value for key, value in lines if key == "IP"):
        said["ips"] = addresses
    return Words(EngineName.LXC, fields["Name"], said)


def nspawn_words(name: str, leader: int) -> Words:
    """A machine, by name and the PID of its leader."""
    said = {"name": name, "pid": leader, "status": ContainerStatus.RUNNING}
    return Words(EngineName.NSPAWN, name, said)


def instant(text: str) -> datetime:
    """A moment to the microsecond."""
    return datetime.fromisoformat(text).replace(tzinfo=None)


_DOCKER_STATUS = {
    "created": ContainerStatus.CREATED,
    "running": ContainerStatus.RUNNING,
    "paused": ContainerStatus.PAUSED,
    "exited": ContainerStatus.STOPPED,
}
_PODMAN_STATUS = {
    **_DOCKER_STATUS,
    "configured": ContainerStatus.CREATED,
    "initialized": ContainerStatus.CREATED,
    "stopped": ContainerStatus.STOPPED,  # until what it left is cleaned up
}
_CRI_STATUS = {0: ContainerStatus.CREATED, 1: ContainerStatus.RUNNING, 2: ContainerStatus.STOPPED}
_LXC_STATUS = {"RUNNING": ContainerStatus.RUNNING, "FROZEN": ContainerStatus.PAUSED, "STOPPED": ContainerStatus.STOPPED}


def _key(namespace: str | None, owner_uid: int | None, identity: str) -> tuple[str | None, int | None, str]:
    return namespace, owner_uid, identity


def _id(container: Container) -> str:
    # A machine has no id that it could not be without: machined makes one up, nspawn alone has only the name.
    return container.name if container.engine in (EngineName.NSPAWN, EngineName.LXC) else container.id


def _ours(container: Container, field: str) -> object:
    match field:
        case "created":
            return instant(container.created_at) if container.created_at is not None else None
        case "started":
            return instant(container.started_at) if container.started_at is not None else None
        case "cgroup":
            return container.cgroup.path if container.cgroup is not None else None
        case "ports":
            return frozenset(
                (port.proto, port.host_ip or "0.0.0.0", port.host_port, port.container_port) for port in container.ports
            )
        case "addresses":
            return frozenset(address for address in container.addresses if not address.startswith("fe80:"))
        case "ips":
            return frozenset(address.partition("/")[0] for address in container.addresses if not address.startswith("fe80:"))
        case "monitor":
            monitor = container.monitor
            return (monitor.pid, monitor.comm, monitor.alive) if monitor is not None else None
        case "pod":
            pod = container.pod
            return (pod.name, pod.namespace, pod.uid, pod.sandbox_id) if pod is not None else None
        case "pod_uid":
            return container.pod.uid if container.pod is not None else None
        case _:
            return getattr(container, field)


def _docker_ports(ports: Mapping[str, list[dict[str, str]] | None] | None) -> frozenset[tuple[str, str, int, int]]:
    return frozenset(
        (key.partition("/")[2], binding["HostIp"] or "0.0.0.0", int(binding["HostPort"]), int(key.partition("/")[0]))
        for key, bindings in (ports or {}).items()
        for binding in bindings or ()
    )


def _docker_addresses(networks: Mapping[str, Json]) -> frozenset[str]:
    return frozenset(
        f"{network[address]}/{network[length]}"
        for network in networks.values()
        for address, length in (("IPAddress", "IPPrefixLen"), ("GlobalIPv6Address", "GlobalIPv6PrefixLen"))
        if network[address]
    )


def _pod(pod: Json) -> tuple[str, str, str, str]:
    return pod["name"], pod["namespace"], pod["uid"], pod["id"]


def _add(known: dict[str, Words], identity: str, more: Mapping[str, object]) -> None:
    known[identity] = known[identity]._replace(said={**known[identity].said, **more})
