"""A real WireGuard link with two peers, as `ctrscope net` shows it."""

import subprocess
from base64 import b64encode

import pytest

from ctrscope.probes.hostfs import HostFs
from ctrscope.probes.netns import run_in_network_namespace
from ctrscope.probes.rtnetlink import read_network
from tests.kernel.networks import network_namespace
from tests.requirements import require, require_root

_KEYS = {letter: b64encode(letter.encode() * 32).decode() for letter in "PQS"}


def test_peers_are_told_and_no_key_is_but_the_beginning_of_public_ones() -> None:
    require_root()
    require("ip", "unshare", "nsenter")
    with network_namespace() as one:
        add = ["nsenter", f"--net=/proc/{one.pid}/ns/net", "ip", "link", "add", "wg0", "type", "wireguard"]
        made = subprocess.run(add, capture_output=True, check=False)
        if made.returncode != 0:
            pytest.skip("this kernel has no WireGuard")
        run_in_network_namespace(one.pid, _set_peers)
        reading = read_network(HostFs(), one.pid, "x")
    assert reading.value is not None
    (link,) = [link for link in reading.value.links if link.name == "wg0"]
    assert (link.kind, link.details["port"], link.details["peers"]) == ("wireguard", "51820", "2")
    assert link.details[f"peer {_KEYS['P'][:8]}…"] == "198.51.100.9:51821 10.0.0.0/24 2001:db8::/64 never heard"
    assert link.details[f"peer {_KEYS['Q'][:8]}…"] == "nowhere yet 10.0.1.1/32 never heard"
    assert not any(key in str(link) for key in _KEYS.values())


def _set_peers() -> None:
    from pyroute2 import WireGuard

    with WireGuard() as wireguard:
        wireguard.set("wg0", private_key=_KEYS["S"], listen_port=51820)
        first = {"public_key": _KEYS["P"], "endpoint_addr": "198.51.100.9", "endpoint_port": 51821}
        wireguard.set("wg0", peer={**first, "preshared_key": _KEYS["S"], "allowed_ips": ["10.0.0.0/24", "2001:db8::/64"]})
        wireguard.set("wg0", peer={"public_key": _KEYS["Q"], "allowed_ips": ["10.0.1.1/32"]})
