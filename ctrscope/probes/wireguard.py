"""Peers of a WireGuard link: who they are, where they were last seen, and when.

*Source:* kernel include/uapi/linux/wireguard.h, the generic netlink family ``wireguard``. Asked through pyroute2, which takes
270 ms to import: only where such a link is, hence the module of the kernel loaded. Needs CAP_NET_ADMIN in the namespace.
Private and preshared keys are in the answer too. They go no further than this file.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ctrscope.model.timestamp import rfc3339

Message = Mapping[str, Any]  # as pyroute2 decodes it: "attrs" is a list of (name, value)
#: More of them say nothing to a reader.
_MOST_PEERS = 100


def read_wireguard(name: str) -> dict[str, str]:
    """Details of the WireGuard link *name* in the network namespace of the calling thread. Errors: OSError."""
    from pyroute2 import WireGuard
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with WireGuard() as wireguard:
            return wireguard_details(wireguard.info(name))
    except NetlinkError as error:
        raise OSError(error.code, str(error)) from error


def wireguard_details(messages: Iterable[Message]) -> dict[str, str]:
    """Shape: ``port``, ``peers``, and for each peer a key ``peer ABCDEFGH…`` with endpoint, networks and last handshake.

    An answer of several messages goes on with the same peer: its further networks have no endpoint with them.
    """
    found: dict[str, str] = {}
    peers: dict[str, dict[str, Any]] = {}
    for message in messages:
        attributes = dict(message["attrs"])
        if "WGDEVICE_A_LISTEN_PORT" in attributes:
            found["port"] = str(attributes["WGDEVICE_A_LISTEN_PORT"])
        for peer in attributes.get("WGDEVICE_A_PEERS") or ():
            known = dict(peer["attrs"])
            key = known["WGPEER_A_PUBLIC_KEY"]["value"].decode("ascii", "replace")
            merged = peers.setdefault(key, {"networks": []})
            merged["endpoint"] = merged.get("endpoint") or known.get("WGPEER_A_ENDPOINT")
            merged["handshake"] = merged.get("handshake") or known.get("WGPEER_A_LAST_HANDSHAKE_TIME")
            merged["networks"] += [str(one["addr"]) for one in known.get("WGPEER_A_ALLOWEDIPS") or () if "addr" in one]
    found["peers"] = str(len(peers))
    for key, peer in list(peers.items())[:_MOST_PEERS]:
        found[f"peer {key[:8]}…"] = _words(peer)
    return found


def _words(peer: Mapping[str, Any]) -> str:
    endpoint = peer.get("endpoint")
    where = f"{_bracketed(endpoint['addr'])}:{endpoint['port']}" if endpoint else "nowhere yet"
    seconds = (peer.get("handshake") or {}).get("tv_sec", 0)
    when = f"last heard {rfc3339(float(seconds))}" if seconds else "never heard"
    return " ".join([where, *peer["networks"], when])


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
