"""A network for containers: a bridge of the launcher's own, an address each, and ports of the host that lead there.

What is to be is written to ``network.json`` in the directory of all containers before it is made, and everything that is made
follows from it: so whoever is killed, at whatever moment, the next one knows what to remove. With the last container all of it
goes. One at a time changes it: who holds the lock on that directory.
"""

import errno
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress

import msgspec

from ctrscope.model.container import Port
from ctrscope.model.value import Value
from ctrscope.oci.errors import LauncherError, step
from ctrscope.oci.state import held, write_whole

_FILE = "network.json"
_FORWARD = "/proc/sys/net/ipv4/ip_forward"
#: Where nobody is the first that is taken: private, and away from what engines and home routers choose.
_SUBNETS = (
    *(f"10.{number}.83.0/24" for number in range(213, 256)),
    *(f"172.{number}.83.0/24" for number in range(31, 15, -1)),
    *(f"192.168.{number}.0/24" for number in range(213, 256)),
)


class NetworkPlan(Value, frozen=True, kw_only=True):
    """What one container gets."""

    bridge: str
    link: str  # of the pair, the end on the host
    address: str  # "10.213.83.2/24"
    gateway: str
    ports: tuple[Port, ...] = ()


class _Network(Value, frozen=True, kw_only=True):
    """What there is to be, and what there was before."""

    bridge: str
    subnet: str
    containers: Mapping[str, NetworkPlan] = {}
    forwarding_was: str | None = None  # net.ipv4.ip_forward, where it was changed
    opened: tuple[tuple[str, str, str], ...] = ()  # chains of others that drop, which got a rule: family, table, name


def parse_port(text: str) -> Port:
    """``[[HOST_IP:]HOST_PORT:]PORT[/tcp|udp]``; without a host port a free one is taken. Errors: LauncherError."""
    from ipaddress import IPv4Address

    from ctrscope.model.reach import any_address

    rest, _, proto = text.partition("/")
    host, _, port = rest.rpartition(":")
    host_ip, _, host_port = host.rpartition(":")
    try:
        if host_ip:
            host_ip = str(IPv4Address(host_ip))
        numbers = [int(one) for one in (host_port or "0", port) if one.isascii()]
        if proto not in ("", "tcp", "udp") or not 0 <= numbers[0] < 65536 or not 0 < numbers[1] < 65536:
            raise ValueError
    except (ValueError, IndexError):
        wanted = "[[IPv4:]HOST_PORT:]PORT[/tcp|udp], 8080:80 for instance"
        raise LauncherError(f"-p {text!r}: expected {wanted}", status=2) from None
    return Port(
        proto=proto or "tcp",
        host_ip=any_address(host_ip),
        host_port=numbers[0] or None,
        container_ip=None,
        container_port=numbers[1],
    )


def plan_network(root: str, container_id: str, ports: Iterable[Port]) -> NetworkPlan:
    """Set an address and ports aside for a container, whose directory below *root* has to be there. Errors: LauncherError."""
    from ipaddress import IPv4Network

    from ctrscope.network.nat import find_nft

    find_nft()
    if os.geteuid() != 0:
        raise LauncherError("--net bridge needs root: use --net none or --net host")
    with held(root):
        network = _read(root) or _new_network()
        subnet = IPv4Network(network.subnet)
        taken = {plan.address.partition("/")[0] for plan in network.containers.values()}
        gateway, *others = subnet.hosts()
        address = next((one for one in others if str(one) not in taken), None)
        if address is None:
            raise LauncherError(f"every address of {subnet} on {network.bridge} is taken: remove a container")
        plan = NetworkPlan(
            bridge=network.bridge,
            link=f"{network.bridge}-{int(address) - int(gateway)}",
            address=f"{address}/{subnet.prefixlen}",
            gateway=str(gateway),
            ports=tuple(_take_port(port, str(address), network.containers) for port in ports),
        )
        _write(root, msgspec.structs.replace(network, containers={**network.containers, container_id: plan}))
        return plan


def connect(root: str, container_id: str, pid: int) -> tuple[str, ...]:
    """Make what was set aside; *pid* is a process in the container's network namespace.

    Shape: what was changed on this host besides, one sentence each. Errors: LauncherError; what was made until then is
    removed by ``disconnect``.
    """
    from ctrscope.network.links import configure, make_bridge, make_pair
    from ctrscope.network.nat import find_closed_legacy, find_dropping, open_chain, write_rules

    with held(root) as lock:
        network = _read(root)
        plan = network.containers.get(container_id) if network else None
        if network is None or plan is None:
            raise LauncherError(f"container {container_id} was removed while it was being made")
        make_bridge(plan.bridge, f"{plan.gateway}/{plan.address.partition('/')[2]}")
        _write_sysctl(f"/proc/sys/net/ipv4/conf/{plan.bridge}/route_localnet", "1")
        make_pair(plan.link, plan.bridge, plan.address, pid)
        configure(pid, plan.address, plan.gateway)
        said = []
        dropping = find_dropping()
        with open(_FORWARD, "rb") as file:
            forwards = file.read().strip() != b"0"
        if not forwards:
            network = msgspec.structs.replace(network, forwarding_was="0")
            said.append(f"net.ipv4.ip_forward is 1 now, and 0 again once no container is on {plan.bridge}")
        for chain in dropping:
            if chain not in network.opened:
                network = msgspec.structs.replace(network, opened=(*network.opened, chain))
                said.append(
                    f"{' '.join(chain)} drops what it does not name: it has rules for {plan.bridge} until no container is on it"
                )
        if closed := find_closed_legacy(plan.bridge):
            said.append(closed)
        _write(root, network)
        if network.forwarding_was is not None:
            _write_sysctl(_FORWARD, "1")
        for chain in dropping:
            open_chain(plan.bridge, chain, lock)
        write_rules(plan.bridge, network.subnet, _ports(network), lock)
        return tuple(said)


