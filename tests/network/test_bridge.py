"""What the launcher's network is to be: ports as they are given, the rules they become, names in files."""

import io

import pytest

from ctrscope.model.container import Port
from ctrscope.network.bridge import find_resolvers, parse_port
from ctrscope.network.nat import rules_text
from ctrscope.oci.errors import LauncherError


def port(**changes: object) -> Port:
    facts = {"proto": "tcp", "host_ip": "", "host_port": 8080, "container_ip": None, "container_port": 80}
    return Port(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8080:80", port()),
        ("8080:80/tcp", port()),
        ("53:5353/udp", port(proto="udp", host_port=53, container_port=5353)),
        ("127.0.0.1:8080:80", port(host_ip="127.0.0.1")),
        ("0.0.0.0:8080:80", port()),
        ("80", port(host_port=None)),
        ("127.0.0.1::80", port(host_ip="127.0.0.1", host_port=None)),
    ],
)
def test_a_port_is_told_as_engines_are_told(text: str, expected: Port) -> None:
    assert parse_port(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0",
        "80:0",
        "65536",
        "1:65536",
        "-1:80",
        "80/sctp",
        "80-90:80",
        "1.2.3:80:80",
        "a.b.c.d:1:1",
        "[::1]:80:80",
        "٨٠",
    ],
)
def test_what_is_no_port_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(LauncherError, match="expected") as caught:
        parse_port(text)
    assert caught.value.status == 2


def test_a_port_becomes_three_rules() -> None:
    rules = rules_text(
        "ctrscope0",
        "10.1.2.0/24",
        [port(container_ip="10.1.2.2"), port(proto="udp", host_ip="192.0.2.1", container_ip="10.1.2.3")],
    )
    lines = [line.strip() for line in rules.splitlines()]
    assert lines.count("fib daddr type local tcp dport 8080 dnat to 10.1.2.2:80") == 2  # what comes in, what this host sends
    assert lines.count("ip daddr 192.0.2.1 udp dport 8080 dnat to 10.1.2.3:80") == 2
    accepted = lines.index('oifname "ctrscope0" ip daddr 10.1.2.2 tcp dport 80 accept')
    assert accepted < lines.index('oifname "ctrscope0" drop')


def test_where_the_hosts_own_resolver_is_meant_containers_are_told_those_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/etc/resolv.conf": b"nameserver 127.0.0.53\n", "/run/systemd/resolve/resolv.conf": b"nameserver 192.0.2.53\n"}
    monkeypatch.setattr("builtins.open", lambda path, mode: io.BytesIO(files[path]))
    assert find_resolvers() == "/run/systemd/resolve/resolv.conf"
    files["/etc/resolv.conf"] = b"# two\nnameserver 127.0.0.1\nnameserver 192.0.2.53\n"
    assert find_resolvers() == "/etc/resolv.conf"
