"""What pyroute2 decodes of a WireGuard link, from literal messages."""

from ctrscope.probes.wireguard import wireguard_details

KEY = b"UFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFA="
PEER = {
    "attrs": [
        ("WGPEER_A_PUBLIC_KEY", {"key": b"P" * 32, "value": KEY}),
        ("WGPEER_A_PRESHARED_KEY", {"key": b"S" * 32, "value": b"U1NTUw=="}),
        ("WGPEER_A_ENDPOINT", {"family": 10, "port": 51821, "addr": "2001:db8::9"}),
        ("WGPEER_A_LAST_HANDSHAKE_TIME", {"tv_sec": 1_700_000_000, "tv_nsec": 5, "latest handshake": "…"}),
        ("WGPEER_A_ALLOWEDIPS", [{"addr": "10.0.0.0/24", "attrs": []}]),
    ]
}
DEVICE = {
    "attrs": [
        ("WGDEVICE_A_PRIVATE_KEY", {"key": b"S" * 32, "value": b"U1NTUw=="}),
        ("WGDEVICE_A_LISTEN_PORT", 51820),
        ("WGDEVICE_A_PEERS", [PEER]),
    ]
}


def test_a_peer_is_where_it_is_and_when_it_was_heard() -> None:
    assert wireguard_details([DEVICE]) == {
        "port": "51820",
        "peers": "1",
        "peer UFBQUFBQ…": "[2001:db8::9]:51821 10.0.0.0/24 last heard 2023-11-14T22:13:20.000Z",
    }


def test_a_second_message_goes_on_with_the_same_peer() -> None:
    more = {
        "attrs": [
            ("WGPEER_A_PUBLIC_KEY", {"key": b"P" * 32, "value": KEY}),
            ("WGPEER_A_ALLOWEDIPS", [{"addr": "10.0.9.0/24", "attrs": []}]),
        ]
    }
    found = wireguard_details([DEVICE, {"attrs": [("WGDEVICE_A_PEERS", [more])]}])
    assert found["peers"] == "1"
    assert found["peer UFBQUFBQ…"].startswith("[2001:db8::9]:51821 10.0.0.0/24 10.0.9.0/24 last heard")


def test_a_link_without_peers_has_none() -> None:
    assert wireguard_details([{"attrs": [("WGDEVICE_A_LISTEN_PORT", 0)]}]) == {"port": "0", "peers": "0"}
