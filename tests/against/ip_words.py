"""What ip(8), run inside a network namespace, says of it."""

import json
from collections.abc import Mapping
from typing import Any

from ctrscope.model.network import Link, NetworkNamespace
from tests.live.machine import run

#: Kind → our name of a detail → ip(8)'s.
_DETAILS = {
    "vlan": {"vlan id": "id"},
    "vxlan": {"vni": "id", "port": "port"},
    "macvlan": {"mode": "mode"},
    "macvtap": {"mode": "mode"},
    "ipvlan": {"mode": "mode"},
    "bond": {"mode": "mode"},
    "vrf": {"table": "table"},
    "tun": {"mode": "type"},
}


def ip(where: str, *question: str) -> Any:
    """`ip -j …` inside the namespace of a file: /proc/PID/ns/net, /run/netns/blue."""
    return json.loads(run("nsenter", f"--net={where}", "ip", "-j", *question) or "[]")


def ip_links(where: str) -> dict[str, Any]:
    """`ip -d -j addr` by the name of the link."""
    return {link["ifname"]: link for link in ip(where, "-d", "-s", "addr")}


def differences(namespace: NetworkNamespace, where: str) -> list[str]:
    """Where we and ip(8) say different things of one namespace: links with everything about them, routes, neighbours."""
    said = ip_links(where)
    names = {link.ifindex: link.name for link in namespace.links}
    found = [f"links {sorted(names.values())} != {sorted(said)}"] if sorted(names.values()) != sorted(said) else []
    for link in namespace.links:
        if link.name in said:
            found += [f"{link.name} {line}" for line in _of_link(link, said[link.name], names)]
    routes = [(r["dst"], r.get("gateway"), r.get("dev"), r.get("prefsrc")) for v in "46" for r in ip(where, f"-{v}", "route")]
    ours = [(_without_host_prefix(r.dst), r.gateway, r.dev, r.src) for r in namespace.routes]
    if ours != routes:
        found.append(f"routes {ours} != {routes}")
    neighbours = {(n["dst"], n.get("lladdr"), n["dev"]) for n in ip(where, "neigh")}
    if (told := {(n.address, n.mac, n.dev) for n in namespace.neighbours}) != neighbours:
        found.append(f"neighbours {told} != {neighbours}")
    return found


def _of_link(link: Link, said: Mapping[str, Any], names: Mapping[int | None, str]) -> list[str]:
    kind = said.get("linkinfo", {}).get("info_kind")
    data = said.get("linkinfo", {}).get("info_data", {})
    pairs = {
        "ifindex": (link.ifindex, said["ifindex"]),
        "kind": (link.kind, kind),
        "mac": (link.mac, said.get("address")),
        "mtu": (link.mtu, said["mtu"]),
        "state": (link.state, said["operstate"]),
        "up": (link.is_up, "UP" in said["flags"]),
        "carrier": (link.has_carrier, "LOWER_UP" in said["flags"]),
        "master": (names.get(link.master), said.get("master")),
        "addresses": (list(link.addresses), [f"{one['local']}/{one['prefixlen']}" for one in said["addr_info"]]),
        # Within one namespace ip(8) says the name of the other link, across namespaces its number.
        "peer": (link.peer_ifindex, said["link_index"] if "link_index" in said else _index(said.get("link"), names)),
        "nsid": (link.peer_netnsid, said.get("link_netnsid")),
        **{name: (link.details.get(name), str(data[key])) for name, key in _DETAILS.get(kind or "", {}).items()},
    }
    return [f"{name}: {ours!r} != {theirs!r}" for name, (ours, theirs) in pairs.items() if ours != theirs]


def _index(name: str | None, names: Mapping[int | None, str]) -> int | None:
    return next((ifindex for ifindex, one in names.items() if one == name), None)


def _without_host_prefix(dst: str) -> str:
    address, _, prefix = dst.partition("/")
    return address if prefix == ("128" if ":" in address else "32") else dst