def disconnect(root: str, container_id: str) -> None:
    """Remove what is there of a container's network, and with the last one all of it. Errors: LauncherError."""
    if not os.path.exists(f"{root}/{_FILE}"):
        return
    with held(root) as lock:
        before = _read(root)
        if before is None:
            return
        left = {key: plan for key, plan in before.containers.items() if key != container_id and os.path.isdir(f"{root}/{key}")}
        if left and len(left) == len(before.containers):
            return  # it was not on the bridge
        from ctrscope.network.links import delete_link
        from ctrscope.network.nat import delete_rules, write_rules

        network = msgspec.structs.replace(before, containers=left)
        for key in before.containers.keys() - left.keys():
            delete_link(before.containers[key].link)
        if left:
            write_rules(network.bridge, network.subnet, _ports(network), lock)
            _write(root, network)
            return
        delete_rules(network.bridge, network.opened, lock)
        delete_link(network.bridge)
        if network.forwarding_was is not None:
            _write_sysctl(_FORWARD, network.forwarding_was)
        os.unlink(f"{root}/{_FILE}")


def find_plan(root: str, container_id: str) -> NetworkPlan | None:
    """What a container has, if it is on the bridge. Errors: LauncherError."""
    network = _read(root)
    return network.containers.get(container_id) if network else None


def find_resolvers() -> str:
    """Which file tells containers on the bridge who resolves names: one that does not name our loopback, if there is any."""
    for path in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        with suppress(OSError), open(path, "rb") as file:
            words = [line.split() for line in file]
            if any(line[:1] == [b"nameserver"] and not line[-1].startswith((b"127.", b"::1")) for line in words):
                return path
    return "/etc/resolv.conf"


def _new_network() -> _Network:
    from ipaddress import IPv4Network, ip_network

    from ctrscope.probes.rtnetlink import dump_network, parse_network

    there = parse_network(dump_network())
    used = [ip_network(route.dst) for route in there.routes if "." in route.dst]
    used += [ip_network(address, strict=False) for link in there.links for address in link.addresses if "." in address]
    subnet = next((one for one in map(IPv4Network, _SUBNETS) if not any(one.overlaps(other) for other in used)), None)
    if subnet is None:
        raise LauncherError("no private subnet of /24 is left beside the routes of this host: use --net none or --net host")
    names = {link.name for link in there.links}
    return _Network(
        bridge=next(name for number in range(1000) if (name := f"ctrscope{number}") not in names), subnet=str(subnet)
    )


def _take_port(port: Port, address: str, others: Mapping[str, NetworkPlan]) -> Port:
    """The port with both ends. Somebody else's listener would be cut off from the wire by our rule."""
    import socket

    for container_id, plan in others.items():
        for other in plan.ports:
            if (other.proto, other.host_port) == (port.proto, port.host_port) and (
                not other.host_ip or not port.host_ip or other.host_ip == port.host_ip
            ):
                raise LauncherError(
                    f"port {port.host_port}/{port.proto} is published by container {container_id}: choose another"
                )
    kind = socket.SOCK_STREAM if port.proto == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
        try:
            probe.bind((port.host_ip, port.host_port or 0))
        except OSError as error:
            where = f"{port.host_ip or '*'}:{port.host_port}/{port.proto}"
            whose = f"; ctrscope find :{port.host_port} tells whose it is" if error.errno == errno.EADDRINUSE else ""
            raise LauncherError(f"port {where} cannot be published: {error.strerror}{whose}") from None
        return msgspec.structs.replace(port, container_ip=address, host_port=probe.getsockname()[1])


def _ports(network: _Network) -> list[Port]:
    return [port for plan in network.containers.values() for port in plan.ports]


def _read(root: str) -> _Network | None:
    try:
        with open(f"{root}/{_FILE}", "rb") as file:
            return msgspec.json.decode(file.read(), type=_Network)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise LauncherError(f"{root}/{_FILE}: {error}; remove it with the links ctrscope… and the table of that name") from None


def _write(root: str, network: _Network) -> None:
    write_whole(f"{root}/{_FILE}", msgspec.json.encode(network))


def _write_sysctl(path: str, value: str) -> None:
    with step(f"network: setting {path} to {value}"), open(path, "w", encoding="utf-8") as file:
        file.write(value)
